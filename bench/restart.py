"""What a restart of the stream `metering` takes, and what a second worker brings.

    python -m bench.restart [--meters 100000,1000000] [--seconds 20] [--of-two 100000]

The worker as it runs, on one real broker, blocks of 200 readings of E350 meters every 10 s. Restart: a worker that
knows the whole city is asked to end, and saves; started anew, it takes so long until it holds its partitions with their
state (Python's own start included), and so long to work off a minute of the city's readings that came meanwhile. Two
workers: readings a second of wall time of one, and of two that share the partitions, with the broker on the same cores.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench.contestants import PARTITIONS, metering
from bench.engine import PACKAGES, Bench, say
from bench.engine_plot import restarts
from bench.engine_topics import Input, broker, provide
from bench.heat import LOOK_S, Running, started
from bench.metering import BLOCK_ROWS, EXPECTED_PER_S, LEAST_STEPS
from bench.report import RESULTS, report
from bench.workload import STEP_MS

BACKLOG_STEPS = 6
"""How often each meter has reported in the meantime: a minute."""
SLACK_READINGS = 5 * EXPECTED_PER_S
"""What the first may read on before it has ended: it does not stop at once."""
SAVES_WITHIN_S = 300.0
PATIENCE_S = 1_800.0


def restart(bench: Bench, meters: int) -> dict[str, float]:
    """Seconds to save, to hold the state again, and to catch up."""
    readings = (LEAST_STEPS + BACKLOG_STEPS) * meters + SLACK_READINGS
    given = Input(meters, PARTITIONS, readings, BLOCK_ROWS)
    provide(bench.bootstrap, bench.folder, given, say)
    _, env = bench.place(metering(), given.topic)
    with started(metering(), bench.folder, env, SAVES_WITHIN_S) as first:
        knows, _ = _when([first], lambda readings, _: readings >= LEAST_STEPS * meters)
        asked_s = time.monotonic()
    began_s = time.monotonic()
    with started(metering(), bench.folder, env, SAVES_WITHIN_S) as again:
        restored, restored_s = _when([again], lambda readings, _: readings >= knows)
        end, end_s = _when([again], lambda readings, _: readings >= restored + BACKLOG_STEPS * meters)
    backlog = end - restored
    return {
        "saved_s": round(began_s - asked_s, 1),
        "restored_s": round(restored_s - began_s, 1),
        "backlog_readings": backlog,
        "backlog_s_of_live_time": round(backlog / meters * STEP_MS / 1_000, 1),
        "caught_up_s": round(end_s - restored_s, 1),
    }


def together(bench: Bench, workers: int, meters: int, seconds: float) -> float:
    """Readings a second of wall time of so many workers, after they know all meters."""
    warm_up = LEAST_STEPS * meters
    given = Input(meters, PARTITIONS, warm_up + round(2 * EXPECTED_PER_S * seconds), BLOCK_ROWS)
    provide(bench.bootstrap, bench.folder, given, say)
    contestant = metering()
    _, env = bench.place(contestant, given.topic)
    with ExitStack() as stack:
        all_running = [
            stack.enter_context(
                started(
                    replace(contestant, name=f"{contestant.name}_{number}"),
                    bench.folder,
                    {**env, "BENCH_INSTANCE": str(number)},
                    SAVES_WITHIN_S,
                )
            )
            for number in range(workers)
        ]
        begin_readings, begin_s = _when(all_running, lambda readings, _: readings >= warm_up)
        end_readings, end_s = _when(all_running, lambda _, at_s: at_s >= begin_s + seconds)
    return (end_readings - begin_readings) / (end_s - begin_s)


def _when(all_running: Sequence[Running], reached: Callable[[int, float], bool]) -> tuple[int, float]:
    """Readings of all together, and the time, once it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        readings, at_s = sum(running.told()[-1].readings for running in all_running if running.told()), time.monotonic()
        if reached(readings, at_s):
            return readings, at_s
        time.sleep(LOOK_S)
    raise RuntimeError(f"not within {PATIENCE_S:.0f} s")


@click.command(help=__doc__)
@click.option("--meters", default="100000,1000000", show_default=True)
@click.option("--seconds", default=20.0, show_default=True, help="How long one worker, and two, are measured.")
@click.option("--of-two", default=100_000, show_default=True, help="Meters of one worker, and of two.")
@click.option("--folder", default=Path(".run/bench-engine"), type=click.Path(path_type=Path))
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path))
def main(meters: str, seconds: float, of_two: int, folder: Path, results: Path) -> None:
    """Measure, print, keep."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"restart": {}}
    with broker(folder) as bootstrap:
        bench = Bench(bootstrap, folder, seconds)
        bench.tidy()
        rates = {str(workers): round(together(bench, workers, of_two, seconds)) for workers in (1, 2)}
        found["readings_per_s_by_workers"] = rates
        found["two_by_one"] = round(rates["2"] / rates["1"], 2)
        print(f"one worker {rates['1']:,} readings/s, two {rates['2']:,}")
        for text in meters.split(","):
            bench.tidy()
            found["restart"][text] = restart(bench, int(text))
            print(f"{int(text):,} meters: {found['restart'][text]}")
        bench.tidy()
    restarts(found["restart"], rates, results / "restart.png")
    report("restart", found, PACKAGES, results)


if __name__ == "__main__":
    main()
