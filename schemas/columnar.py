"""Columnar records between numpy and Avro, without a Python step per row.

Serves any schema whose fields are string, int, long, or arrays of int, long, double, string or [null, string].
An Avro array is blocks of items, each behind its count (negative: followed by the block's size in bytes), up to a
count of 0 (Avro 1.12, "Arrays"). Doubles in a block are contiguous and little-endian, so numpy reads them in place;
a run of integer columns with one item a row is decoded as a single stream of varints, counts and all.
The bytes written are those that fastavro writes. A property test holds the two equal both ways.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s, Int64s
from schemas.errors import Reason, Rejected
from schemas.shape import ColumnarRecord, is_per_row, shape_fault
from schemas.varint import read_long, read_longs, write_long, write_longs
from schemas.versions import Schema

_NOT_NULL = b"\x02"  # the branch of [null, string] that stands before a string, as a varint
_LENGTHS = tuple(chr(2 * length) for length in range(64))  # the string lengths that take one byte, as varints
_NOT_NULL_LENGTHS = tuple(_NOT_NULL.decode() + length for length in _LENGTHS)
_SHORT = {first: 1 + length for length, first in enumerate(_LENGTHS)}  # bytes of a string, by its first
_SHORT_BYTES = len(_LENGTHS)  # the most of them
_INT_ARRAYS: dict[str, npt.DTypeLike] = {"int[]": np.int32, "long[]": np.int64}
_END: Int64s = np.zeros(1, np.int64)


def kinds_of(schema: Schema) -> dict[str, str] | None:
    """What each field holds (string, int, long, int[], long[], double[], string[], string?[]).

    None where a field is something else, and the schema not for this module.

    >>> kinds_of({"fields": [{"name": "at", "type": {"type": "array", "items": "long"}}]})
    {'at': 'long[]'}
    """
    kinds = {field["name"]: _kind(field["type"]) for field in schema["fields"]}
    return kinds if None not in kinds.values() else None  # type: ignore[return-value]


def _kind(type_: Any) -> str | None:
    match type_:
        case "string" | "int" | "long":
            return str(type_)
        case {"type": "array", "items": "int" | "long" | "double" | "string" as items}:
            return f"{items}[]"
        case {"type": "array", "items": ["null", "string"]}:
            return "string?[]"
        case {"type": "int" | "long" as plain}:  # with a logical type
            return str(plain)
    return None


def _runs(kinds: dict[str, str]) -> list[list[str]]:
    """The fields in order; neighbours that are integer columns with one item a row stand together."""
    runs: list[list[str]] = []
    for together, group in groupby(kinds, lambda name: kinds[name] in _INT_ARRAYS and is_per_row(name)):
        names = list(group)
        runs += [names] if together else [[name] for name in names]
    return runs


class _Cursor:
    """A payload, and how far it is read."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position

    def long(self) -> int:
        value, self.position = read_long(self.data, self.position)
        return value

    def take(self, length: int) -> bytes:
        end = self.position + length
        if not self.position <= end <= len(self.data):
            raise Rejected(Reason.SCHEMA, f"{length} bytes wanted at byte {self.position} of {len(self.data)}")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def text(self, length: int) -> str:
        """What is ahead, up to a length, a character a byte: slices of str are quicker than decoding each piece."""
        return self.data[self.position : self.position + length].decode("latin-1")

    def block(self, item_bytes: int) -> int:
        """The next block's count of items, which take `item_bytes` or more each."""
        count = self.long()
        if count < 0:
            self.long()
            count = -count
        if count * item_bytes > len(self.data) - self.position:
            raise Rejected(Reason.SCHEMA, f"{count} items claimed at byte {self.position} of {len(self.data)}")
        return count


def reader(schema: Schema, record: type[ColumnarRecord]) -> Callable[[bytes, int], ColumnarRecord]:
    """A function of (payload, start of the Avro body) that reads `record`, or raises Rejected(Reason.SCHEMA)."""
    kinds = _columnar_kinds(schema)
    runs = [(names, [kinds[name] for name in names]) for names in _runs(kinds)]

    def read(payload: bytes, start: int) -> ColumnarRecord:
        cursor = _Cursor(payload, start)
        values: dict[str, Any] = {}
        for names, run_kinds in runs:
            columns = _read_together(cursor, run_kinds) if len(names) > 1 else None
            values.update(zip(names, columns or [_READ[kind](cursor) for kind in run_kinds], strict=True))
        if cursor.position != len(payload):
            raise Rejected(Reason.SCHEMA, f"{len(payload) - cursor.position} bytes after the end of the record")
        read_record = record(**values)
        if fault := shape_fault(read_record):
            raise Rejected(Reason.SCHEMA, fault)
        return read_record

    return read


