"""Ten times what Kafka takes, for a minute, at every bridge: is its memory bounded, is nothing acknowledged lost?

    python -m bench.overload [--seconds N] [--rate N] [PROTOCOL ...]

Kafka's quota for producers is set so low that it takes less than a tenth of what is offered: its throttling is how a
Kafka that is slow looks to a bridge. It delays a request by some seconds at most, so blocks go out one in each. Devices
(overload_load.py) offer readings at a fixed rate, whatever they are answered; those that hear the bridge itself (CoAP,
HTTPS) do not come again. The bridge's memory is looked at four times a second. After the minute the quota is lifted,
and everything that a device was told to forget must be in Kafka.
"""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

import click
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.bridge import METERS, meter
from bench.overload_load import LOADS, Heard, open_topology, tokens
from bench.process import resident_mb
from bench.report import report
from connectors.kafka import ensure_topics
from flexmeter.local import roles
from flexmeter.local.kafka import JARS, java, kafka
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.rabbitmq import rabbitmq
from flexmeter.local.roles import Place, Role
from flexmeter.registered import fill
from schemas.blocks import ReadingBlock
from schemas.codec import decode
from schemas.topology import Topology, load_topology

QUOTA_BYTES_PER_S = 2_000
MOST_GROWTH_MB = 250
"""What a bridge lets be under way, 64 MB, and librdkafka's queue, 128 MB, and what Python keeps of both."""
GOAL_TIMES = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one bridge's minute."""

    heard: Heard
    taken: int
    lost: int
    before_mb: float
    peak_mb: float

    def told(self, seconds: float) -> dict[str, float]:
        """The figures."""
        return {
            "offered_per_s": round(self.heard.offered / seconds),
            "kafka_took_per_s": round(self.taken / seconds),
            "times": round(self.heard.offered / max(1, self.taken), 1),
            "acknowledged": len(self.heard.acknowledged),
            "refused": self.heard.refused,
            "lost": self.lost,
            "before_mb": round(self.before_mb, 1),
            "peak_mb": round(self.peak_mb, 1),
        }


def set_quota(bootstrap: str, bytes_per_s: int | None) -> None:
    """Of every producer; None = none."""
    limit = [] if bytes_per_s is None else [str(bytes_per_s)]
    command = java(JARS, str(Path(__file__).with_name("Quota.java")), bootstrap, *limit)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"no quota was set\n{done.stderr}")


def topology_text() -> str:
    """The project's topology, its CoAP open to everybody, one block in each request to Kafka."""
    return open_topology().replace("kafka:\n", 'kafka:\n  options: {batch.size: "1"}\n', 1)


class Reader:
    """Counts the readings of one bridge on Kafka, each once."""

    def __init__(self, bootstrap: str, topology: Topology, source: str) -> None:
        self.numbers: set[int] = set()
        self._source = source
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-overload"})
        topic = topology.topics["meter.readings"]
        self._consumer.assign([TopicPartition(topic.name, n, OFFSET_BEGINNING) for n in range(topic.partitions)])

    def read(self, timeout_s: float) -> None:
        """Take in what has come."""
        for message in self._consumer.consume(500, timeout=timeout_s):
            value = message.value()
            if message.error() is None and value is not None:
                record = decode(value)
                if isinstance(record, ReadingBlock) and record.source == self._source:
                    self.numbers.update(record.sequence.tolist())

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()


