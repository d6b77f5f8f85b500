"""One in a hundred of a fleet's rows come two days late, through the real roles: the views come to equal the truth."""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import pytest

from connectors.kafka import Outlet, ensure_topics
from flexmeter.local.part import Part, running
from schemas.blocks import Beat
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topology import load_topology
from streams.revision import RECOMPUTED
from tests.recomputation import FACTS, Stored, as_log, asked, delayed, streams
from tests.sink_process import PARTITIONS, Place, make_place
from tests.streams_log import BEGIN, SOURCE, Row, beats

pytestmark = [pytest.mark.integration, pytest.mark.slow]

INTERVAL, HOUR = 300_000, 3_600_000
METERS, HOURS = 10, 54


def fleet(seed: int) -> list[Row]:
    """Homes on two feeders that report every five minutes."""
    rng = random.Random(seed)
    return [
        Row(f"m-{meter}", at, at, values(rng, meter, at), interval_ms=INTERVAL, feeder=f"F{meter % 2}")
        for step in range(HOURS * HOUR // INTERVAL)
        for meter in range(METERS)
        for at in [BEGIN + step * INTERVAL + 1_000 * meter]
    ]


def values(rng: random.Random, meter: int, at: int) -> tuple[float, ...]:
    energy = 1_000.0 * meter + (at - BEGIN) // 20_000
    return (energy, 0.0, *(rng.randint(0, 20_000) / 10 for _ in range(3)), 230.0, 231.0, 229.0)


def roles(place: Place) -> Iterator[Part]:
    for command in (("worker", "metering"), ("worker", "grid"), ("recompute", "metering")):
        argv = [sys.executable, "-m", "flexmeter", command[0], "--topology", str(place.topology), "--name", command[1]]
        argv += ["--linger", "1"] if command[0] == "recompute" else ["--instance", "only"]
        env = {**place.env, "PAGE_PORT": str(place.port)}
        yield Part("-".join(command), argv, place.topology.parent / f"{'-'.join(command)}.log", env=env, stop_s=30)


def send(place: Place, rows: Sequence[Row]) -> None:
    """Each meter's rows into its partition; every partition has beats after each block."""
    outlet = Outlet(load_topology(place.topology, place.env).kafka, "test")
    for partition in range(PARTITIONS):
        own = [row for row in rows if partition_of(row.meter, PARTITIONS) == partition]
        for block in as_log(own, HOUR):
            outlet.produce(place.topic("readings"), partition, encode(block))
            for beat in beats(block.received_at, 2):
                outlet.produce(place.topic("readings"), partition, encode(beat))
    assert outlet.close(60)


def facts(place: Place, view: str) -> list[str]:
    answer = place.http(f"SELECT {FACTS[view]} FROM flexmeter.{view} ORDER BY ALL", default_format="TSV")
    assert answer.status == 200, answer.body.decode()
    return answer.body.decode().splitlines()


def differing(place: Place, expected: dict[str, list[str]]) -> dict[str, list[str]]:
    found = {view: sorted(set(expected[view]) ^ set(facts(place, view)))[:4] for view in FACTS}
    return {view: some for view, some in found.items() if some}


def test_rows_two_days_late_are_in_the_views_in_the_end(kafka: str, tmp_path: Path) -> None:
    rows = fleet(7)
    early = [row for row in rows if row.at < BEGIN + 4 * HOUR]
    late = random.Random(1).sample(early, len(rows) // 100)
    log = delayed(rows, late, BEGIN + 52 * HOUR)
    stored = Stored(tmp_path / "truth")
    stored.write(streams(as_log(rows, HOUR)))
    expected = {view: stored.facts(view) for view in FACTS}
    wanted = len(set(asked(streams(as_log(log, HOUR)))))
    stored.close()
    place = make_place(tmp_path, "recompute", kafka)
    topology = load_topology(place.topology, place.env)
    ensure_topics(topology.kafka, topology.topics.values())
    clock = Outlet(topology.kafka, "clock")
    with ExitStack() as parts:
        parts.enter_context(place.sink())
        for part in roles(place):
            parts.enter_context(running(part))
        send(place, log)
        deadline = monotonic() + 200
        for second in count():
            for partition in range(PARTITIONS):  # the bridge's beats, by which stream `grid` ends its turns
                clock.produce(place.topic("events"), partition, encode(Beat(SOURCE, BEGIN + 1_000 * second)))
            clock.serve(0.3)
            if not (different := differing(place, expected)):
                break
            assert monotonic() < deadline, different
            sleep(0.2)
        assert clock.close(30)
        revised = place.rows("SELECT countIf(revision > 0), count(), max(revision) FROM flexmeter.aggregates")[0]
        loads = place.rows(f"SELECT countIf(revision >= {RECOMPUTED}) FROM flexmeter.loads")[0]
        requests = place.rows("SELECT count() FROM flexmeter.recompute_requests")[0]
    assert 0 < revised[0] < revised[1] // 4 and revised[2] < 10
    assert loads[0] > 0 and requests[0] == wanted
