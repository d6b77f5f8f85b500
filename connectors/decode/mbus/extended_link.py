"""The extended link layer (ELL; EN 13757-4, 13.2).

    8C  CC ACC                                8E  CC ACC M2 A2
    8D  CC ACC SN (4) CRC (2)                 8F  CC ACC M2 A2 SN (4) CRC (2)

CRC and payload of 8D and 8F may be encrypted by AES-128 in counter mode. Addresses M2 and A2 are the receiver's.
"""

from typing import NamedTuple

from connectors.decode.mbus.crc import crc16
from connectors.decode.mbus.identity import Address
from connectors.decode.mbus.security import aes_ctr, keys_of
from connectors.decode.telegram import Keys
from schemas.errors import Reason, Rejected

CI_ELL = (0x8C, 0x8D, 0x8E, 0x8F)

_RECEIVER_BYTES, _CRC_BYTES = 8, 2
_HOP_AND_REPEATED = 0x10 | 0x02
_CLEAR, _AES_CTR = 0, 1


class ExtendedLink(NamedTuple):
    """What the layer says: its access number, and how its payload was protected ("" or "ell_ctr")."""

    access: int = -1
    security: str = ""


def read_extended_link(ci: int, data: bytes, sender: Address, keys: Keys) -> tuple[ExtendedLink, bytes]:
    """The layer at the beginning of `data`, which is behind `ci`, and its payload, checked and decrypted.

    A payload whose CRC is right as it stands was decrypted before it came here: it is taken if the meter has no key.

    Raises:
        Rejected: `MALFORMED` if it is cut off; `CHECKSUM` if the payload's CRC is wrong; `UNSUPPORTED` for other
            encryption; `KEY` if the meter has no key; `DECRYPT` if none of its keys fits.
    """
    at = 2 + (_RECEIVER_BYTES if ci in (0x8E, 0x8F) else 0)
    has_session = ci in (0x8D, 0x8F)
    if len(data) < at + (4 + _CRC_BYTES if has_session else 0):
        raise Rejected(Reason.MALFORMED, "the extended link layer is cut off")
    control, access = data[0], data[1]
    if not has_session:
        return ExtendedLink(access), data[at:]
    session, protected = data[at : at + 4], data[at + 4 :]
    encryption = session[3] >> 5
    if encryption == _CLEAR:
        if not _is_right(protected):
            raise Rejected(Reason.CHECKSUM, "the CRC of the extended link layer is wrong")
        return ExtendedLink(access), protected[_CRC_BYTES:]
    if encryption != _AES_CTR:
        raise Rejected(Reason.UNSUPPORTED, f"encryption {encryption} of the extended link layer is reserved")
    candidates = list(keys(sender.meter))
    if not candidates and _is_right(protected):
        return ExtendedLink(access), protected[_CRC_BYTES:]
    first_block = sender.octets + bytes([control & ~_HOP_AND_REPEATED]) + session + bytes(3)
    for key in keys_of(sender.meter, candidates):
        clear = aes_ctr(key, first_block, protected)
        if _is_right(clear):
            return ExtendedLink(access, "ell_ctr"), clear[_CRC_BYTES:]
    raise Rejected(Reason.DECRYPT, f"no key of {sender.meter} fits")


def _is_right(payload: bytes) -> bool:
    return crc16(payload[_CRC_BYTES:]) == int.from_bytes(payload[:_CRC_BYTES], "little")
