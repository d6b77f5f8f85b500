"""The windows of one meter over its whole history at once: a part of the truth of a fault run (faults_truth.py).

Numbers are integers in the catalogue's resolution, so equal means equal bits. Left out, because the load never needs it
and it would show as a difference if it did: a register split inside a minute at other than whole steps of time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int64s
from schemas.quality import Quality

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MINUTES = {"1min": 1, "15min": 15, "1h": 60, "rolling_15min": 15}
WINDOWS = tuple(MINUTES)
QUARTER = 15
PER_UNIT = np.array([1, 1, 10, 10, 10, 100, 100, 100], np.int64)
IS_REGISTER = np.array([True, True] + [False] * 6)
IS_POWER = np.array([False, False, True, True, True, False, False, False])
SHORT_INTERVALS = 3
NOTHING = np.iinfo(np.int64).min
"""The value of a quantity that was not measured."""

AGGREGATE = np.dtype(
    [(name, "i8") for name in ("meter", "quantity", "window", "start", "version", "revision", "end", "count")]
    + [(name, "f8") for name in ("mean", "min", "max", "energy_trapezoid_wh", "register_difference")]
    + [(name, "i8") for name in ("covered_ms", "quality")]
)
"""One aggregate. `meter` and `window` are positions: in the sorted ids of the partition, and in WINDOWS. The versions
are 0 once the highest was taken."""
Aggregates = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Series:
    """A meter's rows that its watermark has passed, sorted by time; n rows of q quantities."""

    at: Int64s
    steps: Int64s
    """In the catalogue's resolution, NOTHING = not measured, shape (n, q)."""
    quality: Int64s
    interval_ms: int
    open_from: int
    """The first minute that is still open, in minutes UTC."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What k windows of one meter come to, for q quantities; shape (k,) and (k, q)."""

    id: Int64s
    count: Int64s
    total: Int64s
    low: Int64s
    high: Int64s
    metered: Int64s
    covered: Int64s
    quality: Int64s

    def columns(self) -> tuple[Int64s, ...]:
        """All but the id."""
        return self.count, self.total, self.low, self.high, self.metered, self.covered, self.quality


_HIGHEST, _LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_FOLDS = (np.add, np.add, np.minimum, np.maximum, np.add, np.add, np.bitwise_or)
_EMPTY = (0, 0, _HIGHEST, _LOWEST, 0, 0, 0)


def aggregates_of(place: int, series: Series) -> Aggregates:
    """All aggregates of a meter's closed windows; `place` stands for the meter in them."""
    if not len(series.at):
        return np.empty(0, AGGREGATE)
    minutes = _minutes(series, series.steps, IS_POWER, IS_REGISTER)
    sampled = minutes.count.any(axis=1)
    closed = minutes.id < series.open_from
    return np.concatenate(
        [
            _facts(place, "1min", _select(minutes, sampled & closed)),
            _facts(place, "15min", _folded(minutes, 15, series.open_from)),
            _facts(place, "1h", _folded(minutes, 60, series.open_from)),
            _facts(place, "rolling_15min", _select(_rolled(minutes, 15), sampled & closed)),
        ]
    )


def load_of(series: Series) -> Iterator[tuple[int, int, int]]:
    """Start of each closed quarter of an hour, energy and covered time of a meter's three phases together."""
    if not len(series.at):
        return
    phases = series.steps[:, IS_POWER]
    measured = phases != NOTHING
    total = np.where(measured.any(axis=1), np.where(measured, phases, 0).sum(axis=1), NOTHING)
    minutes = _minutes(series, total[:, None], np.array([True]), np.array([False]))
    quarters = _folded(minutes, QUARTER, series.open_from)
    for i in np.flatnonzero(quarters.covered[:, 0] > 0).tolist():
        yield int(quarters.id[i]) * QUARTER * MINUTE_MS, int(quarters.metered[i, 0]), int(quarters.covered[i, 0])


