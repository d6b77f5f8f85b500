"""Rolling and tumbling aggregates of every quantity of every meter.

Windows are [start, end) in UTC: `1min`, `15min`, `1h`, and `rolling_15min`, which ends with each minute that holds a
sample. Rows touch one-minute cells only (samples.py); longer windows are folded from cells as these close. A minute is
closed by the first row at or after its end, since the stretch to that row belongs to it in part; or, when no stretch
can reach that far any more, by the watermark.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from schemas.blocks import AggregateBlock, Int64s
from schemas.catalogue import Kind, Quantity
from streams import cells
from streams.cells import COUNT, COVERED, METERED, NO_EXTREME, TOTAL, Cells, Layout
from streams.contract import MOST_ROWS, Meters, Operator, Released, Result, State
from streams.samples import MINUTE_MS, MISSING, MOST_INTERVALS, Scale, Stretches, minute_cells

ROLLING_MINUTES = 15
WINDOWS = {"1min": 1, "15min": 15, "1h": 60, "rolling_15min": 15}
"""Length of each kind of window, minutes."""
WATT_MS_PER_WATT_HOUR = 3_600_000.0


class RollingLoad(Operator):
    """Count, mean, min, max, energy by trapezoid and by register difference, per meter, quantity and window.

    Assumes rows in event-time order (on_released). Mean is the mean of the
    samples; a register has none. A result is emitted once, when its
    window closes; rows that come later are answered by recomputation. Cost: about ten numpy passes over a turn's rows.
    """

    name = "rolling_load"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"AggregateBlock"})

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """Last row and registers, the open cells, and the last closed minutes of the rolling window."""
        layout = Layout.of(quantities)
        return np.dtype(
            [
                ("last_at", "i8"),
                ("last", "i8", (len(quantities),)),
                ("register", "i8", (sum(quantity.kind is Kind.REGISTER for quantity in quantities),)),
                ("minute", layout.dtype()),
                ("quarter", layout.dtype()),
                ("hour", layout.dtype()),
                ("recent", layout.dtype(of_a_minute=True), (ROLLING_MINUTES - 1,)),
            ]
        )

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Fold the rows in, and emit the windows that they or the watermarks close."""
        scale, layout = _counted(meters.quantities)
        new = _fold_rows(state, meters, released, scale)
        frontier = _frontier(state, meters, released)
        minutes = _close(layout, state["minute"], new, released.moved, frontier)
        quarters = _close(layout, state["quarter"], minutes.coarser(15), released.moved, frontier // 15)
        hours = _close(layout, state["hour"], quarters.coarser(4), released.moved, frontier // 60)
        sampled = minutes.take(minutes.sums[:, COUNT].any(axis=1))
        rolled = _roll(layout, state["recent"], minutes)
        closed = {"1min": sampled, "15min": quarters, "1h": hours, "rolling_15min": rolled}
        return [pack for name, found in closed.items() for pack in _packs(name, found, meters, scale, self.version)]


@lru_cache
def _counted(quantities: tuple[Quantity, ...]) -> tuple[Scale, Layout]:
    return Scale.of(quantities), Layout.of(quantities)


def _fold_rows(state: State, meters: Meters, released: Released, scale: Scale) -> Cells:
    """The rows' minute cells; the state's last row and registers become theirs."""
    rows = released.rows
    steps = scale.steps(rows.values)
    first = np.ones(len(rows.meter), np.bool_)
    first[1:] = rows.meter[1:] != rows.meter[:-1]
    last = np.append(first[1:], True)[: len(first)]
    start = np.where(first, state["last_at"][rows.meter], np.roll(rows.at, 1))
    before = np.where(first[:, None], state["last"][rows.meter], np.roll(steps, 1, axis=0))
    before = np.where((start > 0)[:, None], before, MISSING)
    short = (start > 0) & (rows.at - start <= MOST_INTERVALS * meters.interval_ms[rows.meter])
    registers = np.full_like(steps, MISSING)
    which = np.flatnonzero(scale.is_register)
    registers[:, which], register_after = _registers(state, rows.meter, first, steps[:, which])
    stretches = Stretches(rows.meter, start, rows.at, before, steps, short)
    ends = rows.meter[last]
    state["last_at"][ends] = rows.at[last]
    state["last"][ends] = steps[last]
    state["register"][ends] = register_after[last]
    return minute_cells(rows, steps, stretches, registers, scale)


def _registers(state: State, meter: Int64s, first: np.ndarray[Any, Any], steps: Int64s) -> tuple[Int64s, Int64s]:
    """What each register read when it was last measured, before each row and after it; MISSING if never."""
    unknown = (state["last_at"][meter] == 0)[:, None]
    carried = np.where(unknown, MISSING, state["register"][meter])
    r = np.arange(len(meter))[:, None]
    begin = np.maximum.accumulate(np.where(first, np.arange(len(meter)), 0))[:, None]
    latest = np.maximum.accumulate(np.where(steps != MISSING, r, -1), axis=0)
    after = np.where(latest >= begin, np.take_along_axis(steps, np.maximum(latest, 0), axis=0), carried)
    before = np.where(first[:, None], carried, np.roll(after, 1, axis=0))
    return before, after


def _frontier(state: State, meters: Meters, released: Released) -> Int64s:
    """For each moved meter: the first minute that is still open."""
    last_at = state["last_at"][released.moved]
    out_of_reach = released.watermark - last_at > MOST_INTERVALS * meters.interval_ms[released.moved]
    frontier: Int64s = np.where(out_of_reach, np.maximum(released.watermark, last_at), last_at) // MINUTE_MS
    return frontier


def _close(layout: Layout, stored: State, new: Cells, moved: Int64s, frontier: Int64s) -> Cells:
    """Merge new cells with the open ones; the cells before the frontier, which leave the state."""
    all_cells = cells.merged(cells.joined(layout.load(stored, moved), new))
    closed = all_cells.id < frontier[np.searchsorted(moved, all_cells.meter)]
    stored["id"][moved] = 0
    layout.store(stored, all_cells.take(~closed))
    return all_cells.take(closed)


def _roll(layout: Layout, stored: State, minutes: Cells) -> Cells:
    """The rolling windows that end with the closed minutes that hold a sample."""
    if not len(minutes.meter):
        return minutes
    moved = np.unique(minutes.meter)
    recent = layout.load(stored, moved)
    line = cells.joined(recent, minutes)
    windows = cells.rolling(line, ROLLING_MINUTES)
    from_end = np.searchsorted(line.meter, line.meter, side="right") - np.arange(len(line.meter))
    kept = from_end < ROLLING_MINUTES
    stored["id"][moved] = 0
    layout.store(stored, line.take(kept), (from_end[kept] - 1,))
    oldest_new = minutes.id[np.searchsorted(minutes.meter, line.meter, side="left")]
    return windows.take((line.id >= oldest_new) & line.sums[:, COUNT].any(axis=1))


def _packs(window: str, found: Cells, meters: Meters, scale: Scale, version: int) -> list[Result]:
    """The cells' quantities that hold anything, as blocks of results."""
    anything = found.sums.any(axis=1) | (found.quality != 0)
    cell, quantity = np.nonzero(anything)
    return [
        _pack(window, found, cell[i : i + MOST_ROWS], quantity[i : i + MOST_ROWS], meters, scale, version)
        for i in range(0, len(cell), MOST_ROWS)
    ]


def _pack(
    window: str, found: Cells, cell: Int64s, quantity: Int64s, meters: Meters, scale: Scale, version: int
) -> AggregateBlock:
    steps_per_unit = scale.steps_per_unit[quantity]
    sums = found.sums[cell, :, quantity]
    low, high = found.extremes[cell, 0, quantity], -found.extremes[cell, 1, quantity]
    sampled = found.extremes[cell, 0, quantity] != NO_EXTREME
    averaged = sampled & ~scale.is_register[quantity]
    count = sums[:, COUNT]
    metered = sums[:, METERED] / steps_per_unit
    distinct, row_meter = np.unique(found.meter[cell], return_inverse=True)
    length_ms = WINDOWS[window] * MINUTE_MS
    end = (found.id[cell] + 1) * (MINUTE_MS if window == "rolling_15min" else length_ms)
    return AggregateBlock(
        operator_version=version,
        meters=[meters.ids[i] for i in distinct],
        quantities=[q.name for q in meters.quantities],
        windows=[window],
        row_meter=row_meter.astype(np.int32),
        row_quantity=quantity.astype(np.int32),
        row_window=np.zeros(len(cell), np.int32),
        start=end - length_ms,
        end=end,
        revision=np.zeros(len(cell), np.int32),
        count=count,
        mean=np.where(averaged, sums[:, TOTAL] / np.maximum(count, 1) / steps_per_unit, np.nan),
        min=np.where(sampled, low / steps_per_unit, np.nan),
        max=np.where(sampled, high / steps_per_unit, np.nan),
        energy_trapezoid_wh=np.where(scale.is_power[quantity], metered / WATT_MS_PER_WATT_HOUR, np.nan),
        register_difference=np.where(scale.is_register[quantity], metered, np.nan),
        covered_ms=sums[:, COVERED],
        quality=found.quality[cell, quantity],
    )
