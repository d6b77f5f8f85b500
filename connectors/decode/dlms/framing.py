"""How APDUs travel: which framing a payload has, told by its first bytes.

7E                HDLC (hdlc.py)
00 01             wrapper (wrapper.py)
68                M-Bus link layer (mbus_link.py)
E6 E7 00          an LLC header without its HDLC frame
any other         the APDU itself
"""

from collections.abc import Iterator
from itertools import islice

from connectors.decode.dlms.block_transfer import joined_blocks
from connectors.decode.dlms.hdlc import FLAG, has_llc_header, hdlc_apdus, without_llc_header
from connectors.decode.dlms.mbus_link import START, mbus_apdus
from connectors.decode.dlms.wrapper import VERSION, wrapped_apdus
from schemas.errors import Reason, Rejected

LARGEST_PAYLOAD_BYTES = 256 * 1024
MOST_APDUS = 100


def apdus(payload: bytes) -> list[bytes]:
    """Every APDU of a payload, in its order, its blocks joined; there is at least one.

    Raises:
        Rejected: empty, too_large, and what the framing finds.

    """
    if not payload:
        raise Rejected(Reason.EMPTY, "no bytes")
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {LARGEST_PAYLOAD_BYTES} are read")
    found = list(islice(joined_blocks(_unframed(payload)), MOST_APDUS + 1))
    if len(found) > MOST_APDUS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_APDUS} APDUs")
    if not found:
        raise Rejected(Reason.EMPTY, "HDLC flags, and no frame between them")
    return found


def _unframed(payload: bytes) -> Iterator[bytes]:
    if payload[0] == FLAG:
        return hdlc_apdus(payload)
    if payload.startswith(VERSION):
        return wrapped_apdus(payload)
    if payload[0] == START:
        return mbus_apdus(payload)
    if has_llc_header(payload):
        return iter((without_llc_header(payload),))
    return iter((payload,))
