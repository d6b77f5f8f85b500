"""The engine beside its peers: readings per CPU-second for a 1-minute mean of every quantity of every meter.

    python -m bench.engine [--seconds 60] [--repeats 5] [--only NAME,...]

One real broker, 100,000 meters every 10 s, the same readings for all: as blocks of 200, and as one record a reading.
Each contestant is a process of its own with its state saved and its results on a topic (bench/peers/README.md says how
each is set up). First all must agree with a direct computation on a few meters; what does not is not measured. Then
they run one after the other, round by round, each measured after its warm-up by the CPU time of its process, so that
what else the machine does matters little. The median of the rounds stands, and is written after each round. The
broker's topics are kept in --folder for the next run. Exit code 1 where one is wrong or a goal is missed.
"""

import secrets
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from bench import agreement
from bench.agreement import await_agreement
from bench.contestants import PARTITIONS, Contestant, contestants
from bench.engine_plot import bars
from bench.engine_topics import Input, broker, delete_topics, make_topic, provide
from bench.heat import Measured, started, watch
from bench.report import RESULTS, report
from bench.workload import City, minute_means, write_schemas
from schemas.errors import Unavailable
from schemas.versions import current

METERS, BLOCK_ROWS = 100_000, 200
MOST_PER_S = {"records": 350_000, "blocks": 600_000}
"""How long the topics are: for a run at this rate, with its warm-up. A quicker contestant is measured to their end."""
SAVE_S, LEAST_SAVE_S = 30.0, 20.0
ROWS = {"records": 0, "blocks": BLOCK_ROWS}
PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "fastavro", "numpy", "uvloop")


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times the best of some contestants this engine must be; `least` None: only shown."""

    text: str
    least: float | None
    of: tuple[str, ...]


PYTHON = ("faust", "quixstreams", "bytewax")
GOALS = (
    Goal(
        "the best Python peer used the usual way",
        10.0,
        (*(f"{name}_records" for name in PYTHON), "bytewax_large_batches_records"),
    ),
    Goal("Kafka Streams used the usual way", 3.0, ("kafka_streams_memory_records", "kafka_streams_rocksdb_records")),
    Goal("the best Python peer given the same blocks", 1.0, tuple(f"{name}_blocks" for name in PYTHON)),
    Goal("Kafka Streams given the same blocks", None, ("kafka_streams_memory_blocks", "kafka_streams_rocksdb_blocks")),
    Goal("the floor", 1.0, ("floor",)),
)
VERDICTS = {True: "met", False: "MISSED", None: "no goal"}


@dataclass(slots=True)
class Bench:
    """One run: the broker, and what came of each contestant."""

    bootstrap: str
    folder: Path
    seconds: float
    token: str = field(default_factory=lambda: secrets.token_hex(3))
    runs: int = 0
    rounds: dict[str, list[Measured]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def save_s(self) -> float:
        """How often all save their state: as often as this engine, and in runs shorter than that once."""
        return min(SAVE_S, max(LEAST_SAVE_S, self.seconds))

    def check(self, contestant: Contestant) -> None:
        """Hold its results against the direct computation, on a topic of few meters."""
        say(f"{contestant.name}: is it right?")
        minutes = agreement.MINUTES
        readings = agreement.METERS * minutes * 6
        given = Input(agreement.METERS, PARTITIONS, readings, ROWS[contestant.form])
        provide(self.bootstrap, self.folder, given, say)
        expected = minute_means(City.of(given.meters, PARTITIONS), minutes - agreement.OPEN_MINUTES)
        if contestant.results == "aggregates":
            expected = agreement.of_gauges(expected)
        try:
            output, env = self.place(contestant, given.topic)
            with started(contestant, self.folder, env) as running:
                found = (
                    []
                    if contestant.results == "none"
                    else await_agreement(self.bootstrap, output, expected, running.told)
                )
        except Unavailable as error:
            found = [str(error)]
        if found:
            self.wrong[contestant.name] = found[0]
            say(f"  NO, so it is not measured: {len(found)} faults, such as: {found[0]}")

    def measure(self, contestant: Contestant, given: Input) -> None:
        """One round of one contestant; one that fails is out."""
        _, env = self.place(contestant, given.topic)
        try:
            with started(contestant, self.folder, env) as running:
                measured = watch(running, contestant, self.seconds, given.steps * given.meters)
        except Unavailable as error:
            self.wrong[contestant.name] = str(error)
            say(f"  {error}")
            return
        self.rounds.setdefault(contestant.name, []).append(measured)
        say(
            f"  {contestant.name:32}{measured.per_cpu_s:12,.0f} readings per CPU-second"
            f"  ({measured.readings:,} in {measured.seconds:.1f} s)"
        )

    def tidy(self) -> None:
        """Delete what the runs so far have written to Kafka."""
        delete_topics(self.bootstrap, lambda name: not name.startswith(("bench.", "__")))

    def place(
        self, contestant: Contestant, topic: str, state: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[str, Mapping[str, str]]:
        """A name and topics that no run before had, that of the state as told; what to tell the contestant."""
        self.runs += 1
        name = f"{self.token}-{self.runs}-{contestant.name.replace('_', '-')}"
        output = f"{name}.means"
        make_topic(self.bootstrap, output, PARTITIONS, {})
        if contestant.name.startswith("flexmeter"):
            for kind, config in OWN_TOPICS.items():
                told = config | dict(state) if kind == "state" else config
                make_topic(self.bootstrap, f"{name}.{kind}", PARTITIONS, told)
        return output, {
            "BENCH_BOOTSTRAP": self.bootstrap,
            "BENCH_INPUT": topic,
            "BENCH_OUTPUT": output,
            "BENCH_NAME": name,
            "BENCH_SAVE_S": str(self.save_s),
            "BENCH_BLOCK_ID": str(current()["ReadingBlock"].id),
            "BENCH_SCHEMAS": str((self.folder / "schemas").resolve()),
        }


OWN_TOPICS: dict[str, dict[str, str]] = {"facts": {}, "dead": {}, "state": {"cleanup.policy": "compact"}}
"""Topics that this engine finds made, as the topology's are; the peers make their own."""


