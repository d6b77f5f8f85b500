"""Values as bytes: how the data field and the VIF say they are coded (EN 13757-3, tables 4 and 5, annex A).

A value that is marked as invalid, or whose digits are none, is an error of its record: `InvalidValue`, with its bytes.
"""

import math
import struct

from connectors.decode.mbus.dates import InvalidPoint, point_in_time
from connectors.decode.mbus.value_codes import Coding, Meaning
from schemas.errors import Reason, Rejected

NO_DATA, REAL32, SELECTION, VARIABLE = 0x0, 0x5, 0x8, 0xD

LENGTHS = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0)
"""Bytes of each data field; variable ones (D) say their length themselves, F begins no value."""

_POINTS = {Coding.DATE: (0x2,), Coding.DATE_TIME: (0x3, 0x4, 0x6), Coding.POINT: (0x2, 0x3, 0x4, 0x6)}
_FIRST_BCD = 0x9
_NUMBERS_FROM = 0xC0
_LONGEST_NUMBER = 8
_EXACT = 2**53
"""Whole numbers up to here are floats without loss; a longer identification stays text."""


class InvalidValue(Exception):
    """The record has no value, said in words."""


def variable_length(leading: int) -> int:
    """How many bytes follow the first one (LVAR) of a value of variable length (table 5).

    >>> variable_length(0x03), variable_length(0xC2), variable_length(0xE4), variable_length(0xF0)
    (3, 2, 4, 16)
    """
    if leading < _NUMBERS_FROM:
        return leading
    if leading <= 0xC9 or 0xD0 <= leading <= 0xD9 or 0xE0 <= leading <= 0xEF:
        return leading & 0x0F
    if 0xF0 <= leading <= 0xF6:
        return {0xF5: 48, 0xF6: 64}.get(leading, 4 * (leading - 0xEC))
    raise Rejected(Reason.MALFORMED, f"length {leading:02X} of a value of variable length is reserved")


def read_value(octets: bytes, data_field: int, meaning: Meaning) -> float | str:
    """The value in the meaning's unit; text for what is no number.

    Raises:
        InvalidValue: there is none.

    >>> volume = Meaning("volume", "m3", 1, 1000)
    >>> read_value(bytes.fromhex("785634F2"), 0xC, volume), read_value(bytes.fromhex("0000C03F"), REAL32, volume)
    (-2345.678, 0.0015)
    """
    if meaning.error:
        raise InvalidValue(meaning.error)
    if data_field in (NO_DATA, SELECTION):
        return ""
    if meaning.coding in (Coding.BYTES, Coding.PROFILE):
        return (octets[1:] if data_field == VARIABLE else octets).hex()
    if meaning.coding in _POINTS:
        return _point(octets, data_field, _POINTS[meaning.coding])
    if data_field == VARIABLE:
        number = _variable(octets)
        if isinstance(number, str):
            return number
    elif data_field == REAL32:
        number = _real(octets)
    elif data_field >= _FIRST_BCD:
        number = _bcd(octets)
    else:
        number = _integer(octets, signed=meaning.coding is Coding.NUMBER)
    if meaning.coding is Coding.CODE and abs(number) > _EXACT:
        return str(number)
    return number * meaning.numerator / meaning.denominator


def _point(octets: bytes, data_field: int, allowed: tuple[int, ...]) -> str:
    """Other data fields than those of the VIF's types are to be taken as invalid (table 10)."""
    if data_field not in allowed:
        raise InvalidValue(f"data field {data_field:X} for a point in time")
    try:
        return point_in_time(octets).text
    except InvalidPoint as invalid:
        raise InvalidValue(f"invalid point in time: {invalid}") from None


def _integer(octets: bytes, signed: bool) -> int:
    """Type B or C. The most negative number of type B means that there is none."""
    if not octets:
        raise InvalidValue("no bytes")
    number = int.from_bytes(octets, "little", signed=signed)
    if signed and number == -1 << 8 * len(octets) - 1:
        raise InvalidValue("marked as invalid")
    return number


def _bcd(octets: bytes) -> int:
    """Type A. A highest digit of F is a minus sign; any other digit above nine is none."""
    digits = octets[::-1].hex()
    if digits.isdecimal():
        return int(digits)
    if digits.startswith("f") and digits[1:].isdecimal():
        return -int(digits[1:])
    raise InvalidValue(f"invalid BCD digits {digits.upper()}" if digits else "no digits")


def _real(octets: bytes) -> float:
    """Type H."""
    number: float = struct.unpack("<f", octets)[0]
    if not math.isfinite(number):
        raise InvalidValue("marked as invalid")
    return number


def _variable(octets: bytes) -> float | str:
    """Text, BCD or a binary number, as the first byte says; it is included here. Longer numbers stay hexadecimal."""
    leading, rest = octets[0], octets[1:]
    if leading < _NUMBERS_FROM:
        return _text(rest)
    if leading >= 0xE0:
        return _integer(rest, signed=True) if len(rest) <= _LONGEST_NUMBER else rest[::-1].hex()
    return -_bcd(rest) if leading >= 0xD0 else _bcd(rest)


def _text(octets: bytes) -> str:
    """ISO 8859-1, the last character first; hexadecimal where there are bytes that are no characters."""
    text = octets[::-1].decode("latin-1")
    return text if text.isprintable() else octets.hex()
