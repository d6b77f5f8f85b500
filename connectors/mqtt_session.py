"""One MQTT 5 session with a broker: connects, subscribes, reads, acknowledges in order.

What is not acknowledged comes again: after a lost connection and after a killed process, from a session that the
broker keeps for a day under a stable client id. Acknowledgements leave in the order in which the messages came
(MQTT 5, 4.6.0-2); those of an older connection are never sent, for a new one uses the packet identifiers again.
Retained messages are not asked for (3.8.3.1, retain handling 2): they are state of unknown age, not readings.

Runs in its caller's thread on paho's `loop_read`, `loop_write` and `loop_misc` (mqtt_client.py).
"""

import logging
import os
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.decode.readings import Address
from connectors.mqtt_client import BufferedClient
from connectors.source import Delivery
from schemas.errors import Unavailable

RECEIVE_MAXIMUM = 8_192
"""How many messages may be under way unacknowledged: what arrives at full speed in twice the linger."""

LARGEST_PACKET_BYTES = 16 << 20
"""What is longer the broker drops (MQTT 5, 3.1.2.11.4): decoders read 1 MB, and dead letters keep less."""
MOST_AHEAD_BYTES = 32 << 20
"""Of payloads that are read and not yet given to the bridge."""

_SESSION_EXPIRY_S = 24 * 3_600
_KEEPALIVE_S = 30
_CONNECT_TIMEOUT_S = 3.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_GRANTED_QOS_0 = 0
"""The reason code in a SUBACK (MQTT 5, 3.9.3)."""

