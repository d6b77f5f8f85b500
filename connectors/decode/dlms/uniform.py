"""Many rows alike, decoded by numpy: the buffer of a profile has thousands of structures with the same tags.

The first row gives the layout; where another row has other tags or lengths (null-data for "as before", a longer
string), there is no shortcut and axdr.py goes value by value. The outcome is the same either way.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST_ROWS = 8

_STRUCTURE, _OCTET_STRING = 2, 9
_DTYPES = {
    3: "?", 5: ">i4", 6: ">u4", 15: "i1", 16: ">i2", 17: "u1", 18: ">u2", 20: ">i8", 21: ">u8", 23: ">f4", 24: ">f8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows as tuples, and where they end."""

    rows: list[tuple[Any, ...]]
    end: int


@dataclass(slots=True)
class _Layout:
    """One row: where its values are, and which bytes every other row must have in common with it."""

    width: int
    formats: list[str]
    offsets: list[int]
    fixed: list[int]


def uniform_rows(data: bytes, at: int, count: int) -> Rows | None:
    """`count` structures from byte `at` on, or None where they are not alike, nested, or not all there."""
    layout = _layout(data, at)
    if layout is None or count * layout.width > len(data) - at:
        return None
    raw = np.frombuffer(data, np.uint8, count * layout.width, at).reshape(count, layout.width)
    if (raw[:, layout.fixed] != raw[0, layout.fixed]).any():
        return None
    names = [str(number) for number in range(len(layout.formats))]
    dtype = np.dtype({"names": names, "formats": layout.formats, "offsets": layout.offsets, "itemsize": layout.width})
    table = np.frombuffer(data, dtype, count, at)
    columns = [table[name].tolist() for name in names]
    return Rows(list(zip(*columns, strict=True)), at + count * layout.width)


def _layout(data: bytes, start: int) -> _Layout | None:
    """How the row at `start` is laid out; None unless it is a structure of numbers and short octet-strings."""
    if start + 2 > len(data) or data[start] != _STRUCTURE or not 0 < data[start + 1] < 0x80:
        return None
    layout = _Layout(0, [], [], [0, 1])
    at = start + 2
    for _ in range(data[start + 1]):
        if at + 2 > len(data):
            return None
        tag, length = data[at], data[at + 1]
        layout.fixed.append(at - start)
        if tag in _DTYPES:
            form = np.dtype(_DTYPES[tag])
        elif tag == _OCTET_STRING and 0 < length < 0x80:
            at += 1
            layout.fixed.append(at - start)
            form = np.dtype(f"V{length}")
        else:
            return None
        layout.formats.append(form.str)
        layout.offsets.append(at + 1 - start)
        at += 1 + form.itemsize
    layout.width = at - start
    return layout
