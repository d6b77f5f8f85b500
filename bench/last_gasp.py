"""How soon a last gasp raises its alert while 100,000 readings wait in front of it.

    python -m bench.last_gasp [--queued N] [--repeats N]

Places where readings can wait: the session at the MQTT broker, Kafka, and the queue at the AMQP broker. At the brokers
the bridge is stopped (SIGSTOP) while the broker takes the readings, and the last gasps of one feeder behind them; the
time runs from when the bridge goes on. Before Kafka the worker of the stream `metering` is stopped, and the time runs
from when the gasps are sent. Who speaks HTTPS or CoAP waits for the bridge itself: there others bring the readings
as fast as it answers, a thousand requests at a time, and the gasps come when a twentieth is through; the time runs from
then, with the connecting. It ends when a subscriber of the alert topic, one of its own, has the first new alert; how
many of the readings the bridge had not acknowledged, or the worker not worked off, by then is told too. Real brokers,
the roles as they run, in real time. The meters that lose supply report every 10 s meanwhile, as meters do; those whose
readings wait are others.
"""

import multiprocessing
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from os import environ
from pathlib import Path
from subprocess import Popen
from threading import Event
from typing import Protocol

import click
from confluent_kafka import Consumer, TopicPartition

from bench.bridge import METERS
from bench.last_gasp_load import (
    PROTOCOLS,
    SENDERS,
    feeder_of,
    gasps,
    name,
    now_ms,
    ours,
    queue,
    readings,
    send_queue,
)
from bench.overload_load import open_topology, tokens
from bench.report import report
from connectors.kafka import ensure_topics
from flexmeter.commands.grid import publish
from flexmeter.fleet.amqp_client import AmqpClient
from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.messages import Message
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
INTERVAL_S = 10
KNOWN_BY = 6
"""Readings of each meter before, by which it is known."""
ALERTS = "alerts"
ACKNOWLEDGED = Series("flexmeter_bridge_acknowledged_total")


def write_files(folder: Path, feeders: int) -> None:
    """Households of each protocol, those that may lose supply on so many feeders; whoever is authenticated may report
    for all; CoAP is open to everybody.
    """
    rows = []
    for via in PROTOCOLS:
        rows += [f"{name(via, i)},malmo_household,{via}-others,{via}-others" for i in range(METERS)]
        rows += [f"{name(via, i)},malmo_household,{via},{feeder_of(via, i, feeders)}" for i in ours(feeders)]
    (folder / "register.csv").write_text("\n".join(["meter_id,profile,substation,feeder", *rows]) + "\n")
    (folder / "principals.csv").write_text("identity,meters\n*,*\n")
    (folder / "tokens.csv").write_text("\n".join(["identity,sha256", *tokens()]))
    (folder / "topology.yaml").write_text(open_topology())


@contextmanager
def roles_running(place: Place, wanted: Sequence[Role], env: Mapping[str, str]) -> Iterator[dict[str, "Popen[bytes]"]]:
    """These roles, ready."""
    path = place.folder / "topology.yaml"
    with ExitStack() as stack:
        yield {role.name: stack.enter_context(running(roles.part(role, place, path, env))) for role in wanted}


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


@contextmanager
def linked(place: Place, client: str) -> Iterator[Uplinks]:
    """To both brokers."""
    direct = DirectUplink({"amqp": AmqpClient(f"amqp://guest:guest@{HOST}:{place.amqp_port}/%2F", "amq.topic")})
    link = Uplinks(open_uplink(f"mqtt://{HOST}:{place.mqtt_port}", 4, client), direct)
    link.connect()
    try:
        yield link
    finally:
        link.close()


def send_all(link: Uplinks, messages: Iterable[Message]) -> None:
    """Return when the broker has confirmed all."""
    for message in messages:
        link.send(message)
    if not link.drain(120):
        raise RuntimeError("the broker does not take everything")


@contextmanager
def reporting(send: Callable[[Iterable[Message]], None], via: str, feeders: int) -> Iterator[None]:
    """The meters that may lose supply have reported for a minute, and go on."""
    began, over = now_ms(), Event()
    send(readings(via, ours(feeders), (began - 1_000 * INTERVAL_S * n for n in range(KNOWN_BY - 1, -1, -1))))

    def go_on() -> None:
        while not over.wait(INTERVAL_S):
            send(readings(via, ours(feeders), [now_ms()]))

    with ThreadPoolExecutor(1) as meters:
        going_on = meters.submit(go_on)
        try:
            yield
        finally:
            over.set()
            going_on.result()


class Trial(Protocol):
    """One place where readings wait."""

    @property
    def via(self) -> str:
        """The protocol."""

    def run(self, link: Uplinks, queued: int, feeder: int, feeders: int, alerts: Consumer) -> tuple[float, int]:
        """Seconds until the alert, and how many of the readings were not acknowledged, or not worked off, by then."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Readings that wait because one process stands still: the bridge, or the worker behind it."""

    via: str
    bridge: Role
    stopped: "Popen[bytes]"
    in_kafka: bool
    read_until_ms: dict[str, int]
    """The newest event time of the readings so far, by protocol."""

    def run(self, link: Uplinks, queued: int, feeder: int, feeders: int, alerts: Consumer) -> tuple[float, int]:
        """See Trial."""
        before = acknowledged(self.bridge)
        self.stopped.send_signal(signal.SIGSTOP)
        try:
            begin_ms, self.read_until_ms[self.via] = self.read_until_ms[self.via], now_ms()
            send_all(link, queue(self.via, begin_ms, self.read_until_ms[self.via], queued))
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


