"""Workers are killed while they work, on a real broker: nothing is lost, and what is repeated is the same."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.kafka import Outlet, ensure_topics
from flexmeter.local.part import Part, spawn
from schemas.blocks import Beat
from schemas.codec import decode, encode
from streams.contract import Result
from tests.stream_topics import PARTITIONS, expected, read, worked_up_to
from tests.streams_log import BEGIN, SOURCE, Row, block, facts
from tests.topologies import metering

pytestmark = [pytest.mark.integration, pytest.mark.slow]

METERS_EACH, STEPS, STEP_MS, KILLS = 10, 600, 60_000, 6


def log_of(partition: int, step: int) -> list[bytes]:
    """What one partition gets at one step: a reading of each meter, then two beats of a second."""
    rng = random.Random(f"{partition}/{step}")
    at = BEGIN + step * STEP_MS
    rows = [
        Row(f"{partition}-{i}", at, at, (10.0 * step, 0.0, rng.randint(0, 9_999) / 10, *[230.0] * 5), 0, STEP_MS)
        for i in range(METERS_EACH)
        if rng.random() > 0.1
    ]
    beats = [Beat(SOURCE, BEGIN + (2 * step + i) * 1_000) for i in range(2)]
    return [encode(record) for record in ([block(rows)] if rows else []) + beats]


def test_killed_workers_lose_nothing_and_double_nothing(kafka: str, tmp_path: Path) -> None:
    prefix = "faults"
    path, topology = metering(tmp_path, kafka, prefix)
    ensure_topics(topology.kafka, topology.topics.values())
    argv = [sys.executable, "-m", "flexmeter", "worker", "--topology", str(path), "--name", "metering"]
    argv += ["--save-interval", "1", "--session-timeout", "6", "--instance"]
    parts = [Part(f"worker-{i}", [*argv, f"w{i}"], tmp_path / f"worker-{i}.log") for i in range(2)]
    workers: list[subprocess.Popen[bytes]] = [spawn(part) for part in parts]
    outlet = Outlet(topology.kafka, "test")
    rng, killed = random.Random(1), 0
    kill_at = [STEPS * (i + 1) // (KILLS + 1) for i in range(KILLS)]
    try:
        for step in range(STEPS):
            for partition in range(PARTITIONS):
                for value in log_of(partition, step):
                    outlet.produce(f"{prefix}.readings", partition, value)
            outlet.serve(0.05)
            if step in kill_at:
                victim = rng.randrange(2)
                workers[victim].kill()
                workers[victim].wait()
                killed += 1
                workers[victim] = spawn(parts[victim])
        assert outlet.close(30)
        ends = {partition: offset + 1 for partition, offset, _ in read(topology, f"{prefix}.readings")}
        deadline = time.monotonic() + 120
        while worked_up_to(topology, prefix) != ends:
            assert time.monotonic() < deadline, (tmp_path / "worker-0.log").read_text()[-3_000:]
            assert [worker.poll() for worker in workers] == [None, None]
            time.sleep(0.5)
    finally:
        for worker in workers:
            worker.terminate()
        codes = [worker.wait(20) for worker in workers]
    assert codes == [0, 0]
    assert killed == KILLS
    results: list[Result] = []
    for topic in ("aggregates", "presence", "requests"):
        results += [decode(value) for _, _, value in read(topology, f"{prefix}.{topic}")]
    assert facts(iter(results)) == expected(topology, prefix)