def writer(schema: Schema) -> Callable[[ColumnarRecord], bytes]:
    """A function that writes a record's Avro body.

    It raises ValueError or TypeError on a record whose arrays do not fit together or have another type than declared.
    """
    kinds = _columnar_kinds(schema)
    runs = [(names, kinds[names[0]]) for names in _runs(kinds)]

    def write(record: ColumnarRecord) -> bytes:
        if fault := shape_fault(record):
            raise ValueError(f"{type(record).__name__}: {fault}")
        return b"".join(
            [
                _write_integers([(getattr(record, name), _INT_ARRAYS[kinds[name]]) for name in names])
                if kind in _INT_ARRAYS
                else _WRITE[kind](getattr(record, names[0]))
                for names, kind in runs
            ]
        )

    return write


def _columnar_kinds(schema: Schema) -> dict[str, str]:
    kinds = kinds_of(schema)
    if kinds is None:
        raise ValueError(f"{schema['name']} has fields that are not columnar")
    return kinds


def _read_together(cursor: _Cursor, kinds: list[str]) -> list[npt.NDArray[Any]] | None:
    """Integer columns of equal length, each in one block: count, items, 0, count, items, 0 ... None if they are not."""
    rows, _ = read_long(cursor.data, cursor.position)
    if rows <= 0:
        return None
    stream = read_longs(cursor.data, cursor.position, len(kinds) * (rows + 2))
    if stream is None:
        return None
    columns = stream[0].reshape(len(kinds), rows + 2)
    if (columns[:, 0] != rows).any() or columns[:, -1].any():
        return None
    cursor.position = stream[1]
    return [_narrow(column[1:-1], kind) for column, kind in zip(columns, kinds, strict=True)]


def _narrow(column: Int64s, kind: str) -> npt.NDArray[Any]:
    if kind == "long[]":
        return column
    narrow = column.astype(np.int32)
    if (narrow != column).any():
        raise Rejected(Reason.SCHEMA, "a number outside 32 bits in an array of int")
    return narrow


def _read_integers(cursor: _Cursor, kind: str) -> npt.NDArray[Any]:
    blocks: list[Int64s] = []
    while count := cursor.block(item_bytes=1):
        stream = read_longs(cursor.data, cursor.position, count)
        if stream is None:
            raise Rejected(Reason.SCHEMA, f"fewer than {count} integers after byte {cursor.position}")
        blocks.append(stream[0])
        cursor.position = stream[1]
    column = blocks[0] if len(blocks) == 1 else np.concatenate(blocks) if blocks else np.empty(0, np.int64)
    return _narrow(column, kind)


def _read_doubles(cursor: _Cursor) -> Float64s:
    blocks = []
    while count := cursor.block(item_bytes=8):
        blocks.append(cursor.take(8 * count))
    return np.frombuffer(b"".join(blocks), "<f8").astype(np.float64)  # a copy: aligned, writable, its own


def _read_int(cursor: _Cursor) -> int:
    value = cursor.long()
    if not -(2**31) <= value < 2**31:
        raise Rejected(Reason.SCHEMA, f"{value} is no 32-bit integer")
    return value


