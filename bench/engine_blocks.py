"""What the size of a block does to this engine: readings per CPU-second at 1 to 1,000 rows a block, and with the blocks
that bridges make of live readings.

    python -m bench.engine_blocks [--seconds 20] [--repeats 3]

The same run as bench.engine's, with this engine alone. The bridges' blocks come from the Packer of connectors.packing,
as ten bridges run it at live rate (bench/live_blocks.py): 100,000 meters every 10 s, each bridge with a tenth of them.
"""

import sys
from pathlib import Path

import click

from bench.contestants import PARTITIONS, contestants
from bench.engine import METERS, PACKAGES, Bench, figures, say
from bench.engine_plot import line
from bench.engine_topics import Input, broker, provide
from bench.heat import Measured
from bench.report import RESULTS, report

ROWS = (1, 5, 20, 200, 1_000)
MOST_PER_S = {1: 30_000, 5: 120_000, 20: 300_000}
"""Expected at most, so that topics of small blocks are not longer than they must be; 600,000 for others."""
BRIDGES = 10


def topics_for(seconds: float, meters: int, most: int) -> dict[str, Input]:
    """The topic of each size of block, and of the bridges; with `most`, not longer than that."""
    run_s = seconds + 5

    def topic(rows: int, bridges: int = 0) -> Input:
        readings = round(MOST_PER_S.get(rows, 600_000) * run_s)
        return Input(meters, PARTITIONS, min(readings, most or readings), rows, bridges)

    return {str(rows): topic(rows) for rows in ROWS} | {"ten bridges": topic(0, BRIDGES)}


@click.command()
@click.option("--seconds", default=20.0, show_default=True, help="How long each is measured, after its warm-up.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--meters", default=METERS, show_default=True)
@click.option("--readings", default=0, help="Most readings of a topic; as many as may be needed if 0.")
@click.option("--folder", default=Path(".run/bench-engine"), type=click.Path(path_type=Path))
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path))
def main(seconds: float, repeats: int, meters: int, readings: int, folder: Path, results: Path) -> None:
    """Measure, print, keep."""
    (own,) = (contestant for contestant in contestants() if contestant.name == "flexmeter")
    topics = topics_for(seconds, meters, readings)
    found: dict[str, list[Measured]] = {name: [] for name in topics}
    folder.mkdir(parents=True, exist_ok=True)
    with broker(folder) as bootstrap:
        bench = Bench(bootstrap, folder, seconds)
        bench.tidy()
        for topic in topics.values():
            provide(bootstrap, folder, topic, say)
        for _ in range(repeats):
            for name, topic in topics.items():
                say(f"blocks of {name}")
                bench.measure(own, topic)
                bench.tidy()
                found[name] += bench.rounds.pop(own.name, [])
    told = figures({name: rounds for name, rounds in found.items() if rounds})
    for name, figure in told.items():
        print(f"blocks of {name:12}{figure['readings_per_cpu_s']:12,.0f} readings per CPU-second")
    line({int(name): figure for name, figure in told.items() if name.isdecimal()}, results / "engine_blocks.png")
    report("engine_blocks", {"meters": meters, "seconds": seconds, "rows_a_block": told}, PACKAGES, results)
    sys.exit(1 if bench.wrong else 0)


if __name__ == "__main__":
    main()
