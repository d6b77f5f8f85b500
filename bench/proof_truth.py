"""What the hourly aggregates of a replay must be, computed straight from the recording.

Independent on purpose: it shares no code with the fleet that sends the readings nor with the engine that aggregates
them; the rules are written down here a second time, in the plainest way, one sample after the other. Numbers are
integers in the catalogue's resolution (0.1 W, 1 Wh, 0.01 V), so counts, sums, extremes and registers are exact; the
trapezoids are doubles.

The rules of a replayed meter:
- it takes the recording from minute `first` on; the k-th minute becomes start + k minutes + the meter's own offset;
- a minute whose Aggregate is 0 is a gap of the logger: no reading;
- total power = Aggregate in 0.1 W, rounded to the nearest (ties to even); L1 = 5/10 and L2 = 3/10 of it, rounded down,
  L3 = the rest;
- import register = 1 Wh a step: each total holds until the next reading; 36,000 units of 0.1 W s are 1 Wh, rounded
  down; it starts at `base_wh`. Export register = 0;
- voltage of a phase = 230.00 V less 0.01 V for each 4 W of its load, rounded down.
"""

import csv
import gzip
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
MAX_GAP_INTERVALS = 3

RESOLUTION = {
    "active_energy_import_wh": 1.0,
    "active_energy_export_wh": 1.0,
    "active_power_l1_w": 0.1,
    "active_power_l2_w": 0.1,
    "active_power_l3_w": 0.1,
    "voltage_l1_v": 0.01,
    "voltage_l2_v": 0.01,
    "voltage_l3_v": 0.01,
}
"""The quantities of a replayed meter, in the order of `Reading.values`, and the unit their integers count."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which part of the recording a meter replays, and when it reports."""

    meter: str
    first: int
    offset_ms: int
    base_wh: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading: ms UTC, and the eight values as integers in their resolution."""

    at: int
    values: tuple[int, ...]


@dataclass(slots=True)
class Hour:
    """What one quantity of one meter did in one hour. `total` is the sum of the samples in the resolution."""

    count: int = 0
    total: int = 0
    low: int | None = None
    high: int | None = None
    area: float = 0.0
    """Integral over time by trapezoids, resolution x ms."""
    difference: int = 0
    """Increments of a register, in the resolution."""
    covered_ms: int = 0


def read_recording(files: Iterable[Path]) -> list[int]:
    """The recording's Aggregate column in 0.1 W, minute by minute; 0 = gap."""
    tenths: list[int] = []
    for path in files:
        with gzip.open(path, "rt", newline="") as lines:
            tenths.extend(round(float(row["Aggregate"]) * 10) for row in csv.DictReader(lines))
    return tenths


def read_stretches(path: Path) -> list[Stretch]:
    """The stretches that a replay wrote down: CSV with meter_id, first, offset_ms, base_wh."""
    with path.open(newline="") as lines:
        return [
            Stretch(row["meter_id"], int(row["first"]), int(row["offset_ms"]), int(row["base_wh"]))
            for row in csv.DictReader(lines)
        ]


