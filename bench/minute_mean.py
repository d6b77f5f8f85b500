"""The operator that bench.engine runs: the mean of every quantity of every meter over each minute of event time.

What the peers compute, and no more; rolling_load, which the product runs, computes a dozen things beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.blocks import ReadingBlock
from schemas.catalogue import Quantity
from schemas.durations import MINUTE_MS
from streams.contract import MOST_ROWS, Meters, Operator, Released, Result, Rows, State
from streams.samples import MISSING, Scale


@dataclass(frozen=True, slots=True)
class Minutes:
    """k minutes of meters: position of the meter and minute since 1970, shape (k,); counts and totals, shape (k, q).

    Totals are in steps of the quantities' resolution, so any split of the rows gives the same bits.
    """

    meter: Int64s
    minute: Int64s
    count: Int64s
    total: Int64s

    def take(self, which: Any) -> "Minutes":
        """Those that a mask or positions select."""
        return Minutes(self.meter[which], self.minute[which], self.count[which], self.total[which])


class MinuteMean(Operator):
    """One row a meter and minute, when the watermark passes its end, as readings of the same quantities.

    Assumes rows in event-time order (on_released). NaN and what no meter can mean count for nothing.
    """

    name = "minute_mean"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"ReadingBlock"})

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The open minute; minute 0 = none."""
        q = len(quantities)
        return np.dtype([("minute", "i8"), ("count", "i8", (q,)), ("total", "i8", (q,))])

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Fold the rows into the open minutes, and emit those that newer rows or the watermarks close."""
        scale = Scale.of(meters.quantities)
        overtaken = _fold(state, _minutes(released.rows, scale))
        closed = [*overtaken, _passed(state, released)]
        return [pack for minutes in closed for pack in _packs(minutes, meters, scale)]


def _minutes(rows: Rows, scale: Scale) -> Minutes:
    """The rows, those of the same meter and minute made one."""
    steps = scale.steps(rows.values)
    measured = steps != MISSING
    single = Minutes(rows.meter, rows.at // MINUTE_MS, measured.astype(np.int64), np.where(measured, steps, 0))
    begins = np.ones(len(rows.meter), np.bool_)
    begins[1:] = (single.meter[1:] != single.meter[:-1]) | (single.minute[1:] != single.minute[:-1])
    starts = np.flatnonzero(begins)
    if len(starts) == len(begins):
        return single
    count, total = np.add.reduceat(single.count, starts), np.add.reduceat(single.total, starts)
    return Minutes(single.meter[starts], single.minute[starts], count, total)


def _fold(state: State, new: Minutes) -> list[Minutes]:
    """Put the newest minute of each meter into the state; what this takes the place of."""
    k = len(new.meter)
    first, last = np.ones(k, np.bool_), np.ones(k, np.bool_)
    first[1:] = new.meter[1:] != new.meter[:-1]
    last[:-1] = first[1:]
    held = _held(state, new.meter[first])
    same = held.minute == new.minute[first]
    goes_on = np.flatnonzero(first)[same]
    new.count[goes_on] += held.count[same]
    new.total[goes_on] += held.total[same]
    newest = new.take(last)
    state["minute"][newest.meter] = newest.minute
    state["count"][newest.meter] = newest.count
    state["total"][newest.meter] = newest.total
    return [held.take(~same & (held.minute > 0)), new.take(~last)]


def _passed(state: State, released: Released) -> Minutes:
    """The open minutes whose end the watermarks have passed, which leave the state."""
    minute = state["minute"][released.moved]
    passed = released.moved[(minute > 0) & ((minute + 1) * MINUTE_MS <= released.watermark + 1)]
    closed = _held(state, passed)
    state["minute"][passed] = 0
    return closed


def _held(state: State, meter: Int64s) -> Minutes:
    held = state[meter]
    return Minutes(meter, held["minute"], held["count"], held["total"])


def _packs(closed: Minutes, meters: Meters, scale: Scale) -> list[Result]:
    return [
        _pack(closed.take(slice(start, start + MOST_ROWS)), meters, scale)
        for start in range(0, len(closed.meter), MOST_ROWS)
    ]


def _pack(closed: Minutes, meters: Meters, scale: Scale) -> ReadingBlock:
    counted = closed.count > 0
    mean = np.where(counted, closed.total / np.maximum(closed.count, 1) / scale.steps_per_unit, np.nan)
    distinct, row_meter = np.unique(closed.meter, return_inverse=True)
    r = len(closed.meter)
    return ReadingBlock(
        source=MinuteMean.name,
        profile=meters.profile,
        received_at=int(closed.minute.max() + 1) * MINUTE_MS,
        meters=[meters.ids[i] for i in distinct],
        feeders=[meters.feeders[i] for i in distinct],
        substations=[meters.substations[i] for i in distinct],
        intervals_ms=np.full(len(distinct), MINUTE_MS, np.int64),
        row_meter=row_meter.astype(np.int32),
        at=closed.minute * MINUTE_MS,
        sequence=np.full(r, -1, np.int64),
        quality=np.zeros(r, np.int32),
        columns=[quantity.name for quantity in meters.quantities],
        values=mean.T.ravel(),
    )
