"""Columnar records of every type, with whatever a writer may put into them."""

from dataclasses import fields
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st

from schemas.arrays import Float64s, Int32s, Int64s
from schemas.shape import CELLS, INDEXES, PER_METER, TABLES, ColumnarRecord

COLUMNAR: tuple[type[ColumnarRecord], ...] = get_args(ColumnarRecord)

_INT32 = st.one_of(st.integers(-3, 70), st.integers(-(2**31), 2**31 - 1))
_INT64 = st.one_of(st.integers(-70, 70), st.just(1_795_507_200_000), st.integers(-(2**63), 2**63 - 1))
_FLOAT = st.floats(width=64)  # NaN, infinities, -0.0 and subnormals included
_TEXT = st.one_of(
    st.from_regex(r"[a-zA-Z0-9-]{9}", fullmatch=True),
    st.sampled_from(
        ["", "\0", "\x02", "\x04", "\x02\x12", "m1", "m10", "ü", "電", "é" * 40, "x" * 63, "x" * 64, "x" * 300]
    ),
    st.text(max_size=80),
)


def _rows_of(size: int, field_type: Any) -> st.SearchStrategy[Any]:
    def array(items: st.SearchStrategy[Any], dtype: Any) -> st.SearchStrategy[Any]:
        constant = items.map(lambda item: np.full(size, item, dtype))
        return st.one_of(
            constant, st.lists(items, min_size=size, max_size=size).map(lambda some: np.array(some, dtype))
        )

    if field_type == Int32s:
        return array(_INT32, np.int32)
    if field_type == Int64s:
        return array(_INT64, np.int64)
    if field_type == Float64s:
        return array(_FLOAT, np.float64)
    text = _TEXT if field_type == list[str] else st.one_of(st.none(), _TEXT)
    one_length = st.from_regex(r"[a-z0-9\x02\x04\x08]{1,4}", fullmatch=True).map(lambda item: [item] * size)
    return st.one_of(one_length, st.lists(text, min_size=size, max_size=size))


@st.composite
def columnar_records(draw: st.DrawFn, kind: type[ColumnarRecord]) -> ColumnarRecord:
    """A record of that type whose arrays fit together."""
    rows = draw(st.one_of(st.integers(0, 4), st.integers(60, 140)))
    tables = {name: draw(st.integers(1 if rows else 0, 5)) for name in sorted(TABLES)}
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.type is str:
            values[field.name] = draw(_TEXT)
        elif field.type is int:
            values[field.name] = draw(_INT32 if field.name in ("operator_version", "partition") else _INT64)
        elif field.name in INDEXES:
            last = tables[INDEXES[field.name]] - 1
            index = st.lists(st.integers(0, max(last, 0)), min_size=rows, max_size=rows)
            values[field.name] = np.array(draw(index), np.int32)
        elif field.name in TABLES:
            size = tables[field.name]
            values[field.name] = draw(st.lists(_TEXT, min_size=size, max_size=size, unique=True))
        else:
            size = tables["meters"] if field.name in PER_METER else rows
            values[field.name] = draw(_rows_of(rows * tables["columns"] if field.name == CELLS else size, field.type))
    return kind(**values)
