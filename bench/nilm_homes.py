"""The development homes of `bench.nilm`, made of recordings: `python -m bench.nilm_homes`.

Each becomes DIR/<name>/home.csv: `at` (epoch seconds, UTC), `active_power_w`, and a column with the power in W for each
appliance that has a meter of its own. `refit_house20` and `ukdale_house2` are one-minute means of real homes. The
`mixture_*` are sums of single-appliance traces of tracebase at 1 s, so that their truth is exact: each takes its
appliances from devices of its own, and every day of a device is in one mixture only. Those in `MIXTURES` under `held`
are of devices and days that the library (bench/nilm_library.py) has not seen. Each mixture is there also as means of 10
and 60 s, as slower meters report: `mixture_*_10s`, `mixture_*_60s`; `--every N` makes them at another rate.

Beside home.csv stands `made_by`, the SHA-256 of this file: a home that an older version made is made anew.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import load_catalogue

DATA = Path("../shared/data")
FOLDER = Path(".run/nilm")
REAL = {
    "refit_house20": {"Kettle": "kettle", "Dishwasher": "dishwasher", "WashingMachine": "washing_machine",
                      "Microwave": "microwave"},
    "ukdale_house2": {"Kettle": "kettle", "Dishwasher": "dishwasher", "WashingMachine": "washing_machine",
                      "Microwave": "microwave"},
}  # fmt: skip
"""The recorded homes, and what their columns are called in the catalogue of appliances."""

DAY_S = 86_400
LAST_S = 10_000_000_000
"""In the year 2286: what is later, is told in milliseconds."""
MIXTURES_EVERY_S = (1, 10, 60)

MIXTURES: dict[str, dict[str, list[str]]] = {
    "mixture_library": {
        "kettle": ["WaterKettle/dev_599771_2011.08.11", "WaterKettle/dev_599771_2011.08.12"],
        "dishwasher": ["Dishwasher/dev_B82F81_2011.08.23", "Dishwasher/dev_B82F81_2011.08.31"],
        "washing_machine": ["Washingmachine/Washingmachine_2011.12.29", "Washingmachine/Washingmachine_2012.01.03"],
        "microwave": ["MicrowaveOven/Microwave_2012.01.01", "MicrowaveOven/Microwave_2012.01.02"],
        "fridge": ["Refrigerator/dev_98C08A_2011.08.10", ""],
        "freezer": ["", "Freezer/dev_D36601_2012.01.21"],
        "tumble_dryer": ["LaundryDryer/_D36122_2011.12.17", ""],
        "toaster": ["Toaster/Toaster_2012.01.02", "Toaster/Toaster_2012.01.04"],
        "coffee_machine": ["Coffeemaker/Senseo_Coffee_2012.01.03", "Coffeemaker/Senseo_Coffee_2012.01.05"],
        "oven": ["Cookingstove/dev_D33097_2011.12.20", "Cookingstove/dev_D33097_2011.12.25"],
    },
    "mixture_held_1": {
        "kettle": ["WaterKettle/dev_599771_2011.09.12", "WaterKettle/dev_599771_2011.09.13"],
        "dishwasher": ["Dishwasher/dev_B82F81_2011.09.08", "Dishwasher/dev_B82F81_2011.09.14"],
        "washing_machine": ["Washingmachine/dev_D31FFD_2012.06.14", "Washingmachine/dev_D31FFD_2012.06.23"],
        "microwave": ["MicrowaveOven/dev_D34484_2012.06.17", "MicrowaveOven/dev_D34484_2012.06.18"],
        "fridge": ["Refrigerator/dev_98C08A_2011.10.17", "Refrigerator/dev_98C08A_2011.10.21"],
        "tumble_dryer": ["LaundryDryer/dev_B7E43D_2012.01.15", "LaundryDryer/dev_B7E43D_2012.01.24"],
        "toaster": ["Toaster/dev_98ABD2_2012.01.12", "Toaster/dev_98ABD2_2012.01.16"],
    },
    "mixture_held_2": {
        "kettle": ["WaterKettle/dev_599771_2011.08.24", ""],
        "dishwasher": ["Dishwasher/dev_B82F81_2011.09.01", ""],
        "washing_machine": ["", "Washingmachine/dev_7297E3_2012.01.22"],
        "microwave": ["MicrowaveOven/dev_D34484_2012.06.25", ""],
        "freezer": ["Freezer/dev_D36601_2012.01.24", "Freezer/dev_D36601_2012.01.26"],
        "coffee_machine": ["Coffeemaker/dev_996605_2012.01.17", "Coffeemaker/dev_senseo_2012.01.21"],
        "oven": ["Cookingstove/dev_D33097_2011.12.27", "Cookingstove/dev_D33097_2012.01.10"],
    },
}
"""For each mixture and appliance: the traces of its days, "" where it rests. Unmetered load is added to each."""

UNMETERED = {
    "mixture_library": ("Router", "Lamp", "Monitor-TFT"),
    "mixture_held_1": ("TV-LCD", "PC-Desktop", "Subwoofer"),
    "mixture_held_2": ("DigitalTvReceiver", "PC-Laptop", "Monitor-CRT"),
}
"""What runs besides in each mixture, without a column of its own: the first traces of these kinds."""
MIXTURE_BEGIN = 1_325_376_000
"""2012-01-01T00:00:00Z; the first day of every mixture."""


@dataclass(frozen=True, slots=True)
class Home:
    """Mains and appliances, sample by sample."""

    at: Int64s
    mains_w: Float64s
    reactive_var: Float64s | None
    appliances_w: dict[str, Float64s]
    """NaN where not measured."""
    voltage_v: Float64s | None = None

    def between(self, begin: int, end: int) -> "Home":
        """The samples with begin <= at < end, epoch seconds."""
        which = (self.at >= begin) & (self.at < end)
        return replace(self.each(lambda values: values[which]), at=self.at[which])

    def each(self, of: Callable[[Float64s], Float64s]) -> "Home":
        """The home with each of its columns as `of` makes it."""
        appliances = {name: of(values) for name, values in self.appliances_w.items()}
        reactive, voltage = (None if v is None else of(v) for v in (self.reactive_var, self.voltage_v))
        return Home(self.at, of(self.mains_w), reactive, appliances, voltage)


def read_home(path: Path) -> Home:
    """Read DIR/home.csv.

    A cell that is empty or no number was not measured. A row without time or mains is left out, and of two rows of one
    second the second; rows are put in order. Columns that are other quantities of the catalogue are no appliances.
    Raises ValueError, naming the file, where it is no such table.
    """
    try:
        header, *lines = [line for line in path.read_text("utf-8-sig").split("\n") if line.strip()] or [""]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no text in UTF-8: write it as CSV") from None
    names = [name.strip() for name in header.split(",")]
    if not {"at", "active_power_w"} <= set(names):
        raise ValueError(f"{path}: the header must have `at` and `active_power_w`, not {names}")
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise ValueError(f"{path}: the header names {', '.join(repeated)} more than once: rename or remove one")
    cells = dict(zip(names, _cells(path, lines, len(names)).T, strict=True))
    _check_times(path, cells["at"])
    columns = _in_order(cells)
    quantities = load_catalogue().quantities
    return Home(
        np.rint(columns.pop("at")).astype(np.int64),
        columns["active_power_w"],
        columns.get("reactive_power_var"),
        {name: values for name, values in columns.items() if name and name not in quantities},
        columns.get("voltage_v"),
    )


def _check_times(path: Path, at: Float64s) -> None:
    if len(at) and np.isnan(at).all():
        raise ValueError(f"{path}: no `at` is a number: write epoch seconds (UTC), not ISO times")
    if len(at) and np.nanmax(at) > LAST_S:
        raise ValueError(f"{path}: `at` reaches {np.nanmax(at):.0f}: write epoch seconds (UTC), not milliseconds")


def _cells(path: Path, lines: list[str], width: int) -> Float64s:
    """The numbers, NaN where there is none, shape (rows, width). Quick where all cells are numbers or empty."""
    if not lines:
        return np.empty((0, width))
    try:
        cells = np.loadtxt(map(_filled, lines), delimiter=",", ndmin=2)
    except ValueError:
        rows = [line.strip("\r\n").split(",") for line in lines]
        if any(len(row) != width for row in rows):
            raise ValueError(f"{path}: not all rows have {width} columns") from None
        cells = np.array([[_number(cell) for cell in row] for row in rows])
    if cells.shape[1] != width:
        raise ValueError(f"{path}: {cells.shape[1]} columns under {width} names")
    return np.where(np.isfinite(cells), cells, np.nan)


def _filled(line: str) -> str:
    """A line of the CSV with `nan` in its empty cells."""
    return ",".join(cell.strip() or "nan" for cell in line.split(","))


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _in_order(columns: dict[str, Float64s]) -> dict[str, Float64s]:
    """Rows that have a time and the mains, by time, one for each second."""
    there = np.flatnonzero(~np.isnan(columns["at"]) & ~np.isnan(columns["active_power_w"]))
    there = there[np.argsort(columns["at"][there], kind="stable")]
    second = np.rint(columns["at"][there])
    there = there[np.append(True, second[1:] != second[:-1])[: len(there)]]
    return {name: column[there] for name, column in columns.items()}


def write_home(path: Path, home: Home) -> None:
    """Write DIR/home.csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["at", "active_power_w", *home.appliances_w]
    columns = [home.mains_w, *home.appliances_w.values()]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for at, *values in zip(home.at.tolist(), *(column.tolist() for column in columns), strict=True):
            file.write(f"{at}," + ",".join("" if value != value else f"{value:.10g}" for value in values) + "\n")


