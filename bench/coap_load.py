"""Many devices that POST readings by CoAP, as fast as they are answered, in one process and without a library.

A device is a socket, so that message ids do not repeat too soon. Confirmable requests; a response may come on the
acknowledgement or by itself (RFC 7252, 5.2); what is not answered for two seconds is sent again, with the same id.
"""

import select
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

DEVICES = 64
_AGAIN_S = 2.0
_AT_ONCE = 32
_CHANGED, _UNAVAILABLE = 0x44, 0xA3
_CON, _ACK = 0, 2


@dataclass(slots=True)
class Load:
    """How it went: answered with 2.04, with anything else, and what was sent again."""

    stored: int = 0
    refused: int = 0
    again: int = 0
    wall_s: float = 0.0


def request(number: int, path: str, content_format: int, payload: bytes) -> bytes:
    """A confirmable POST whose token and message id are that number's (RFC 7252, 3)."""
    options, last = b"", 0
    for option, value in [*((11, level.encode()) for level in path.split("/")), (12, bytes([content_format]))]:
        length = len(value)
        first = (option - last) << 4 | min(length, 13)
        options += bytes([first]) + (bytes([length - 13]) if length >= 13 else b"") + value
        last = option
    return struct.pack("!BBHI", 0x44, 0x02, number // DEVICES & 0xFFFF, number) + options + b"\xff" + payload


def post_all(host: str, port: int, requests: list[bytes], window: int) -> Load:
    """All of them, at most `window` under way; returns when the last is answered."""
    load = Load()
    devices = [_device(host, port) for _ in range(DEVICES)]
    poller = select.epoll()
    by_file = {device.fileno(): device for device in devices}
    for file in by_file:
        poller.register(file, select.EPOLLIN)
    under_way: OrderedDict[int, float] = OrderedDict()
    following = 0
    began = time.perf_counter()
    while following < len(requests) or under_way:
        for _ in range(_AT_ONCE):
            if following < len(requests) and len(under_way) < window:
                devices[following % DEVICES].send(requests[following])
                under_way[following] = time.perf_counter()
                following += 1
        for file, _ in poller.poll(0.001):
            for code, number in _answers(by_file[file]):
                if under_way.pop(number, None) is not None:
                    load.stored += code == _CHANGED
                    load.refused += code != _CHANGED
        _send_again(devices, requests, under_way, load)
    load.wall_s = time.perf_counter() - began
    poller.close()
    for device in devices:
        device.close()
    return load


def _device(host: str, port: int) -> socket.socket:
    device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    device.connect((host, port))
    device.setblocking(False)
    return device


def _answers(device: socket.socket) -> Iterator[tuple[int, int]]:
    """Code and number of each response; those that want it are acknowledged."""
    while True:
        try:
            data = device.recv(2_000)
        except BlockingIOError:
            return
        kind, code = data[0] >> 4 & 3, data[1]
        if kind == _CON:
            device.send(bytes([0x40 | _ACK << 4, 0]) + data[2:4])
        if code:
            yield code, struct.unpack("!I", data[4:8])[0]


def _send_again(
    devices: list[socket.socket], requests: list[bytes], under_way: OrderedDict[int, float], load: Load
) -> None:
    now = time.perf_counter()
    while under_way and now - next(iter(under_way.values())) > _AGAIN_S:
        number, _ = under_way.popitem(last=False)
        devices[number % DEVICES].send(requests[number])
        under_way[number] = now
        load.again += 1
