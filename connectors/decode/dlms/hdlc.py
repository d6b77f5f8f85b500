"""HDLC frames of IEC 62056-46: found, checked, and their segments joined.

    7E | format 2 | destination 1, 2, 4 | source 1, 2, 4 | control 1 | HCS 2 | information | FCS 2 | 7E

There is no byte stuffing: the length in the format field says where a frame ends. One flag may close a frame and open
the next. A frame without information has no HCS.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.decode.dlms.block_transfer import TAG as BLOCK_TRANSFER
from schemas.errors import Reason, Rejected

FLAG = 0x7E
LLC_HEADER_LENGTH = 3

_FLAGS = re.compile(b"\x7e+")
_FORMAT_TYPE_3 = 0xA
_SEGMENTED = 0x0800
_LENGTH = 0x07FF
# Destination, source and control take three bytes at least; with the format and the FCS, a frame has no less.
_SHORTEST = 7
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose checksums were right. `addresses` are destination and source as they were sent."""

    addresses: bytes
    control: int
    is_segment: bool
    """More segments of the same information follow."""
    information: bytes


def frame_check(data: bytes) -> bytes:
    """The HCS or FCS of `data` as it is sent: CRC-16/X-25 (ISO/IEC 13239), the low byte first.

    >>> frame_check(b"123456789").hex()
    '6e90'
    """
    # crc_hqx shifts to the left; X-25 shifts to the right, which is the same with every byte's bits turned round.
    turned = crc_hqx(data.translate(_REVERSED_BITS), 0xFFFF) ^ 0xFFFF
    return turned.to_bytes(2, "big").translate(_REVERSED_BITS)


def hdlc_apdus(payload: bytes) -> Iterator[bytes]:
    """The APDUs that the frames of a payload carry, without their LLC headers.

    Raises:
        Rejected: malformed for what is no frame, or a segment too few; checksum; unsupported for frames that carry
            no information, such as SNRM.

    """
    parts: list[bytes] = []
    opened: Frame | None = None
    for frame in frames(payload):
        if opened is not None and not _continues(opened, frame):
            raise Rejected(Reason.MALFORMED, "an HDLC segment is followed by a frame that does not continue it")
        parts.append(frame.information)
        opened = frame if frame.is_segment else None
        if opened is None:
            information = b"".join(parts)
            # Landis+Gyr writes an LLC header before the first of several blocks only.
            yield information if information[0] == BLOCK_TRANSFER else without_llc_header(information)
            parts.clear()
    if opened is not None:
        raise Rejected(Reason.MALFORMED, f"the last of {len(parts)} HDLC segments is not there")


def frames(payload: bytes) -> Iterator[Frame]:
    """The frames between the flags of a payload, which must hold nothing else."""
    at = 0
    while at < len(payload):
        flags = _FLAGS.match(payload, at)
        if flags is None:
            raise Rejected(Reason.MALFORMED, f"byte {at} is 0x{payload[at]:02X}, an HDLC flag 0x7E is expected")
        at = flags.end()
        if at == len(payload):
            break
        end = at + _length(payload, at)
        if end >= len(payload) or payload[end] != FLAG:
            raise Rejected(Reason.MALFORMED, f"the HDLC frame at byte {at} is not closed by a flag at byte {end}")
        yield _frame(payload[at:end])
        at = end


def without_llc_header(information: bytes) -> bytes:
    """What follows E6 E7 00 (IEC 62056-46, 5.3.2). Some meters send the address of a command, E6 E6 00."""
    header = information[:LLC_HEADER_LENGTH]
    if not has_llc_header(information):
        raise Rejected(Reason.MALFORMED, f"{header.hex(' ').upper()} is no LLC header; E6 E7 00 is expected")
    return information[LLC_HEADER_LENGTH:]


def has_llc_header(information: bytes) -> bool:
    """Whether it begins with an LLC header."""
    return information[:LLC_HEADER_LENGTH] in (b"\xe6\xe7\x00", b"\xe6\xe6\x00")


def _length(payload: bytes, at: int) -> int:
    format_field = int.from_bytes(payload[at : at + 2], "big")
    length = format_field & _LENGTH
    if format_field >> 12 != _FORMAT_TYPE_3 or length < _SHORTEST:
        raise Rejected(Reason.MALFORMED, f"0x{format_field:04X} is no format field of an HDLC frame of type 3")
    return length


def _frame(data: bytes) -> Frame:
    if frame_check(data[:-2]) != data[-2:]:
        raise Rejected(Reason.CHECKSUM, f"the FCS of an HDLC frame of {len(data)} bytes is wrong")
    source = _address_end(data, 2)
    control = _address_end(data, source)
    header = control + 1
    information = data[header + 2 : -2]
    if header + 2 < len(data) - 2 and frame_check(data[:header]) != data[header : header + 2]:
        raise Rejected(Reason.CHECKSUM, f"the HCS of an HDLC frame of {len(data)} bytes is wrong")
    if not information or not _carries_information(data[control]):
        raise Rejected(Reason.UNSUPPORTED, f"an HDLC frame with control field 0x{data[control]:02X} carries no push")
    return Frame(data[2:control], data[control], bool(data[0] & (_SEGMENTED >> 8)), information)


def _address_end(data: bytes, start: int) -> int:
    """An address ends with the first byte whose lowest bit is set: after 1, 2 or 4 bytes (IEC 62056-46, 6.4.2)."""
    for width in (1, 2, 4):
        end = start + width
        if end < len(data) - 2 and data[end - 1] & 1:
            return end
    raise Rejected(Reason.MALFORMED, f"no HDLC address of 1, 2 or 4 bytes begins at byte {start} of a frame")


def _carries_information(control: int) -> bool:
    """I frames (lowest bit 0) and UI frames (0x03, with or without the poll/final bit 0x10)."""
    return not control & 1 or control & 0xEF == 0x03


def _continues(before: Frame, after: Frame) -> bool:
    """The same addresses, and for I frames the next send number of three bits."""
    if before.addresses != after.addresses or (before.control ^ after.control) & 1:
        return False
    return bool(before.control & 1) or (before.control >> 1) + 1 & 7 == after.control >> 1 & 7