@contextmanager
def environment(folder: Path) -> Iterator[tuple[Place, dict[str, str]]]:
    """Brokers, a register, and the settings of bridges whose devices may report for every meter."""
    place = Place(folder, free_port(), free_port(), free_port(), free_port())
    rows = [f"{meter(i)},malmo_household,sub-{i % 2},sub-{i % 2}-f{i % 9}" for i in range(METERS)]
    (folder / "register.csv").write_text("\n".join(["meter_id,profile,substation,feeder", *rows]) + "\n")
    (folder / "principals.csv").write_text("identity,meters\n*,LGZ*\n")
    (folder / "tokens.csv").write_text("\n".join(["identity,sha256", *tokens()]))
    (folder / "topology.yaml").write_text(topology_text())
    env = {
        **environ,
        "FLEXMETER_OLDEST_DAYS": "0",  # what is sent has the time of one day in 2026
        "HTTP_URL": f"http://{HOST}:{free_port()}",
        "HTTP_TOKENS_FILE": str(folder / "tokens.csv"),
        "COAP_URL": f"coap://{HOST}:{free_port()}",
        "FLEXMETER_PRINCIPALS": str(folder / "principals.csv"),
    }
    with ExitStack() as stack:
        for broker in (
            kafka(folder / "kafka", place.kafka_port, place.log("kafka")),
            mosquitto(folder / "mosquitto", place.mqtt_port, place.log("mosquitto")),
            rabbitmq(folder / "rabbitmq", place.amqp_port, place.log("rabbitmq")),
        ):
            stack.enter_context(running(broker))
        yield place, place.settings(env)


def measured(protocol: str, place: Place, env: Mapping[str, str], rate: int, seconds: float) -> Outcome:
    """One bridge's minute, and what was left of it."""
    path = place.folder / "topology.yaml"
    topology = load_topology(path, env)
    bridge = next(one for one in topology.bridges.values() if one.protocol == protocol)
    reader = Reader(place.bootstrap, topology, bridge.name)
    with running(roles.part(Role("bridge", bridge.name, free_port()), place, path, env)) as process:
        set_quota(place.bootstrap, QUOTA_BYTES_PER_S)
        before = peak = resident_mb(process.pid)
        with multiprocessing.get_context("spawn").Pool(1) as devices:
            job = devices.apply_async(LOADS[protocol], (bridge.url, rate, seconds))
            while not job.ready():
                reader.read(0.25)
                peak = max(peak, resident_mb(process.pid))
            heard: Heard = job.get()
        taken = len(reader.numbers)
        set_quota(place.bootstrap, None)
        deadline = time.monotonic() + 180
        while not reader.numbers >= heard.acknowledged and time.monotonic() < deadline:
            reader.read(0.25)
            peak = max(peak, resident_mb(process.pid))
    reader.close()
    return Outcome(heard, taken, len(heard.acknowledged - reader.numbers), before, peak)


def faults(told: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is not as it should be, in words.

    >>> faults({"x": {"times": 12.0, "lost": 1, "before_mb": 90.0, "peak_mb": 100.0, "acknowledged": 5}})
    ['x: 1 readings that were acknowledged are lost']
    """
    found = []
    for name, one in told.items():
        if one["times"] < GOAL_TIMES:
            found.append(f"{name}: only {one['times']} times what Kafka takes was offered")
        if not one["acknowledged"]:
            found.append(f"{name}: no reading was acknowledged")
        if one["lost"]:
            found.append(f"{name}: {one['lost']} readings that were acknowledged are lost")
        if one["peak_mb"] - one["before_mb"] > MOST_GROWTH_MB:
            found.append(f"{name}: memory grew from {one['before_mb']} MB to {one['peak_mb']} MB")
    return found


@click.command(help=__doc__)
@click.option("--seconds", default=60.0, show_default=True, help="How long.")
@click.option("--rate", default=1_500, show_default=True, help="Readings offered a second.")
@click.argument("protocols", nargs=-1)
def main(seconds: float, rate: int, protocols: tuple[str, ...]) -> None:
    """Measure, print, write; exit code 1 where something is not as it should be."""
    told: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, environment(Path(folder)) as (place, env):
        topology = load_topology(place.folder / "topology.yaml", env)
        ensure_topics(topology.kafka, topology.topics.values())
        fill(topology)
        for protocol in protocols or LOADS:
            told[protocol] = measured(protocol, place, env, rate, seconds).told(seconds)
            print(f"{protocol}: {told[protocol]}", file=sys.stderr)
    found = faults(told)
    for fault in found:
        print(fault, file=sys.stderr)
    goals = {"times": GOAL_TIMES, "most_growth_mb": MOST_GROWTH_MB}
    report("overload", {"seconds": seconds, "goals": goals, "bridges": told, "findings": found}, ["confluent-kafka"])
    sys.exit(int(bool(found)))


if __name__ == "__main__":
    main()
