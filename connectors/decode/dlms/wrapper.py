"""The wrapper of IEC 62056-47, in which APDUs travel over TCP and UDP.

version 2 (0x0001) | source wPort 2 | destination wPort 2 | length 2 | APDU
"""

from collections.abc import Iterator

from connectors.decode.dlms.cursor import Cursor
from schemas.errors import Reason, Rejected

VERSION = b"\x00\x01"


def wrapped_apdus(payload: bytes) -> Iterator[bytes]:
    """The APDUs of a payload of one wrapper after another; raises Rejected malformed for anything else.

    >>> [apdu.hex() for apdu in wrapped_apdus(bytes.fromhex("0001 0001 0010 0002 0f00"))]
    ['0f00']
    """
    cursor = Cursor(payload, "the wrapper of IEC 62056-47")
    while cursor.left:
        version = cursor.take(2, "the version")
        if version != VERSION:
            raise Rejected(Reason.MALFORMED, f"version 0x{version.hex()} of a wrapper is not 0x0001")
        cursor.take(4, "the two wPorts")
        length = cursor.unsigned(2, "the length")
        if not length:
            raise Rejected(Reason.MALFORMED, "a wrapper of IEC 62056-47 holds no APDU")
        yield cursor.take(length, "the APDU")
