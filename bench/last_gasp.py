"""How soon a last gasp raises its alert while 100,000 readings wait in front of it.

    python -m bench.last_gasp [--queued N] [--repeats N]

Three places where readings can wait: the session at the MQTT broker, the queue at the AMQP broker, and Kafka. In the
first two the bridge is stopped (SIGSTOP) while the broker takes the readings, and the last gasps of one feeder behind
them; the time runs from when the bridge goes on. In the third the worker of the stream `metering` is stopped, and the
time runs from when the gasps are sent. It ends when a subscriber of the alert topic, one of its own, has the first new
alert; how many of the readings the bridge had not acknowledged, or the worker not worked off, by then is told too. Real
brokers, the roles as they run, in real time.
"""

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from subprocess import Popen

import click
from confluent_kafka import Consumer, TopicPartition

from bench.bridge import METERS, meter
from bench.report import report
from connectors.kafka import ensure_topics
from flexmeter.commands.grid import publish
from flexmeter.fleet.amqp_client import AmqpClient
from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.messages import EVENT, READING, Message
from flexmeter.fleet.payloads import event, household, iso_time
from flexmeter.fleet.uplink import open_uplink
from flexmeter.fleet.uplinks import Uplinks
from flexmeter.grid_file import nodes_of
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.rabbitmq import rabbitmq
from flexmeter.local.roles import Place, Role
from flexmeter.registered import fill
from schemas.alert import decode_alert
from schemas.catalogue import load_catalogue
from schemas.register import load_register
from schemas.topology import Topology, load_topology

GOAL_S = 1.0
WARM_UP = 6 * METERS
"""Readings before: a minute of each meter, by which it is known."""
TOPOLOGY = Path("topology.yaml")
ALERTS = "alerts"
ACKNOWLEDGED = Series("flexmeter_bridge_acknowledged_total")


def register(folder: Path, feeders: int) -> None:
    """1,000 households that speak MQTT and 1,000 that speak AMQP, on so many feeders each; one user for all of AMQP."""
    rows = [
        f"{name(via, i)},malmo_household,{via},{feeder_of(via, i, feeders)}"
        for via in ("mqtt", "amqp")
        for i in range(METERS)
    ]
    (folder / "register.csv").write_text("\n".join(["meter_id,profile,substation,feeder", *rows]) + "\n")
    (folder / "principals.csv").write_text("identity,meters\nguest,*\n")


def feeder_of(via: str, number: int, feeders: int) -> str:
    """The feeder of a meter."""
    return f"{via}-f{number % feeders}"


def name(via: str, number: int) -> str:
    """A meter's id."""
    return meter(number) if via == "mqtt" else f"A{meter(number)}"


def message(via: str, number: int, kind: str, payload: bytes) -> Message:
    """From the meter of that number."""
    carries = "event" if kind == EVENT else "reading"
    if via == "amqp":
        return Message(
            0, number, f"meters.malmo_household.{name(via, number)}.{carries}", payload, kind, via, sender="guest"
        )
    return Message(0, number, f"malmo/malmo_household/{name(via, number)}/{carries}", payload, kind)


