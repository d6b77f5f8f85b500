"""How the arrays of a columnar record fit together, by the names of its fields.

A table (`meters`, `quantities` ...) holds distinct names. `row_meter` and its like point from each row into one.
`values` holds a cell for each row and column. Every other array has one item a row, or one item a meter.
"""

from dataclasses import dataclass, fields
from typing import get_args, get_origin

from schemas.blocks import EventBlock, ReadingBlock
from schemas.master_data import GridBlock, HomeRequestBlock, PlannedWorkBlock
from schemas.results import (
    AggregateBlock,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    HeardBlock,
    HourlyLoadBlock,
    LoadBlock,
    PartialLoadBlock,
    PresenceBlock,
    RecomputeRequestBlock,
    ReliabilityBlock,
)

ColumnarRecord = (
    ReadingBlock
    | EventBlock
    | AggregateBlock
    | PresenceBlock
    | RecomputeRequestBlock
    | PartialLoadBlock
    | LoadBlock
    | ApplianceEventBlock
    | ApplianceEnergyBlock
    | HeardBlock
    | GridBlock
    | PlannedWorkBlock
    | ReliabilityBlock
    | AnomalyScoreBlock
    | HourlyLoadBlock
    | HomeRequestBlock
)
"""The records that have rows."""

INDEXES = {
    "row_meter": "meters",
    "row_quantity": "quantities",
    "row_window": "windows",
    "row_appliance": "appliances",
}
TABLES = frozenset(INDEXES.values()) | {"columns"}
PER_METER = frozenset({"feeders", "substations", "intervals_ms", "profiles"})
CELLS = "values"


def is_per_row(name: str) -> bool:
    """Whether an array of that name has one item a row."""
    return name != CELLS and name not in TABLES and name not in PER_METER


def shape_fault(record: ColumnarRecord) -> str | None:
    """What does not fit in a columnar record, or None.

    >>> import numpy as np
    >>> from schemas.results import RecomputeRequestBlock
    >>> start, end = np.array([0]), np.array([3_600_000])
    >>> shape_fault(RecomputeRequestBlock(["m1"], ["water"], np.array([1], np.int32), start, end))
    'row_meter points outside meters'
    """
    shape = _SHAPES[type(record)]
    rows = len(getattr(record, shape.per_row[0]))
    meters = len(getattr(record, "meters", ()))
    for name in shape.per_row:
        if len(getattr(record, name)) != rows:
            return f"{name} has {len(getattr(record, name))} items, {shape.per_row[0]} {rows}"
    for name in shape.per_meter:
        if len(getattr(record, name)) != meters:
            return f"{name} has {len(getattr(record, name))} items, meters {meters}"
    for name in shape.tables:
        if len(set(getattr(record, name))) < len(getattr(record, name)):
            return f"{name} names something twice"
    if rows:
        for name, table in shape.indexes:
            index = getattr(record, name)
            if index.min() < 0 or index.max() >= len(getattr(record, table)):
                return f"{name} points outside {table}"
    if isinstance(record, ReadingBlock):
        cells, columns = len(record.values), len(record.columns)
        if cells != rows * columns:
            return f"values has {cells} items, not {rows} rows x {columns} columns"
    return None


@dataclass(frozen=True, slots=True)
class _Shape:
    per_row: tuple[str, ...]
    per_meter: tuple[str, ...]
    tables: tuple[str, ...]
    indexes: tuple[tuple[str, str], ...]


def _shape(record: type) -> _Shape:
    arrays = [field.name for field in fields(record) if get_origin(field.type) is not None]
    return _Shape(
        per_row=tuple(name for name in arrays if is_per_row(name)),
        per_meter=tuple(name for name in arrays if name in PER_METER),
        tables=tuple(name for name in arrays if name in TABLES),
        indexes=tuple((name, INDEXES[name]) for name in arrays if name in INDEXES),
    )


_SHAPES = {record: _shape(record) for record in get_args(ColumnarRecord)}
