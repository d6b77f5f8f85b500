"""A-XDR data (IEC 61334-6; the type Data of IEC 62056-6-2, 4.1.5): bytes to Python values.

    null-data, dont-care        None           bit-string             BitString of 0 and 1
    array, compact-array        list           octet-string           bytes
    structure                   tuple          visible, utf8-string   str
    boolean                     bool           date-time, date, time  DateTime, Date, Time (bytes as sent)
    integers of every width     int            enum                   Enum
    bcd                         int            delta types            Delta
    float32, float64            float

Work is bounded: at most DEEPEST levels and MOST_VALUES values, whatever the bytes claim; in a compact array, where
structures and null-data take no bytes, at most MOST_VALUES_A_BYTE.
"""

from struct import Struct
from struct import error as StructError
from typing import Any, Final

from connectors.decode.dlms.uniform import FEWEST_ROWS, uniform_rows
from schemas.errors import Reason, Rejected

DEEPEST = 12
MOST_VALUES = 50_000
MOST_VALUES_A_BYTE = 16

ARRAY, STRUCTURE, BIT_STRING, OCTET_STRING, VISIBLE_STRING, UTF8_STRING, BCD = 1, 2, 4, 9, 10, 12, 13
COMPACT_ARRAY, ENUM, DATE_TIME, DATE, TIME, DONT_CARE = 19, 22, 25, 26, 27, 255

Data = Any
"""One of the values in the table at the top of this module."""


class BitString(str):
    """The bits in their order, each 0 or 1."""


class Enum(int):
    """A value of an enumeration, such as a unit."""


class DateTime(bytes):
    """A date-time of 12 bytes that says so itself; an octet-string of 12 bytes may be one too."""


class Date(bytes):
    """A date of 5 bytes."""


class Time(bytes):
    """A time of day of 4 bytes."""


class Delta(int):
    """A difference from the value before it in the same column (delta types of IEC 62056-6-2)."""


_FORMATS = {
    3: "?", 5: ">i", 6: ">I", 15: ">b", 16: ">h", 17: ">B", 18: ">H", 20: ">q", 21: ">Q", 23: ">f", 24: ">d",
}  # fmt: skip
_NUMBERS: Final = [Struct(_FORMATS[tag]) if tag in _FORMATS else None for tag in range(256)]
_DELTAS = {28: Struct(">b"), 29: Struct(">h"), 30: Struct(">i"), 31: Struct(">B"), 32: Struct(">H"), 33: Struct(">I")}
_ENUMS = [Enum(value) for value in range(256)]
_MOMENTS: dict[int, tuple[type[bytes], int]] = {DATE_TIME: (DateTime, 12), DATE: (Date, 5), TIME: (Time, 4)}


def decode_data(data: bytes, start: int = 0) -> Data:
    """The one value that fills `data` from `start` to its end.

    Raises:
        Rejected: malformed, encoding, value (a bcd that is none), unsupported (a tag that IEC 62056-6-2 does not have),
            too_large (deeper or more than is read).

    >>> decode_data(bytes.fromhex("02 03 09 06 01 00 01 07 00 ff 06 00 00 01 18 02 02 0f 00 16 1b"))
    (b'\\x01\\x00\\x01\\x07\\x00\\xff', 280, (0, 27))
    """
    decoder = _Decoder(data)
    try:
        (value,), end = decoder.items(start, 1, 0)
    except (IndexError, StructError):  # every read past the end comes out here
        raise Rejected(Reason.MALFORMED, f"the data of {len(data) - start} bytes ends early") from None
    if end != len(data):
        raise Rejected(Reason.MALFORMED, f"{len(data) - end} bytes follow the end of the data at byte {end}")
    return value


