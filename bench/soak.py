"""A live district for hours: does anything grow that should not?

    python -m bench.soak [--hours 2] [--homes 1000]

What `make run` starts for MQTT alone: broker, bridge, the workers of all streams (two of the one that carries the load)
and the sink, without the other bridges and without recomputation; homes that report every 10 s. Every 30 s: the memory
of each process, how far each reader is behind, the size of the state topics on disk. After the first quarter, in which
caches fill, the memory of no process may grow by 2 % or more, no lag may grow, no state topic by more than half and
50 MB (compacting makes it go up and down), nothing may end. Exit code 1 otherwise.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bench.process import resident_mb
from bench.proof_stack import ProofStack, say
from bench.report import report
from flexmeter.local.ports import free_port
from flexmeter.local.roles import Place
from schemas.errors import Unavailable

LOOK_S = 30.0
MOST_GROWTH = 0.02
MOST_LAG_GROWTH = 1_000
MOST_STATE_GROWTH, MOST_STATE_GROWTH_MB = 0.5, 50
PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "chdb", "numpy")


@dataclass(slots=True)
class Series:
    """What was seen over time, by name: resident memory in MB, lag in records, state on disk in MB."""

    at_s: list[float] = field(default_factory=list)
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    lag: dict[str, list[float]] = field(default_factory=dict)
    state_mb: dict[str, list[float]] = field(default_factory=dict)

    def look(self, stack: ProofStack, began: float) -> None:
        """One more point of each."""
        self.at_s.append(round(time.monotonic() - began, 1))
        for name, child in stack.supervisor.children.items():
            self.memory_mb.setdefault(name, []).append(resident_mb(child.process.pid))
        with suppress(Unavailable):  # a machine too busy to answer once is no end to hours of looking
            for name in stack.running:
                self.lag.setdefault(name, []).append(stack.lag(name))
        for topic in (stream.state for stream in stack.topology.streams.values()):
            self.state_mb.setdefault(topic, []).append(on_disk_mb(stack.place.folder / "kafka", topic))


def on_disk_mb(folder: Path, topic: str) -> float:
    """What Kafka keeps of all partitions of a topic."""
    files = [file for partition in folder.rglob(f"{topic}-*") for file in partition.glob("*.log")]
    return sum(file.stat().st_size for file in files) / 1e6


def growth(values: Sequence[float]) -> float:
    """From the second quarter to the last, by their medians, as a share.

    >>> growth([5, 9, 10, 10, 10, 10, 10, 11]), growth([1, 1, 1, 1])
    (0.05, 0.0)
    """
    quarter = max(1, len(values) // 4)
    before, after = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
    return round((after - before) / before, 4) if before else 0.0


def grown(values: Sequence[float]) -> float:
    """The same, as a difference."""
    quarter = max(1, len(values) // 4)
    return statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter])


def faults(series: Series, ended: Sequence[str]) -> list[str]:
    """What a soak must not show."""
    return [
        *(f"{line}" for line in ended),
        *(
            f"memory of {name} grew by {growth(values):.1%}"
            for name, values in series.memory_mb.items()
            if growth(values) >= MOST_GROWTH
        ),
        *(
            f"{name} fell behind by {grown(values):,.0f}"
            for name, values in series.lag.items()
            if grown(values) > MOST_LAG_GROWTH
        ),
        *(
            f"{name} grew by {growth(values):.1%} on disk"
            for name, values in series.state_mb.items()
            if growth(values) > MOST_STATE_GROWTH and grown(values) > MOST_STATE_GROWTH_MB
        ),
    ]


@click.command(help=__doc__)
@click.option("--hours", default=2.0, show_default=True)
@click.option("--homes", default=1_000, show_default=True)
def main(hours: float, homes: int) -> None:
    """Run, watch, tell."""
    series, ended = Series(), []
    with tempfile.TemporaryDirectory(prefix="flexmeter-soak-") as folder:
        place = Place(Path(folder), free_port(), free_port(), free_port())
        stack = ProofStack(place, Path("topology.yaml"), ("--homes", str(homes), "--outage-every", "600"))
        try:
            stack.set_up()
            stack.start_fleet()
            began = time.monotonic()
            while time.monotonic() < began + hours * 3_600:
                time.sleep(LOOK_S)
                series.look(stack, began)
                ended += list(stack.supervisor.watch())
                say(
                    f"{series.at_s[-1] / 60:6.1f} min  "
                    + ", ".join(f"{n} {v[-1]:.0f} MB" for n, v in (series.memory_mb | series.state_mb).items())
                )
        finally:
            stack.take_down()
    found = faults(series, ended)
    for line in found or ["nothing grew, nothing ended"]:
        print(line)
    report("soak", told(hours, homes, series, found), PACKAGES)
    sys.exit(1 if found else 0)


def told(hours: float, homes: int, series: Series, found: Sequence[str]) -> dict[str, Any]:
    """What goes on record: the medians of the second quarter and of the last, and the growth between."""
    memory = {
        name: {"median_mb": round(statistics.median(values), 1), "growth": growth(values)}
        for name, values in series.memory_mb.items()
    }
    lag = {name: {"median": statistics.median(values), "most": max(values)} for name, values in series.lag.items()}
    state = {
        name: {"last_mb": round(values[-1], 2), "growth": growth(values)} for name, values in series.state_mb.items()
    }
    return {"hours": hours, "homes": homes, "memory": memory, "lag": lag, "state_topics": state, "faults": list(found)}


if __name__ == "__main__":
    main()
