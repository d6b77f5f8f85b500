"""general-block-transfer (IEC 62056-5-3, 9.4.6.13; tag 0xE0): a long APDU in numbered blocks, all in one payload.

0xE0 | block control 1 | block number 2 | number acknowledged 2 | length | part of an APDU

Block control: 0x80 in the last block, 0x40 where no confirmation is waited for, the window in the low six bits.
"""

from collections.abc import Iterable, Iterator

from connectors.decode.dlms.cursor import Cursor
from schemas.errors import Reason, Rejected

TAG = 0xE0
_LAST = 0x80


def joined_blocks(apdus: Iterable[bytes]) -> Iterator[bytes]:
    """The APDUs with those in blocks put together; the others as they are.

    Raises:
        Rejected: malformed, for a block that does not follow the one before, or a last block that is not there.

    >>> blocks = "e0400001000002 0f40", "e0c00002000001 00"
    >>> [apdu.hex() for apdu in joined_blocks(map(bytes.fromhex, blocks))]
    ['0f4000']
    """
    parts: list[bytes] = []
    for apdu in apdus:
        if not apdu or apdu[0] != TAG:
            if parts:
                raise Rejected(Reason.MALFORMED, f"block {len(parts)} is followed by another APDU, not by a block")
            yield apdu
            continue
        cursor = Cursor(apdu, "a general-block-transfer", 1)
        control, number = cursor.unsigned(1, "block control"), cursor.unsigned(2, "the block number")
        cursor.take(2, "the number acknowledged")
        if number != len(parts) + 1:
            raise Rejected(Reason.MALFORMED, f"block {number} stands where block {len(parts) + 1} is expected")
        parts.append(cursor.octets("the block"))
        cursor.end()
        if control & _LAST:
            yield b"".join(parts)
            parts.clear()
    if parts:
        raise Rejected(Reason.MALFORMED, f"the last of {len(parts)} blocks is not there")
