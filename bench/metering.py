"""What the stream `metering` costs, all its operators together: rows a CPU-second, state, and both by size of city.

    python -m bench.metering [--seconds 20] [--repeats 3] [--meters 1000,10000,100000,1000000]

The worker as it runs, on one real broker, blocks of 200 readings of E350 meters every 10 s, state saved as usual; and
beside it, round by round, the floor of bench.engine, which reads and decodes the same blocks with fastavro and does no
more: it tells how fast this machine is at the time. Then the bytes that the worker writes to its state topic beside
those that it reads (bench/state_traffic.py); and, without a broker, the state of a shard that has run for half an hour
of event time: bytes a meter by operator, and what a save comes to when compressed, beside the bytes of the readings
themselves; and how long it takes to bring back.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench.contestants import PARTITIONS, contestants, metering
from bench.engine import PACKAGES, Bench, figures, say
from bench.engine_plot import growth
from bench.engine_topics import Input, broker, provide
from bench.report import RESULTS, report
from bench.state_traffic import traffic
from bench.workload import PROFILE, STEP_MS, City, block_log, steps
from schemas.catalogue import load_catalogue
from schemas.codec import decode
from streams.registry import OPERATORS
from streams.shard import Shard
from streams.snapshot import freeze, thaw

GOAL_ROWS_PER_CPU_S = 100_000
GOAL_BYTES_A_METER = 4_096
GOAL_GROWTH = 2.0
STREAM = ("rolling_load", "feeder_load", "presence", "heard")
BLOCK_ROWS = 200
EXPECTED_PER_S = 150_000
LEAST_STEPS = 14
"""The warm-up: a meter must have reported this often before its windows close: the lateness, and a minute and more."""
STATE_METERS, STATE_STEPS = 2_000, 180
MOST_OF_TRAFFIC = 100_000


def rows_per_cpu_s(bench: Bench, meters: list[int], repeats: int) -> dict[str, dict[str, float]]:
    """Median and spread for each size of city, and of the floor given the same."""
    (floor,) = (replace(one, warm_up_s=1.0) for one in contestants() if one.name == "floor")
    found = {}
    for n in meters:
        warm_up = LEAST_STEPS * n
        given = Input(n, PARTITIONS, warm_up + round(EXPECTED_PER_S * bench.seconds), BLOCK_ROWS)
        provide(bench.bootstrap, bench.folder, given, say)
        say(f"{n:,} meters")
        own = replace(metering(), warm_up_readings=warm_up)
        for _ in range(repeats):
            for contestant in (own, floor):
                bench.measure(contestant, given)
                bench.tidy()
                if why := bench.wrong.get(contestant.name):
                    raise click.ClickException(f"{contestant.name}: {why}")
        told = figures({each.name: bench.rounds.pop(each.name) for each in (own, floor)})
        found[str(n)] = told[own.name] | {"floor_per_cpu_s": told[floor.name]["readings_per_cpu_s"]}
    return found


def state() -> dict[str, Any]:
    """Of a shard with a partition's meters after half an hour of their readings."""
    shard, input_bytes = _shard(), 0
    city = City.of(STATE_METERS, 1)
    source = steps(city)
    for _ in range(STATE_STEPS):
        for payload in block_log(city, next(source), 0, BLOCK_ROWS):
            input_bytes += len(payload)
            shard.take(decode(payload))
    began = time.process_time()
    saved = freeze(shard)
    freezing_s = time.process_time() - began
    began = time.process_time()
    thaw(saved, _shard())
    thawing_s = time.process_time() - began
    catalogue = load_catalogue()
    quantities = [catalogue.quantities[name] for name in catalogue.profiles[PROFILE].quantities]
    table = shard.table(PROFILE)
    live_bytes_per_s = input_bytes / STATE_METERS / (STATE_STEPS * STEP_MS / 1_000)
    return {
        "bytes_a_meter": {name: OPERATORS[name].dtype(quantities).itemsize for name in STREAM},
        "bytes_a_meter_of_the_shard": {name: table.columns[name].dtype.itemsize for name in ("own", "order")},
        "saved_bytes_a_meter": round(len(saved) / STATE_METERS, 1),
        "input_bytes_a_meter_and_s": round(live_bytes_per_s, 2),
        "saves_cost_as_much_as_the_input_every_s": round(len(saved) / STATE_METERS / live_bytes_per_s, 1),
        "save_cpu_us_a_meter": round(freezing_s / STATE_METERS * 1e6, 2),
        "restore_cpu_us_a_meter": round(thawing_s / STATE_METERS * 1e6, 2),
    }


def _shard() -> Shard:
    return Shard("metering", 0, {name: OPERATORS[name] for name in STREAM}, load_catalogue(), turn_ms=1_000)


@click.command(help=__doc__)
@click.option("--seconds", default=20.0, show_default=True, help="How long each is measured, after its warm-up.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--meters", default="1000,10000,100000,1000000", show_default=True)
@click.option("--folder", default=Path(".run/bench-engine"), type=click.Path(path_type=Path))
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path))
def main(seconds: float, repeats: int, meters: str, folder: Path, results: Path) -> None:
    """Measure, print, keep."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [int(n) for n in meters.split(",")]
    with broker(folder) as bootstrap:
        bench = Bench(bootstrap, folder, seconds)
        bench.tidy()
        rows = rows_per_cpu_s(bench, sizes, repeats)
        of_traffic = min(max(sizes), MOST_OF_TRAFFIC)
        moved = traffic(bench, of_traffic, LEAST_STEPS, BLOCK_ROWS, GOAL_ROWS_PER_CPU_S)
        bench.tidy()
    for n, figure in rows.items():
        rate, floor = figure["readings_per_cpu_s"], figure["floor_per_cpu_s"]
        print(f"{int(n):>12,} meters {rate:12,.0f} rows per CPU-second, {rate / floor:.2f} of the floor's {floor:,.0f}")
    print(f"traffic: {moved}")
    kept = state()
    print(f"state: {kept}")
    growth({int(n): figure["readings_per_cpu_s"] for n, figure in rows.items()}, results / "metering.png")
    large = [figure["readings_per_cpu_s"] for n, figure in rows.items() if int(n) >= 10_000]
    largest = rows[max(rows, key=int)]["readings_per_cpu_s"]
    bytes_a_meter = kept["bytes_a_meter"]["rolling_load"] + kept["bytes_a_meter"]["presence"]
    goals = {
        f">= {GOAL_ROWS_PER_CPU_S:,} rows per CPU-second at {int(max(rows, key=int)):,} meters": largest
        >= GOAL_ROWS_PER_CPU_S,
        f"<= {GOAL_BYTES_A_METER} bytes a meter": bytes_a_meter <= GOAL_BYTES_A_METER,
        f"cost within {GOAL_GROWTH:g} x from 10,000 meters on": max(large, default=0)
        <= GOAL_GROWTH * min(large, default=0),
    }
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED':7}{goal}")
    whole = {
        "block_rows": BLOCK_ROWS,
        "seconds": seconds,
        "rows": rows,
        "state": kept,
        "traffic": moved,
        "goals": goals,
    }
    report("metering", whole, PACKAGES, results)
    sys.exit(0 if all(goals.values()) else 1)


if __name__ == "__main__":
    main()
