"""Rolling and tumbling aggregates of every quantity of every meter.

Windows are [start, end) in UTC: `1min`, `15min`, `1h`, and `rolling_15min`, which ends with each minute that holds a
sample. Rows touch one-minute cells only; longer windows are folded from these as they close (minutes.py).
"""

from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from schemas.blocks import AggregateBlock, Int64s
from schemas.catalogue import Quantity
from streams import cells, minutes, readable
from streams.cells import COUNT, COVERED, METERED, NO_EXTREME, TOTAL, Cells, Layout
from streams.contract import MOST_ROWS, Meters, Operator, Released, Result, State
from streams.samples import MINUTE_MS, MISSING, Scale

ROLLING_MINUTES = 15
RECENT_MINUTES = ROLLING_MINUTES - 1
WINDOWS = {"1min": 1, "15min": 15, "1h": 60, "rolling_15min": 15}
"""Length of each kind of window, minutes."""
WATT_MS_PER_WATT_HOUR = 3_600_000.0


class RollingLoad(Operator):
    """Count, mean, min, max, energy by trapezoid and by register difference, per meter, quantity and window.

    Assumes rows in event-time order (on_released). Mean is the mean of the samples; a register has none. A result is
    emitted once, when its window closes; rows that come later are answered by recomputation. Cost: about ten numpy
    passes over a turn's rows.
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
                *minutes.fields(quantities, layout),
                ("quarter", layout.dtype()),
                ("hour", layout.dtype()),
                ("recent", layout.dtype(of_a_minute=True), (RECENT_MINUTES,)),
            ]
        )

    def describe(self, state: Any, quantities: Sequence[Quantity]) -> dict[str, Any]:
        """The last row, the open windows, and how far the rolling one reaches back; in the quantities' units."""
        scale, layout = _counted(tuple(quantities))
        last = np.where(state["last"] == MISSING, np.nan, state["last"] / scale.steps_per_unit)
        recent = state["recent"]["id"][state["recent"]["id"] > 0]
        return {
            "last_at": readable.time(int(state["last_at"])),
            "last": {quantity.name: float(value) for quantity, value in zip(quantities, last, strict=True)},
            "open": {
                name: _described(
                    layout.load(state[name].reshape(1), np.zeros(1, np.int64)), minutes_long, scale, quantities
                )
                for name, minutes_long in (("minute", 1), ("quarter", 15), ("hour", 60))
            },
            "rolling_since": readable.time(int(recent.min()) * MINUTE_MS) if len(recent) else None,
        }

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Fold the rows in, and emit the windows that they or the watermarks close."""
        scale, layout = _counted(meters.quantities)
        steps = scale.steps(released.rows.values)
        closed, frontier = minutes.closed(state, meters, released, steps, scale, layout)
        quarters = minutes.close(layout, state["quarter"], closed.coarser(15), released.moved, frontier // 15)
        hours = minutes.close(layout, state["hour"], quarters.coarser(4), released.moved, frontier // 60)
        sampled = closed.take(closed.sums[:, COUNT].any(axis=1))
        rolled = _roll(layout, state["recent"], closed)
        found = {"1min": sampled, "15min": quarters, "1h": hours, "rolling_15min": rolled}
        return [pack for name, some in found.items() for pack in _packs(name, some, meters, scale, self.version)]


@lru_cache
def _counted(quantities: tuple[Quantity, ...]) -> tuple[Scale, Layout]:
    return Scale.of(quantities), Layout.of(quantities)


def _described(found: Cells, minutes_long: int, scale: Scale, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """An open window: its start, and what each quantity came to so far; None if none is open."""
    if not len(found.id):
        return None
    counted = found.sums[0, METERED] / scale.steps_per_unit
    told: dict[str, Any] = {"start": readable.time(int(found.id[0]) * minutes_long * MINUTE_MS)}
    for i, quantity in enumerate(quantities):
        told[quantity.name] = {"count": int(found.sums[0, COUNT, i])}
        if scale.is_power[i]:
            told[quantity.name]["energy_wh"] = float(counted[i]) / WATT_MS_PER_WATT_HOUR
        if scale.is_register[i]:
            told[quantity.name]["register_difference"] = float(counted[i])
    return told


def _roll(layout: Layout, recent: State, closed: Cells) -> Cells:
    """The rolling windows that end with the closed minutes that hold a sample.

    `recent` holds a meter's last closed minutes, each at its number modulo their count; a minute takes the place of the
    one that its own window just still holds.
    """
    first = np.searchsorted(closed.meter, closed.meter, side="left")
    nth = np.arange(len(first)) - first
    windows = []
    for turn in range(int(nth.max(initial=-1)) + 1):
        minute = closed.take(nth == turn)
        windows.append(_with_recent(layout, recent[minute.meter], minute))
        layout.store(recent, minute, (minute.id % RECENT_MINUTES,))
    if not windows:
        return closed
    found = reduce(cells.joined, windows)
    return found.take(found.sums[:, COUNT].any(axis=1) & closed.sums[:, COUNT].any(axis=1))


def _with_recent(layout: Layout, recent: State, minute: Cells) -> Cells:
    """Each minute together with the recent ones of its meter that lie in the window which ends with it."""
    k = len(minute.meter)
    old = layout.load(recent, np.arange(k))
    old = old.take(old.id > minute.id[old.meter] - ROLLING_MINUTES)
    own = Cells(np.arange(k), np.zeros(k, np.int64), minute.sums, minute.extremes, minute.quality)
    both = cells.merged(cells.joined(Cells(old.meter, old.id * 0, old.sums, old.extremes, old.quality), own))
    return Cells(minute.meter, minute.id, both.sums, both.extremes, both.quality)


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
