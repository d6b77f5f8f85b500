"""Rolling and tumbling aggregates of every quantity of every meter.

Windows are [start, end) in UTC: `1min`, `15min`, `1h`, and `rolling_15min`, which ends with each minute that holds a
sample. Rows touch one-minute cells only; longer windows are folded from these as they close (minutes.py).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.catalogue import Quantity
from schemas.durations import MINUTE_MS
from streams import minutes, readable
from streams.aggregates import WATT_MS_PER_WATT_HOUR, Window, aggregates
from streams.cells import COUNT, Layout, Packed
from streams.contract import Meters, Operator, Released, Result, State
from streams.folding import roll
from streams.samples import MISSING

ROLLING_MINUTES = 15
RECENT_MINUTES = ROLLING_MINUTES - 1
WINDOWS = (Window("1min", 1, 1), Window("15min", 15, 15), Window("1h", 60, 60), Window("rolling_15min", 15, 1))


class RollingLoad(Operator):
    """Count, mean, min, max, energy by trapezoid and by register difference, per meter, quantity and window.

    Assumes rows in event-time order (on_released). Mean is the mean of the samples; a register has none. A result is
    emitted once, when its window closes; rows that come later are answered by recomputation. Cost: one pass over a
    turn's rows, and one over the minutes that they close for each longer window.
    """

    name = "rolling_load"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"AggregateBlock"})
    reach_ms = ROLLING_MINUTES * MINUTE_MS

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
        scale, _, _ = minutes.counted(tuple(quantities))
        last = np.where(state["last"] == MISSING, np.nan, state["last"] / scale.steps_per_unit)
        recent = state["recent"]["id"][state["recent"]["id"] > 0]
        return {
            "last_at": readable.time(int(state["last_at"])),
            "last": {quantity.name: float(value) for quantity, value in zip(quantities, last, strict=True)},
            "open": {
                name: _described(state[name], minutes_long, quantities)
                for name, minutes_long in (("minute", 1), ("quarter", 15), ("hour", 60))
            },
            "rolling_since": readable.time(int(recent.min()) * MINUTE_MS) if len(recent) else None,
        }

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Fold the rows in, and emit the windows that they or the watermarks close."""
        scale, layout, _ = minutes.counted(meters.quantities)
        steps = scale.steps(released.rows.values)
        closed, frontier = minutes.closed(state, meters.quantities, meters, released, steps)
        quarters = minutes.lengthened(state["quarter"], layout, closed, 15, released.moved, frontier)
        hours = minutes.lengthened(state["hour"], layout, quarters, 4, released.moved, frontier // 15)
        rolled = roll(Packed.of(state["recent"]), layout, closed, ROLLING_MINUTES)
        sampled = closed.take(np.flatnonzero(closed.sums[:, COUNT].any(axis=1)))
        found = dict(zip(WINDOWS, (sampled, quarters, hours, rolled), strict=True))
        return [*aggregates(found, meters, scale, self.version)]


def _described(cell: Any, minutes_long: int, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """An open window: its start, and what each quantity came to so far; None if none is open."""
    if not cell["id"]:
        return None
    scale, layout, _ = minutes.counted(tuple(quantities))
    told: dict[str, Any] = {"start": readable.time(int(cell["id"]) * minutes_long * MINUTE_MS)}
    for i, quantity in enumerate(quantities):
        told[quantity.name] = {"count": int(cell["samples"][i])}
        if layout.metered[i] < 0:
            continue
        counted = float(cell["metered"][layout.metered[i]] / scale.steps_per_unit[i])
        if scale.is_power[i]:
            told[quantity.name]["energy_wh"] = counted / WATT_MS_PER_WATT_HOUR
        else:
            told[quantity.name]["register_difference"] = counted
    return told
