"""MQTT 5 as a source: QoS 1, acknowledged by hand, in sessions that outlive the connection (mqtt_session.py).

Two sessions, one for readings, one for events, so that a last gasp waits behind no backlog of readings.
"""

import logging
import time
from collections.abc import Sequence
from functools import lru_cache

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import Counter

from connectors.client_tls import OPTIONS, client_context
from connectors.decode.readings import Address, Carries
from connectors.mqtt_session import MqttAddress, MqttDelivery, MqttSession, wait
from connectors.options import bridge_fault, check_options
from connectors.rate_limit import rate_limit
from connectors.source import Delivery
from connectors.topic_template import LONGEST_ADDRESS, address_of, templates_of
from schemas.errors import Unavailable
from schemas.topology import Bridge

log = logging.getLogger("connectors.mqtt")

_KNOWN_TOPICS = 131_072
"""Topics whose meaning is remembered: there is one for each meter."""

QOS_0 = Counter(
    "flexmeter_mqtt_qos0_received", "Messages with QoS 0, of which nobody keeps what is lost on the way", ["bridge"]
)


class MqttSource:
    """Subscriptions at one broker. `instance` names one of several that share the bridge's messages."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        try:
            self._address = MqttAddress.parse(bridge.url)
            self._templates = templates_of(bridge)
        except ValueError as error:
            remedy = "write it as malmo/{profile}/{meter}/reading, the url as mqtt://host:port"
            raise bridge_fault(bridge, error, remedy) from error
        self._known_address = lru_cache(_KNOWN_TOPICS)(self._new_address)
        name = f"flexmeter-{bridge.name}" + (f"-{instance}" if instance else "")
        group = f"$share/flexmeter-{bridge.name}/" if instance else ""
        events, readings = (
            [group + template.filter() for template in self._templates if template.carries is carries]
            for carries in (Carries.EVENT, Carries.READING)
        )
        wanted = [(f"{name}-events", events, []), (name, readings, events)]
        self._sessions = [
            MqttSession(self._address, client_id, filters, dropped, self._address_of, QOS_0.labels(bridge.name).inc)
            for client_id, filters, dropped in wanted
            if filters
        ]
        for session in self._sessions:
            _set_credentials(session.client, self._address, bridge)
        self._limit = rate_limit(bridge)

    def receive(self, timeout_s: float, at_most: int) -> Sequence[MqttDelivery]:
        """See Source. Events first."""
        self._connect()
        if at_most and not any(session.has_read_ahead or session.arrived for session in self._sessions):
            wait(self._sessions, timeout_s)
        arrived: list[MqttDelivery] = []
        for session in self._sessions:
            arrived += session.read(at_most - len(arrived))
        lost = next((session for session in self._sessions if not session.connected), None)
        if lost is not None and not arrived:
            raise lost.unavailable()
        if self._limit is not None:
            self._limit.count(arrived, time.monotonic())
        return arrived

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source."""
        assert isinstance(delivery, MqttDelivery)
        delivery.session.acknowledge(delivery)

    def close(self) -> None:
        """See Source. The sessions stay, and what comes meanwhile waits in them."""
        for session in self._sessions:
            session.close()

    def _connect(self) -> None:
        """Those that are not connected; raises Unavailable."""
        away = [session for session in self._sessions if not session.connected]
        for session in away:
            session.connect()
        if away:
            kind = "new session" if any(session.is_new for session in away) else "session continued"
            log.info("connected to %s:%d, %s", self._address.host, self._address.port, kind)

    def _address_of(self, topic: bytes) -> Address:
        if len(topic) > LONGEST_ADDRESS:
            return address_of(f"(topic of {len(topic)} bytes)", self._templates)
        return self._known_address(topic)

    def _new_address(self, topic: bytes) -> Address:
        try:
            return address_of(topic.decode(), self._templates)
        except UnicodeDecodeError:  # a broker must not let it pass (MQTT 5, 1.5.4-1)
            return address_of("(topic is not UTF-8)", self._templates)


def publish(bridge: Bridge, topic: str, payload: bytes, timeout_s: float = 10.0) -> None:
    """Publish one message with QoS 1 where the bridge listens, as a device would; returns when the broker has it.

    Raises:
        Unavailable: the broker cannot be reached, or does not confirm in time.

    """
    address = MqttAddress.parse(bridge.url)
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    _set_credentials(client, address, bridge)
    try:
        client.connect(address.host, address.port)
        client.loop_start()
        message = client.publish(topic, payload, qos=1)
        message.wait_for_publish(timeout_s)
        if not message.is_published():
            raise Unavailable(f"mqtt at {address.host}:{address.port}", "it does not confirm the message")
    except (OSError, RuntimeError) as error:
        raise Unavailable(f"mqtt at {address.host}:{address.port}", str(error)) from error
    finally:
        client.disconnect()
        client.loop_stop()


def _set_credentials(client: paho.Client, address: MqttAddress, bridge: Bridge) -> None:
    check_options(bridge, OPTIONS)
    if address.user:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set_context(client_context(bridge.options))
