"""Avro's zig-zag varints, one by one and as whole columns.

Avro 1.12, "Primitive Types": an int or long is mapped to an unsigned number (0, -1, 1, -2 -> 0, 1, 2, 3) and written
in groups of 7 bits, the lowest first; every byte but the last has its top bit set.
"""

import numpy as np
import numpy.typing as npt

from schemas.blocks import Int64s
from schemas.errors import Reason, Rejected

_LONGEST = 10
_GROUP_SHIFTS = np.arange(0, 7 * _LONGEST, 7, dtype=np.uint64)
_WIDTH_LIMITS = np.left_shift(np.uint64(1), _GROUP_SHIFTS[1:])  # the smallest numbers of 2, 3, ... 10 groups
_ONE = np.uint64(1)


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
    """All the varints of a column, in one pass whatever their widths.

    >>> write_longs(np.array([0, -65, 2**62])).hex()
    '00810180808080808080808001'
    """
    if len(values) and (values == values[0]).all():
        return write_long(int(values[0])) * len(values)
    numbers = ((values << 1) ^ (values >> 63)).view(np.uint64)
    if not len(numbers) or numbers.max() < 0x80:
        return numbers.astype(np.uint8).tobytes()
    widths = np.searchsorted(_WIDTH_LIMITS, numbers, "right") + 1
    ends = np.cumsum(widths)
    place = np.arange(ends[-1]) - np.repeat(ends - widths, widths)
    groups = (np.repeat(numbers, widths) >> _GROUP_SHIFTS[place]).astype(np.uint8) | 0x80
    groups[ends - 1] &= 0x7F
    encoded: bytes = groups.tobytes()
    return encoded


def read_longs(data: bytes, start: int, count: int) -> tuple[Int64s, int] | None:
    """The `count` varints from `start` on, and where the next thing begins; None if there are not that many.

    Allocates in proportion to what is there, not to `count`. Raises Rejected on one longer than 64 bits.

    >>> read_longs(bytes.fromhex("00810103"), 0, 3)
    (array([  0, -65,  -2]), 4)
    """
    if not 0 < count <= len(data) - start:
        return None if count else (np.empty(0, np.int64), start)
    first, after = read_long(data, start)
    if data.startswith(data[start:after] * count, start):  # a constant column, such as intervals are
        return np.full(count, first, np.int64), start + (after - start) * count
    # A terminator is a byte without the top bit. Most columns are narrow: look at few bytes first.
    for widest in (3, _LONGEST):
        window = np.frombuffer(data, np.uint8, min(widest * count + 16, len(data) - start), start)
        ends = np.flatnonzero(window < 0x80)[:count]
        if len(ends) == count:
            break
    else:
        return None
    length = int(ends[-1]) + 1
    window = window[:length]
    if length == count:
        numbers = window.astype(np.uint64)
    else:
        starts = np.empty_like(ends)
        starts[0] = 0
        starts[1:] = ends[:-1] + 1
        widths = ends - starts + 1
        _refuse_long(widths, window[ends], start)
        place = np.arange(length) - np.repeat(starts, widths)
        numbers = np.add.reduceat((window & 0x7F).astype(np.uint64) << _GROUP_SHIFTS[place], starts)
    return ((numbers >> _ONE) ^ -(numbers & _ONE)).view(np.int64), start + length


def _refuse_long(widths: Int64s, last_bytes: npt.NDArray[np.uint8], start: int) -> None:
    widest = int(widths.max())
    if widest > _LONGEST or (widest == _LONGEST and last_bytes[widths == _LONGEST].max() > 1):
        raise Rejected(Reason.SCHEMA, f"a varint of more than 64 bits after byte {start}")
