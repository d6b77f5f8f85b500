"""What the recordings say about the numbers of streams/nilm/library.yaml: `python -m bench.nilm_library`.

For each appliance of each development home that the library may know (not the held mixtures): power and time of its
runs, geometric mean and spread (standard deviation of the natural logarithm), and runs a day. The library has
rounded numbers, wider where homes differ or are few; this is what they can be checked against.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench import nilm_homes
from bench.nilm_homes import Home, read_home
from bench.nilm_score import threshold_w
from bench.report import report
from schemas.arrays import Float64s

HEATER_W = 1_000
LEARNT_FROM = (*nilm_homes.REAL, "mixture_library")
HEATED = ("dishwasher", "washing_machine", "tumble_dryer")
"""Only the heater of these can be told in a home's mains: their runs are counted above HEATER_W."""


def runs(home: Home, appliance: str) -> tuple[Float64s, Float64s]:
    """Power, W, and time, s, of every run: neighbouring samples above the threshold."""
    least_w = HEATER_W if appliance in HEATED else threshold_w(appliance)
    values = np.nan_to_num(home.appliances_w[appliance])
    on = np.concatenate([[False], values > least_w, [False]])
    begins, ends = np.flatnonzero(~on[:-1] & on[1:]), np.flatnonzero(on[:-1] & ~on[1:])
    interval_s = float(np.median(np.diff(home.at)))
    power_w = np.array([np.percentile(values[begin:end], 75) for begin, end in zip(begins, ends, strict=True)])
    return power_w.astype(np.float64), np.asarray((ends - begins) * interval_s, np.float64)


def summary(home: Home, appliance: str) -> dict[str, Any] | None:
    """None where it never ran."""
    power_w, on_s = runs(home, appliance)
    if not len(power_w):
        return None
    days = (home.at[-1] - home.at[0]) / nilm_homes.DAY_S
    return {
        "appliance": appliance,
        "runs": len(power_w),
        "per_day": round(len(power_w) / days, 2),
        "power_w": round(float(np.exp(np.log(power_w).mean()))),
        "power_spread": round(float(np.log(power_w).std()), 2),
        "on_s": round(float(np.exp(np.log(on_s).mean()))),
        "on_spread": round(float(np.log(on_s).std()), 2),
    }


def summaries(folder: Path) -> Iterator[dict[str, Any]]:
    """All appliances of all homes that the library may know."""
    for name in LEARNT_FROM:
        home = read_home(folder / name / "home.csv")
        for appliance in home.appliances_w:
            found = summary(home, appliance)
            if found:
                yield {"home": name, **found}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.option("--homes", "folder", type=click.Path(path_type=Path), default=nilm_homes.FOLDER)
def main(data: Path, folder: Path) -> None:
    """Print and keep."""
    nilm_homes.ensure(folder, data, LEARNT_FROM)
    found = list(summaries(folder))
    for row in found:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    report("nilm-library", {"appliances": found}, packages=["numpy"])


if __name__ == "__main__":
    sys.exit(main())
