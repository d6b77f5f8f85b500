"""Compact profiles (EN 13757-3, annex F): the values of the storage numbers after the one that a record names.

    length, spacing control, spacing, value, value, ...

Spacing control: two bits of increment mode, two of the unit of time, four of the values' data field. Values that are
coded as invalid have not been stored yet. In an inverse profile each value is older than the one before.
"""

from collections.abc import Iterator

from connectors.decode.mbus.blocks import Block
from connectors.decode.mbus.value_codes import Coding
from connectors.decode.mbus.values import LENGTHS, NO_DATA, SELECTION, VARIABLE, InvalidValue, read_value

_HEADER_BYTES = 3
_ABSOLUTE = 0
_NO_VALUES = (NO_DATA, SELECTION, VARIABLE, 0xF)


def is_profile(block: Block, value: bytes) -> bool:
    """Whether the record is a profile of absolute values, of a length that fits.

    Profiles of increments count from a value that another telegram may hold: they are left as bytes.
    """
    if block.meaning.coding is not Coding.PROFILE or block.data_field != VARIABLE or len(value) < _HEADER_BYTES:
        return False
    mode, data_field = value[1] >> 6, value[1] & 0x0F
    if mode != _ABSOLUTE or data_field in _NO_VALUES or value[0] != len(value) - 1:
        return False
    return (len(value) - _HEADER_BYTES) % LENGTHS[data_field] == 0


def profile_values(block: Block, value: bytes) -> Iterator[tuple[Block, float | str]]:
    """Each stored value, and the blocks that it would have in a record of its own."""
    meaning = block.meaning.of or block.meaning
    data_field = value[1] & 0x0F
    length = LENGTHS[data_field]
    for number, at in enumerate(range(_HEADER_BYTES, len(value), length), block.storage + 1):
        try:
            read = read_value(value[at : at + length], data_field, meaning)
        except InvalidValue:
            continue
        yield block._replace(data_field=data_field, storage=number, meaning=meaning), read
