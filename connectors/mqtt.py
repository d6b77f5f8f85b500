"""MQTT 5 as a source: QoS 1, acknowledged by hand, in a session that outlives the connection.

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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
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
from connectors.options import bridge_fault, check_options
from connectors.source import Delivery
from connectors.topic_template import TopicTemplate, address_of
from schemas.errors import Unavailable
from schemas.topology import Bridge

log = logging.getLogger("connectors.mqtt")

RECEIVE_MAXIMUM = 8_192
"""How many messages may be under way unacknowledged: what arrives at full speed in twice the linger."""

_KNOWN_TOPICS = 131_072
"""Topics whose meaning is remembered: there is one for each meter."""
_SESSION_EXPIRY_S = 24 * 3_600
_KEEPALIVE_S = 30
_CONNECT_TIMEOUT_S = 3.0
_OPTIONS = ("ca_file", "cert_file", "key_file")
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(slots=True, eq=False)
class MqttDelivery(Delivery):
    """A message with its packet identifier; 0 for QoS 0, which knows no acknowledgement."""

    packet_id: int = 0
    acknowledged: bool = False


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


class MqttSource:
    """One subscription to one broker. `instance` names one of several that share the bridge's messages."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        try:
            self._address = MqttAddress.parse(bridge.url)
            self._templates = [TopicTemplate.parse(text) for text in bridge.subscribe]
        except ValueError as error:
            remedy = "write it as malmo/{profile}/{meter}/reading, the url as mqtt://host:port"
            raise bridge_fault(bridge, error, remedy) from error
        self._group = f"$share/flexmeter-{bridge.name}/" if instance else ""
        self._address_of = lru_cache(_KNOWN_TOPICS)(self._new_address)
        self._arrived: list[MqttDelivery] = []
        self._unacknowledged: deque[MqttDelivery] = deque()
        self._connected = False
        self._fault = ""
        self._client = self._new_client(f"flexmeter-{bridge.name}" + (f"-{instance}" if instance else ""))
        _set_credentials(self._client, self._address, bridge)

    def receive(self, timeout_s: float, at_most: int) -> Sequence[MqttDelivery]:
        """See Source."""
        if not self._connected:
            self._connect()
        self._work(timeout_s, at_most)
        arrived, self._arrived = self._arrived, []
        if not self._connected and not arrived:
            raise self._unavailable()
        return arrived

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source."""
        assert isinstance(delivery, MqttDelivery)
        delivery.acknowledged = True
        while self._unacknowledged and self._unacknowledged[0].acknowledged:
            self._client.acknowledge(self._unacknowledged.popleft().packet_id)

    def close(self) -> None:
        """See Source. The session stays, and what comes meanwhile waits in it."""
        connection = self._client.socket()
        if connection is None:
            return
        # paho closes at once; closing with something unread resets the line, and the last acknowledgements are lost.
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            deadline = time.monotonic() + _CONNECT_TIMEOUT_S
            self._client.disconnect()
            while self._client.socket() is not None and self._client.want_write() and time.monotonic() < deadline:
                _wait(connection, True, 0.1)
                self._client.loop_write()
            line.settimeout(_CONNECT_TIMEOUT_S)
            with suppress(OSError):
                while line.recv(65_536) and time.monotonic() < deadline:
                    pass

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

    def _connect(self) -> None:
        """Until the broker has let us in. Its answer to the subscriptions comes later, behind the session's backlog."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._fault = ""
        self._unacknowledged.clear()
        try:
            self._client.connect(
                self._address.host, self._address.port, _KEEPALIVE_S, clean_start=False, properties=properties
            )
        except OSError as error:  # refused, unreachable, name unknown, TLS
            self._fault = str(error)
            raise self._unavailable() from error
        deadline = time.monotonic() + _CONNECT_TIMEOUT_S
        while not self._connected and not self._fault and time.monotonic() < deadline:
            self._work(0.1, 1)
        if not self._connected:
            self._fault = self._fault or "connected, but it does not answer"
            self._client.disconnect()
            raise self._unavailable()

    def _work(self, timeout_s: float, at_most: int) -> None:
        """Read what there is, up to `at_most` messages, write what is due, keep alive."""
        connection = self._client.socket()
        if connection is None:
            return
        self._client.flush()
        if at_most and not self._client.has_read_ahead and not _has_decrypted(connection):
            _wait(connection, self._client.want_write() or self._client.has_held_back, timeout_s)
        while at_most > len(self._arrived):
            before = len(self._arrived)
            self._client.loop_read()  # one packet, or none: it does not say which
            if len(self._arrived) == before:
                break
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()
        self._client.flush()

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"mqtt at {self._address.host}:{self._address.port}", self._fault or "connection lost")

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
        log.info(
            "connected to %s:%d%s",
            self._address.host,
            self._address.port,
            ", session continued" if flags.session_present else ", new session",
        )
        self._connected = True
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(self._group + template.filter(), options) for template in self._templates])

    def _on_subscribe(
        self, client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._fault = f"it refuses the subscription: {', '.join(refused)}"
            client.disconnect()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: Any,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._connected = False
        self._fault = self._fault or f"connection lost: {reason}"
        self._unacknowledged.clear()

    def _new_address(self, topic: bytes) -> Address:
        try:
            return address_of(topic.decode(), self._templates)
        except UnicodeDecodeError:  # a broker must not let it pass (MQTT 5, 1.5.4-1)
            return address_of("(topic is not UTF-8)", self._templates)

    def _take(self, topic: bytes, payload: bytes, packet_id: int) -> None:
        address = self._address_of(topic)
        delivery = MqttDelivery(payload, address, address.identity, packet_id=packet_id)
        self._arrived.append(delivery)
        if packet_id:
            self._unacknowledged.append(delivery)


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
    check_options(bridge, _OPTIONS)
    if address.user:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        context = ssl.create_default_context(cafile=bridge.options.get("ca_file") or None)
        if bridge.options.get("cert_file"):
            context.load_cert_chain(bridge.options["cert_file"], bridge.options.get("key_file") or None)
        client.tls_set_context(context)


def _has_decrypted(connection: Any) -> bool:
    """TLS has read ahead: the operating system's socket would not show it."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _wait(connection: Any, also_write: bool, timeout_s: float) -> None:
    poller = select.poll()
    poller.register(connection, select.POLLIN | (select.POLLOUT if also_write else 0))
    poller.poll(timeout_s * 1_000)
