"""Rows in event-time order folded to periods of one length per meter, for operators that look at hours, not at rows.

Values are integers in steps of the quantity's resolution, so that any grouping of the same rows gives the same bits. A
period [start, end) is closed when the meter's watermark has passed its end: then no row of it can follow. A period
without rows is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Quantity
from streams.contract import Mask, Released, State
from streams.samples import MISSING, Scale

NONE_LOW, NONE_HIGH = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def dtype(q: int) -> np.dtype[Any]:
    """The open period of a meter of q quantities; id 0 = none."""
    sums = [(name, "i8", (q,)) for name in ("count", "total", "low", "high")]
    return np.dtype([("id", "i8"), ("delay_ms", "i8"), *sums])


@dataclass(frozen=True, slots=True)
class Periods:
    """k periods, sorted by meter and time."""

    meter: Int64s
    """Position of the meter, shape (k,)."""
    id: Int64s
    """Start in units of the length, shape (k,)."""
    delay_ms: Int64s
    """The least that a row came after its event time, shape (k,)."""
    count: Int64s
    """Rows that measured the quantity, shape (k, q)."""
    total: Int64s
    """Sum of their values in steps, shape (k, q)."""
    low: Int64s
    high: Int64s
    """Extremes in steps; NONE_LOW and NONE_HIGH where nothing was measured. Shape (k, q)."""

    def take(self, which: Mask | Int64s) -> "Periods":
        """The periods that a mask or positions select."""
        return Periods(*(getattr(self, field.name)[which] for field in fields(self)))

    def means(self, scale: Scale) -> Float64s:
        """Mean of each quantity in its unit, NaN where not measured, shape (k, q)."""
        return np.where(self.count > 0, self.total / np.maximum(self.count, 1) / scale.steps_per_unit, np.nan)


def fold(stored: State, released: Released, quantities: Sequence[Quantity], length_ms: int) -> Periods:
    """Fold rows into their meters' open periods `stored` (n,); the periods that this closes."""
    new = _of_rows(released, Scale.of(tuple(quantities)), length_ms)
    merged = _merged(_joined(_load(stored, released.moved), new))
    frontier = (released.watermark + 1) // length_ms
    closed = merged.id < frontier[np.searchsorted(released.moved, merged.meter)]
    stored["id"][released.moved] = 0
    _store(stored, merged.take(~closed))
    return merged.take(closed)


def ranked(meter: Int64s) -> Int64s:
    """Of sorted meters: which of its meter's entries each is, from 0.

    >>> ranked(np.array([3, 3, 5, 7, 7, 7]))
    array([0, 1, 0, 0, 1, 2])
    """
    return np.arange(len(meter)) - np.searchsorted(meter, meter, side="left")


def _of_rows(released: Released, scale: Scale, length_ms: int) -> Periods:
    rows = released.rows
    steps = scale.steps(rows.values)
    measured = steps != MISSING
    return Periods(
        rows.meter,
        rows.at // length_ms,
        rows.received_at - rows.at,
        measured.astype(np.int64),
        np.where(measured, steps, 0),
        np.where(measured, steps, NONE_LOW),
        np.where(measured, steps, NONE_HIGH),
    )


def _load(stored: State, moved: Int64s) -> Periods:
    meter = moved[stored["id"][moved] > 0]
    return Periods(meter, *(stored[field.name][meter] for field in fields(Periods)[1:]))


def _store(stored: State, periods: Periods) -> None:
    for field in fields(Periods)[1:]:
        stored[field.name][periods.meter] = getattr(periods, field.name)


def _joined(a: Periods, b: Periods) -> Periods:
    pairs = ((getattr(a, field.name), getattr(b, field.name)) for field in fields(Periods))
    both = Periods(*(np.concatenate(pair) for pair in pairs))
    return both.take(np.lexsort((both.id, both.meter)))


def _merged(periods: Periods) -> Periods:
    if not len(periods.meter):
        return periods
    begins = np.ones(len(periods.meter), np.bool_)
    begins[1:] = (periods.meter[1:] != periods.meter[:-1]) | (periods.id[1:] != periods.id[:-1])
    starts = np.flatnonzero(begins)
    return Periods(
        periods.meter[starts],
        periods.id[starts],
        np.minimum.reduceat(periods.delay_ms, starts),
        np.add.reduceat(periods.count, starts),
        np.add.reduceat(periods.total, starts),
        np.minimum.reduceat(periods.low, starts),
        np.maximum.reduceat(periods.high, starts),
    )
