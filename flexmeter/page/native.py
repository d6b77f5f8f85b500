"""ClickHouse's format Native as its drivers ask for it over HTTP: framed by a revision of the protocol.

A client that names a `client_protocol_version` (clickhouse-go, which Grafana's data source is made of) is sent a few
bytes more: the block's info before each block, and from revision 54454 on a flag before each column's values, here
always 0, which is the usual form. chdb writes revision 0, with neither. To put them in it must be known where a column
ends, so its type must be: numbers, times, texts, and what Nullable, LowCardinality, Array, Map and Tuple make of them.

Source: ClickHouse, src/Formats/NativeWriter.cpp; src/Core/BlockInfo.h; src/Core/ProtocolDefines.h;
src/DataTypes/Serializations/SerializationLowCardinality.cpp.
"""

import re
from collections.abc import Iterator

_FLAG_SINCE = 54_454
_BLOCK_INFO = b"\1\0\2\xff\xff\xff\xff\0"
"""Field 1, is_overflows: no; field 2, bucket_num: -1; no further field."""

_WIDTHS = {
    **dict.fromkeys(("Int8", "UInt8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("Int16", "UInt16", "Enum16", "Date"), 2),
    **dict.fromkeys(("Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4"), 4),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "DateTime64"), 8),
    **dict.fromkeys(("Int128", "UInt128", "UUID", "IPv6"), 16),
    **dict.fromkeys(("Int256", "UInt256"), 32),
}
_DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))
_QUOTED = r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`"


class Unframed(Exception):
    """A type of column whose end is not known."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind} is not sent in Native to clients that name a protocol version; cast it to String")


def framed(native: bytes, revision: int) -> bytes:
    """What ClickHouse would send in that revision, of blocks in revision 0.

    Raises:
        Unframed: a column is of a type that is not known here.

    >>> framed(b"\\1\\1" b"\\1x" b"\\5UInt8" b"\\7", 54460)
    b'\\x01\\x00\\x02\\xff\\xff\\xff\\xff\\x00\\x01\\x01\\x01x\\x05UInt8\\x00\\x07'
    """
    return b"".join(_pieces(native, b"\0" if revision >= _FLAG_SINCE else b"")) if revision else native


def _pieces(native: bytes, flag: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(native):
        columns, after = _varint(native, at)
        rows, after = _varint(native, after)
        yield _BLOCK_INFO + native[at:after]
        at = after
        for _ in range(columns):
            _, after = _text(native, at)
            kind, after = _text(native, after)
            yield native[at:after] + flag
            at = after
            after = _end(kind, native, at + _versions(kind), rows) if rows else at
            yield native[at:after]
            at = after


def _versions(kind: str) -> int:
    """How many bytes lead a column: a version of its dictionary for each LowCardinality in it."""
    return 8 * len(re.findall(r"\bLowCardinality\(", re.sub(_QUOTED, "", kind)))


def _end(kind: str, native: bytes, at: int, rows: int) -> int:
    """Where so many values of that type end which begin at `at`."""
    name, _, rest = kind.partition("(")
    arguments = parts(rest[:-1])
    if name in _WIDTHS:
        return at + rows * _WIDTHS[name]
    match name:
        case "String":
            for _ in range(rows):  # the most there are to do, so the usual short text needs no call
                length, at = (native[at], at + 1) if native[at] < 0x80 else _varint(native, at)
                at += length
            return at
        case "FixedString":
            return at + rows * int(arguments[0])
        case "Decimal":
            return at + rows * next(width for digits, width in _DECIMAL_WIDTHS if int(arguments[0]) <= digits)
        case "Nullable":
            return _end(arguments[0], native, at + rows, rows)
        case "Array" | "Map":
            inner = _number(native, at + 8 * (rows - 1)) if rows else 0
            return _ends(arguments, native, at + 8 * rows, inner)
        case "LowCardinality":
            return _end_of_coded(arguments[0], native, at) if rows else at
        case "Tuple":
            return _ends([_unnamed(each) for each in arguments], native, at, rows)
    raise Unframed(kind)


def _ends(kinds: list[str], native: bytes, at: int, rows: int) -> int:
    for kind in kinds:
        at = _end(kind, native, at, rows)
    return at


def _end_of_coded(kind: str, native: bytes, at: int) -> int:
    """Behind a dictionary, whose values are never NULL (of Nullable its first stands for it), and each row's index."""
    width = 1 << (_number(native, at) & 0xFF)
    kind = kind.removeprefix("Nullable(").removesuffix(")") if kind.startswith("Nullable(") else kind
    at = _end(kind, native, at + 16, _number(native, at + 8))
    return at + 8 + width * _number(native, at)


def parts(arguments: str) -> list[str]:
    """The arguments of a type, parted by commas.

    >>> parts("DateTime64(3, 'UTC'), Array(Tuple(a Int8, b String))")
    ["DateTime64(3, 'UTC')", 'Array(Tuple(a Int8, b String))']
    """
    found, depth = [""], 0
    for piece in re.findall(rf"{_QUOTED}|.", arguments, re.DOTALL):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "," and not depth:
            found.append("")
        else:
            found[-1] += piece
    return [each.strip() for each in found]


def _unnamed(element: str) -> str:
    """The type of a tuple's element, which may have a name before it."""
    named = re.match(rf"(?:{_QUOTED}|\w+) (?=\w)", element)
    return element[named.end() :] if named else element


def _number(native: bytes, at: int) -> int:
    return int.from_bytes(native[at : at + 8], "little")


def _text(native: bytes, at: int) -> tuple[str, int]:
    length, at = _varint(native, at)
    return native[at : at + length].decode(), at + length


def _varint(native: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128, and where it ends."""
    value = shift = 0
    while True:
        byte = native[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