class _Decoder:
    __slots__ = ("data", "left")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = MOST_VALUES

    def items(self, at: int, count: int, depth: int) -> tuple[list[Data], int]:
        """`count` values from byte `at` on, and where they end. One loop for all: a push has hundreds of values."""
        self._spend(count, depth)
        data, numbers = self.data, _NUMBERS
        found: list[Data] = []
        for _ in range(count):
            tag = data[at]
            number = numbers[tag]
            at += 1
            if number is not None:
                found.append(number.unpack_from(data, at)[0])
                at += number.size
            elif tag == STRUCTURE and data[at : at + 2] == b"\x02\x0f" and data[at + 3] == ENUM:
                # Scaler and unit: every third structure of a push, and the shortcut saves a third of the time.
                found.append(((data[at + 2] ^ 0x80) - 0x80, _ENUMS[data[at + 4]]))
                at += 5
            elif tag == STRUCTURE:
                within, at = self.length(at)
                inner, at = self.items(at, within, depth + 1)
                found.append(tuple(inner))
            elif tag == OCTET_STRING and data[at] < 0x80:
                end = at + 1 + data[at]
                if end > len(data):
                    raise IndexError
                found.append(data[at + 1 : end])
                at = end
            elif tag == ENUM:
                found.append(_ENUMS[data[at]])
                at += 1
            else:
                value, at = self._other(tag, at, depth)
                found.append(value)
        return found, at

    def length(self, at: int) -> tuple[int, int]:
        """A length, and where it ends."""
        first = self.data[at]
        if first < 0x80:
            return first, at + 1
        end = at + 1 + (first & 0x7F)
        if not 0x81 <= first <= 0x84:
            raise Rejected(Reason.MALFORMED, f"0x{first:02X} begins no length, at byte {at}")
        self.octets(at + 1, first & 0x7F)
        return int.from_bytes(self.data[at + 1 : end], "big"), end

    def octets(self, at: int, count: int) -> bytes:
        """`count` bytes, all of which are there."""
        if at + count > len(self.data):
            raise IndexError
        return self.data[at : at + count]

    def _spend(self, count: int, depth: int) -> None:
        self.left -= count
        if self.left < 0:
            raise Rejected(
                Reason.TOO_LARGE, f"more than {MOST_VALUES} values, or {MOST_VALUES_A_BYTE} a byte of a compact array"
            )
        if depth > DEEPEST:
            raise Rejected(Reason.TOO_LARGE, f"data nested deeper than {DEEPEST} levels")

    def _other(self, tag: int, at: int, depth: int) -> tuple[Data, int]:
        """A value of the rarer types."""
        if tag == 0 or tag == DONT_CARE:
            return None, at
        if tag == ARRAY:
            return self._array(at, depth)
        if tag in (OCTET_STRING, VISIBLE_STRING, UTF8_STRING):
            count, at = self.length(at)
            return _text(tag, self.octets(at, count)), at + count
        if tag == BIT_STRING:
            return self._bit_string(at)
        if tag in _MOMENTS:
            kind, width = _MOMENTS[tag]
            return kind(self.octets(at, width)), at + width
        if tag in _DELTAS:
            return Delta(_DELTAS[tag].unpack_from(self.data, at)[0]), at + _DELTAS[tag].size
        if tag == BCD:
            return _bcd(self.data[at]), at + 1
        if tag == COMPACT_ARRAY:
            return self._compact_array(at, depth)
        raise Rejected(Reason.UNSUPPORTED, f"tag {tag} at byte {at - 1} is no type of IEC 62056-6-2")

    def _array(self, at: int, depth: int) -> tuple[list[Data], int]:
        count, at = self.length(at)
        if count >= FEWEST_ROWS and (rows := uniform_rows(self.data, at, count)) is not None:
            self._spend(count * (1 + len(rows.rows[0])), depth + 1)
            return rows.rows, rows.end
        return self.items(at, count, depth + 1)

    def _bit_string(self, at: int) -> tuple[BitString, int]:
        count, at = self.length(at)
        width = (count + 7) // 8
        octets = self.octets(at, width)
        return BitString("".join(f"{octet:08b}" for octet in octets)[:count]), at + width

    def _compact_array(self, at: int, depth: int) -> tuple[list[Data], int]:
        """One type, said once, then the bytes of all elements without their tags."""
        kind, at = self._type(at, depth + 1)
        length, at = self.length(at)
        end = at + length
        self.octets(at, length)
        kept_back = max(0, self.left - MOST_VALUES_A_BYTE * length)
        self.left -= kept_back
        found = []
        while at < end:
            before = at
            value, at = self._untagged(kind, at, depth + 1)
            if at == before:
                raise Rejected(Reason.MALFORMED, "the elements of a compact array take no bytes")
            found.append(value)
        if at != end:
            raise Rejected(Reason.MALFORMED, f"the last element of a compact array ends {at - end} bytes after it")
        self.left += kept_back
        return found, at

    def _type(self, at: int, depth: int) -> tuple[Any, int]:
        """A type description: a tag; (ARRAY, count, description); or (STRUCTURE, [descriptions])."""
        self._spend(1, depth)
        tag, at = self.data[at], at + 1
        if tag == ARRAY:
            count = int.from_bytes(self.octets(at, 2), "big")
            inner, at = self._type(at + 2, depth + 1)
            return (ARRAY, count, inner), at
        if tag == STRUCTURE:
            count, at = self.length(at)
            kinds = []
            for _ in range(count):
                kind, at = self._type(at, depth + 1)
                kinds.append(kind)
            return (STRUCTURE, kinds), at
        if tag == COMPACT_ARRAY:
            raise Rejected(Reason.MALFORMED, "a compact array within a compact array")
        return tag, at

    def _untagged(self, kind: Any, at: int, depth: int) -> tuple[Data, int]:
        """A value whose type is known from the description."""
        self._spend(1, depth)
        if isinstance(kind, int):
            number = _NUMBERS[kind]
            if number is not None:
                return number.unpack_from(self.data, at)[0], at + number.size
            return (_ENUMS[self.data[at]], at + 1) if kind == ENUM else self._other(kind, at, depth)
        kinds = kind[1] if kind[0] == STRUCTURE else [kind[2]] * kind[1]
        found = []
        for inner in kinds:
            value, at = self._untagged(inner, at, depth + 1)
            found.append(value)
        return (tuple(found) if kind[0] == STRUCTURE else found), at


def _text(tag: int, octets: bytes) -> bytes | str:
    if tag == OCTET_STRING:
        return octets
    try:
        return octets.decode("utf-8" if tag == UTF8_STRING else "ascii")
    except UnicodeDecodeError as fault:
        kind = "utf8" if tag == UTF8_STRING else "visible"
        raise Rejected(Reason.ENCODING, f"a {kind}-string: {fault.reason} at its byte {fault.start}") from None


def _bcd(octet: int) -> int:
    tens, units = octet >> 4, octet & 0x0F
    if tens > 9 or units > 9:
        raise Rejected(Reason.VALUE, f"0x{octet:02X} is no binary coded decimal")
    return 10 * tens + units
