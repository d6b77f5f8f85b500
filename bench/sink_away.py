"""ClickHouse away under load: is anything lost, does the sink's memory stay bounded, is the lag caught up?

    python -m bench.sink_away [--minutes 10] [--rows-per-s 5000]

A real Kafka, a real clickhouse-server (18.16), the sink as a process of its own. Readings come at a steady rate
all the time. The server is killed, stays away for so long, and comes back; when the sink has caught up with what still
comes, the load ends, and what the server has is counted.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from clickhouse_driver import Client

from bench.process import resident_mb
from bench.report import report
from bench.sink_load import BLOCK_ROWS, blocks
from connectors import offsets, tables
from connectors.clickhouse_server import ClickHouseServer
from connectors.kafka import Outlet, client_settings, ensure_topics
from flexmeter.commands.sink import make_sink
from flexmeter.local.clickhouse import clickhouse
from flexmeter.local.kafka import kafka
from flexmeter.local.old_clickhouse import for_1816
from flexmeter.local.part import Part, running
from flexmeter.local.ports import HOST, free_port
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.errors import Unavailable
from schemas.topology import Topology, load_topology

TOPOLOGY = Path("topology.yaml")
TOPIC, GROUP = "meter.readings", "flexmeter-clickhouse"
BEFORE_S = 5.0
LOOK_S = 0.5
CAUGHT_UP_S = 2.0
"""Caught up: what is not yet written came within this."""
PATIENCE_S = 1_800.0
MOST_GROWTH_MB = 250
"""librdkafka holds 64 MB of fetched records, the sink one batch of 50,000 rows; and what Python keeps of both."""
MOST_ROUNDED_W = 1.0


@dataclass(slots=True)
class Load:
    """Readings at a steady rate into all partitions, from a thread of its own, until told to end."""

    topology: Topology
    rows_per_s: int
    sent: int = 0
    power_w: float = 0.0
    _end: threading.Event = field(default_factory=threading.Event)

    def start(self) -> threading.Thread:
        """Begin to send."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def end(self, thread: threading.Thread) -> None:
        """Stop sending; returns when Kafka has everything."""
        self._end.set()
        thread.join()

    def _run(self) -> None:
        outlet, began = Outlet(self.topology.kafka, "load"), time.monotonic()
        partitions = self.topology.topics[TOPIC].partitions
        for number, block in enumerate(blocks(sys.maxsize)):
            due = began + number * BLOCK_ROWS / self.rows_per_s
            if self._end.wait(max(0.0, due - time.monotonic())):
                break
            outlet.produce(TOPIC, number % partitions, encode(block))
            outlet.serve()
            self.sent += BLOCK_ROWS
            self.power_w += float(block.rows_by_column()[2].sum())
        if not outlet.close(60):
            raise RuntimeError("Kafka did not take the load")


