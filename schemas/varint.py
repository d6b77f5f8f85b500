"""Avro's zig-zag varints, one by one and as whole columns.

Avro 1.12, "Primitive Types": an int or long is mapped to an unsigned number (0, -1, 1, -2 -> 0, 1, 2, 3) and written
in groups of 7 bits, the lowest first; every byte but the last has its top bit set.
"""

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int64s
from schemas.compiled import kernel
from schemas.errors import Reason, Rejected

_LONGEST = 10
_ONE, _LOW_GROUP, _GROUP_BITS, _LAST_SHIFT = np.uint64(1), np.uint64(0x7F), np.uint64(7), np.uint64(63)
_CUT, _TOO_LONG = -1, -2


def write_long(value: int) -> bytes:
    """One varint. Raises ValueError outside int64.

    >>> write_long(-65).hex()
    '8101'
    """
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} is no 64-bit integer")
    number = (value << 1) ^ (value >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_long(data: bytes, start: int) -> tuple[int, int]:
    """The varint at `start`, and where the next begins. Raises Rejected if cut or longer than 64 bits.

    >>> read_long(bytes.fromhex("8101"), 0)
    (-65, 2)
    """
    number = 0
    for place, byte in enumerate(data[start : start + _LONGEST]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if number >= 2**64:
                break
            return (number >> 1) ^ -(number & 1), start + place + 1
    raise Rejected(Reason.SCHEMA, f"no whole 64-bit varint at byte {start}")


def write_longs(values: Int64s) -> bytes:
    """All the varints of a column.

    >>> write_longs(np.array([0, -65, 2**62])).hex()
    '00810180808080808080808001'
    """
    encoded: bytes = _write(values).tobytes()
    return encoded


def read_longs(data: bytes, start: int, count: int) -> tuple[Int64s, int] | None:
    """The `count` varints from `start` on, and where the next thing begins; None if there are not that many.

    Allocates in proportion to what is there, not to `count`. Raises Rejected on one longer than 64 bits.

    >>> read_longs(bytes.fromhex("00810103"), 0, 3)
    (array([  0, -65,  -2]), 4)
    """
    if not 0 <= count <= len(data) - start:
        return None
    values, after = _read(np.frombuffer(data, np.uint8), start, count)
    if after == _TOO_LONG:
        raise Rejected(Reason.SCHEMA, f"a varint of more than 64 bits after byte {start}")
    return (values, after) if after != _CUT else None


@kernel
def _write(values: Int64s) -> npt.NDArray[np.uint8]:
    out, end = np.empty(_LONGEST * len(values), np.uint8), 0
    for value in values:
        number = np.uint64((value << 1) ^ (value >> 63))
        while number > _LOW_GROUP:
            out[end] = number & _LOW_GROUP | np.uint64(0x80)
            number >>= _GROUP_BITS
            end += 1
        out[end] = number
        end += 1
    return out[:end]


@kernel
def _read(data: npt.NDArray[np.uint8], start: int, count: int) -> tuple[Int64s, int]:
    """The numbers and where they end; or instead of that _TOO_LONG or _CUT."""
    values, place = np.empty(count, np.int64), start
    for i in range(count):
        number, shift = np.uint64(0), np.uint64(0)
        while True:
            if place == len(data):
                return values, _CUT
            byte = np.uint64(data[place])
            if shift > _LAST_SHIFT or (shift == _LAST_SHIFT and byte > _ONE):
                return values, _TOO_LONG
            number |= (byte & _LOW_GROUP) << shift
            shift += _GROUP_BITS
            place += 1
            if byte <= _LOW_GROUP:
                break
        values[i] = np.int64(number >> _ONE) ^ -np.int64(number & _ONE)
    return values, place
