"""Where this engine's time goes: its own work on the blocks of bench.engine, without Kafka, part by part.

    python -m bench.engine_parts [--meters 25000] [--minutes 5]

One shard, as a worker holds four of them; blocks of 200 readings, in memory. What the worker takes beyond that (see
bench.engine and bench.metering) is for Kafka's protocol, Faust, sending and saving: so this is the most that the engine
could reach if all of those cost nothing.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from bench.contestants import METERING, PARTITIONS
from bench.engine import BLOCK_ROWS, METERS
from bench.minute_mean import MinuteMean
from bench.peers.flexmeter.topology import topology
from bench.report import RESULTS, report
from bench.workload import STEP_MS, City, block_log, steps
from schemas.catalogue import load_catalogue
from schemas.codec import decode
from streams.registry import OPERATORS
from streams.results import outgoing
from streams.shard import Shard
from streams.warm_up import warm_up

WARM_UP_STEPS = 12
CHOICES: dict[str, Sequence[str]] = {
    "minute_mean": ("minute_mean",),
    "rolling_load": ("rolling_load",),
    "metering": METERING,
}


def logs(meters: int, count: int) -> Iterator[list[bytes]]:
    """What a partition of so many meters gets, step by step."""
    city = City.of(meters, 1)
    for step in islice(steps(city), count):
        yield list(block_log(city, step, 0, BLOCK_ROWS))


def measure(names: Sequence[str], meters: int, minutes: int) -> dict[str, float]:
    """CPU time of each part in us a reading, after two minutes of event time."""
    known = OPERATORS | {MinuteMean.name: MinuteMean()}
    whole = topology("", "parts", "in", "out", tuple(names), PARTITIONS)
    stream = whole.streams["parts"]
    shard = Shard(stream.name, 0, {name: known[name] for name in names}, load_catalogue(), turn_ms=1_000)
    spent = dict.fromkeys(("decode", "shard", "encode"), 0.0)
    for number, log in enumerate(logs(meters, WARM_UP_STEPS + minutes * 60_000 // STEP_MS)):
        if number == WARM_UP_STEPS:
            spent, received = dict.fromkeys(spent, 0.0), shard.counts.received
        began = time.process_time()
        records = [decode(payload) for payload in log]
        decoded = time.process_time()
        results = [result for record in records for result in shard.take(record) or ()]
        worked = time.process_time()
        for result in results:
            list(outgoing(result, stream, whole, 0))
        encoded = time.process_time()
        for part, took in zip(spent, (decoded - began, worked - decoded, encoded - worked), strict=True):
            spent[part] += took
    readings = shard.counts.received - received
    return {part: round(1e6 * took / readings, 3) for part, took in spent.items()} | {
        "readings_per_cpu_s": round(readings / sum(spent.values()))
    }


@click.command(help=__doc__)
@click.option("--meters", default=METERS // PARTITIONS, show_default=True, help="Meters of the partition.")
@click.option("--minutes", default=5, show_default=True, help="Event time that is measured, after two minutes.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), help="Where the figures go.")
def main(meters: int, minutes: int, results: Path) -> None:
    """Measure, print, write."""
    warm_up(load_catalogue())
    parts: dict[str, Any] = {}
    for name, operators in CHOICES.items():
        parts[name] = found = measure(operators, meters, minutes)
        told = ", ".join(f"{part} {found[part]:.2f}" for part in ("decode", "shard", "encode"))
        print(f"{name:14}{told} us a reading; {found['readings_per_cpu_s']:,} readings/CPU-s", file=sys.stderr)
    report("engine-parts", {"meters": meters, "block_rows": BLOCK_ROWS, "parts": parts}, ["numpy", "numba"], results)


if __name__ == "__main__":
    main()
