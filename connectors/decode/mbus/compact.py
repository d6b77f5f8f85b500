"""Compact frames (EN 13757-3, annex G): values without their blocks, which an earlier full frame has shown.

    [2F 2F] signature (2) CRC of the full frame (2) values, one after another [2F ...]    fillers only if encrypted

The signature is the CRC of all blocks of the full frame, in their order. Both CRCs must be right once blocks and values
are put together again, so a format is never taken for another.
"""

from collections.abc import Mapping
from types import MappingProxyType

from connectors.decode.mbus.blocks import block_end
from connectors.decode.mbus.crc import crc16
from connectors.decode.mbus.records import is_special, split_records
from connectors.decode.mbus.values import LENGTHS, VARIABLE, variable_length
from schemas.errors import Reason, Rejected

Formats = Mapping[int, bytes]
"""Signature to the blocks of a full frame, one behind another."""

_HEADER_BYTES = 4
FILLER = b"\x2f"

_KNOWN = (
    "02FF2004134413",
    "02FF2004134413615B5167",
    "02FF2004134413615B6167",
    "02FF2004134413A1015B8101E7FF0F",
    "02FF2004134413426C523B615B616751678101E7FF0F06FF1B",
    "02FF20041392013BA1015B8101E7FF0F",
    "02FF200413523B",
    "04FF2304134413426C023B92013BA2013B06FF1BA1015B91015BA10167",
    "04FF234413523B06FF1B426C61675167023B04138101E7FF0F",
)

KNOWN_FORMATS: Formats = MappingProxyType({crc16(blocks): blocks for blocks in map(bytes.fromhex, _KNOWN)})
"""Formats of water meters that send a full frame only every eighth time (Kamstrup Multical 21, flowIQ)."""


def format_of(data: bytes) -> Formats:
    """The format that the data of a full frame show; none if they hold what a compact frame cannot.

    >>> {hex(signature): blocks.hex() for signature, blocks in format_of(bytes.fromhex("04130A0000002F2F")).items()}
    {'0xbd60': '0413'}
    """
    blocks = [block for block, _ in split_records(data)]
    if any(is_special(block) for block in blocks):
        return {}
    joined = b"".join(blocks)
    return {crc16(joined): joined}


def full_frame(data: bytes, *known: Formats) -> bytes:
    """The data of the full frame that a compact one stands for.

    Raises:
        Rejected: `UNSUPPORTED` if its format is in none of `known`; `MALFORMED` if it is cut off or has too much;
            `CHECKSUM` if the CRC of the full frame is wrong.
    """
    data = data.removeprefix(2 * FILLER)
    if len(data) < _HEADER_BYTES:
        raise Rejected(Reason.MALFORMED, "the compact frame is cut off")
    signature = int.from_bytes(data[:2], "little")
    blocks = next((formats[signature] for formats in known if signature in formats), None)
    if blocks is None:
        raise Rejected(Reason.UNSUPPORTED, f"a compact frame of format {signature:04X}, which no full frame has shown")
    full = _joined(blocks, data[_HEADER_BYTES:])
    if crc16(full) != int.from_bytes(data[2:_HEADER_BYTES], "little"):
        raise Rejected(Reason.CHECKSUM, "the CRC of the full frame that the compact frame stands for is wrong")
    return full


def _joined(blocks: bytes, values: bytes) -> bytes:
    parts, at, value = [], 0, 0
    try:
        while at < len(blocks):
            end = block_end(blocks, at)
            field = blocks[at] & 0x0F
            length = LENGTHS[field] if field != VARIABLE else 1 + variable_length(values[value])
            parts += [blocks[at:end], values[value : value + length]]
            at, value = end, value + length
    except IndexError:
        raise Rejected(Reason.MALFORMED, "the compact frame is cut off") from None
    if values[value:].strip(FILLER):
        raise Rejected(Reason.MALFORMED, f"the compact frame has {len(values)} bytes of values, its format {value}")
    return b"".join(parts)