log = logging.getLogger("connectors.mqtt")


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """Where the broker is and who we are there; empty texts are left out.

    >>> MqttAddress.parse("mqtts://bridge:s%3Acret@mqtt.example.org")
    MqttAddress(host='mqtt.example.org', port=8883, tls=True, user='bridge', password='s:cret')
    """

    host: str
    port: int
    tls: bool
    user: str
    password: str

    @classmethod
    def parse(cls, url: str) -> "MqttAddress":
        """Take apart `mqtt://` or `mqtts://[user:password@]host[:port]`, the parts percent-encoded (RFC 3986)."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or _PORTS[parts.scheme],
            tls=parts.scheme == "mqtts",
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


class MqttSession:
    """`client_id` names the session; `filters` are subscribed, `dropped` are no more, if an older version had them."""

    def __init__(
        self,
        address: MqttAddress,
        client_id: str,
        filters: Sequence[str],
        dropped: Sequence[str],
        address_of: Callable[[bytes], Address],
        count_qos_0: Callable[[], None],
    ) -> None:
        self.connected = False
        self.is_new = False
        """Whether the broker had no session of that name when it was connected last."""
        self.arrived: list[MqttDelivery] = []
        """Read and not yet given to the bridge: so many bytes of payload."""
        self._arrived_bytes = 0
        self._address = address
        self._place = f"mqtt at {address.host}:{address.port}"
        self._filters = filters
        self._dropped = dropped
        self._address_of = address_of
        self._count_qos_0 = count_qos_0
        self._is_subscribed = False
        self._was_refused = False
        self._unacknowledged: deque[MqttDelivery] = deque()
        self._fault = ""
        self.client = self._new_client(client_id)

    def connect(self) -> None:
        """Until the broker has let us in, and a new session is subscribed. An old one has its subscriptions: the answer
        to their renewal comes later, behind its backlog.

        Raises:
            Unavailable: it does not.

        """
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = LARGEST_PACKET_BYTES
        self._fault, self._is_subscribed = "", False
        self._unacknowledged.clear()
        self.arrived, self._arrived_bytes = [], 0
        try:
            self.client.connect(
                self._address.host, self._address.port, _KEEPALIVE_S, clean_start=False, properties=properties
            )
        except OSError as error:  # refused, unreachable, name unknown, TLS
            self._fault = str(error)
            raise self.unavailable() from error
        deadline = time.monotonic() + _CONNECT_TIMEOUT_S
        while not self._is_ready and not self._fault and time.monotonic() < deadline:
            if not self.has_read_ahead:
                wait([self], 0.1)
            self._read(len(self.arrived) + 1)
        if not self._is_ready:
            self._fault = self._fault or "connected, but it does not answer"
            self.client.disconnect()
            self.connected = False
            raise self.unavailable()

    @property
    def _is_ready(self) -> bool:
        """A new session is when it is subscribed. An old one is at once, unless its subscriptions were refused last."""
        return self.connected and (self._is_subscribed or not (self.is_new or self._was_refused))

    def close(self) -> None:
        """Leave in peace. The session stays, and what comes meanwhile waits in it."""
        connection = self.client.socket()
        if connection is None:
            return
        # paho closes at once; closing with something unread resets the line, and the last acknowledgements are lost.
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            deadline = time.monotonic() + _CONNECT_TIMEOUT_S
            self.client.disconnect()
            while self.client.socket() is not None and self.client.want_write() and time.monotonic() < deadline:
                _wait(connection, 0.1)
                self.client.loop_write()
            line.settimeout(_CONNECT_TIMEOUT_S)
            with suppress(OSError):
                while line.recv(65_536) and time.monotonic() < deadline:
                    pass

    def acknowledge(self, delivery: "MqttDelivery") -> None:
        """Kafka has it; the broker is told when it has all before it."""
        delivery.acknowledged = True
        while self._unacknowledged and self._unacknowledged[0].acknowledged:
            self.client.acknowledge(self._unacknowledged.popleft().packet_id)

    @property
    def has_read_ahead(self) -> bool:
        """Whether there is something to read that the operating system's socket does not show."""
        connection = self.client.socket()
        decrypted = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        return self.client.has_read_ahead or decrypted

    def read(self, at_most: int) -> "list[MqttDelivery]":
        """Read what there is, up to `at_most` messages, write what is due, keep alive.

        Where none is wanted it reads as far as the broker sends: behind that stands the answer to our ping.
        """
        self._read(at_most or RECEIVE_MAXIMUM)
        given, self.arrived = self.arrived[:at_most], self.arrived[at_most:]
        self._arrived_bytes = sum(len(delivery.payload) for delivery in self.arrived)
        return given

    def _read(self, at_most: int) -> None:
        if self.client.socket() is None:
            return
        while at_most > len(self.arrived) and self._arrived_bytes < MOST_AHEAD_BYTES:
            before = len(self.arrived)
            self.client.loop_read()  # one packet, or none: it does not say which
            if len(self.arrived) == before:
                break
        if self.client.want_write():
            self.client.loop_write()
        self.client.loop_misc()
        self.client.flush()

    def unavailable(self) -> Unavailable:
        """Why there is no connection."""
        return Unavailable(self._place, self._fault or "connection lost")

    def _new_client(self, client_id: str) -> BufferedClient:
        client = BufferedClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.take = self._take
        return client

    def _on_connect(
        self,
        client: paho.Client,
        _data: Any,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._fault = f"it refuses us: {reason}"
            return
        self.is_new = not flags.session_present
        self.connected = True
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(text, options) for text in self._filters])
        if self._dropped and flags.session_present:
            client.unsubscribe(list(self._dropped))

    def _on_subscribe(
        self, client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self._was_refused = bool(refused)
        if refused:
            self._fault = f"it refuses the subscription: {', '.join(refused)}"
            client.disconnect()
            return
        self._is_subscribed = True
        if any(reason.value == _GRANTED_QOS_0 for reason in reasons):
            log.warning("%s gives us QoS 0 alone: what is lost on the way is lost", self._place)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: Any,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.connected = False
        self._fault = self._fault or f"connection lost: {reason}"
        self._unacknowledged.clear()

    def _take(self, topic: bytes, payload: bytes, packet_id: int) -> None:
        address = self._address_of(topic)
        delivery = MqttDelivery(payload, address, address.identity, packet_id=packet_id, session=self)
        self.arrived.append(delivery)
        self._arrived_bytes += len(payload)
        if packet_id:
            self._unacknowledged.append(delivery)
        else:
            self._count_qos_0()


@dataclass(slots=True, eq=False)
class MqttDelivery(Delivery):
    """A message with its packet identifier in its session; 0 for QoS 0, which knows no acknowledgement."""

    packet_id: int = 0
    acknowledged: bool = False
    session: MqttSession = field(kw_only=True, repr=False)


def wait(sessions: Sequence[MqttSession], timeout_s: float) -> None:
    """Until one of them has something to read, or to write what it must; or so long."""
    poller = select.poll()
    for session in sessions:
        session.client.flush()
        connection = session.client.socket()
        if connection is not None:
            writes = session.client.want_write() or session.client.has_held_back
            poller.register(connection, select.POLLIN | (select.POLLOUT if writes else 0))
    poller.poll(timeout_s * 1_000)


def _wait(connection: Any, timeout_s: float) -> None:
    poller = select.poll()
    poller.register(connection, select.POLLIN | select.POLLOUT)
    poller.poll(timeout_s * 1_000)
