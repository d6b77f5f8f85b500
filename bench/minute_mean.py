"""The operator that bench.engine runs: the mean of every quantity of every meter over each minute of event time.

What the peers compute, and no more; rolling_load, which the product runs, computes a dozen things beside it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.arrays import Int64s
from schemas.blocks import ReadingBlock
from schemas.catalogue import Quantity
from schemas.compiled import compiled, kernel
from schemas.durations import MINUTE_MS
from streams.contract import MOST_ROWS, Meters, Operator, Released, Result, State
from streams.samples import MISSING, Scale


class Minutes(NamedTuple):
    """k minutes: the meter of each and the minute since 1970, shape (k,); counts and totals, shape (k, q).

    Totals are in steps of the quantities' resolution, so any split of the rows gives the same bits. As the open minutes
    of all n meters they lack `meter`, as k is n.
    """

    meter: Int64s
    minute: Int64s
    counted: Int64s
    total: Int64s

    def part(self, begin: int, end: int) -> "Minutes":
        """Those from `begin` to `end`."""
        return Minutes(*(column[begin:end] for column in self))


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
        open_ = Minutes(np.empty(0, np.int64), state["minute"], state["count"], state["total"])
        closed = _fold(open_, released, scale.steps(released.rows.values))
        return [
            _pack(closed.part(start, start + MOST_ROWS), meters, scale)
            for start in range(0, len(closed.meter), MOST_ROWS)
        ]


@kernel
def _fold(open_: Minutes, released: Released, steps: Int64s) -> Minutes:
    """The minutes that are closed now; `steps` are the rows' values in whole steps, shape (r, q)."""
    rows, row, closed = released.rows, 0, 0
    room, q = len(rows.meter) + len(released.moved), steps.shape[1]
    out = Minutes(
        np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, q), np.int64), np.empty((room, q), np.int64)
    )
    for i, meter in enumerate(released.moved):
        while row < len(rows.meter) and rows.meter[row] == meter:
            minute = rows.at[row] // MINUTE_MS
            if open_.minute[meter] != minute:
                closed = _close(open_, meter, out, closed)
                open_.minute[meter] = minute
            for column in range(q):
                if steps[row, column] != MISSING:
                    open_.counted[meter, column] += 1
                    open_.total[meter, column] += steps[row, column]
            row += 1
        if (open_.minute[meter] + 1) * MINUTE_MS <= released.watermark[i] + 1:
            closed = _close(open_, meter, out, closed)
    return Minutes(out.meter[:closed], out.minute[:closed], out.counted[:closed], out.total[:closed])


@compiled
def _close(open_: Minutes, meter: int, out: Minutes, closed: int) -> int:
    """Hand a meter's open minute out, if it has one. How many are handed out then."""
    if open_.minute[meter] == 0:
        return closed
    out.meter[closed], out.minute[closed] = meter, open_.minute[meter]
    for column in range(out.counted.shape[1]):
        out.counted[closed, column] = open_.counted[meter, column]
        out.total[closed, column] = open_.total[meter, column]
        open_.counted[meter, column] = 0
        open_.total[meter, column] = 0
    open_.minute[meter] = 0
    return closed + 1


def _pack(closed: Minutes, meters: Meters, scale: Scale) -> ReadingBlock:
    counted = closed.counted > 0
    mean = np.where(counted, closed.total / np.maximum(closed.counted, 1) / scale.steps_per_unit, np.nan)
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