def readings_of(stretch: Stretch, tenths: Sequence[int], start: int, minutes: int) -> Iterator[Reading]:
    """What a meter reports over `minutes` from `start` (ms UTC).

    >>> [r.values for r in readings_of(Stretch("m", 0, 0, 100), [36000, 0, 1001], 0, 3)]
    [(100, 0, 18000, 10800, 7200, 22550, 22730, 22820), (220, 0, 500, 300, 201, 22987, 22992, 22994)]
    """
    energy = 0  # 0.1 W s
    held = 0
    held_since = 0
    for k in range(minutes):
        total = tenths[stretch.first + k]
        if total == 0:
            continue
        at = start + k * MINUTE_MS + stretch.offset_ms
        energy += held * (at - held_since) // 1000
        held, held_since = total, at
        one, two = total * 5 // 10, total * 3 // 10
        phases = (one, two, total - one - two)
        volts = tuple(23_000 - -(-phase // 40) for phase in phases)
        yield Reading(at, (stretch.base_wh + energy // 36_000, 0, *phases, *volts))


def hours_of(samples: Sequence[tuple[int, int]], interval_ms: int) -> dict[int, Hour]:
    """Aggregate one quantity over UTC hours [start, end). `samples` = (ms UTC, integer value), in order of time.

    A trapezoid and a register's increment between samples no further apart than three intervals are split at the
    hours' boundaries, the power and the register taken as linear between the samples (the register in whole steps,
    rounded down at the boundary); an increment over a longer gap belongs whole to the hour of the later sample.
    """
    hours: dict[int, Hour] = {}
    before: tuple[int, int] | None = None
    for at, value in samples:
        hour = hours.setdefault(at - at % HOUR_MS, Hour())
        hour.count += 1
        hour.total += value
        hour.low = value if hour.low is None else min(hour.low, value)
        hour.high = value if hour.high is None else max(hour.high, value)
        if before is not None:
            if at - before[0] > MAX_GAP_INTERVALS * interval_ms:
                hour.difference += value - before[1]
            else:
                _span(hours, before, (at, value))
        before = (at, value)
    return hours


def _span(hours: dict[int, Hour], first: tuple[int, int], last: tuple[int, int]) -> None:
    """Add what lies between two neighbouring samples to the hours it lies in."""
    (t0, v0), (t1, v1) = first, last
    slope = (v1 - v0) / (t1 - t0)
    left = t0
    while left < t1:
        start = left - left % HOUR_MS
        right = min(t1, start + HOUR_MS)
        at_left, at_right = v0 + slope * (left - t0), v0 + slope * (right - t0)
        hour = hours.setdefault(start, Hour())
        hour.area += (at_left + at_right) / 2 * (right - left)
        hour.difference += (v1 - v0) * (right - t0) // (t1 - t0) - (v1 - v0) * (left - t0) // (t1 - t0)
        hour.covered_ms += right - left
        left = right


@dataclass(frozen=True, slots=True)
class Expected:
    """One row that the view must hold. NaN where the field does not apply to the quantity."""

    count: int
    mean: float
    min: float
    max: float
    energy_trapezoid_wh: float
    register_difference: float
    covered_ms: int


def expected_rows(
    meter: str, readings: Sequence[Reading], interval_ms: int, first: int, end: int
) -> dict[tuple[str, str, int], Expected]:
    """(meter, quantity, start of hour) -> row, for the hours in [first, end) that hold a sample."""
    rows: dict[tuple[str, str, int], Expected] = {}
    for column, (quantity, unit) in enumerate(RESOLUTION.items()):
        hours = hours_of([(r.at, r.values[column]) for r in readings], interval_ms)
        for start, hour in hours.items():
            if first <= start < end and hour.low is not None and hour.high is not None:
                rows[meter, quantity, start] = _row(hour, hour.low, hour.high, quantity, unit)
    return rows


def _row(hour: Hour, low: int, high: int, quantity: str, unit: float) -> Expected:
    per_unit, is_register = round(1 / unit), quantity.endswith("_wh")
    return Expected(
        count=hour.count,
        mean=math.nan if is_register else hour.total / hour.count / per_unit,
        min=low / per_unit,
        max=high / per_unit,
        energy_trapezoid_wh=hour.area / per_unit / HOUR_MS if quantity.endswith("_w") else math.nan,
        register_difference=hour.difference / per_unit if is_register else math.nan,
        covered_ms=hour.covered_ms,
    )


def differences(expected: Expected, found: Expected, relative: float = 1e-9, near_zero: float = 1e-7) -> list[str]:
    """The fields that differ. Integers must be equal; doubles within `relative` or `near_zero`; NaN equals NaN.

    An engine that counts energy in whole 0.1 W ms (2.8e-8 Wh) is off by half of one at each end of an hour.

    >>> row = Expected(2, 1.5, 1.0, 2.0, math.nan, 3.0, 60000)
    >>> differences(row, Expected(2, 1.5, 1.0, 2.5, math.nan, 3.0, 60000))
    ['max: 2.0 expected, 2.5 found']
    """
    faults = []
    for name in Expected.__slots__:
        a, b = getattr(expected, name), getattr(found, name)
        same = a == b if isinstance(a, int) else math.isclose(a, b, rel_tol=relative, abs_tol=near_zero)
        if not same and not (math.isnan(a) and math.isnan(b)):
            faults.append(f"{name}: {a} expected, {b} found")
    return faults
