"""What the stream `nilm` costs as it runs, Kafka and decoding included: `python -m bench.nilm_kafka`.

10,000 homes that consent report at 1 Hz, each a mixture of single-appliance traces (bench/nilm_homes.py) begun at
another second of its days, in blocks as a bridge makes them. They wait on a real broker; then one worker, with saving
as usual, works through them. Counted is the CPU time of its process from the end of the warm-up on. Exit code 1 where
one core does not keep up with all homes, or a home needs more than 4 kB.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import click
import numpy as np
from confluent_kafka import Producer
from prometheus_client.samples import Sample

from bench import nilm_homes
from bench.engine_topics import broker
from bench.nilm_homes import MIXTURE_BEGIN, read_home
from bench.report import report
from connectors.kafka import ensure_topics
from flexmeter.commands.home import Request, blocks
from flexmeter.known import known
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.part import Part, running
from flexmeter.local.ports import free_port
from schemas.arrays import Float64s, Int64s
from schemas.blocks import Beat, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topology import Topology, load_topology
from streams.nilm.operator import Nilm

GOAL_HOMES = 10_000
GOAL_BYTES_A_HOME = 4_096
PROFILE = "nilm_meter"
SOURCE = "amqp_nilm"
BLOCKS_A_SECOND = 4
"""Of each partition; a bridge that lingers 500 ms makes as many of 2,500 homes."""
_CPU, _MEMORY = Series("process_cpu_seconds_total"), Series("process_resident_memory_bytes")
_ROWS = Series("flexmeter_stream_rows")


@dataclass(frozen=True, slots=True)
class Town:
    """Homes of one partition: their names, and where in which mixture each began."""

    ids: list[str]
    mixture: Int64s
    offset: Int64s

    def mains_w(self, mixtures: list[Float64s], second: int) -> Float64s:
        """What all of them draw in a second, W."""
        mains = np.empty(len(self.ids))
        for number, mixture in enumerate(mixtures):
            of = self.mixture == number
            mains[of] = mixture[(self.offset[of] + second) % len(mixture)]
        return mains


def towns(homes: int, partitions: int, mixtures: list[Float64s]) -> list[Town]:
    """The homes, by partition."""
    rng = np.random.default_rng(1)
    ids = [f"home-{i:05d}" for i in range(homes)]
    partition = np.array([partition_of(home, partitions) for home in ids])
    mixture = rng.integers(0, len(mixtures), homes)
    offset = rng.integers(0, min(map(len, mixtures)), homes)
    found = []
    for number in range(partitions):
        of = np.flatnonzero(partition == number)
        found.append(Town([ids[i] for i in of], mixture[of], offset[of]))
    return found


def payloads(town: Town, mixtures: list[Float64s], second: int) -> Iterator[bytes]:
    """A second of a partition, and the beat that ends it."""
    at = (MIXTURE_BEGIN + second) * 1_000
    mains_w = town.mains_w(mixtures, second)
    for members in np.array_split(np.arange(len(town.ids)), BLOCKS_A_SECOND):
        yield encode(_block(town, members, mains_w[members], at))
    yield encode(Beat(SOURCE, at + 1_000))


def _block(town: Town, members: Int64s, mains_w: Float64s, at: int) -> ReadingBlock:
    n = len(members)
    return ReadingBlock(
        source=SOURCE,
        profile=PROFILE,
        received_at=at,
        meters=[town.ids[i] for i in members],
        feeders=[None] * n,
        substations=[None] * n,
        intervals_ms=np.full(n, 1_000),
        row_meter=np.arange(n, dtype=np.int32),
        at=np.full(n, at),
        sequence=np.full(n, -1),
        quality=np.zeros(n, np.int32),
        columns=list(load_catalogue().profiles[PROFILE].quantities),
        values=np.concatenate([mains_w / 230, np.full(n, 230.0), mains_w, 0.2 * mains_w]),
    )


def provide(topology: Topology, mixtures: list[Float64s], homes: int, seconds: int) -> None:
    """Topics, consents, and all readings."""
    ensure_topics(topology.kafka, topology.topics.values())
    topic = topology.topics[topology.streams["nilm"].input]
    producer = Producer({"bootstrap.servers": topology.kafka.bootstrap, "compression.type": "lz4", "linger.ms": 50})
    found = towns(homes, topic.partitions, mixtures)
    consents = [Request(home, 0, "consent") for town in found for home in town.ids]
    for partition, block in blocks(consents, topic.partitions):
        producer.produce(topic.name, encode(block), partition=partition)
    for second in range(seconds):
        for partition, town in enumerate(found):
            for payload in payloads(town, mixtures, second):
                producer.produce(topic.name, payload, partition=partition)
        producer.flush()


def worked_through(port: int, rows: float, within_s: float = 1_800) -> tuple[float, float, float]:
    """CPU seconds, rows and resident bytes of the worker once it has taken so many rows."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        samples = scrape(port)
        taken = _sum(_ROWS, samples)
        if taken >= rows:
            return _sum(_CPU, samples), taken, _sum(_MEMORY, samples)
        time.sleep(0.25)
    raise click.ClickException(f"the worker did not take {rows:.0f} rows in {within_s:.0f} s")


