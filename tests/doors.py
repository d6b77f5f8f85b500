"""Each protocol as its devices use it, with clients nobody here wrote: what the suite of all bridges runs over.

A new protocol brings a door: the bridge's entry in topology.yaml, and how a device sends.
"""

import hashlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Protocol

import pika
from pika.exceptions import AMQPError

from flexmeter.local.ports import HOST, free_port

HUB = "hub-7"
BRIDGE = "bridge"
USERS = {HUB: "hub-secret", "thief": "thief-secret", BRIDGE: "bridge-secret"}
PRINCIPALS = "identity,meters\nhub-7,m1 m2 m3\n"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a device hears of one payload: whether it may forget it, and the protocol's own words; and what left it."""

    acknowledged: bool
    words: str = ""
    sent_bytes: int = 0


class Door(Protocol):
    """A protocol as seen from outside."""

    protocol: str
    answers: bool
    """Whether the device hears the bridge's own answer; else a broker's, before the bridge has seen the payload."""
    stranger: str
    """What a device with a wrong secret hears, where `answers`; empty = nothing."""
    retry: str
    """What it hears while Kafka is away, where `answers`."""
    batch: int
    """How many payloads it sends at once: each may wait for its answer."""
    large_bytes: int
    """The length of a large payload."""
    flood_bytes: int
    """What it sends for a flood of them. Little with CoAP: a body that is refused ends with its first block."""

    def entry(self, prefix: str, folder: Path) -> dict[str, object]:
        """The bridge's entry."""

    def send(
        self, prefix: str, meter: str, payloads: Sequence[bytes], identity: str = HUB, secret: str = USERS[HUB]
    ) -> list[Sent]:
        """Send the payloads of a malmo_household, as far as that goes; what was heard of each that was sent."""


class MqttDoor:
    """mosquitto_pub, QoS 1, to a broker that lets everyone write under its own name alone."""

    protocol = "mqtt"
    answers = False
    stranger = retry = ""
    batch = 25
    large_bytes = 20_000
    flood_bytes = 250_000_000

    def __init__(self, broker: str) -> None:
        self._broker = broker

    def entry(self, prefix: str, folder: Path) -> dict[str, object]:
        return {
            "url": f"mqtt://{BRIDGE}:{USERS[BRIDGE]}@{self._broker}",
            "subscribe": [f"{prefix}/{{identity}}/{{profile}}/{{meter}}/reading"],
            "anonymous": False,
        }

    def send(
        self, prefix: str, meter: str, payloads: Sequence[bytes], identity: str = HUB, secret: str = USERS[HUB]
    ) -> list[Sent]:
        host, port = self._broker.split(":")
        topic = f"{prefix}/{identity}/malmo_household/{meter}/reading"
        command = ["mosquitto_pub", "-h", host, "-p", port, "-u", identity, "-P", secret, "-q", "1", "-t", topic]
        done = subprocess.run([*command, "-l"], input=b"\n".join(payloads) + b"\n", capture_output=True, timeout=120)
        taken, words = done.returncode == 0, done.stderr.decode()
        return [Sent(taken, words, len(payload) if taken else 0) for payload in payloads]


class AmqpDoor:
    """pika with confirms, as a user whose name RabbitMQ vouches for."""

    protocol = "amqp"
    answers = False
    stranger = retry = ""
    batch = 25
    large_bytes = 20_000
    flood_bytes = 250_000_000

    def __init__(self, broker: str) -> None:
        self._broker = broker

    def entry(self, prefix: str, folder: Path) -> dict[str, object]:
        return {
            "url": f"amqp://{BRIDGE}:{USERS[BRIDGE]}@{self._broker}/%2F",
            "subscribe": [f"{prefix}.{{profile}}.{{meter}}.{carries}" for carries in ("reading", "event")],
        }

    def send(
        self, prefix: str, meter: str, payloads: Sequence[bytes], identity: str = HUB, secret: str = USERS[HUB]
    ) -> list[Sent]:
        properties = pika.BasicProperties(delivery_mode=2, user_id=identity)
        sent: list[Sent] = []
        try:
            parameters = pika.URLParameters(f"amqp://{identity}:{secret}@{self._broker}/%2F")
            with pika.BlockingConnection(parameters) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                for payload in payloads:
                    key = f"{prefix}.malmo_household.{meter}.reading"
                    channel.basic_publish("amq.topic", key, payload, properties, mandatory=True)
                    sent.append(Sent(True, sent_bytes=len(payload)))
        except AMQPError as error:
            sent.append(Sent(False, repr(error)))
        return sent