def recorded(folder: Path, names: Mapping[str, str]) -> Home:
    """A home of one-minute means; a mains of exactly 0 is a gap of the logger."""
    at: list[int] = []
    rows: list[list[float]] = []
    header: list[str] = []
    for file in sorted(folder.glob("*.gzip")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            header = next(lines).strip().split(",")[1:]
            for line in lines:
                time, *values = line.strip().split(",")
                at.append(int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()))
                rows.append([float(value) for value in values])
    cells = np.array(rows)
    there = cells[:, header.index("Aggregate")] > 0
    columns = dict(zip(header, cells[there].T, strict=True))
    return Home(np.array(at)[there], columns["Aggregate"], None, {names[name]: columns[name] for name in names})


def trace(path: Path) -> Float64s:
    """One day of one appliance at 1 s, W: the last reading of each second, held for at most a minute, else 0."""
    seconds, watts = [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            time, power, *_ = line.replace('"', "").split(";")
            h, m, s = time[-8:].split(":")
            seconds.append(int(h) * 3_600 + int(m) * 60 + int(s))
            watts.append(float(power))
    day = np.full(DAY_S, np.nan)
    day[seconds] = watts
    known = np.maximum.accumulate(np.where(np.isnan(day), -(10**6), np.arange(DAY_S)))
    return np.where(np.arange(DAY_S) - known <= 60, np.nan_to_num(day)[np.maximum(known, 0)], 0.0)


def mixture(name: str, data: Path) -> Home:
    """The sum of the mixture's traces, day after day."""
    folder = data / "nilm" / "tracebase" / "complete"
    rest = np.zeros(DAY_S)
    appliances = {
        appliance: np.concatenate([trace(folder / f"{day}.csv.gz") if day else rest for day in days])
        for appliance, days in MIXTURES[name].items()
    }
    days = len(next(iter(MIXTURES[name].values())))
    unmetered = [
        np.concatenate([trace(path) for path in sorted((folder / kind).glob("*.csv.gz"))[:days]])
        for kind in UNMETERED[name]
    ]
    mains = np.sum([*appliances.values(), *unmetered], axis=0)
    return Home(MIXTURE_BEGIN + np.arange(days * DAY_S), mains, None, appliances)


def means(home: Home, every_s: int) -> Home:
    """As a meter reports that tells means of so many seconds: a row stands for the stretch before it.

    >>> home = Home(np.arange(4), np.array([1.0, 3, 5, 6]), None, {"kettle": np.array([0, np.nan, 4, 2])})
    >>> slow = means(home, 2)
    >>> slow.at.tolist(), slow.mains_w.tolist(), slow.appliances_w["kettle"].tolist()
    ([1, 3], [2.0, 5.5], [0.0, 3.0])
    """
    stretch = (home.at - home.at[0]) // every_s
    begins = np.flatnonzero(np.append(True, stretch[1:] != stretch[:-1]))

    def mean(values: Float64s) -> Float64s:
        measured = np.add.reduceat(~np.isnan(values), begins, dtype=np.int64)
        sums = np.add.reduceat(np.nan_to_num(values), begins)
        return np.where(measured > 0, sums / np.maximum(measured, 1), np.nan)

    last = np.append(begins[1:], len(home.at)) - 1
    return replace(home.each(mean), at=home.at[last])


def names(every_s: Sequence[int] = MIXTURES_EVERY_S) -> Iterator[str]:
    """All development homes, mixtures at these rates."""
    yield from REAL
    yield from (name if every == 1 else f"{name}_{every}s" for name in MIXTURES for every in every_s)


def development_home(name: str, data: Path) -> Home:
    """One of `names`."""
    if name in REAL:
        return recorded(data / "nilm" / name, REAL[name])
    if name in MIXTURES:
        return mixture(name, data)
    of, _, every = name.removesuffix("s").rpartition("_")
    return means(mixture(of, data), int(every))


def ensure(out: Path, data: Path, wanted: Iterable[str] = tuple(names())) -> list[Path]:
    """The folders of these homes; those that are not there yet, or were made by another version, are made."""
    if not (data / "nilm").is_dir():
        raise click.ClickException(f"no recordings in {data / 'nilm'}: set FLEXMETER_DATA")
    folders = [out / name for name in wanted]
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    for folder in folders:
        made_by = folder / "made_by"
        if not made_by.exists() or made_by.read_text() != version:
            made_by.unlink(missing_ok=True)
            write_home(folder / "home.csv", development_home(folder.name, data))
            made_by.write_text(version)
    return folders


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=DATA, envvar="FLEXMETER_DATA")
@click.option("--every", "every_s", type=click.IntRange(1), help="mixtures as means of so many seconds, no others")
def main(out: Path, data: Path, every_s: int | None) -> None:
    """Make the development homes."""
    for path in ensure(out, data, names([every_s] if every_s else MIXTURES_EVERY_S)):
        print(path)


if __name__ == "__main__":
    main()