def say(text: str) -> None:
    """Progress, on stderr: stdout's last line is the result."""
    print(text, file=sys.stderr, flush=True)


def inputs(chosen: Sequence[Contestant], seconds: float, meters: int, most: int) -> dict[str, Input]:
    """The topic of each form that somebody reads; with `most`, not longer than that."""
    found = {}
    for form in sorted({contestant.form for contestant in chosen}):
        of_form = [contestant for contestant in chosen if contestant.form == form]
        warm_up_s = max(contestant.warm_up_s for contestant in of_form)
        warm_up = max(contestant.warm_up_readings for contestant in of_form)
        readings = round(MOST_PER_S[form] * (seconds + warm_up_s)) + warm_up
        found[form] = Input(meters, PARTITIONS, min(readings, most or readings), ROWS[form])
    return found


def figures(rounds: Mapping[str, Sequence[Measured]]) -> dict[str, dict[str, float]]:
    """Median and spread of each contestant."""
    found = {}
    for name, measured in rounds.items():
        rates = [one.per_cpu_s for one in measured]
        found[name] = {
            "readings_per_cpu_s": round(statistics.median(rates)),
            "lowest": round(min(rates)),
            "highest": round(max(rates)),
            "repeats": len(rates),
            "seconds": round(min(one.seconds for one in measured), 1),
            "readings": min(one.readings for one in measured),
        }
    return found


