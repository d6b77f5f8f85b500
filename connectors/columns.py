"""Rows as named columns, in types that both stores understand; joined, cut and shown without looking at their meaning.

A column is one of
    a numpy array      int32, int64, uint64, float64, or datetime64[ms] for a time (UTC)
    a list             of str or bytes
    Words              few distinct strings, and for each row which
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int32s, Int64s

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A column of strings most of which repeat: `words[index[row]]`.

    >>> Words(np.array([1, 0, 1], np.int32), ["a", "b"]).to_list()
    ['b', 'a', 'b']
    """

    index: Int32s
    words: Sequence[str]

    def to_list(self) -> list[str]:
        """The strings, one a row."""
        words = self.words
        return [words[i] for i in self.index.tolist()]


Column = Array | list[str] | list[bytes] | Words
Columns = Mapping[str, Column]


def words(index: Int32s, names: Sequence[str]) -> Words:
    """The column names[index[row]], of names that may repeat.

    >>> words(np.array([2, 0, 1], np.int32), ["F1", "F2", "F1"])
    Words(index=array([0, 0, 1], dtype=int32), words=['F1', 'F2'])
    """
    ids = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(ids) == len(names):
        return Words(index, names)
    lookup = np.fromiter((ids[name] for name in names), np.int32, len(names))
    return Words(lookup[index], list(ids))


def times(ms: Int64s) -> Array:
    """Milliseconds since 1970 UTC as times, without copying."""
    return ms.view("datetime64[ms]")


def same(value: str, rows: int) -> Words:
    """A column that says the same in every row."""
    return Words(np.zeros(rows, np.int32), [value])


def row_count(columns: Columns) -> int:
    """How many rows the columns have."""
    first = next(iter(columns.values()))
    return len(first.index) if isinstance(first, Words) else len(first)


def cut(columns: Columns, start: int, stop: int) -> Columns:
    """Rows start <= row < stop."""
    return {name: _cut(column, start, stop) for name, column in columns.items()}


def pick(columns: Columns, rows: list[int]) -> Columns:
    """The rows of those numbers."""
    return {name: _pick(column, rows) for name, column in columns.items()}


def join(pieces: Sequence[Columns]) -> Columns:
    """The rows of all pieces in order; all have the same names.

    >>> a, b = same("x", 1), Words(np.array([1, 0], np.int32), ["x", "y"])
    >>> joined = join([{"meter": a}, {"meter": b}])["meter"]
    >>> joined.to_list(), joined.words
    (['x', 'y', 'x'], ['x', 'y'])
    """
    if len(pieces) == 1:
        return pieces[0]
    return {name: _join([piece[name] for piece in pieces]) for name in pieces[0]}


def rows_of(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """The rows as tuples of plain Python values; times as milliseconds."""
    return zip(*(plain(column) for column in columns.values()), strict=True)


def plain(column: Column) -> list[Any]:
    """The column as a list of plain Python values; times as milliseconds."""
    if isinstance(column, Words):
        return column.to_list()
    if isinstance(column, list):
        return list(column)
    values: list[Any] = (column.view(np.int64) if column.dtype.kind == "M" else column).tolist()
    return values


def _pick(column: Column, rows: list[int]) -> Column:
    if isinstance(column, Words):
        return Words(column.index[rows], column.words)
    if isinstance(column, list):
        return cast(Column, [column[row] for row in rows])
    return column[rows]


def _cut(column: Column, start: int, stop: int) -> Column:
    if isinstance(column, Words):
        return Words(column.index[start:stop], column.words)
    return column[start:stop]


def _join(columns: list[Column]) -> Column:
    first = columns[0]
    if isinstance(first, Words):
        return _join_words(cast(list[Words], columns))
    if isinstance(first, list):
        return [value for column in columns for value in cast(list[Any], column)]
    return np.concatenate(cast(list[Array], columns))


def _join_words(columns: list[Words]) -> Words:
    ids: dict[str, int] = {}
    indexes = []
    for column in columns:
        lookup = np.fromiter((ids.setdefault(word, len(ids)) for word in column.words), np.int32, len(column.words))
        indexes.append(lookup[column.index])
    return Words(np.concatenate(indexes), list(ids))
