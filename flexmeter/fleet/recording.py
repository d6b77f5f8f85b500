"""A recorded household: its power minute by minute, from a folder of gzip'd CSV files with Time and Aggregate (W)."""

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flexmeter.fleet.homes import draw_homes, power_w
from schemas.durations import MINUTE_MS

DAY_MINUTES = 1_440
OWN_START = datetime(2024, 6, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """`tenths[k]` = power in 0.1 W in minute k; 0 where the logger recorded nothing."""

    folder: Path
    tenths: npt.NDArray[np.int64]


def load_recording(folder: Path) -> Recording:
    """Read every *.gzip of the folder in the order of the names.

    Raises:
        ValueError: no such files, or minutes that do not follow one another.
    """
    tenths: list[int] = []
    last: datetime | None = None
    for path in sorted(folder.glob("*.gzip")):
        with gzip.open(path, "rt", newline="") as lines:
            for row in csv.DictReader(lines):
                at = datetime.fromisoformat(row["Time"])
                if last is not None and (at - last).total_seconds() != 60:
                    raise ValueError(f"{path}: {last} is followed by {at}; every minute must be there")
                last = at
                tenths.append(round(float(row["Aggregate"]) * 10))
    if not tenths:
        raise ValueError(f"{folder} holds no *.gzip with a recording (columns Time, Aggregate)")
    return Recording(folder, np.array(tenths, np.int64))


def write_own_recording(folder: Path, days: int, seed: int, told: Callable[[str], None] = lambda _: None) -> Path:
    """Record the fleet's own homes in the same form: day k is a day of home k; here and there is a logger's gap."""
    start = int(OWN_START.timestamp() * 1000)
    drawn = draw_homes(["L1L2L3"] * days, seed)
    homes = replace(drawn, sun_w=np.zeros(days))  # a recording of consumption, without roofs
    watts = np.empty((DAY_MINUTES, days))
    for minute in range(DAY_MINUTES):
        watts[minute] = power_w(homes, start + minute * MINUTE_MS).sum(axis=1)
        if minute % 360 == 0:
            told(f"recording {days} days of the fleet's own homes: {minute * 100 // DAY_MINUTES} %")
    flat = watts.T.reshape(-1)
    rng = np.random.default_rng((seed, 20))
    for day in rng.integers(0, days, max(1, days // 5)):
        first = day * DAY_MINUTES + rng.integers(120, DAY_MINUTES - 240)  # not about midnight, where a replay ends
        flat[first : first + rng.integers(2, 90)] = 0.0
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "own_homes.gzip"
    with gzip.open(path, "wt", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("Time", "Aggregate"))
        for minute, value in enumerate(flat):
            at = datetime.fromtimestamp((start + minute * MINUTE_MS) / 1000, UTC)
            out.writerow((at.strftime("%Y-%m-%d %H:%M:%S"), f"{value:.3f}"))
    return path