def goals(found: Mapping[str, Mapping[str, float]]) -> Iterator[dict[str, Any]]:
    """What became of each goal whose contestants were measured; `met` is None where nothing is asked."""
    for goal in GOALS:
        if "flexmeter" in found and all(name in found for name in goal.of):
            best = max(goal.of, key=lambda name: found[name]["readings_per_cpu_s"])
            ratio = found["flexmeter"]["readings_per_cpu_s"] / found[best]["readings_per_cpu_s"]
            yield {
                "goal": f"at least {goal.least:g} x {goal.text}" if goal.least else f"beside {goal.text}",
                "beside": best,
                "ratio": round(ratio, 2),
                "met": ratio >= goal.least if goal.least else None,
            }


def tell(found: Mapping[str, Mapping[str, float]], reached: Sequence[Mapping[str, Any]]) -> None:
    """The table, for people."""
    own = found.get("flexmeter", {}).get("readings_per_cpu_s")
    print(f"{'':32}{'readings/CPU-s':>15}{'lowest':>12}{'highest':>12}{'flexmeter is':>14}")
    for name, figure in sorted(found.items(), key=lambda item: -item[1]["readings_per_cpu_s"]):
        rate = figure["readings_per_cpu_s"]
        times = f"{own / rate:.2f} x" if own else ""
        print(f"{name:32}{rate:15,.0f}{figure['lowest']:12,.0f}{figure['highest']:12,.0f}{times:>14}")
    for goal in reached:
        print(f"{VERDICTS[goal['met']]:8}{goal['goal']} ({goal['beside']}): {goal['ratio']}")


def keep(bench: Bench, meters: int, results: Path) -> Sequence[Mapping[str, Any]]:
    """Tell and write what the rounds so far came to, so that a run which is cut short has not been for nothing."""
    found = figures({name: rounds for name, rounds in bench.rounds.items() if name not in bench.wrong})
    reached = list(goals(found))
    tell(found, reached)
    bars(found, results / "engine.png")
    whole = {"meters": meters, "seconds": bench.seconds, "block_rows": BLOCK_ROWS, "partitions": PARTITIONS}
    report("engine", whole | {"contestants": found, "goals": reached, "wrong": bench.wrong}, PACKAGES, results)
    return reached


def choose(only: str) -> list[Contestant]:
    """Those of that name, or all."""
    names = [name for name in only.split(",") if name]
    known = contestants()
    unknown = sorted(set(names) - {contestant.name for contestant in known})
    if unknown:
        raise click.UsageError(f"no contestant {unknown[0]!r}; there are: {', '.join(c.name for c in known)}")
    return [contestant for contestant in known if not names or contestant.name in names]


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long each is measured, after its warm-up.")
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="Names of contestants, with commas between; all if empty.")
@click.option("--meters", default=METERS, show_default=True)
@click.option(
    "--folder",
    default=Path(".run/bench-engine"),
    type=click.Path(path_type=Path),
    help="Where the broker keeps its data.",
)
@click.option("--readings", default=0, help="Most readings of a topic; as many as may be needed if 0.")
@click.option("--fresh", is_flag=True, help="Write the topics anew.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), help="Where figures and plot go.")
def main(
    seconds: float, repeats: int, only: str, meters: int, folder: Path, readings: int, fresh: bool, results: Path
) -> None:
    """Measure, print, keep."""
    chosen = choose(only)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_schemas(folder / "schemas")
    with broker(folder) as bootstrap:
        bench = Bench(bootstrap, folder, seconds)
        bench.tidy()
        for contestant in chosen:
            bench.check(contestant)
        right = [contestant for contestant in chosen if contestant.name not in bench.wrong]
        given = inputs(right, seconds, meters, readings)
        for one in given.values():
            provide(bootstrap, folder, one, say)
        for number in range(repeats):
            say(f"round {number + 1} of {repeats}")
            for contestant in right:
                if contestant.name not in bench.wrong:
                    bench.measure(contestant, given[contestant.form])
                    bench.tidy()
            reached = keep(bench, meters, results)
    sys.exit(1 if bench.wrong or any(goal["met"] is False for goal in reached) else 0)


if __name__ == "__main__":
    main()
