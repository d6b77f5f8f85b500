"""How soon an outage is told, and what a storm of last gasps does, through both streams on a real Kafka.

    python -m bench.outage_speed [--meters 125000] [--episodes 100]

A city reports every 10 s, written to Kafka as a bridge would. Transformers lose supply one after the other: the time
from the first last gasp's writing to Kafka (what a bridge takes before is bench.last_gasp's) until the alert has been
read, to its first version and to the located one; an outage that is never told counts as one that takes for ever. Then
most feeders within 10 s: until both streams have worked off all that was there when the last gasp was written, whether
the grid stream counts each event, and how many alerts each feeder has: those that stand, and those that subscribers got
and that were merged or taken back later. All times are one clock's.
"""

import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Any

import click
import numpy as np
from confluent_kafka import Consumer, TopicPartition

from bench.engine_topics import broker
from bench.outage_city import FEEDERS, SLICE_MS, City
from bench.report import RESULTS, report
from connectors.kafka import Outlet, ensure_topics
from flexmeter.commands.grid import publish
from flexmeter.local.lag import ends
from flexmeter.local.part import Part, spawn, stop, tail
from schemas.alert import Alert, decode_alert
from schemas.codec import decode
from schemas.results import Account
from schemas.topology import Topology, load_topology

TICK_MS = 50
BEAT_MS, READINGS_BEAT_MS = 250, 1_000
EPISODE_EVERY_MS, DARK_MS = 3_000, 20_000
GASPS_WITHIN_MS = 1_500
DELIVERED = 0.8
STORM_MS, STORM_SHARE = 10_000, 0.8
SETTLES_MS = 60_000
PATIENCE_MS = 120_000
STREAMS = {"meter.readings": "metering", "grid.evidence": "grid"}
"""Which stream reads which topic."""
GOALS = {"first p99": 1.0, "located p99": 10.0, "storm lag back to zero": 30.0}
"""Seconds."""
NEVER = float("inf")
"""Until what was not told."""


@dataclass
class Seen:
    """Alerts, when each version was read (ms), and how far each stream has come."""

    alerts: dict[str, list[tuple[int, Alert]]] = field(default_factory=lambda: defaultdict(list))
    accounts: dict[tuple[str, int], Account] = field(default_factory=dict)


