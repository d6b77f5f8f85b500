"""Ports of the local stack, each with the setting that changes it."""

import fcntl
import os
import random
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import gettempdir

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Port:
    """A port that something of ours listens on."""

    what: str
    setting: str
    number: int
    datagrams: bool = False


def ports(env: Mapping[str, str] = os.environ) -> tuple[Port, Port, Port]:
    """Kafka's, mosquitto's and the page's port, as the environment sets them.

    Raises:
        ValueError: one is not a port number.

    >>> [port.number for port in ports({"KAFKA_PORT": "9192"})]
    [9192, 1883, 8123]
    """
    return (
        _port("Kafka", "KAFKA_PORT", 9092, env),
        _port("mosquitto", "MQTT_PORT", 1883, env),
        _port("the page", "PAGE_PORT", 8123, env),
    )


_OF_SOURCES = {
    "amqp": Port("RabbitMQ", "AMQP_PORT", 5672),
    "http": Port("the HTTPS bridge", "HTTP_PORT", 8443),
    "coap": Port("the CoAP bridge", "COAP_PORT", 5684, datagrams=True),
}


def source_ports(protocols: Collection[str], env: Mapping[str, str] = os.environ) -> dict[str, Port]:
    """Of each of these protocols that has a port of its own, as the environment sets it.

    Raises:
        ValueError: one is not a port number.

    >>> source_ports(["mqtt", "http"], {"HTTP_PORT": "9443"})["http"].number
    9443
    """
    return {
        protocol: _port(port.what, port.setting, port.number, env, port.datagrams)
        for protocol, port in _OF_SOURCES.items()
        if protocol in protocols
    }


def _port(what: str, setting: str, default: int, env: Mapping[str, str], datagrams: bool = False) -> Port:
    text = env.get(setting, "") or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"{setting}={text!r} is no port number (1 to 65535)")
    return Port(what, setting, int(text), datagrams)


def faults(wanted: tuple[Port, ...]) -> list[str]:
    """What keeps us from listening there: every fault, each with its remedy.

    >>> faults((Port("Kafka", "KAFKA_PORT", 9), Port("mosquitto", "MQTT_PORT", 9)))[-1]
    'KAFKA_PORT and MQTT_PORT are both 9: choose another for one, e.g. MQTT_PORT=109'
    """
    taken = [
        f"port {port.number}, wanted by {port.what}, is taken by another program: "
        f"end that, or choose another port, e.g. {port.setting}={another(port.number)}"
        for port in wanted
        if not is_free(port.number, port.datagrams)
    ]
    doubled = [
        f"{a.setting} and {b.setting} are both {a.number}: choose another for one, e.g. {b.setting}={another(b.number)}"
        for i, a in enumerate(wanted)
        for b in wanted[i + 1 :]
        if a.number == b.number
    ]
    return taken + doubled


def another(port: int) -> int:
    """A port to suggest instead.

    >>> another(9092), another(65535)
    (9192, 65435)
    """
    return port + 100 if port + 100 < 65536 else port - 100


def is_free(port: int, datagrams: bool = False) -> bool:
    """Whether we could listen there."""
    with socket.socket(type=socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM) as probe:
        if not datagrams:  # two could bind the same UDP port with it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether something answers there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


LOWEST, HIGHEST = 10_000, 32_767
"""Below those that the kernel gives to whoever connects (ip_local_port_range), who could be there before us."""
_CHANCE = random.SystemRandom()
"""Not the common generator, which tests give a seed."""
_given: set[int] = set()


def free_port() -> int:
    """A port that is free now, and that no process of ours is given while this one lives."""
    while True:
        number = _CHANCE.randint(LOWEST, HIGHEST)
        if number not in _given and _claim(number) and _is_unused(number):
            _given.add(number)
            return number


def _claim(number: int) -> bool:
    """Lock the byte of that number in a file that all processes of the user share; it is unlocked when ours ends."""
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except OSError:
        return False
    return True


def _is_unused(number: int) -> bool:
    """Whether neither TCP, past connections included, nor UDP has it."""
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as probe:
                probe.bind((HOST, number))
    except OSError:
        return False
    return True


@cache
def _claims() -> int:
    return os.open(Path(gettempdir()) / f"flexmeter-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