def _read_string(cursor: _Cursor) -> str:
    try:
        return str(cursor.take(cursor.long()), "utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(Reason.SCHEMA, f"a string is not UTF-8: {error}") from error


def _read_nullable(cursor: _Cursor) -> str | None:
    branch = cursor.long()
    if branch not in (0, 1):
        raise Rejected(Reason.SCHEMA, f"branch {branch} of [null, string] before byte {cursor.position}")
    return _read_string(cursor) if branch else None


def _read_strings(cursor: _Cursor) -> list[str]:
    strings: list[str] = []
    while count := cursor.block(item_bytes=1):
        strings += (
            _equally_long(cursor, count, b"") or _short(cursor, count) or [_read_string(cursor) for _ in range(count)]
        )
    return strings


def _read_nullable_strings(cursor: _Cursor) -> list[str | None]:
    strings: list[str | None] = []
    while count := cursor.block(item_bytes=1):
        strings += (
            _equally_long(cursor, count, _NOT_NULL)
            or _short_or_null(cursor, count)
            or [_read_nullable(cursor) for _ in range(count)]
        )
    return strings


def _equally_long(cursor: _Cursor, count: int, prefix: bytes) -> list[str] | None:
    """Strings of one ASCII length, as ids usually are: what stands before each then splits them in one go.

    None if they are not, or if the first byte of what stands before occurs inside one too.
    """
    head = cursor.data[cursor.position : cursor.position + len(prefix) + 1]
    if not head.startswith(prefix) or len(head) == len(prefix) or head[-1] & 0x81:
        return None
    stride = len(head) + (head[-1] >> 1)
    chunk = cursor.data[cursor.position : cursor.position + count * stride]
    if len(chunk) != count * stride or not chunk.isascii() or chunk.count(head[0]) != count:
        return None
    if any(chunk[place::stride].count(byte) != count for place, byte in enumerate(head)):
        return None
    cursor.position += len(chunk)
    return chunk.decode("ascii").split(head.decode("ascii"))[1:]


def _short(cursor: _Cursor, count: int) -> list[str] | None:
    """ASCII strings of less than 64 characters; None where one is not."""
    text, place = cursor.text(_SHORT_BYTES * count), 0
    strings: list[str] = []
    try:
        for _ in range(count):
            end = place + _SHORT[text[place]]
            strings.append(text[place + 1 : end])
            place = end
    except (IndexError, KeyError):
        return None
    return strings if _took_ascii(cursor, text, place) else None


def _short_or_null(cursor: _Cursor, count: int) -> list[str | None] | None:
    """The same where each may be null."""
    text, place = cursor.text((1 + _SHORT_BYTES) * count), 0
    strings: list[str | None] = []
    try:
        for _ in range(count):
            branch = text[place]
            if branch == "\x02":
                end = place + 1 + _SHORT[text[place + 1]]
                strings.append(text[place + 2 : end])
                place = end
            elif branch == "\0":
                strings.append(None)
                place += 1
            else:
                return None
    except (IndexError, KeyError):
        return None
    return strings if _took_ascii(cursor, text, place) else None


def _took_ascii(cursor: _Cursor, text: str, length: int) -> bool:
    if length > len(text) or not text[:length].isascii():
        return False
    cursor.position += length
    return True


def _write_integers(columns: list[tuple[npt.NDArray[Any], npt.DTypeLike]]) -> bytes:
    for column, dtype in columns:
        if column.dtype != dtype:
            raise TypeError(f"an array of {column.dtype} where {np.dtype(dtype)} belongs")
    if len(columns) == 1:
        return _write_block(len(columns[0][0]), write_longs(columns[0][0].astype(np.int64, copy=False)))
    stream: list[Int64s] = []
    for column, _ in columns:
        stream += [np.array([len(column)]), column, _END] if len(column) else [_END]
    return write_longs(np.concatenate(stream, dtype=np.int64))


def _write_doubles(column: Float64s) -> bytes:
    if column.dtype != np.float64:
        raise TypeError(f"an array of {column.dtype} where float64 belongs")
    return _write_block(len(column), column.astype("<f8", copy=False).tobytes())


def _write_string(string: str) -> bytes:
    raw = string.encode()
    return write_long(len(raw)) + raw


def _write_int(value: int) -> bytes:
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{value} is no 32-bit integer")
    return write_long(value)


def _write_strings(strings: list[str]) -> bytes:
    try:
        items = "".join([_LENGTHS[len(string)] + string for string in strings])
    except IndexError:  # one is longer
        items = "\u0080"
    if items.isascii():
        return _write_block(len(strings), items.encode())
    return _write_block(len(strings), b"".join(map(_write_string, strings)))


def _write_nullable_strings(strings: list[str | None]) -> bytes:
    try:
        items = "".join(["\0" if string is None else _NOT_NULL_LENGTHS[len(string)] + string for string in strings])
    except IndexError:  # one is longer
        items = "\u0080"
    if items.isascii():
        return _write_block(len(strings), items.encode())
    long_items = [b"\0" if string is None else _NOT_NULL + _write_string(string) for string in strings]
    return _write_block(len(strings), b"".join(long_items))


def _write_block(count: int, items: bytes) -> bytes:
    return write_long(count) + items + b"\0" if count else b"\0"


_READ: dict[str, Callable[[_Cursor], Any]] = {
    "string": _read_string,
    "int": _read_int,
    "long": _Cursor.long,
    "int[]": lambda cursor: _read_integers(cursor, "int[]"),
    "long[]": lambda cursor: _read_integers(cursor, "long[]"),
    "double[]": _read_doubles,
    "string[]": _read_strings,
    "string?[]": _read_nullable_strings,
}
_WRITE: dict[str, Callable[[Any], bytes]] = {
    "string": _write_string,
    "int": _write_int,
    "long": write_long,
    "double[]": _write_doubles,
    "string[]": _write_strings,
    "string?[]": _write_nullable_strings,
}
