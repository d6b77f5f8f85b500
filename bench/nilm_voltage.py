"""What a voltage is worth to `nilm`: `python -m bench.nilm_voltage`. Simulated, as no recording here has a voltage.

The mixtures at 1 s, as if they had been recorded at another voltage each second: it swings by 2 % over the day, steps
by 1.5 % with the transformer's tap changer, and falls behind 0.25 ohm by what the home draws. What an appliance draws
above `HEATER_W` goes with the square of the voltage, all else draws what it did. Scored is what was told first, with
the voltage in the rows and without; the recording as it is stands beside.
"""

import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bench import nilm_homes
from bench.nilm import measure_first
from bench.nilm_homes import DAY_S, Home, read_home
from bench.report import report
from schemas.arrays import Float64s
from streams.nilm.frame import NOMINAL_V
from streams.nilm.operator import Nilm

HEATER_W = 600.0
SUPPLY_OHM = 0.25
TAP = 0.015
TAPS_A_DAY = 24


def supply_v(at: np.ndarray, seed: int) -> Float64s:
    """Voltage of the grid: the day, a tap that goes up or down between -1 and 1, and noise."""
    rng = np.random.default_rng(seed)
    moves = rng.choice([-1, 0, 1], len(at), p=[TAPS_A_DAY / DAY_S / 2, 1 - TAPS_A_DAY / DAY_S, TAPS_A_DAY / DAY_S / 2])
    tap = np.zeros(len(at))
    for place in np.flatnonzero(moves):
        tap[place:] = np.clip(tap[place] + moves[place], -1, 1)
    swing = 1 + 0.02 * np.sin(2 * np.pi * at / DAY_S) + TAP * tap
    return NOMINAL_V * swing + rng.normal(0, 0.3, len(at))


def simulated(home: Home, seed: int) -> Home:
    """The home at such a voltage."""
    voltage_v = supply_v(home.at, seed) - SUPPLY_OHM * home.mains_w / NOMINAL_V
    more = (voltage_v / NOMINAL_V) ** 2 - 1
    heated = {name: np.where(watts > HEATER_W, watts * more, 0.0) for name, watts in home.appliances_w.items()}
    appliances = {name: watts + heated[name] for name, watts in home.appliances_w.items()}
    mains_w = home.mains_w + np.sum(list(heated.values()), axis=0)
    return replace(home, mains_w=mains_w, appliances_w=appliances, voltage_v=voltage_v)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=nilm_homes.DATA, envvar="FLEXMETER_DATA")
@click.option("--homes", "folder", type=click.Path(path_type=Path), default=nilm_homes.FOLDER)
def main(data: Path, folder: Path) -> None:
    """Measure, print, keep."""
    found = {}
    for seed, path in enumerate(nilm_homes.ensure(folder, data, nilm_homes.MIXTURES)):
        recorded = read_home(path / "home.csv")
        home = simulated(recorded, seed)
        ways = {"recorded": recorded, "with_voltage": home, "without_voltage": replace(home, voltage_v=None)}
        found[path.name] = {way: measure_first(one, Nilm()) for way, one in ways.items()}
        told = ", ".join(
            f"{way} {score['kolter']:.3f} / {score['f1_mean']:.3f}" for way, score in found[path.name].items()
        )
        print(f"{path.name}: {told}")
    report("nilm-voltage", {"homes": found}, packages=["numpy"])


if __name__ == "__main__":
    sys.exit(main())
