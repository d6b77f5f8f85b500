"""Several MQTT 5 connections, as gateways have them, driven by one loop in one thread.

QoS 1; a gateway sends in order and has at most so many messages under way as the broker's Receive Maximum
(MQTT 5, 3.2.2.3.3) and our own limit allow. A connection that is lost is opened again, and paho sends what was not
acknowledged once more, in order. Without paho's threads a process sends about twice as much.
"""

import logging
import select
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from connectors.mqtt_session import MqttAddress
from schemas.errors import Unavailable

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 500
PUMP_EVERY = 64
RETRY_S = 0.5
KEEPALIVE_S = 60


def never() -> bool:
    """Nobody asks us to stop."""
    return False


@dataclass(slots=True)
class Gateway:
    """One connection; `under_way` = packet id -> kind of what the broker has not answered yet."""

    client: Client
    limit: int = MAX_IN_FLIGHT
    up: bool = False
    under_way: dict[int, str] = field(default_factory=dict)
    acknowledged: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    retry_at: float = 0.0


@dataclass(slots=True)
class Uplink:
    """The gateways of one process. Not for several threads."""

    gateways: list[Gateway]
    host: str
    port: int
    stopping: Callable[[], bool] = never
    unpumped: int = 0

    @property
    def acknowledged(self) -> Counter[str]:
        """Messages that the broker has taken, by kind."""
        return sum((g.acknowledged for g in self.gateways), Counter())

    @property
    def refused(self) -> int:
        """Messages that the broker answered with an error."""
        return sum(g.refused for g in self.gateways)

    @property
    def under_way(self) -> int:
        """Messages sent and not yet answered."""
        return sum(len(g.under_way) for g in self.gateways)

    def send(self, gateway: int, topic: str, payload: bytes, kind: str) -> bool:
        """Send one message; waits while the gateway has no connection, or too much under way.

        False: not sent, because we are to stop.
        """
        link = self.gateways[gateway]
        self.unpumped += 1
        if self.unpumped >= PUMP_EVERY:
            self.pump(0)
        while not link.up or len(link.under_way) >= link.limit:
            if self.stopping():
                return False
            self.pump(0.05)
        link.under_way[link.client.publish(topic, payload, qos=1).mid] = kind
        return True

    def pump(self, timeout_s: float) -> None:
        """Read and write what can be; open again what was lost; return after `timeout_s` without news."""
        self.unpumped = 0
        for link in self.gateways:
            self._open(link)
        sockets = {s: link.client for link in self.gateways if (s := link.client.socket()) is not None}
        if not sockets:
            time.sleep(min(timeout_s, RETRY_S))  # nothing to wait on: every connection is lost
            return
        waiting = [s for s, client in sockets.items() if client.want_write()]
        readable, writable, _ = select.select(list(sockets), waiting, [], timeout_s)
        for ready in readable:
            sockets[ready].loop_read()
        for ready in writable:
            sockets[ready].loop_write()
        for client in sockets.values():
            client.loop_misc()

    def connect(self, timeout_s: float = 20.0) -> None:
        """Wait until every gateway is connected, or we are to stop.

        Raises:
            Unavailable: one is not, after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while not all(g.up for g in self.gateways) and not self.stopping():
            if time.monotonic() > deadline:
                raise Unavailable("mqtt broker", f"no connection to {self.host}:{self.port} in {timeout_s:g} s")
            self.pump(0.05)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything sent is answered; False if it is not after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.under_way and time.monotonic() < deadline:
            self.pump(0.05)
        return self.under_way == 0

    def close(self) -> None:
        """Say goodbye to the broker."""
        for link in self.gateways:
            link.client.disconnect()
            link.client.loop_misc()

    def _open(self, link: Gateway) -> None:
        if link.client.socket() is not None or time.monotonic() < link.retry_at:
            return
        link.retry_at = time.monotonic() + RETRY_S
        try:
            if link.client.host:
                link.client.reconnect()
            else:
                link.client.connect(self.host, self.port, KEEPALIVE_S)
        except OSError as error:
            log.warning("no connection to %s:%d: %s", self.host, self.port, error)


def open_uplink(url: str, gateways: int, name: str, stopping: Callable[[], bool] = never) -> Uplink:
    """Gateways `name`-1, `name`-2 ... for a broker at mqtt[s]://[user:password@]host[:port]."""
    address = MqttAddress.parse(url)
    links = [_gateway(f"{name}-{i + 1}", address) for i in range(gateways)]
    return Uplink(links, address.host, address.port, stopping)


def _gateway(client_id: str, address: MqttAddress) -> Gateway:
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(MAX_IN_FLIGHT)
    if address.tls:
        client.tls_set()
    if address.user:
        client.username_pw_set(address.user, address.password)
    link = Gateway(client)

    def on_connect(_c: Client, _u: Any, _f: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            log.error("the broker refuses %s: %s", client_id, reason)
            return
        link.limit = min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
        link.up = True

    def on_disconnect(_c: Client, _u: Any, _f: DisconnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        if link.up and reason.is_failure:
            log.warning(
                "%s lost its connection (%s): %d messages to send again", client_id, reason, len(link.under_way)
            )
        link.up = False

    def on_publish(_c: Client, _u: Any, mid: int, reason: ReasonCode, _p: Properties) -> None:
        kind = link.under_way.pop(mid)
        if reason.is_failure:
            link.refused += 1
        else:
            link.acknowledged[kind] += 1

    client.on_connect, client.on_disconnect, client.on_publish = on_connect, on_disconnect, on_publish
    return link