def _minutes(series: Series, steps: Int64s, is_power: Mask, is_register: Mask) -> Cells:
    """The minutes of a meter's released rows, sorted by time."""
    at, quality = series.at, series.quality
    measured = steps != NOTHING
    span = np.diff(at)
    short = span <= SHORT_INTERVALS * series.interval_ms
    both = measured[1:] & measured[:-1] & short[:, None]
    before, after = np.where(both, steps[:-1], 0), np.where(both, steps[1:], 0)
    border = np.minimum((at[:-1] // MINUTE_MS + 1) * MINUTE_MS, at[1:])
    first_metered, whole_metered = (
        _metered(part, span, before, after, is_power, is_register) for part in (border - at[:-1], span)
    )
    increment = _since_last_measured(steps, measured, is_register)
    lone = np.append(np.zeros((1, steps.shape[1]), np.bool_), ~both, axis=0) & measured & is_register
    flags = np.where(measured, quality[:, None], 0)
    flags |= np.where(measured & is_register & (increment < 0), int(Quality.REGISTER_RESET), 0)
    flags[1:] |= np.where(measured[1:] & ~short[:, None], int(Quality.GAP), 0)

    rows, starts, ends = at // MINUTE_MS, at[:-1] // MINUTE_MS, (border // MINUTE_MS)
    ids = np.unique(np.concatenate((rows, starts[short], ends[short & (border < at[1:])])))
    columns = [np.full((len(ids), steps.shape[1]), empty, np.int64) for empty in _EMPTY]
    count, total, low, high, metered, covered, bits = columns
    of_row = np.searchsorted(ids, rows)
    np.add.at(count, of_row, measured)
    np.add.at(total, of_row, np.where(measured, steps, 0))
    np.minimum.at(low, of_row, np.where(measured, steps, _HIGHEST))
    np.maximum.at(high, of_row, np.where(measured, steps, _LOWEST))
    np.add.at(metered, of_row, np.where(lone, np.maximum(increment, 0), 0))
    np.bitwise_or.at(bits, of_row, flags)
    one, two = np.flatnonzero(short), np.flatnonzero(short & (border < at[1:]))
    of_one, of_two = np.searchsorted(ids, starts[one]), np.searchsorted(ids, ends[two])
    np.add.at(metered, of_one, first_metered[one])
    np.add.at(metered, of_two, (whole_metered - first_metered)[two])
    np.add.at(covered, of_one, np.where(both, (border - at[:-1])[:, None], 0)[one])
    np.add.at(covered, of_two, np.where(both, (at[1:] - border)[:, None], 0)[two])
    return Cells(ids, *columns)


def _metered(part: Int64s, span: Int64s, before: Int64s, after: Int64s, is_power: Mask, is_register: Mask) -> Int64s:
    """From a stretch's start for `part` ms on: power by trapezoid, nearest step x ms; registers in whole steps."""
    part, span = part[:, None], span[:, None]
    doubled = 2 * span
    energy = (2 * (before * part * doubled + (after - before) * part * part) + doubled) // (2 * doubled)
    counted = np.maximum(after - before, 0) * part // span
    return np.where(is_power, energy, np.where(is_register, counted, 0))


def _since_last_measured(steps: Int64s, measured: Mask, is_register: Mask) -> Int64s:
    """What each value is above the one measured last before it; 0 where there is none."""
    found = np.zeros(steps.shape, np.int64)
    for quantity in np.flatnonzero(is_register):
        rows = np.flatnonzero(measured[:, quantity])
        found[rows[1:], quantity] = np.diff(steps[rows, quantity])
    return found


def _select(cells: Cells, which: Mask) -> Cells:
    return Cells(cells.id[which], *(column[which] for column in cells.columns()))


def _folded(minutes: Cells, length: int, open_from: int) -> Cells:
    ids = minutes.id // length
    closed = np.flatnonzero(ids < open_from // length)
    if not len(closed):
        return _select(minutes, np.zeros(len(ids), np.bool_))
    of = ids[closed]
    starts = np.flatnonzero(np.append(True, of[1:] != of[:-1]))
    columns = zip(_FOLDS, minutes.columns(), strict=True)
    return Cells(of[starts], *(fold.reduceat(column[closed], starts) for fold, column in columns))


def _rolled(minutes: Cells, length: int) -> Cells:
    """Each minute with those of the `length - 1` minutes before it."""
    columns = [column.copy() for column in minutes.columns()]
    for back in range(1, min(length, len(minutes.id))):
        near = np.flatnonzero(minutes.id[back:] - minutes.id[:-back] < length)
        for fold, rolled, column in zip(_FOLDS, columns, minutes.columns(), strict=True):
            rolled[near + back] = fold(rolled[near + back], column[near])
    return Cells(minutes.id, *columns)


def _facts(place: int, window: str, cells: Cells) -> Aggregates:
    anything = (cells.count != 0) | (cells.total != 0) | (cells.metered != 0) | (cells.covered != 0)
    cell, quantity = np.nonzero(anything | (cells.quality != 0))
    facts = np.zeros(len(cell), AGGREGATE)
    per_unit = PER_UNIT[quantity].astype(np.float64)
    count, sampled = cells.count[cell, quantity], cells.count[cell, quantity] > 0
    length_ms = MINUTES[window] * MINUTE_MS
    facts["meter"], facts["quantity"], facts["window"] = place, quantity, WINDOWS.index(window)
    facts["end"] = (cells.id[cell] + 1) * (MINUTE_MS if window == "rolling_15min" else length_ms)
    facts["start"] = facts["end"] - length_ms
    facts["count"] = count
    facts["mean"] = np.where(
        sampled & ~IS_REGISTER[quantity], cells.total[cell, quantity] / np.maximum(count, 1) / per_unit, np.nan
    )
    facts["min"] = np.where(sampled, cells.low[cell, quantity] / per_unit, np.nan)
    facts["max"] = np.where(sampled, cells.high[cell, quantity] / per_unit, np.nan)
    metered = cells.metered[cell, quantity] / per_unit
    facts["energy_trapezoid_wh"] = np.where(IS_POWER[quantity], metered / HOUR_MS, np.nan)
    facts["register_difference"] = np.where(IS_REGISTER[quantity], metered, np.nan)
    facts["covered_ms"], facts["quality"] = cells.covered[cell, quantity], cells.quality[cell, quantity]
    return facts
