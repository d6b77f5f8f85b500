"""Data and value information blocks: what stands before a value in a record (EN 13757-3, 6.2 to 6.4).

DIF [DIFE ...] VIF [VIFE ...]          DIF = E S FF DDDD: storage bit, function, data field
                                       DIFE = E D TT SSSS: subunit, tariff, storage
... 7C or FC, length, text [VIFE ...]  a unit in plain text, its last character first
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from connectors.decode.mbus.value_codes import (
    COMBINABLE,
    COMBINABLE_EXTENSION,
    EXTENSION_FB,
    EXTENSION_FD,
    PRIMARY,
    SECOND_LEVEL_FD,
    Combined,
    Meaning,
)
from schemas.errors import Reason, Rejected

LONGEST_CHAIN = 10
"""So many DIFEs, and so many VIFEs, may follow (EN 13757-3, 6.3.5 and 6.4.6)."""

_EXTENDED = 0x80
_PLAIN_TEXT, _ANY, _OWN = 0x7C, 0x7E, 0x7F
_FB, _FD, _FC = 0x7B, 0x7D, 0x7C
_TABLES = {_FB: ("FB", EXTENSION_FB), _FD: ("FD", EXTENSION_FD)}


class Function(IntEnum):
    """What a value is of its period."""

    INSTANTANEOUS = 0
    MAXIMUM = 1
    MINIMUM = 2
    ERROR_STATE = 3


class Block(NamedTuple):
    """Both blocks, read: what the value after them is."""

    data_field: int
    function: Function
    storage: int
    tariff: int
    subunit: int
    meaning: Meaning


def block_end(data: bytes, start: int) -> int:
    """The index after the block that begins at `start`.

    Raises:
        Rejected: `MALFORMED`, for chains that are too long and texts that are none.
        IndexError: the data end within the block.
    """
    at = _chain_end(data, start, "DIFE")
    vif = data[at]
    if vif & ~_EXTENDED == _PLAIN_TEXT:
        length = data[at + 1]
        text = data[at + 2 : at + 2 + length]
        if len(text) < length:
            raise IndexError
        if not text.decode("latin-1").isprintable():
            raise Rejected(Reason.MALFORMED, f"the unit in plain text at byte {at} is no text")
        at += 1 + length
    return _chain_end(data, at + 1, "VIFE", first=0) if vif & _EXTENDED else at + 1


def _chain_end(data: bytes, start: int, name: str, first: int = 1) -> int:
    at = start
    while data[at] & _EXTENDED:
        at += 1
        if at - start >= LONGEST_CHAIN + first:
            raise Rejected(Reason.MALFORMED, f"more than {LONGEST_CHAIN} {name}s at byte {start}")
    return at + 1


def read_block(octets: bytes) -> Block:
    """Read the blocks of one record, as far as `block_end` found them to go.

    >>> block = read_block(bytes.fromhex("8C1014"))
    >>> block.tariff, block.meaning[:4]
    (1, ('volume', 'm3', 1, 100))
    """
    storage, tariff, subunit, at = _numbers(octets)
    meaning, at = _meaning(octets, at)
    for combined in _combined(octets, at):
        meaning = _combine(meaning, combined)
    return Block(octets[0] & 0x0F, Function(octets[0] >> 4 & 3), storage, tariff, subunit, meaning)


def _numbers(octets: bytes) -> tuple[int, int, int, int]:
    """Storage number, tariff and subunit, which the DIFEs go on with, and the index of the VIF."""
    storage, tariff, subunit = octets[0] >> 6 & 1, 0, 0
    at = 0
    while octets[at] & _EXTENDED:
        at += 1
        dife = octets[at]
        storage |= (dife & 0x0F) << 4 * (at - 1) + 1
        tariff |= (dife >> 4 & 3) << 2 * (at - 1)
        subunit |= (dife >> 6 & 1) << at - 1
    return storage, tariff, subunit, at + 1


def _meaning(octets: bytes, at: int) -> tuple[Meaning, int]:
    """What the VIF says, and the index after it: at VIFEs, if there are any."""
    vif = octets[at]
    code = vif & ~_EXTENDED
    if code == _PLAIN_TEXT:
        length = octets[at + 1]
        unit = octets[at + 2 : at + 2 + length][::-1].decode("latin-1")
        return Meaning("value in plain text unit", unit), at + 2 + length
    if code == _OWN:
        return Meaning(f"manufacturer specific {octets[at:].hex(' ').upper()}"), len(octets)
    if code in _TABLES and vif & _EXTENDED:
        name, table = _TABLES[code]
        at += 1
        code = octets[at] & ~_EXTENDED
        if name == "FD" and code == _FD and octets[at] & _EXTENDED:
            name, table, at = "FD FD", SECOND_LEVEL_FD, at + 1
            code = octets[at] & ~_EXTENDED
        return table.get(code) or Meaning(f"reserved VIF {name} {code:02X}"), at + 1
    return PRIMARY.get(code) or Meaning("any VIF" if code == _ANY else f"reserved VIF {code:02X}"), at + 1


def _combined(octets: bytes, at: int) -> Iterator[Combined]:
    """What each VIFE from `at` on says."""
    while at < len(octets):
        code = octets[at] & ~_EXTENDED
        at += 1
        if code == _OWN:
            yield Combined(f"manufacturer specific {octets[at:].hex(' ').upper()}".rstrip())
            return
        if code == _FC and at < len(octets):
            code = octets[at] & ~_EXTENDED
            at += 1
            yield COMBINABLE_EXTENSION.get(code) or Combined(f"reserved VIFE FC {code:02X}")
        else:
            yield COMBINABLE.get(code) or Combined(f"reserved VIFE {code:02X}")


def _combine(meaning: Meaning, combined: Combined) -> Meaning:
    if combined.instead is not None:
        description = f"{combined.instead.description}: {meaning.description}"
        return combined.instead._replace(description=description, words=meaning.words, error=meaning.error, of=meaning)
    return meaning._replace(
        unit=meaning.unit + combined.per,
        numerator=meaning.numerator * combined.numerator,
        denominator=meaning.denominator * combined.denominator,
        words=(*meaning.words, combined.words) if combined.words else meaning.words,
        error=meaning.error or combined.error,
    )