class HttpDoor:
    """curl, one request a payload over one connection, with a bearer token."""

    protocol = "http"
    answers = True
    stranger = "401"
    retry = "503 retry-after=5"
    batch = 8
    large_bytes = 500_000
    flood_bytes = 250_000_000

    def __init__(self) -> None:
        self._port = free_port()

    def entry(self, prefix: str, folder: Path) -> dict[str, object]:
        digests = [f"{user},{hashlib.sha256(token.encode()).hexdigest()}" for user, token in USERS.items()]
        (folder / "tokens.csv").write_text("\n".join(["identity,sha256", *digests]))
        return {
            "url": f"http://{HOST}:{self._port}",
            "subscribe": ["v1/{profile}/{meter}/reading"],
            "options": {"tokens_file": str(folder / "tokens.csv"), "answer_within_s": "2"},
        }

    def send(
        self, prefix: str, meter: str, payloads: Sequence[bytes], identity: str = HUB, secret: str = USERS[HUB]
    ) -> list[Sent]:
        url = f"http://{HOST}:{self._port}/v1/malmo_household/{meter}/reading"
        lines: list[str] = []
        with TemporaryDirectory() as folder:
            for number, payload in enumerate(payloads):
                (Path(folder) / str(number)).write_bytes(payload)
                lines += [f'url = "{url}"', f'data-binary = "@{folder}/{number}"', "silent", "max-time = 20"]
                lines += [f'header = "Authorization: Bearer {secret}"', 'header = "Content-Type: application/json"']
                lines += [r'write-out = "\n%{size_upload}:%{http_code} retry-after=%header{retry-after}\n"', "next"]
            config = "\n".join(lines[:-1]).encode()
            done = subprocess.run(["curl", "-K", "-"], input=config, capture_output=True, timeout=300)
        told = re.findall(r"^(\d+):(\d+ retry-after=.*)$", done.stdout.decode(), re.MULTILINE)
        return [Sent(words.startswith("202"), words, int(sent_bytes)) for sent_bytes, words in told]


class CoapDoor:
    """libcoap's client with OpenSSL's DTLS, one handshake and one confirmable request a payload."""

    protocol = "coap"
    answers = True
    stranger = ""
    retry = "503 retry-after=30"
    batch = 5
    large_bytes = 200_000
    flood_bytes = 1_000_000

    def __init__(self) -> None:
        self._port = free_port()

    def entry(self, prefix: str, folder: Path) -> dict[str, object]:
        keys = [f"{user},{secret.encode().hex()}" for user, secret in USERS.items()]
        (folder / "psk.csv").write_text("\n".join(["identity,key", *keys]))
        return {
            "url": f"coaps://{HOST}:{self._port}",
            "subscribe": ["meters/{profile}/{meter}/reading"],
            "options": {"psk_file": str(folder / "psk.csv"), "answer_within_s": "2"},
        }

    def send(
        self, prefix: str, meter: str, payloads: Sequence[bytes], identity: str = HUB, secret: str = USERS[HUB]
    ) -> list[Sent]:
        url = f"coaps://{HOST}:{self._port}/meters/malmo_household/{meter}/reading"
        command = ["coap-client-openssl", "-v", "6", "-B", "5", "-u", identity, "-k", secret, "-m", "post", "-t", "50"]
        return [self._heard([*command, "-b", "1024", url], payload) for payload in payloads]

    def _heard(self, command: Sequence[str], payload: bytes) -> Sent:
        with NamedTemporaryFile() as body:
            body.write(payload)
            body.flush()
            done = subprocess.run([*command, "-f", body.name], capture_output=True, timeout=60)
        answers = re.findall(r"v:1 t:(?:ACK|CON) c:([245])\.(\d\d).*?\[(.*)", done.stdout.decode(errors="replace"))
        if not answers:
            return Sent(False)
        code, detail, options = answers[-1]
        retry_s = "".join(re.findall(r"Max-Age:(\d+)", options))
        blocks = re.findall(r"Block1:(\d+)/./(\d+)", options)
        sent_bytes = min([len(payload), *((int(number) + 1) * int(size) for number, size in blocks)])
        return Sent((code, detail) == ("2", "04"), f"{code}{detail} retry-after={retry_s}", sent_bytes)


def guard(folder: Path, users: dict[str, str]) -> str:
    """Lines of mosquitto.conf: users with passwords, each of whom writes under `PREFIX/its name/` alone."""
    passwords, rules = folder / "passwords", folder / "rules"
    passwords.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    rules.write_text(f"pattern write +/%u/#\n\nuser {BRIDGE}\ntopic readwrite #\n")
    return f"allow_anonymous false\npassword_file {passwords}\nacl_file {rules}"
