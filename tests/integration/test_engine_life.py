"""What an operator of the pipeline does with a stream: look into its state, rebuild it, and find input deleted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.kafka import Outlet, client_settings, ensure_topics
from flexmeter.local.part import Part, spawn
from schemas.blocks import Beat
from schemas.codec import decode, encode
from schemas.partition import partition_of
from schemas.topology import Topology, load_topology
from tests.stream_topics import expected, read, worked_up_to
from tests.streams_log import BEGIN, SOURCE, Row, block, facts
from tests.topologies import TEXT
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

METER, STEPS, STEP_MS = "meter-1", 240, 60_000
AGAIN = """
  metering_2:
    input: {prefix}.readings
    operators: [rolling_load, presence]
    outputs: [{prefix}.aggregates, {prefix}.presence, {prefix}.requests, {prefix}.accounts]
    dead_letters: {prefix}.dead
    state: {prefix}.state2
"""
STATE_AGAIN = "  {prefix}.state2: {{records: [StateChunk, StateCommit], by: partition, partitions: 4, compact: true}}\n"


class Place:
    """A topology with topics of its own, a log on its input, and what runs on it."""

    def __init__(self, folder: Path, kafka: str, prefix: str) -> None:
        self.folder, self.prefix, self.path = folder, prefix, folder / "topology.yaml"
        text = TEXT.replace("bridges:\n", STATE_AGAIN + "bridges:\n", 1).replace(
            "sinks:\n", AGAIN.lstrip("\n") + "sinks:\n", 1
        )
        self.path.write_text(text.format(bootstrap=kafka, prefix=prefix))
        self.topology: Topology = load_topology(self.path)
        ensure_topics(self.topology.kafka, self.topology.topics.values())

    def fill(self) -> None:
        """Four hours of one meter, a reading a minute, and beats into every partition."""
        outlet = Outlet(self.topology.kafka, "test")
        own = partition_of(METER, 4)
        for step in range(STEPS):
            at = BEGIN + step * STEP_MS
            row = Row(METER, at, at, (10.0 * step, 0.0, 100.0, *[230.0] * 5), 0, STEP_MS)
            outlet.produce(f"{self.prefix}.readings", own, encode(block([row])))
            for second in range(0, 60, 20):
                for partition in range(4):
                    beat = encode(Beat(SOURCE, at + second * 1_000))
                    outlet.produce(f"{self.prefix}.readings", partition, beat)
            outlet.serve()
        assert outlet.close(30)

    def command(self, *argv: str) -> list[str]:
        return [sys.executable, "-m", "flexmeter", argv[0], "--topology", str(self.path), *argv[1:]]

    def ask(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*argv), capture_output=True, text=True, timeout=120)

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        argv = self.command("worker", "--name", "metering", "--session-timeout", "6", "--instance", "w0")
        process = spawn(Part("worker", argv, self.folder / "worker.log"))
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def has_worked(self) -> bool:
        ends = {partition: offset + 1 for partition, offset, _ in read(self.topology, f"{self.prefix}.readings")}
        return worked_up_to(self.topology, self.prefix) == ends


def test_state_is_shown_and_a_stream_rebuilt_from_its_input(kafka: str, tmp_path: Path) -> None:
    place = Place(tmp_path, kafka, "life")
    place.fill()
    with place.worker():
        wait_until(place.has_worked, (tmp_path / "worker.log").read_text)

    (told,) = [json.loads(line) for line in place.ask("state", METER, "--json").stdout.splitlines()]
    assert (told["stream"], told["partition"], told["feeder"]) == ("metering", partition_of(METER, 4), "F1")
    assert told["rolling_load"]["last"]["active_power_l1_w"] == 100.0
    assert told["rolling_load"]["open"]["hour"]["active_energy_import_wh"]["register_difference"] > 0
    unknown = place.ask("state", "nobody")
    assert unknown.returncode == 1 and "no saved state knows 'nobody'" in unknown.stderr

    before = [value for _, _, value in read(place.topology, "life.aggregates")]
    replayed = place.ask("replay", "--name", "metering_2", "--withhold-hours", "2")
    assert replayed.returncode == 0, replayed.stderr
    assert "stop the workers of metering and start those of metering_2" in replayed.stderr
    after = [value for _, _, value in read(place.topology, "life.aggregates")]
    again = facts(decode(value) for value in after[len(before) :])  # type: ignore[arg-type]
    whole = expected(place.topology, "life")
    assert again.items() <= whole.items()
    starts = {key[4] for key in again if key[3] == "1h"}
    assert starts and min(starts) >= BEGIN, "windows of the withheld beginning"
    told_again = [json.loads(line) for line in place.ask("state", METER, "--json").stdout.splitlines()]
    first, second = (dict(one, stream="") for one in told_again)
    assert first == second


def test_input_that_was_deleted_before_it_was_read_stops_the_worker(kafka: str, tmp_path: Path) -> None:
    place = Place(tmp_path, kafka, "deleted")
    place.fill()
    with place.worker():
        wait_until(place.has_worked, (tmp_path / "worker.log").read_text)
    place.fill()
    own = partition_of(METER, 4)
    _, end = _bounds(place, own)
    admin = AdminClient(client_settings(place.topology.kafka))
    (deleted,) = admin.delete_records([TopicPartition("deleted.readings", own, end)]).values()
    deleted.result(30)
    with place.worker() as worker:
        assert worker.wait(60) == 1
    log = (tmp_path / "worker.log").read_text()
    assert "what lies between was deleted before it was read" in log
    assert "empty the topic deleted.state to start afresh" in log


def _bounds(place: Place, partition: int) -> tuple[int, int]:
    offsets = [offset for at, offset, _ in read(place.topology, "deleted.readings") if at == partition]
    return offsets[0], offsets[-1] + 1
