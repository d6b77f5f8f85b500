"""From a turn's rows to the one-minute cells that these close: the first step of every operator that counts by windows.

Rows touch one-minute cells only (folding.py). A minute is closed by the first row at or after its end, since the
stretch to that row belongs to it in part; or, when no stretch can reach that far any more, by the watermark.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.catalogue import Kind, Quantity
from schemas.durations import HOUR_MS
from streams.cells import Cells, Layout, Packed
from streams.contract import Meters, Released, State
from streams.folding import Kinds, Last, fold_cells, fold_rows
from streams.samples import MOST_INTERVALS, Scale


def closes_all_ms(interval_ms: Int64s) -> Int64s:
    """By how much the watermark passes a meter's last row when every window of it is closed, its hour too."""
    after: Int64s = MOST_INTERVALS * interval_ms + HOUR_MS
    return after


def fields(quantities: Sequence[Quantity], layout: Layout) -> list[tuple[Any, ...]]:
    """What must be kept of a meter for `closed`: its last row and registers, and the open minute."""
    return [
        ("last_at", "i8"),
        ("last", "i8", (len(quantities),)),
        ("register", "i8", (sum(quantity.kind is Kind.REGISTER for quantity in quantities),)),
        ("minute", layout.dtype()),
    ]


@lru_cache
def counted(quantities: tuple[Quantity, ...]) -> tuple[Scale, Layout, Kinds]:
    """How these quantities are counted, packed and metered."""
    scale = Scale.of(quantities)
    registers = np.where(scale.is_register, np.cumsum(scale.is_register) - 1, -1)
    return scale, Layout.of(quantities), Kinds(scale.is_power, registers)


def closed(
    state: State, quantities: tuple[Quantity, ...], meters: Meters, released: Released, steps: Int64s
) -> tuple[Cells, Int64s]:
    """Fold the rows in. The minutes that are closed now, and for each of `released.moved` the first that is still open.

    `steps` are the rows' values of these quantities, as integers by their scale, shape (r, q).
    """
    _, layout, kinds = counted(quantities)
    last = Last(state["last_at"], state["last"], state["register"])
    return fold_rows(Packed.of(state["minute"]), last, layout, kinds, released, steps, meters.interval_ms)


def lengthened(stored: State, layout: Layout, cells: Cells, times: int, moved: Int64s, frontier: Int64s) -> Cells:
    """Fold closed cells into windows `times` as long; see folding.fold_cells."""
    return fold_cells(Packed.of(stored), layout, cells, times, moved, frontier)
