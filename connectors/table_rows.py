"""Rows for one table, and columns that many tables have."""

from dataclasses import dataclass

import numpy as np

from connectors.columns import Array, Columns, times
from schemas.arrays import Int32s

# A row's place within its record: offsets below 2**47 and records below 65,536 rows keep their order in 64 bits.
_ROW_BITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows for one table."""

    table: str
    columns: Columns


def known(names: list[str | None]) -> list[str]:
    """The names, empty where there is none."""
    return [name or "" for name in names]


def version(operator_version: int, revision: Int32s) -> Array:
    """Orders by the operator's version, then by revision."""
    return np.uint64(operator_version << 32) + revision.astype(np.uint64)


def every(ms: int, rows: int) -> Array:
    """The same time in every row."""
    return times(np.full(rows, ms, np.int64))


def first_wins(offset: int, rows: int) -> Array:
    """Versions that fall along a partition's log: of two rows with one key the first stays, as in the streams."""
    last = np.iinfo(np.uint64).max
    return last - (np.uint64(offset << _ROW_BITS) + np.arange(rows, dtype=np.uint64))