@dataclass(slots=True)
class Watch:
    """What is seen of the sink: its memory, and how many records it is behind."""

    pid: int
    topology: Topology
    rss_mb: dict[str, float] = field(default_factory=dict)
    most_behind: int = 0

    def look(self, phase: str) -> int:
        """Note the memory as that of the phase; records behind now."""
        self.rss_mb[phase] = max(self.rss_mb.get(phase, 0.0), resident_mb(self.pid))
        behind = self.behind()
        self.most_behind = max(self.most_behind, behind)
        return behind

    def during(self, phase: str, seconds: float) -> None:
        """Look for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look(phase)
            time.sleep(LOOK_S)

    def until_behind_at_most(self, records: int, phase: str) -> float:
        """Look until then; the seconds it took."""
        began = time.monotonic()
        while self.look(phase) > records:
            if time.monotonic() - began > PATIENCE_S:
                raise RuntimeError(f"not caught up after {PATIENCE_S:.0f} s")
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def behind(self) -> int:
        """Records of readings that are not committed."""
        settings = client_settings(self.topology.kafka)
        while True:
            try:
                _, end = offsets.ends(settings, [TOPIC])
                done = offsets.committed(settings, GROUP, list(end))
                return sum(last - max(done.get(place, 0), 0) for place, last in end.items())
            except Unavailable:  # a topic or a group that is just being made
                time.sleep(LOOK_S)


def measure(folder: Path, away_s: float, rows_per_s: int) -> dict[str, Any]:
    """Run it once."""
    kafka_port, port = free_port(), free_port()
    env = {"KAFKA_BOOTSTRAP": f"{HOST}:{kafka_port}", "CLICKHOUSE_URL": f"clickhouse://{HOST}:{port}"}
    server = clickhouse(folder / "clickhouse", port, free_port(), folder / "clickhouse.log")
    with running(kafka(folder / "kafka", kafka_port, folder / "kafka.log")):
        topology = load_topology(TOPOLOGY, env)
        ensure_topics(topology.kafka, topology.topics.values())
        load = Load(topology, rows_per_s)
        with running(_sink(folder, env)) as sink:
            watch = Watch(sink.pid, topology)
            with running(server) as process:
                thread = load.start()
                watch.during("before", BEFORE_S)
                watch.until_behind_at_most(_within(CAUGHT_UP_S, rows_per_s), "before")
                process.kill()
            watch.during("away", away_s)
            with running(server):
                caught_up_s = watch.until_behind_at_most(_within(CAUGHT_UP_S, rows_per_s), "back")
                load.end(thread)
                watch.until_behind_at_most(0, "back")
                written, power_w, letters = _counted(port)
    return {
        "away_s": away_s,
        "rows_per_s": rows_per_s,
        "readings_sent": load.sent,
        "readings_lost": load.sent - written,
        "sum_differs_by_w": round(abs(power_w - load.power_w), 3),
        "dead_letters": letters,
        "most_records_behind": watch.most_behind,
        "caught_up_s": round(caught_up_s, 1),
        "rss_mb": {phase: round(most) for phase, most in watch.rss_mb.items()},
    }


def faults(found: Mapping[str, Any]) -> list[str]:
    """What is not as it should be, in words.

    >>> faults({"readings_lost": 0, "dead_letters": 2, "sum_differs_by_w": 0.0, "rss_mb": {"before": 90, "away": 99}})
    ['2 dead letters of good readings']
    """
    most_mb = max(found["rss_mb"].values())
    wrong = {
        f"{found['readings_lost']:,} readings lost": found["readings_lost"],
        f"{found['dead_letters']:,} dead letters of good readings": found["dead_letters"],
        f"the sum differs by {found['sum_differs_by_w']} W": found["sum_differs_by_w"] > MOST_ROUNDED_W,
        f"memory grew from {found['rss_mb']['before']} MB to {most_mb} MB": most_mb
        > found["rss_mb"]["before"] + MOST_GROWTH_MB,
    }
    return [words for words, is_so in wrong.items() if is_so]


def _within(seconds: float, rows_per_s: int) -> int:
    return max(1, round(seconds * rows_per_s / BLOCK_ROWS))


def _counted(port: int) -> tuple[int, float, int]:
    with Client(HOST, port) as client:
        ((rows, power_w),) = client.execute("SELECT count(), sum(active_power_l1_w) FROM flexmeter.readings")
        ((letters,),) = client.execute("SELECT count() FROM flexmeter.dead_letters")
    return rows, power_w, letters


def _sink(folder: Path, env: Mapping[str, str]) -> Part:
    argv = [sys.executable, "-m", "bench.sink_away", "--as-sink"]
    return Part("sink", argv, folder / "sink.log", env=env, stop_s=30)


def be_sink() -> None:
    """The sink, with the tables that 18.16 can make."""
    topology = load_topology(TOPOLOGY, os.environ)
    store = ClickHouseServer(topology.sinks["clickhouse"].url)
    sink = make_sink(topology, "clickhouse", store)
    signal.signal(signal.SIGTERM, lambda *_: sink.stop())
    sink.migrate(for_1816(tables.statements(load_catalogue())))
    sink.run()


@click.command(help=__doc__)
@click.option("--minutes", default=10.0, show_default=True, help="How long the server is away.")
@click.option("--rows-per-s", default=5_000, show_default=True, help="Readings that come a second.")
@click.option("--as-sink", is_flag=True, hidden=True)
def main(minutes: float, rows_per_s: int, as_sink: bool) -> None:
    """Measure, print, write; exit 1 where something is not as it should be."""
    if as_sink:
        be_sink()
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), 60 * minutes, rows_per_s)
    report("sink-away", found, ["clickhouse-driver", "confluent-kafka"])
    if wrong := faults(found):
        print("\n".join(wrong), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
