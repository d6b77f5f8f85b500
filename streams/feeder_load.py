"""What a meter adds to the load of its feeder, or its substation's infeed: active energy by the quarter of an hour."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.catalogue import Kind, Quantity
from streams import minutes
from streams.active_power import signs_of
from streams.cells import COVERED, METERED, Layout
from streams.contract import Contributions, Meters, Operator, Released, Rows, State
from streams.samples import MISSING, Scale

ACTIVE_POWER = Quantity("active_power_w", "W", Kind.GAUGE, 0.1, -1e7, 1e7, None, "Active power of all phases")


class FeederLoad(Operator):
    """Active energy by trapezoid of each meter and quarter, in integers that add up exactly in any order.

    A phase that was not measured counts as nothing where another was: flats have one phase. Cost: that of rolling_load
    for one quantity.
    """

    name = "feeder_load"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"PartialLoadBlock"})
    reach_ms = 0

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """Last active power, the open minute and the open quarter."""
        return np.dtype([*minutes.fields([ACTIVE_POWER], _layout()), ("quarter", _layout().dtype())])

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Contributions]:
        """The quarters that the rows or the watermarks close."""
        signs = signs_of(meters.quantities)
        if not signs.any():
            return []
        steps = _active_power(released.rows, signs)
        closed, frontier = minutes.closed(state, (ACTIVE_POWER,), meters, released, steps)
        quarters = minutes.lengthened(state["quarter"], _layout(), closed, 15, released.moved, frontier)
        measured = quarters.take(quarters.sums[:, COVERED, 0] > 0)
        if not len(measured.meter):
            return []
        energy, covered = measured.sums[:, METERED, 0], measured.sums[:, COVERED, 0]
        return [Contributions(measured.meter, measured.id, energy, covered)]


def used(quantities: Sequence[Quantity]) -> list[Quantity]:
    """Those of these quantities that make up a meter's active power."""
    return [quantity for quantity, sign in zip(quantities, signs_of(tuple(quantities)), strict=True) if sign]


def _active_power(rows: Rows, signs: Int64s) -> Int64s:
    """In steps of 0.1 W, shape (r, 1)."""
    which = np.flatnonzero(signs)
    steps = Scale.of((ACTIVE_POWER,) * len(which)).steps(rows.values[:, which])
    measured = steps != MISSING
    total = np.where(measured, steps * signs[which], 0).sum(axis=1, keepdims=True)
    return np.where(measured.any(axis=1, keepdims=True), total, MISSING)


def _layout() -> Layout:
    _, layout, _ = minutes.counted((ACTIVE_POWER,))
    return layout
