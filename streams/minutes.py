"""From a turn's rows to the one-minute cells that these close: the first step of every operator that counts by windows.

Rows touch one-minute cells only (samples.py). A minute is closed by the first row at or after its end, since the
stretch to that row belongs to it in part; or, when no stretch can reach that far any more, by the watermark.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.blocks import Int64s
from schemas.catalogue import Kind, Quantity
from streams import cells
from streams.cells import Cells, Layout
from streams.contract import Mask, Meters, Released, State
from streams.samples import MINUTE_MS, MISSING, MOST_INTERVALS, Scale, Stretches, minute_cells


def fields(quantities: Sequence[Quantity], layout: Layout) -> list[tuple[Any, ...]]:
    """What must be kept of a meter for `closed`: its last row and registers, and the open minute."""
    return [
        ("last_at", "i8"),
        ("last", "i8", (len(quantities),)),
        ("register", "i8", (sum(quantity.kind is Kind.REGISTER for quantity in quantities),)),
        ("minute", layout.dtype()),
    ]


def closed(
    state: State, meters: Meters, released: Released, steps: Int64s, scale: Scale, layout: Layout
) -> tuple[Cells, Int64s]:
    """Fold the rows in. The minutes that are closed now, and for each of `released.moved` the first that is still open.

    `steps` are the rows' values by `scale`, shape (r, q).
    """
    new = _fold_rows(state, meters, released, steps, scale)
    frontier = _frontier(state, meters, released)
    return close(layout, state["minute"], new, released.moved, frontier), frontier


def close(layout: Layout, stored: State, new: Cells, moved: Int64s, frontier: Int64s) -> Cells:
    """Merge new cells with the open ones; the cells before the frontier, which leave the state."""
    touched = (stored["id"][moved] > 0) & (stored["id"][moved] < frontier)
    touched[np.searchsorted(moved, new.meter)] = True
    moved, frontier = moved[touched], frontier[touched]
    all_cells = cells.merged(cells.joined(layout.load(stored, moved), new))
    over = all_cells.id < frontier[np.searchsorted(moved, all_cells.meter)]
    stored["id"][moved] = 0
    layout.store(stored, all_cells.take(~over))
    return all_cells.take(over)


def _fold_rows(state: State, meters: Meters, released: Released, steps: Int64s, scale: Scale) -> Cells:
    """The rows' minute cells; the state's last row and registers become theirs."""
    rows = released.rows
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


def _registers(state: State, meter: Int64s, first: Mask, steps: Int64s) -> tuple[Int64s, Int64s]:
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