def readings(via: str, begin_ms: int, end_ms: int, count: int) -> Iterator[Message]:
    """Of 1,000 meters in turn, after `begin_ms` and up to `end_ms`."""
    rounds = count // METERS
    for turn in range(1, rounds + 1):
        at = begin_ms + (end_ms - begin_ms) * turn // rounds
        for number in range(METERS):
            payload = household(iso_time(at), turn, at // 1_000, 0, [230.0, 0.0, 0.0], [230.0, 230.0, 230.0])
            yield message(via, number, READING, payload)


def gasps(via: str, feeder: int, feeders: int) -> Iterator[Message]:
    """Of every meter of one feeder, now."""
    at = now_ms()
    for number in range(feeder, METERS, feeders):
        yield message(via, number, EVENT, event(at, "last_gasp"))


def now_ms() -> int:
    """The time now."""
    return time.time_ns() // 1_000_000


@contextmanager
def roles_running(place: Place, wanted: Sequence[Role]) -> Iterator[dict[str, "Popen[bytes]"]]:
    """These roles, ready."""
    env = {**environ, "FLEXMETER_PRINCIPALS": str(place.folder / "principals.csv")}
    with ExitStack() as stack:
        yield {role.name: stack.enter_context(running(roles.part(role, place, TOPOLOGY, env))) for role in wanted}


def subscriber(bootstrap: str, topology: Topology) -> Consumer:
    """At the end of the alert topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-last-gasp"})
    places = [TopicPartition(ALERTS, number) for number in range(topology.topics[ALERTS].partitions)]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
    consumer.assign(places)
    return consumer


def first_alert_s(consumer: Consumer, feeder: str, began: float, within_s: float = 60.0) -> float:
    """Seconds from `began` until there is an alert about the feeder."""
    while time.monotonic() < began + within_s:
        found = consumer.poll(0.05)
        if found is not None and found.error() is None and decode_alert(found.value() or b"").lies_in(feeder):
            return time.monotonic() - began
    raise RuntimeError(f"no alert about {feeder}")


def send_all(link: Uplinks, messages: Iterator[Message]) -> None:
    """Return when the broker has confirmed all."""
    for message in messages:
        link.send(message)
    if not link.drain(120):
        raise RuntimeError("the broker does not take everything")


@dataclass(frozen=True, slots=True)
class Trial:
    """Readings that wait because one process stands still: the bridge, or the worker behind it."""

    via: str
    bridge: Role
    stopped: "Popen[bytes]"
    in_kafka: bool
    read_until_ms: dict[str, int]
    """The newest event time of the readings so far, by protocol."""

    def read(self, link: Uplinks, count: int) -> None:
        """So many readings, up to now."""
        begin_ms, end_ms = self.read_until_ms[self.via], now_ms()
        send_all(link, readings(self.via, begin_ms, end_ms, count))
        self.read_until_ms[self.via] = end_ms

    def run(self, link: Uplinks, queued: int, feeder: int, feeders: int, alerts: Consumer) -> tuple[float, int]:
        """Seconds until the alert, and how many of the readings were not acknowledged, or not worked off, by then."""
        before = acknowledged(self.bridge)
        self.stopped.send_signal(signal.SIGSTOP)
        try:
            self.read(link, queued)
            while self.in_kafka and acknowledged(self.bridge) < before + queued:
                time.sleep(0.1)
            began = time.monotonic()
            send_all(link, gasps(self.via, feeder, feeders))
            if not self.in_kafka:
                began = time.monotonic()
                self.stopped.send_signal(signal.SIGCONT)
            took_s = first_alert_s(alerts, feeder_of(self.via, feeder, feeders), began)
            done = 0 if self.in_kafka else acknowledged(self.bridge) - before
        finally:
            self.stopped.send_signal(signal.SIGCONT)
        while acknowledged(self.bridge) < before + queued:
            time.sleep(0.1)
        return took_s, queued - done


def acknowledged(bridge: Role) -> int:
    """Payloads that the bridge has acknowledged."""
    return ACKNOWLEDGED.total(scrape(bridge.metrics_port)) or 0


def summary(runs: Sequence[tuple[float, int]]) -> dict[str, object]:
    """The median and the worst, and how many readings still waited at the least."""
    seconds = [took for took, _ in runs]
    return {
        "median_s": round(statistics.median(seconds), 3),
        "worst_s": round(max(seconds), 3),
        "still_waiting": min(left for _, left in runs),
    }


@click.command(help=__doc__)
@click.option("--queued", default=100_000, show_default=True, help="Readings that wait in front.")
@click.option("--repeats", default=3, show_default=True, help="Times for each place.")
def main(queued: int, repeats: int) -> None:
    """Measure, print, write."""
    feeders = 3 * repeats  # one for each run: its meters have not gasped before
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Place(Path(folder), free_port(), free_port(), free_port(), free_port())
        register(place.folder, feeders)
        for broker in (
            kafka(place.folder / "kafka", place.kafka_port, place.log("kafka")),
            mosquitto(place.folder / "mosquitto", place.mqtt_port, place.log("mosquitto")),
            rabbitmq(place.folder / "rabbitmq", place.amqp_port, place.log("rabbitmq")),
        ):
            stack.enter_context(running(broker))
        topology = load_topology(TOPOLOGY, place.settings(environ))
        ensure_topics(topology.kafka, topology.topics.values())
        fill(topology)
        grid = nodes_of(load_register(topology.register), load_catalogue())
        publish(topology, grid, None, now_ms())
        workers = [Role("worker", name, free_port(), ("--instance", "bench")) for name in ("metering", "grid")]
        mqtt, amqp = Role("bridge", "mqtt_malmo", free_port()), Role("bridge", "amqp_turin", free_port())
        processes = stack.enter_context(roles_running(place, [*workers, mqtt, amqp]))
        direct = DirectUplink({"amqp": AmqpClient(f"amqp://guest:guest@{HOST}:{place.amqp_port}/%2F", "amq.topic")})
        link = Uplinks(open_uplink(f"mqtt://{HOST}:{place.mqtt_port}", 4, "bench-last-gasp"), direct)
        link.connect()
        until = dict.fromkeys(("mqtt", "amqp"), now_ms() - 60_000)
        trials = {
            "the MQTT broker": Trial("mqtt", mqtt, processes[mqtt.name], in_kafka=False, read_until_ms=until),
            "the AMQP broker": Trial("amqp", amqp, processes[amqp.name], in_kafka=False, read_until_ms=until),
            "Kafka": Trial("mqtt", mqtt, processes[workers[0].name], in_kafka=True, read_until_ms=until),
        }
        for index, (where, trial) in enumerate(trials.items()):
            trial.read(link, WARM_UP)
            runs = []
            for feeder in range(index * repeats, (index + 1) * repeats):
                with closing(subscriber(place.bootstrap, topology)) as alerts:
                    runs.append(trial.run(link, queued, feeder, feeders, alerts))
            told[where] = summary(runs)
            print(f"{queued:,} readings wait at {where}: {told[where]}", file=sys.stderr)
        link.close()
    report(
        "last-gasp", {"queued": queued, "repeats": repeats, "goal_s": GOAL_S, "waiting_at": told}, ["confluent-kafka"]
    )


if __name__ == "__main__":
    main()
