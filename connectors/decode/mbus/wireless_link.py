"""Frames of the wireless link layer (EN 13757-4, frame formats A and B).

    L C M M A A A A A A | CI ...

Format A: a CRC after these ten bytes and after every 16 of the rest; L counts without CRCs.
Format B: the CRC of the first 126 bytes stands behind them, that of the rest at the end; L counts the CRCs too.
Many receivers take the CRCs away, after checking them, some all but the last of format A: then L counts, or is made
to count, just what is there. Several frames may follow one another.

L + 1 bytes may be format B or a frame without CRCs. Left to choose, a frame is taken for format B if its CRCs are
right, else for one without: damage in a frame of format B can then go unnoticed. Where the receiver's habit is known,
say so (`Framing`), and a wrong CRC is always told.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from connectors.decode.mbus.crc import crc16
from connectors.decode.mbus.identity import Address
from schemas.errors import Reason, Rejected


class Framing(StrEnum):
    """How frames come from the receiver."""

    ANY = "any"
    A = "a"
    B = "b"
    STRIPPED = "stripped"


class WirelessFrame(NamedTuple):
    """A frame whose lengths and, where it has them, CRCs are right; `data` begins with the CI field."""

    control: int
    sender: Address
    data: bytes


_FIRST_BLOCK_A, _BLOCK_A, _FIRST_BLOCK_B, _CRC = 10, 16, 126, 2
_SHORTEST_LENGTH = 10

# Functions that a meter sends with data (EN 13757-4, control field): bits 5 and 4 of an answer are ACD and DFC.
_SENT = (0x44, 0x46)
_RSP_UD, _ACD_AND_DFC = 0x08, 0x30


def wireless_frames(payload: bytes, framing: Framing = Framing.ANY) -> list[WirelessFrame]:
    """All frames of a payload, which has nothing else in it.

    Raises:
        Rejected: `EMPTY`; `MALFORMED` for a length that is wrong; `CHECKSUM`; `UNSUPPORTED` for frames that carry no
            readings (acknowledgements, commands to a meter).

    >>> (frame,) = wireless_frames(bytes.fromhex("0B442D2C785634121B167801"))
    >>> frame.sender.meter, frame.data
    ('KAM12345678', b'x\\x01')
    """
    if not payload:
        raise Rejected(Reason.EMPTY, "no bytes")
    with_crcs = _split(payload, _bytes_in_format_a) if framing in (Framing.ANY, Framing.A) else []
    counted = _split(payload, lambda length: length + 1) if framing is not Framing.A else []
    if with_crcs and (not counted or _is_right(next(_blocks_a(with_crcs[0])))):
        return [_frame(_checked(frame, _blocks_a(frame))) for frame in with_crcs]
    if not counted:
        raise Rejected(Reason.MALFORMED, f"{len(payload)} bytes do not go with length {payload[0]}")
    return [_frame(_as_counted(frame, framing)) for frame in counted]


def _split(payload: bytes, size: Callable[[int], int]) -> list[bytes]:
    """The frames of the payload, if their lengths say that they are of this size; else none."""
    frames, at = [], 0
    while at < len(payload):
        length = payload[at]
        end = at + size(length)
        if length < _SHORTEST_LENGTH or end > len(payload):
            return []
        frames.append(payload[at:end])
        at = end
    return frames


def _frame(octets: bytes) -> WirelessFrame:
    control = octets[1]
    if control not in _SENT and control & ~_ACD_AND_DFC != _RSP_UD:
        raise Rejected(Reason.UNSUPPORTED, f"control field {control:02X} is not of a meter that sends data")
    return WirelessFrame(control, Address(octets[2:10]), octets[10:])


def _as_counted(frame: bytes, framing: Framing) -> bytes:
    """A frame of which L counts all bytes, without the CRCs that it has."""
    if framing is Framing.B or (framing is Framing.ANY and _is_format_b(frame)):
        return _as_format_b(frame)
    if framing is Framing.ANY and len(frame) > _SHORTEST_LENGTH + 1 + _CRC:
        whole_blocks = (len(frame) - _CRC - _FIRST_BLOCK_A - 1) // _BLOCK_A
        if _is_right(frame[_FIRST_BLOCK_A + _BLOCK_A * whole_blocks :]):
            return frame[:-_CRC]
    return frame


def _bytes_in_format_a(length: int) -> int:
    blocks_after_first = -(-(length + 1 - _FIRST_BLOCK_A) // _BLOCK_A)
    return length + 1 + _CRC * (1 + blocks_after_first)


def _blocks_a(payload: bytes) -> Iterator[bytes]:
    yield payload[: _FIRST_BLOCK_A + _CRC]
    for start in range(_FIRST_BLOCK_A + _CRC, len(payload), _BLOCK_A + _CRC):
        yield payload[start : start + _BLOCK_A + _CRC]


def _blocks_b(payload: bytes) -> Iterator[bytes]:
    yield payload[: _FIRST_BLOCK_B + _CRC]
    if len(payload) > _FIRST_BLOCK_B + _CRC:
        yield payload[_FIRST_BLOCK_B + _CRC :]


def _is_right(block: bytes) -> bool:
    return len(block) > _CRC and crc16(block[:-_CRC]) == int.from_bytes(block[-_CRC:], "big")


def _is_format_b(payload: bytes) -> bool:
    return len(payload) >= _SHORTEST_LENGTH + 1 + _CRC and all(map(_is_right, _blocks_b(payload)))


def _as_format_b(payload: bytes) -> bytes:
    octets = _checked(payload, _blocks_b(payload))
    if len(octets) <= _SHORTEST_LENGTH:
        raise Rejected(Reason.MALFORMED, f"length {payload[0]} leaves no room for CI and a CRC")
    return octets


def _checked(payload: bytes, blocks: Iterator[bytes]) -> bytes:
    parts = []
    for number, block in enumerate(blocks, 1):
        if not _is_right(block):
            raise Rejected(Reason.CHECKSUM, f"the CRC of block {number} is wrong")
        parts.append(block[:-_CRC])
    return b"".join(parts)