@dataclass(frozen=True, slots=True)
class Busy:
    """Readings that wait because the bridge, which answers their senders itself, has so many to answer."""

    via: str
    bridge: Role
    url: str
    read_until_ms: dict[str, int]

    def run(self, link: Uplinks, queued: int, feeder: int, feeders: int, alerts: Consumer) -> tuple[float, int]:
        """See Trial."""
        before = acknowledged(self.bridge)
        with multiprocessing.get_context("spawn").Pool(1) as others, ThreadPoolExecutor(1) as feeder_of_ours:
            begin_ms, self.read_until_ms[self.via] = self.read_until_ms[self.via], now_ms()
            queue_ = self.via, self.url, begin_ms, self.read_until_ms[self.via], queued
            job = others.apply_async(send_queue, queue_)
            while acknowledged(self.bridge) < before + queued // 20 and not job.ready():
                time.sleep(0.02)
            began = time.monotonic()
            gasping = feeder_of_ours.submit(SENDERS[self.via], self.url, list(gasps(self.via, feeder, feeders)))
            try:
                took_s = first_alert_s(alerts, feeder_of(self.via, feeder, feeders), began)
                left = before + queued - acknowledged(self.bridge)
            finally:
                gasping.result()  # where they could not be sent, that is why there is no alert
            job.get()
        return took_s, left


def acknowledged(bridge: Role) -> int:
    """Payloads that the bridge has acknowledged."""
    return ACKNOWLEDGED.total(scrape(bridge.metrics_port)) or 0


def summary(runs: Sequence[tuple[float, int]]) -> dict[str, float]:
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
    feeders = 5 * repeats  # one for each run: its meters have not gasped before
    told: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Place(Path(folder), free_port(), free_port(), free_port(), free_port())
        write_files(place.folder, feeders)
        for broker in (
            kafka(place.folder / "kafka", place.kafka_port, place.log("kafka")),
            mosquitto(place.folder / "mosquitto", place.mqtt_port, place.log("mosquitto")),
            rabbitmq(place.folder / "rabbitmq", place.amqp_port, place.log("rabbitmq")),
        ):
            stack.enter_context(running(broker))
        env = place.settings(environ) | {
            "FLEXMETER_PRINCIPALS": str(place.folder / "principals.csv"),
            "HTTP_URL": f"http://{HOST}:{free_port()}",
            "HTTP_TOKENS_FILE": str(place.folder / "tokens.csv"),
            "COAP_URL": f"coap://{HOST}:{free_port()}",
        }
        topology = load_topology(place.folder / "topology.yaml", env)
        ensure_topics(topology.kafka, topology.topics.values())
        fill(topology)
        grid = nodes_of(load_register(topology.register), load_catalogue())
        publish(topology, grid, None, now_ms())
        workers = [Role("worker", name, free_port(), ("--instance", "bench")) for name in ("metering", "grid")]
        bridges = {one.protocol: Role("bridge", one.name, free_port()) for one in topology.bridges.values()}
        mqtt, amqp = bridges["mqtt"], bridges["amqp"]
        processes = stack.enter_context(roles_running(place, [*workers, *bridges.values()], env))
        link, others = (stack.enter_context(linked(place, name)) for name in ("bench-last-gasp", "bench-others"))
        senders = {via: partial(send_all, others) for via in ("mqtt", "amqp")} | {
            via: partial(send, env[f"{via.upper()}_URL"]) for via, send in SENDERS.items()
        }
        until = dict.fromkeys(PROTOCOLS, now_ms() - 60_000)
        trials: dict[str, Trial] = {
            "the MQTT broker": Stopped("mqtt", mqtt, processes[mqtt.name], in_kafka=False, read_until_ms=until),
            "Kafka": Stopped("mqtt", mqtt, processes[workers[0].name], in_kafka=True, read_until_ms=until),
            "the AMQP broker": Stopped("amqp", amqp, processes[amqp.name], in_kafka=False, read_until_ms=until),
            "the HTTPS bridge": Busy("http", bridges["http"], env["HTTP_URL"], until),
            "the CoAP bridge": Busy("coap", bridges["coap"], env["COAP_URL"], until),
        }
        for index, (where, trial) in enumerate(trials.items()):
            runs = []
            with reporting(senders[trial.via], trial.via, feeders):
                for feeder in range(index * repeats, (index + 1) * repeats):
                    with closing(subscriber(place.bootstrap, topology)) as alerts:
                        runs.append(trial.run(link, queued, feeder, feeders, alerts))
            told[where] = summary(runs)
            print(f"{queued:,} readings wait at {where}: {told[where]}", file=sys.stderr)
    late = [where for where, times in told.items() if times["worst_s"] >= GOAL_S]
    for where in late:
        print(f"MISSED an alert within {GOAL_S:g} s while readings wait at {where}", file=sys.stderr)
    figures = {"queued": queued, "repeats": repeats, "goal_s": GOAL_S, "missed": late, "waiting_at": told}
    report("last-gasp", figures, ["confluent-kafka"])
    sys.exit(1 if late else 0)


if __name__ == "__main__":
    main()
