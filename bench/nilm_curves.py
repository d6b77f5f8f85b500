"""How right `nilm` is when one weight or one number of its library is another: `python -m bench.nilm_curves`.

Everything else stays as it ships. Each home stands alone, so that what one would choose can be read off and tried on
the others: leave one home out. Prints Kolter accuracy and the mean F1 of the appliances, of what was told first.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
import numpy as np

from bench import nilm_homes
from bench.nilm import measure_first
from bench.nilm_homes import Home, read_home
from bench.report import report
from streams.nilm.library import load_library
from streams.nilm.operator import Nilm
from streams.nilm.weights import Weights

WEIGHTS: dict[str, tuple[float, ...]] = {
    "least_belief": (0.45, 0.5, 0.55, 0.6, 0.65),
    "least_belief_guessed": (0.45, 0.55, 0.65, 0.75),
    "memory_days": (7.0, 30.0, 90.0),
    "hours": (0.0, 1.0),
    "train": (0.0, 2.0, 8.0),
    "slope": (0.0, 0.7),
    "repeats": (0.0, 1.0, 3.0, 10.0),
}
KETTLE_SPREADS = (0.5, 2.0)
"""Times those of the library."""
MONTH_S = 30 * nilm_homes.DAY_S


def operators() -> Iterator[tuple[str, float, Nilm]]:
    """Every point of every curve, but those as it ships."""
    for name, values in WEIGHTS.items():
        for value in values:
            if value != getattr(Weights(), name):
                yield name, value, Nilm(weights=replace(Weights(), **{name: value}))
    library = load_library()
    kettle = library.appliance == library.position("kettle")
    for value in KETTLE_SPREADS:
        spread = np.where(kettle, value, 1.0) * library.power_spread
        yield "kettle_power_spread", value, Nilm(replace(library, power_spread=spread))


def months(home: Home, count: int) -> Home:
    """The home's first months, of 30 days."""
    return home.between(int(home.at[0]), int(home.at[0]) + count * MONTH_S)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=nilm_homes.DATA, envvar="FLEXMETER_DATA")
@click.option("--homes", "folder", type=click.Path(path_type=Path), default=nilm_homes.FOLDER)
@click.option("--months", "count", default=7, show_default=True, help="months of each home to run; 7 are all")
def main(data: Path, folder: Path, count: int) -> None:
    """Sweep each weight by itself."""
    paths = nilm_homes.ensure(folder, data, (*nilm_homes.REAL, *nilm_homes.MIXTURES))
    homes = {path.name: months(read_home(path / "home.csv"), count) for path in paths}
    points = []
    for name, value, operator in chain([("as it ships", 0.0, Nilm())], operators()):
        scores = {home_name: measure_first(home, operator) for home_name, home in homes.items()}
        points.append({"weight": name, "value": value, "homes": scores})
        told = ", ".join(f"{home} {score['kolter']:.3f} / {score['f1_mean']:.3f}" for home, score in scores.items())
        print(f"{name} = {value}: {told}", flush=True)
    report("nilm-curves", {"months": count, "points": points}, packages=["numpy"])


if __name__ == "__main__":
    sys.exit(main())
