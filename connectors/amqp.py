"""AMQP 0.9.1 as a source (RabbitMQ): durable queues, acknowledged by hand when Kafka has what came.

Two queues, bound to a topic exchange by the templates: one for readings, one for events, so that a last gasp waits
behind no backlog of readings. What is not acknowledged comes again, after a lost connection and after a killed bridge;
several bridges that consume from the same queues share the messages. Acknowledgements leave in the order of arrival,
many in one frame; those of an older connection never do, for a new one counts its deliveries from 1 again. A queue that
is deleted, or whose node fails, ends its consumer while the connection stays (Basic.Cancel): then too it connects anew.

The identity is the property user-id, which RabbitMQ lets nobody set to another's name (validated user-id); a message
without it is nobody's. Runs in its caller's thread on pika's BlockingConnection.
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker

from connectors.amqp_properties import text
from connectors.client_tls import OPTIONS, client_context
from connectors.decode.readings import Carries
from connectors.options import bridge_fault, check_options
from connectors.rate_limit import rate_limit
from connectors.source import Delivery
from connectors.topic_template import address_of, templates_of
from schemas.errors import Unavailable
from schemas.topology import Bridge

log = logging.getLogger("connectors.amqp")

PREFETCH = 4_096
"""Messages that may be under way unacknowledged, of each of the two queues."""

_OPTIONS = ("exchange", "queue", *OPTIONS)
_DEFAULT_EXCHANGE = "amq.topic"
_CONNECT_TIMEOUT_S = 5.0
_HEARTBEAT_S = 30


@dataclass(slots=True, eq=False)
class AmqpDelivery(Delivery):
    """A message with its delivery tag."""

    tag: int = 0
    acknowledged: bool = False


class AmqpSource:
    """One connection to one broker. `instance` says nothing here: whoever consumes from the queues shares them."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        check_options(bridge, _OPTIONS)
        try:
            self._templates = templates_of(bridge)
            self._parameters = _parameters(bridge)
        except (ValueError, OSError) as error:  # OSError: a file of TLS
            remedy = "write keys as meters.{profile}.{meter}.reading, the url as amqp://user:password@host:5672/vhost"
            raise bridge_fault(bridge, error, remedy) from error
        self._exchange = bridge.options.get("exchange") or _DEFAULT_EXCHANGE
        self._limit = rate_limit(bridge)
        self._queue = bridge.options.get("queue") or f"flexmeter-{bridge.name}"
        self._connection: Any = None
        self._channel: Any = None
        self._is_cancelled = False
        self._arrived: deque[AmqpDelivery] = deque()
        self._urgent: deque[AmqpDelivery] = deque()
        self._unacknowledged: deque[AmqpDelivery] = deque()

    def receive(self, timeout_s: float, at_most: int) -> Sequence[AmqpDelivery]:
        """See Source."""
        try:
            if self._connection is None:
                self._connect()
            self._flush()
            is_waiting = bool(self._arrived or self._urgent)
            self._connection.process_data_events(0 if is_waiting and at_most else timeout_s)
            self._check_consumers()
        except (AMQPError, OSError) as error:
            self._forget()
            raise self._unavailable(error) from error
        given = [self._next() for _ in range(min(at_most, len(self._arrived) + len(self._urgent)))]
        if self._limit is not None:
            self._limit.count(given, time.monotonic())
        return given

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source. Tells the broker with the next `receive`, or at the end."""
        assert isinstance(delivery, AmqpDelivery)
        delivery.acknowledged = True

    def close(self) -> None:
        """See Source. What was received and not taken goes back to its queue."""
        if self._connection is not None:
            with suppress(AMQPError, OSError):
                self._flush()
                self._connection.close()

    def _next(self) -> AmqpDelivery:
        return (self._urgent or self._arrived).popleft()

    def _connect(self) -> None:
        self._connection = pika.BlockingConnection(self._parameters)
        channel: BlockingChannel = self._connection.channel()
        channel.add_on_cancel_callback(self._on_cancel)
        channel.basic_qos(prefetch_count=PREFETCH)
        for carries, name in ((Carries.READING, self._queue), (Carries.EVENT, f"{self._queue}-events")):
            templates = [template for template in self._templates if template.carries is carries]
            if not templates:
                continue
            channel.queue_declare(name, durable=True)
            for template in templates:
                channel.queue_bind(name, self._exchange, template.binding_key())
            channel.basic_consume(name, self._on_reading if carries is Carries.READING else self._on_event)
        self._channel = channel
        log.info("connected to %s:%d, queue %s", self._parameters.host, self._parameters.port, self._queue)

    def _check_consumers(self) -> None:
        """Raises AMQPError where nothing will come any more, of which pika says nothing by itself.

        What has arrived of a queue that was deleted is nowhere else: it is given to the bridge first.
        """
        if self._arrived or self._urgent:
            return
        if self._is_cancelled:
            raise AMQPError("it gives us no more of a queue, which was deleted or whose node failed")
        if not self._channel.is_open:
            raise AMQPError("it closed the channel: its log says why")

    def _flush(self) -> None:
        """Acknowledge, in one frame, everything up to the first that Kafka does not have yet."""
        tag = 0
        while self._unacknowledged and self._unacknowledged[0].acknowledged:
            tag = self._unacknowledged.popleft().tag
        if tag:
            self._channel.basic_ack(tag, multiple=True)

    def _forget(self) -> None:
        """The connection is gone, and with it the tags of everything that came by it."""
        connection, self._connection, self._is_cancelled = self._connection, None, False
        for waiting in (self._arrived, self._urgent, self._unacknowledged):
            waiting.clear()
        with suppress(AMQPError, OSError):
            if connection is not None and connection.is_open:
                connection.close()

    def _on_cancel(self, _frame: object) -> None:
        self._is_cancelled = True

    def _on_reading(self, _channel: object, method: Any, properties: Any, body: bytes) -> None:
        self._arrived.append(self._delivery(method, properties, body))

    def _on_event(self, _channel: object, method: Any, properties: Any, body: bytes) -> None:
        self._urgent.append(self._delivery(method, properties, body))

    def _delivery(self, method: Any, properties: Any, body: bytes) -> AmqpDelivery:
        address = address_of(text(method.routing_key), self._templates)
        delivery = AmqpDelivery(body, address, properties.user_id or "", tag=method.delivery_tag)
        self._unacknowledged.append(delivery)
        return delivery

    def _unavailable(self, error: Exception) -> Unavailable:
        place = f"amqp at {self._parameters.host}:{self._parameters.port}"
        if isinstance(error, (ConnectionClosedByBroker, ChannelClosedByBroker)):
            return Unavailable(place, f"it refuses us: {error.reply_code} {error.reply_text}")
        return Unavailable(place, str(error) or type(error).__name__)


def _parameters(bridge: Bridge) -> Any:
    """Where the broker is and who we are there.

    Raises:
        ValueError, OSError: the url, or a file of TLS, cannot be used.

    """
    parameters = pika.URLParameters(bridge.url)
    parameters.heartbeat = _HEARTBEAT_S
    parameters.socket_timeout = parameters.stack_timeout = _CONNECT_TIMEOUT_S
    parameters.blocked_connection_timeout = None
    parameters.client_properties = {"connection_name": f"flexmeter-{bridge.name}"}
    if bridge.url.startswith("amqps://"):
        parameters.ssl_options = pika.SSLOptions(client_context(bridge.options), parameters.host)
    return parameters
