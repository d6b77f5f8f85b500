"""Devices that offer readings at a fixed rate for a while, and what they hear: one function for each protocol.

Reading n is of meter n modulo 1,000 and has the sequence n. Whom a broker answers (MQTT, AMQP) is done when that has
the message. Whom the bridge answers does not wait for the answer before it sends on, and does not come again.
"""

import asyncio
import hashlib
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from bench.bridge import METERS, meter
from bench.coap_load import request
from flexmeter.fleet.amqp_client import AmqpClient
from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.messages import READING, Message
from flexmeter.fleet.payloads import household, iso_time
from flexmeter.fleet.uplink import open_uplink

HUBS = 16
DEVICES = 64
_CONNECTIONS = 6_000
_JSON = 50
_LISTEN_S = 15.0
"""How long one waits for answers after the last was sent: longer than a bridge lets anyone wait."""


@dataclass(slots=True)
class Heard:
    """What was offered, the numbers of what was acknowledged, and how many were refused."""

    offered: int = 0
    acknowledged: set[int] = field(default_factory=set)
    refused: int = 0


def payload(number: int) -> bytes:
    """Reading `number`."""
    at = iso_time(1_795_507_200_000 + number // METERS * 1_000)
    return household(at, number, 1_000 + number, 0, [number % 3_000 / 10, 0.0, 12.5], [230.1, 230.2, 230.3])


def tokens() -> Iterator[str]:
    """Lines of the file of tokens: one for each hub."""
    return (f"hub-{hub},{hashlib.sha256(f'token-{hub}'.encode()).hexdigest()}" for hub in range(HUBS))


def open_topology() -> str:
    """The project's topology, its CoAP open to everybody."""
    keys = ', psk_file: "${COAP_PSK_FILE:-}"}'
    return Path("topology.yaml").read_text("utf-8").replace(keys, "}\n    anonymous: true")


def paced(rate: int, seconds: float) -> Iterator[tuple[int, float]]:
    """Numbers and, for each, how many seconds there are until it is due."""
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        yield number, began + number / rate - time.monotonic()


def offer_mqtt(url: str, rate: int, seconds: float) -> Heard:
    """Four gateways, QoS 1."""
    link = open_uplink(url, 4, "bench-overload")
    link.connect()
    heard = Heard()
    for number, wait_s in paced(rate, seconds):
        if wait_s > 0:
            link.pump(wait_s)
        link.send(number % 4, f"malmo/malmo_household/{meter(number % METERS)}/reading", payload(number), READING)
        heard.offered += 1
    return _all_of(heard, link.drain(120) and not link.refused, link.close)


def offer_amqp(url: str, rate: int, seconds: float) -> Heard:
    """Persistent messages, confirmed."""
    link = DirectUplink({"amqp": AmqpClient(url, "amq.topic")})
    link.connect()
    heard = Heard()
    for number, wait_s in paced(rate, seconds):
        if wait_s > 0:
            link.pump(wait_s)
        topic = f"meters.malmo_household.{meter(number % METERS)}.reading"
        link.send(Message(0, 0, topic, payload(number), READING, "amqp", sender="guest"))
        heard.offered += 1
    return _all_of(heard, link.drain(120) and not link.refused, link.close)


def _all_of(heard: Heard, complete: bool, close: Callable[[], None]) -> Heard:
    """The broker has confirmed everything."""
    close()
    if not complete:
        raise RuntimeError("the broker does not take everything")
    heard.acknowledged = set(range(heard.offered))
    return heard


def offer_http(url: str, rate: int, seconds: float) -> Heard:
    """Sixteen hubs over as many connections as it takes."""
    return asyncio.run(_offer_http(url, rate, seconds))


async def _offer_http(url: str, rate: int, seconds: float) -> Heard:
    heard, room = Heard(), asyncio.Semaphore(_CONNECTIONS)

    async def post(session: ClientSession, number: int) -> None:
        headers = {"Authorization": f"Bearer token-{number % HUBS}", "Content-Type": "application/json"}
        place = f"{url}/v1/malmo_household/{meter(number % METERS)}/reading"
        try:
            async with session.post(place, data=payload(number), headers=headers) as response:
                if response.status == 202:
                    heard.acknowledged.add(number)
                else:
                    heard.refused += 1
        except (ClientError, TimeoutError):
            heard.refused += 1
        finally:
            room.release()

    timeout = ClientTimeout(total=2 * _LISTEN_S)
    async with ClientSession(connector=TCPConnector(limit=0), timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        for number, wait_s in paced(rate, seconds):
            await asyncio.sleep(max(0.0, wait_s))
            await room.acquire()
            tasks.create_task(post(session, number))
            heard.offered += 1
    return heard


def offer_coap(url: str, rate: int, seconds: float) -> Heard:
    """Confirmable requests of 64 devices, none of which is sent again."""
    parts = urlsplit(url)
    devices = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(DEVICES)]
    heard, poller = Heard(), select.epoll()
    by_file = {device.fileno(): device for device in devices}
    for device in devices:
        device.connect((parts.hostname, parts.port))
        device.setblocking(False)
        poller.register(device.fileno(), select.EPOLLIN)

    def listen(wait_s: float) -> None:
        for file, _ in poller.poll(max(0.0, wait_s)):
            _hear(by_file[file], heard)

    for number, wait_s in paced(rate, seconds):
        if wait_s > 0 or number % 16 == 0:
            listen(wait_s)
        path = f"meters/malmo_household/{meter(number % METERS)}/reading"
        devices[number % DEVICES].send(request(number, path, _JSON, payload(number)))
        heard.offered += 1
    until = time.monotonic() + _LISTEN_S
    while time.monotonic() < until:
        listen(0.1)
    for device in devices:
        device.close()
    return heard


def _hear(device: socket.socket, heard: Heard) -> None:
    """Take the responses that are there, and acknowledge those that want it (RFC 7252, 5.2.2)."""
    while True:
        try:
            data = device.recv(2_000)
        except BlockingIOError:
            return
        if data[0] >> 4 & 3 == 0:
            device.send(bytes([0x60, 0]) + data[2:4])
        if data[1] == 0x44:
            heard.acknowledged.add(struct.unpack("!I", data[4:8])[0])
        elif data[1]:
            heard.refused += 1


LOADS: Mapping[str, Callable[[str, int, float], Heard]] = {
    "mqtt": offer_mqtt,
    "amqp": offer_amqp,
    "http": offer_http,
    "coap": offer_coap,
}
