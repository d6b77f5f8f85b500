"""DLMS over the link layer of M-Bus (IEC 62056-7-3, EN 13757-2): how meters in Austria push to their customers.

    68 | L | L | 68 | C | A | CI | source 1 | destination 1 | part of an APDU | checksum 1 | 16

CI holds a part's number in its low four bits, and 0x10 in the last part (EN 13757-3, transport layer of DLMS).
"""

from collections.abc import Iterator

from connectors.decode.dlms.cursor import Cursor
from schemas.errors import Reason, Rejected

START = 0x68
_STOP = 0x16
_LAST = 0x10
_NUMBER = 0x0F
# C, A, CI, and the two addresses of the transport layer.
_HEADER = 5


def mbus_apdus(payload: bytes) -> Iterator[bytes]:
    """The APDUs that the long frames of a payload carry, their parts joined.

    Raises:
        Rejected: malformed for what is no long frame, or parts that do not follow each other; checksum; unsupported
            for a CI field that is not DLMS.

    """
    cursor = Cursor(payload, "a frame of EN 13757-2")
    parts: list[bytes] = []
    while cursor.left:
        user_data = _user_data(cursor)
        control_information = user_data[2]
        if control_information & ~(_LAST | _NUMBER):
            raise Rejected(Reason.UNSUPPORTED, f"CI 0x{control_information:02X} of an M-Bus frame is not DLMS")
        if control_information & _NUMBER != len(parts) & _NUMBER:
            raise Rejected(Reason.MALFORMED, f"part {len(parts)} of an APDU has number {control_information & _NUMBER}")
        parts.append(user_data[_HEADER:])
        if control_information & _LAST:
            yield b"".join(parts)
            parts.clear()
    if parts:
        raise Rejected(Reason.MALFORMED, f"the last of {len(parts)} parts of an APDU is not there")


def _user_data(cursor: Cursor) -> bytes:
    start, length, again, second_start = cursor.take(4, "the start of a long frame")
    if length == again and length <= _HEADER and cursor.left > 0xFF:
        length = again = length + 0x100  # Sagemcom sends more than L can say, and its low byte
    if start != START or second_start != START or length != again or length <= _HEADER:
        raise Rejected(Reason.MALFORMED, f"no long frame of EN 13757-2 begins at byte {cursor.at - 4}")
    user_data = cursor.take(length, "the user data")
    checksum, stop = cursor.take(2, "checksum and stop")
    if checksum != sum(user_data) & 0xFF:
        raise Rejected(Reason.CHECKSUM, f"the checksum of an M-Bus frame of {length + 6} bytes is wrong")
    if stop != _STOP:
        raise Rejected(Reason.MALFORMED, f"0x{stop:02X} stands where an M-Bus frame stops with 0x16")
    return user_data