def _sum(series: Series, samples: list[Sample]) -> float:
    return float(sum(sample.value for sample in series.of(samples)))


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.option("--mixtures", "mixture_folder", type=click.Path(path_type=Path), default=nilm_homes.FOLDER)
@click.option("--homes", default=GOAL_HOMES, show_default=True)
@click.option("--seconds", default=240, show_default=True, help="Of event time, of which the first quarter is warm-up.")
@click.option("--folder", type=click.Path(path_type=Path), default=".run/bench-nilm")
def main(data: Path, mixture_folder: Path, homes: int, seconds: int, folder: Path) -> None:
    """Measure, print, keep."""
    nilm_homes.ensure(mixture_folder, data, nilm_homes.MIXTURES)
    mixtures = [read_home(mixture_folder / name / "home.csv").mains_w for name in nilm_homes.MIXTURES]
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with broker(folder) as bootstrap:
        env = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "KAFKA_SECURITY": "PLAINTEXT"}
        provide(load_topology("topology.yaml", env, known()), mixtures, homes, seconds)
        port = free_port()
        argv = [sys.executable, "-m", "flexmeter", "worker", "--name", "nilm", "--metrics-port", str(port)]
        worker = Part("worker", argv, folder / "worker.log", env, lambda: bool(_ROWS.of(scrape(port))))
        with running(worker):
            cpu_before, rows_before, _ = worked_through(port, homes * seconds / 4)
            cpu, rows, memory = worked_through(port, homes * seconds)
    us_a_row = (cpu - cpu_before) * 1e6 / (rows - rows_before)
    bytes_a_home = Nilm().dtype([load_catalogue().quantities["active_power_w"]]).itemsize
    goals = {
        f"{GOAL_HOMES:,} homes at 1 Hz on one core": us_a_row * GOAL_HOMES <= 1e6,
        f"<= {GOAL_BYTES_A_HOME} bytes a home": bytes_a_home <= GOAL_BYTES_A_HOME,
    }
    print(f"{homes:,} homes: {us_a_row:.1f} us a row, all included: {1e6 / us_a_row:,.0f} homes at 1 Hz a core; "
          f"{bytes_a_home} bytes a home, {memory / 1e6:,.0f} MB the process")  # fmt: skip
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED':7}{goal}")
    figures = {"microseconds_a_row": round(us_a_row, 2), "homes_a_core": round(1e6 / us_a_row)}
    figures |= {"bytes_a_home": bytes_a_home, "process_mb": round(memory / 1e6)}
    packages = ["numpy", "faust-streaming", "aiokafka", "confluent-kafka"]
    report("nilm-kafka", {"homes": homes, "seconds": seconds, **figures, "goals": goals}, packages)
    sys.exit(0 if all(goals.values()) else 1)


if __name__ == "__main__":
    main()
