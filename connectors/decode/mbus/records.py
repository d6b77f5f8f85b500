"""The records of an application layer (EN 13757-3, 6): blocks and values, one after another, to the end of the data.

2F                  idle filler
DIB VIB value       a record
0F or 1F ...        the rest is the manufacturer's; 1F: more records follow in the next telegram
3F, 4F, 5F, 6F, 7F  reserved, or a request: no meter sends it
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from connectors.decode.mbus.blocks import Block, block_end, read_block
from connectors.decode.mbus.profiles import is_profile, profile_values
from connectors.decode.mbus.quantities import named
from connectors.decode.mbus.values import LENGTHS, VARIABLE, InvalidValue, read_value, variable_length
from connectors.decode.telegram import Measured, numbered
from schemas.errors import Reason, Rejected

_FILLER, _OWN, _OWN_AND_MORE, _SPECIAL = 0x2F, 0x0F, 0x1F, 0x0F
_KNOWN_KINDS = 8192
"""How many different kinds of record are remembered: a meter's are always the same few dozen."""


class Records(NamedTuple):
    """What the data hold; `more_follow` if the meter says that it has more records than fit."""

    measured: tuple[Measured, ...]
    more_follow: bool
    clock: bytes
    """The meter's own date and time as it stands in the data; empty where there is none."""


class _Kind(NamedTuple):
    """What all records with the same blocks, in meters of the same medium, have in common."""

    block: Block
    quantity: str
    which: str
    is_clock: bool


def read_records(data: bytes, medium: str) -> Records:
    """Read the data of a telegram whose header says `medium`.

    A value that is marked as invalid, or whose digits are none, is told as such (`which` begins with "invalid") with
    its bytes as text, under no quantity. The second and further values of one quantity and one `which` are numbered.

    Raises:
        Rejected: `MALFORMED` if the data end within a record, or hold what no record is.

    >>> read_records(bytes.fromhex("2F2F0C1378563412"), "water").measured
    (Measured(quantity='water_volume_m3', value=12345.678, unit='m3', description='volume', which=''),)
    """
    measured: list[Measured] = []
    more_follow, clock = False, b""
    for octets, value in split_records(data):
        if is_special(octets):
            measured.append(Measured("", value.hex(), "", "manufacturer specific data"))
            more_follow = octets[0] == _OWN_AND_MORE
            break
        kind = _kind(octets, medium)
        if is_profile(kind.block, value):
            measured += _profile(kind.block, value, medium)
            continue
        measured.append(_measured(kind, value))
        clock = value if kind.is_clock else clock
    return Records(numbered(measured), more_follow, clock)


def split_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Blocks and value of each record, as bytes; `Rejected` as `read_records` says."""
    at, end = 0, len(data)
    while at < end:
        start, dif = at, data[at]
        if dif == _FILLER:
            at += 1
            continue
        if dif & 0x0F == _SPECIAL:
            if dif not in (_OWN, _OWN_AND_MORE):
                raise Rejected(Reason.MALFORMED, f"DIF {dif:02X} at byte {at} begins no record of a meter")
            yield data[at : at + 1], data[at + 1 :]
            return
        try:
            value = block_end(data, at)
            length = LENGTHS[dif & 0x0F] if dif & 0x0F != VARIABLE else 1 + variable_length(data[value])
        except IndexError:
            raise Rejected(Reason.MALFORMED, f"the record at byte {start} of {end} is cut off") from None
        at = value + length
        if at > end:
            raise Rejected(Reason.MALFORMED, f"the record at byte {start} of {end} lacks {at - end} bytes of its value")
        yield data[start:value], data[value:at]


def is_special(block: bytes) -> bool:
    """Whether a DIF begins no record, but the manufacturer's data."""
    return block[0] & 0x0F == _SPECIAL


@lru_cache(maxsize=_KNOWN_KINDS)
def _kind(octets: bytes, medium: str) -> _Kind:
    block = read_block(octets)
    quantity, which = named(block, medium)
    is_clock = block.meaning.description == "date and time" and not which
    return _Kind(block, quantity, which, is_clock)


def _measured(kind: _Kind, value: bytes) -> Measured:
    data_field, meaning = kind.block.data_field, kind.block.meaning
    try:
        read = read_value(value, data_field, meaning)
    except InvalidValue as invalid:
        which = f"invalid ({invalid}){', ' if kind.which else ''}{kind.which}"
        return Measured("", value.hex(), meaning.unit, meaning.description, which)
    quantity = "" if isinstance(read, str) else kind.quantity
    return Measured(quantity, read, meaning.unit, meaning.description, kind.which)


def _profile(block: Block, value: bytes, medium: str) -> Iterator[Measured]:
    for each, read in profile_values(block, value):
        quantity, which = named(each, medium)
        yield Measured(
            "" if isinstance(read, str) else quantity, read, each.meaning.unit, each.meaning.description, which
        )
