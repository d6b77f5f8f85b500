"""From closed cells to the rows of results: one for each quantity that a cell holds anything of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s
from schemas.compiled import kernel
from schemas.durations import MINUTE_MS
from schemas.results import AggregateBlock
from streams.cells import Cells
from streams.contract import MOST_ROWS, Mask, Meters
from streams.samples import Scale

WATT_MS_PER_WATT_HOUR = 3_600_000.0


class Window(NamedTuple):
    """One kind of window."""

    name: str
    minutes: int
    """Its length."""
    every_minutes: int
    """How often one ends."""


_COLUMNS = (
    "end",
    "count",
    "covered_ms",
    "row_meter",
    "row_quantity",
    "quality",
    "mean",
    "min",
    "max",
    "energy_trapezoid_wh",
    "register_difference",
)
"""Of AggregateBlock, in the order in which `_rows` gives them; the meter by its position in Meters."""
_Columns = dict[str, npt.NDArray[Any]]


def aggregates(closed: Mapping[Window, Cells], meters: Meters, scale: Scale, version: int) -> list[AggregateBlock]:
    """The windows that closed, as blocks of results.

    A cell's `id` is where its window begins, or where windows overlap their last step, in units of `every_minutes`.
    """
    if not any(len(cells.meter) for cells in closed.values()):
        return []
    parts = [
        _rows(cells, scale.is_power, scale.is_register, scale.steps_per_unit, window.every_minutes)
        for window, cells in closed.items()
    ]
    lengths = [len(part[0]) for part in parts]
    columns = {name: np.concatenate(each) for name, *each in zip(_COLUMNS, *parts, strict=True)}
    columns["row_window"] = np.repeat(np.arange(len(parts), dtype=np.int32), lengths)
    columns["start"] = columns["end"] - np.repeat([window.minutes * MINUTE_MS for window in closed], lengths)
    columns["revision"] = np.zeros(sum(lengths), np.int32)
    names = [window.name for window in closed]
    return [
        _block({name: column[i : i + MOST_ROWS] for name, column in columns.items()}, names, meters, version)
        for i in range(0, sum(lengths), MOST_ROWS)
    ]


def _block(columns: _Columns, windows: list[str], meters: Meters, version: int) -> AggregateBlock:
    distinct, row_meter = np.unique(columns["row_meter"], return_inverse=True)
    kinds, row_window = np.unique(columns["row_window"], return_inverse=True)
    columns |= {"row_meter": row_meter.astype(np.int32), "row_window": row_window.astype(np.int32)}
    return AggregateBlock(
        operator_version=version,
        meters=[meters.ids[i] for i in distinct],
        quantities=[quantity.name for quantity in meters.quantities],
        windows=[windows[i] for i in kinds],
        **columns,
    )


@kernel
def _rows(
    cells: Cells, is_power: Mask, is_register: Mask, steps_per_unit: Float64s, every_minutes: int
) -> tuple[npt.NDArray[Any], ...]:
    most = cells.quality.size
    end, count, covered, meter = np.empty((4, most), np.int64)
    quantity, quality = np.empty((2, most), np.int32)
    mean, low, high, energy, difference = np.full((5, most), np.nan)
    k = 0
    for cell in range(len(cells.meter)):
        for i in range(len(steps_per_unit)):
            sampled, total, metered, covers = cells.sums[cell, :, i]
            if not (sampled or total or metered or covers or cells.quality[cell, i]):
                continue
            end[k] = (cells.id[cell] + 1) * every_minutes * MINUTE_MS
            meter[k], quantity[k], quality[k] = cells.meter[cell], i, cells.quality[cell, i]
            count[k], covered[k] = sampled, covers
            if sampled:
                low[k] = cells.extremes[cell, 0, i] / steps_per_unit[i]
                high[k] = -cells.extremes[cell, 1, i] / steps_per_unit[i]
                if not is_register[i]:
                    mean[k] = total / sampled / steps_per_unit[i]
            if is_power[i]:
                energy[k] = metered / steps_per_unit[i] / WATT_MS_PER_WATT_HOUR
            if is_register[i]:
                difference[k] = metered / steps_per_unit[i]
            k += 1
    whole = (end[:k], count[:k], covered[:k], meter[:k], quantity[:k], quality[:k])
    return (*whole, mean[:k], low[:k], high[:k], energy[:k], difference[:k])
