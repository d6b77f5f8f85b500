"""What `nilm` costs when many homes report at 1 Hz: `python -m bench.nilm_cost`.

Each home is a mixture of single-appliance traces (bench/nilm_homes.py), begun at another second of its days; a turn
holds one row of each, as a shard hands them on. Counted is this process's CPU time in the operator, without Kafka and
decoding. Exit code 1 where it is on average above the goal of 10 us a row.
"""

import sys
import time
from pathlib import Path

import click
import numpy as np

from bench import nilm_homes
from bench.nilm_homes import read_home
from bench.nilm_run import PROFILE
from bench.report import report
from schemas.arrays import Float64s
from schemas.catalogue import load_catalogue
from streams.contract import Meters, Released, Rows
from streams.nilm.operator import Nilm

GOAL_US = 10.0
HOMES = 2_000
SECONDS = 200


def microseconds_a_row(mains_w: Float64s, seconds: int) -> float:
    """CPU time of the operator over `HOMES` homes for so many seconds."""
    catalogue = load_catalogue()
    quantities = tuple(catalogue.quantities[name] for name in catalogue.profiles[PROFILE].quantities)
    power = [quantity.name for quantity in quantities].index("active_power_w")
    names = [f"home-{i}" for i in range(HOMES)]
    meters = Meters(PROFILE, quantities, names, [None] * HOMES, [None] * HOMES, np.full(HOMES, 1_000))
    operator = Nilm()
    state = np.zeros(HOMES, operator.dtype(quantities))
    meter = np.arange(HOMES)
    offset = np.random.default_rng(1).integers(0, len(mains_w), HOMES)
    taken = 0.0
    for second in range(seconds):
        at = np.full(HOMES, (nilm_homes.MIXTURE_BEGIN + second) * 1_000)
        values = np.full((HOMES, len(quantities)), np.nan)
        values[:, power] = mains_w[(offset + second) % len(mains_w)]
        rows = Rows(meter, at, at, np.zeros(HOMES, np.int32), values)
        began = time.process_time()
        operator.on_released(state, meters, Released(rows, meter, at))
        taken += time.process_time() - began
    return round(taken * 1e6 / (HOMES * seconds), 2)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.option("--homes", "folder", type=click.Path(path_type=Path), default=nilm_homes.FOLDER)
@click.option("--seconds", default=SECONDS, show_default=True)
def main(data: Path, folder: Path, seconds: int) -> None:
    """Measure, print, keep."""
    nilm_homes.ensure(folder, data, nilm_homes.MIXTURES)
    bytes_a_home = Nilm().dtype([load_catalogue().quantities["active_power_w"]]).itemsize
    costs = {}
    for mixture in nilm_homes.MIXTURES:
        costs[mixture] = microseconds_a_row(read_home(folder / mixture / "home.csv").mains_w, seconds)
        print(f"{mixture}: {costs[mixture]} us a row")
    mean_us = round(sum(costs.values()) / len(costs), 2)
    print(f"{HOMES} homes, {seconds} s each: {mean_us} us a row on average, {bytes_a_home} bytes a home")
    result = {"homes": HOMES, "seconds": seconds, "microseconds_a_row": costs, "mean_microseconds_a_row": mean_us}
    report("nilm-cost", {**result, "bytes_a_home": bytes_a_home}, packages=["numpy"])
    sys.exit(int(mean_us > GOAL_US))


if __name__ == "__main__":
    main()
