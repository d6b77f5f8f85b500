"""Frames of the wired link layer (EN 13757-2; IEC 60870-5-2, format class FT1.2).

    E5                             acknowledgement
    10 C A CS 16                   short frame
    68 L L 68 C A CI ... CS 16     long frame; L = 3 is also called a control frame

CS is the sum, modulo 256, of all from C on. Only a long frame from a meter (RSP-UD) carries readings.
"""

from typing import NamedTuple

from schemas.errors import Reason, Rejected

_ACKNOWLEDGEMENT, _SHORT, _LONG, _STOP = 0xE5, 0x10, 0x68, 0x16
_SHORTEST_LENGTH = 3

# Bits 5 and 4 of an answer are ACD (more data wait) and DFC (busy): IEC 60870-5-2, 5.1.2.
_RSP_UD, _ACD_AND_DFC = 0x08, 0x30


class WiredFrame(NamedTuple):
    """A frame whose lengths and checksum are right; `data` begins with the CI field."""

    control: int
    address: int
    data: bytes


def wired_frames(payload: bytes) -> list[WiredFrame]:
    """All frames of a payload, which has nothing else in it.

    Raises:
        Rejected: `EMPTY`; `MALFORMED` for starts, lengths and stops that are wrong; `CHECKSUM`; `UNSUPPORTED` for
            frames that carry no readings (acknowledgements, short frames, commands to a meter).

    >>> wired_frames(bytes.fromhex("680404680801700B8416"))
    [WiredFrame(control=8, address=1, data=b'p\\x0b')]
    """
    if not payload:
        raise Rejected(Reason.EMPTY, "no bytes")
    frames = []
    start = 0
    while start < len(payload):
        end = _end(payload, start)
        frames.append(_frame(payload[start:end]))
        start = end
    return frames


def _end(payload: bytes, start: int) -> int:
    """Where the long frame that begins at `start` ends, by its length field."""
    if payload[start] == _ACKNOWLEDGEMENT:
        raise Rejected(Reason.UNSUPPORTED, "an acknowledgement carries no readings")
    if payload[start] == _SHORT:
        raise Rejected(Reason.UNSUPPORTED, "a short frame carries no readings")
    if payload[start] != _LONG:
        raise Rejected(Reason.MALFORMED, f"byte {start} is {payload[start]:02X}, where a frame begins with 68")
    if start + 4 > len(payload):
        raise Rejected(Reason.MALFORMED, "the frame is cut off in its header")
    length, again, second_start = payload[start + 1 : start + 4]
    if length != again or second_start != _LONG:
        raise Rejected(Reason.MALFORMED, f"the header is {payload[start : start + 4].hex(' ').upper()}, not 68 L L 68")
    if length < _SHORTEST_LENGTH:
        raise Rejected(Reason.MALFORMED, f"length {length} leaves no room for C, A and CI")
    end = start + 4 + length + 2
    if end > len(payload):
        raise Rejected(Reason.MALFORMED, f"the frame has {len(payload) - start} bytes, its length says {length + 6}")
    return end


def _frame(octets: bytes) -> WiredFrame:
    if octets[-1] != _STOP:
        raise Rejected(Reason.MALFORMED, f"the frame ends with {octets[-1]:02X}, not 16")
    if sum(octets[4:-2]) & 0xFF != octets[-2]:
        raise Rejected(
            Reason.CHECKSUM, f"checksum is {octets[-2]:02X}, the bytes add up to {sum(octets[4:-2]) & 0xFF:02X}"
        )
    control = octets[4]
    if control & ~_ACD_AND_DFC != _RSP_UD:
        raise Rejected(Reason.UNSUPPORTED, f"control field {control:02X} is not a meter's answer (RSP-UD)")
    return WiredFrame(control, octets[5], octets[6:-2])