class Live:
    """The city in real time, what is planned for it, and what comes out. One thread: a tick does all that is due."""

    def __init__(self, city: City, topology: Topology, seed: int) -> None:
        self.city, self.seen = city, Seen()
        self.rng = np.random.default_rng(seed)
        self._outlet = Outlet(topology.kafka, "bench")
        self._kafka = topology.kafka.bootstrap
        self._plan: list[tuple[int, Callable[[], None]]] = []
        self._consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": "bench", "fetch.wait.max.ms": 10})
        self._consumer.assign([TopicPartition(t, p, 0) for t in ("alerts", "accounts") for p in range(city.partitions)])
        self._slice = self._beat = self._readings_beat = now()

    def until(self, end_ms: int, done: Callable[[], bool] = lambda: False) -> None:
        """Go on until then, or until it is done."""
        while now() < end_ms and not done():
            self._tick(now())
            self._look(TICK_MS / 1_000)

    def close(self) -> None:
        """Wait until Kafka has everything."""
        self._outlet.close(30)
        self._consumer.close()

    def at(self, when_ms: int, what: Callable[[], None]) -> None:
        """Plan something."""
        self._plan.append((when_ms, what))

    def gasp(self, meters: list[int], begin_ms: int, within_ms: int, kind: str, delivered: float) -> None:
        """Plan what these meters say, each once, within a time."""
        told = [meter for meter in meters if self.rng.random() < delivered]
        when = np.sort(begin_ms + self.rng.integers(0, within_ms, len(told))) // TICK_MS * TICK_MS
        for moment in np.unique(when).tolist():
            some = [meter for meter, at in zip(told, when.tolist(), strict=True) if at == moment]
            self.at(moment, partial(self._events, some, kind))

    def switch(self, meters: slice, dark: bool) -> None:
        """Meters that are dark do not report."""
        self.city.dark[meters] = dark

    def behind(self, ends_now: dict[tuple[str, int], int]) -> int:
        """Records of the inputs that were there and are not worked on."""
        left = 0
        for (topic, partition), end in ends_now.items():
            account = self.seen.accounts.get((STREAMS[topic], partition))
            left += max(0, end - (account.next_offset if account else 0))
        return left

    def ends(self) -> dict[tuple[str, int], int]:
        """The ends of both inputs, once Kafka has all that was sent."""
        while self._outlet.waiting():
            self._outlet.serve(0.01)
        return ends(self._kafka, list(STREAMS))[1]

    def received(self) -> int:
        """Events that the grid stream has counted."""
        return sum(account.received for (stream, _), account in self.seen.accounts.items() if stream == "grid")

    def _tick(self, now_ms: int) -> None:
        due = [what for when, what in self._plan if when <= now_ms]
        self._plan = [(when, what) for when, what in self._plan if when > now_ms]
        for what in due:
            what()
        while self._slice <= now_ms:
            self._send("meter.readings", self.city.readings(self._slice // SLICE_MS, now_ms))
            self._slice += SLICE_MS
        if self._readings_beat <= now_ms:
            self._send("meter.readings", self.city.beats(now_ms))
            self._readings_beat += READINGS_BEAT_MS
        if self._beat <= now_ms:
            self._send("grid.evidence", self.city.beats(now_ms))
            self._beat += BEAT_MS
        self._outlet.serve()

    def _events(self, some: list[int], kind: str) -> None:
        self._send("grid.evidence", self.city.events(some, kind, now()))

    def _send(self, topic: str, records: Iterator[tuple[int, bytes]]) -> None:
        for partition, value in records:
            self._outlet.produce(topic, partition, value)

    def _look(self, timeout_s: float) -> None:
        for message in self._consumer.consume(500, timeout_s):
            value = message.value()
            if message.error() is not None or value is None:
                continue
            if message.topic() == "alerts":
                alert = decode_alert(value)
                self.seen.alerts[alert.id].append((now(), alert))
            elif isinstance(account := decode(value), Account):
                self.seen.accounts[account.stream, account.partition] = account


def now() -> int:
    """ms UTC."""
    return time.time_ns() // 1_000_000


@contextmanager
def running(folder: Path, city: City) -> Iterator[Topology]:
    """Kafka, both workers, and the city's grid published."""
    with broker(folder) as bootstrap, ExitStack() as stack:
        env = {"KAFKA_BOOTSTRAP": bootstrap}
        topology = load_topology("topology.yaml", env=env)
        ensure_topics(topology.kafka, topology.topics.values())
        publish(topology, list(city.nodes()), None, now())
        for name in ("metering", "grid"):
            argv = [sys.executable, "-m", "flexmeter", "worker", "--name", name, "--instance", "bench"]
            process = spawn(Part(name, argv, folder / f"{name}.log", env))
            stack.callback(_must_run, process, folder / f"{name}.log")
        yield topology


def _must_run(process: Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"a worker ended with {process.returncode}\n{tail(log)}")
    stop(process, 30)


def episodes(live: Live, count: int) -> dict[str, Any]:
    """Transformers lose supply one after the other, each for a while: seconds to the first alert and to the located."""
    city, began = live.city, now() + 1_000
    struck: dict[str, int] = {}
    for number in range(count):
        feeder = number % len(city.names) * FEEDERS + number // len(city.names) % FEEDERS
        name, meters = city.transformer(feeder, int(live.rng.integers(city.transformers)))
        if name in struck:
            continue
        at = began + number * EPISODE_EVERY_MS
        struck[name] = at
        rows = list(range(meters.start, meters.stop))
        live.at(at, partial(live.switch, meters, True))
        live.gasp(rows, at, GASPS_WITHIN_MS, "last_gasp", DELIVERED)
        live.at(at + DARK_MS, partial(live.switch, meters, False))
        live.gasp(rows, at + DARK_MS, GASPS_WITHIN_MS, "power_restored", 1.0)
    live.until(began + count * EPISODE_EVERY_MS + DARK_MS + SETTLES_MS)
    waits = [_waits(live.seen, name, at) for name, at in struck.items()]
    first, located = [wait for wait, _ in waits], [wait for _, wait in waits]
    return {
        "outages": len(struck),
        "told": sum(wait < NEVER for wait in first),
        "located": sum(wait < NEVER for wait in located),
        "alerts": len(live.seen.alerts),
        "first_gasp_to_first_alert_s": _spread(first),
        "first_gasp_to_located_s": _spread(located),
    }


def _waits(seen: Seen, device: str, at_ms: int) -> tuple[float, float]:
    """Seconds until an outage's first alert was read, and the one that located it; NEVER where none was."""
    versions = sorted((v for said in seen.alerts.values() for v in said if v[1].subject == device), key=_number)
    if not versions:
        return NEVER, NEVER
    start = max(at_ms, min(int(alert.evidence["start_ms"]) for _, alert in versions))
    said = seen.alerts[versions[0][1].id]
    located = [when for when, alert in said if alert.evidence["phase"] not in ("provisional", "closed")]
    return (said[0][0] - start) / 1_000, (located[0] - start) / 1_000 if located else NEVER


def _number(version: tuple[int, Alert]) -> int:
    return version[1].number


def _spread(seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return {"p50": None, "p99": None, "most": None}
    found = dict(zip(("p50", "p99", "most"), np.percentile(seconds, (50, 99, 100), method="higher"), strict=True))
    return {name: round(float(wait), 3) if wait < NEVER else None for name, wait in found.items()}


def storm(live: Live) -> dict[str, Any]:
    """Most feeders within 10 s, every last gasp delivered once."""
    city, before = live.city, set(live.seen.alerts)
    began, counted = now() + 1_000, live.received()
    struck = [f for f in range(len(city.names) * FEEDERS) if f % FEEDERS < round(FEEDERS * STORM_SHARE)]
    gasps = 0
    for feeder in struck:
        _, meters = city.feeder(feeder)
        at = began + int(live.rng.integers(0, STORM_MS - GASPS_WITHIN_MS))
        live.at(at, partial(live.switch, meters, True))
        live.gasp(list(range(meters.start, meters.stop)), at, GASPS_WITHIN_MS, "last_gasp", 1.0)
        gasps += meters.stop - meters.start
    live.until(began + STORM_MS)
    there, written = live.ends(), now()
    live.until(written + PATIENCE_MS, lambda: live.behind(there) == 0)
    caught_up_s = (now() - written) / 1_000
    live.until(now() + SETTLES_MS)
    alerts = [said for name, said in live.seen.alerts.items() if name not in before]
    ended = [max(said, key=_number)[1] for said in alerts]
    standing = [alert for alert in ended if alert.evidence["ending"] not in ("merged", "withdrawn")]
    subjects = [alert.subject for alert in standing]
    names = [city.feeder(feeder)[0] for feeder in struck]
    return {
        "gasps": gasps,
        "gasps_counted": live.received() - counted,
        "outages": len(struck),
        "alerts": len(alerts),
        "alerts_that_stand": len(standing),
        "alerts_merged": sum(alert.evidence["ending"] == "merged" for alert in ended),
        "alerts_taken_back": sum(alert.evidence["ending"] == "withdrawn" for alert in ended),
        "outages_with_one_alert": sum(subjects.count(name) == 1 for name in names),
        "lag_back_to_zero_s": round(caught_up_s, 2),
        "first_alert_s": round((min(said[0][0] for said in alerts) - began) / 1_000, 3) if alerts else None,
    }


@click.command(help=__doc__)
@click.option("--meters", default=125_000, show_default=True)
@click.option("--substations", default=8, show_default=True)
@click.option("--episodes", "episode_count", default=100, show_default=True)
@click.option("--warm-up", "warm_up_s", default=40, show_default=True, help="Seconds until the first outage.")
@click.option("--folder", default=Path(".run/bench-outage"), type=click.Path(path_type=Path))
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path))
def main(meters: int, substations: int, episode_count: int, warm_up_s: int, folder: Path, results: Path) -> None:
    """Measure, print, keep."""
    shutil.rmtree(folder, ignore_errors=True)  # alerts and state of a run before are none of this one's
    folder.mkdir(parents=True)
    city = City(substations, meters // (substations * FEEDERS), 4)
    with running(folder, city) as topology:
        live = Live(city, topology, seed=1)
        live.until(now() + PATIENCE_MS, lambda: len(live.seen.accounts) == 2 * city.partitions)
        live.until(now() + 1_000 * warm_up_s)
        told = episodes(live, episode_count)
        print(f"{told['told']} of {told['outages']} outages told: {told}")
        found = storm(live)
        print(f"storm of {found['gasps']:,} last gasps: {found}")
        live.close()
    goals = {
        "every outage told": told["told"] == told["outages"],
        f"first alert p99 < {GOALS['first p99']:g} s": _below(told["first_gasp_to_first_alert_s"]["p99"], "first p99"),
        f"located p99 < {GOALS['located p99']:g} s": _below(told["first_gasp_to_located_s"]["p99"], "located p99"),
        "storm: nothing lost": found["gasps_counted"] == found["gasps"],
        "storm: one alert that stands per outage": found["outages_with_one_alert"]
        == found["alerts_that_stand"]
        == found["outages"],
        f"storm: lag back to zero < {GOALS['storm lag back to zero']:g} s": _below(
            found["lag_back_to_zero_s"], "storm lag back to zero"
        ),
    }
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED':7}{goal}")
    whole = {"meters": len(city.meters), "substations": substations, "episodes": told, "storm": found, "goals": goals}
    report("outage_speed", whole, ("numpy", "faust-streaming", "aiokafka", "confluent-kafka"), results)
    sys.exit(0 if all(goals.values()) else 1)


def _below(seconds: float | None, goal: str) -> bool:
    return seconds is not None and seconds < GOALS[goal]


if __name__ == "__main__":
    main()
