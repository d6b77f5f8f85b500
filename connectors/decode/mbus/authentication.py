"""The authentication and fragmentation layer (AFL; EN 13757-7, 6; OMS volume 2, 6.2).

90 AFLL FCL (2) [MCL] [KI (2)] [MCR (4)] [MAC (n)] [ML (2)] | CI ...
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from schemas.errors import Reason, Rejected

CI_AFL = 0x90

_MORE_FRAGMENTS, _HAS_MCL, _HAS_ML, _HAS_MCR, _HAS_MAC, _HAS_KI = 0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0200

MAC_BYTES: Mapping[int, int] = MappingProxyType({0: 0, 3: 2, 4: 4, 5: 8, 6: 12, 7: 16})
"""Authentication types of AFL.MCL: none, and AES-CMAC-128 cut to so many bytes. 8 and 9 are GMAC, others reserved."""


class Authentication(NamedTuple):
    """What the layer says: the MAC (empty: none), the message counter (-1: none).

    `covered` is what the MAC was made of, up to the end of the message; `derived_key` whether with a derived key, None
    where only the transport layer says so.
    """

    mac: bytes = b""
    counter: int = -1
    covered: bytes = b""
    derived_key: bool | None = None


def read_authentication(data: bytes) -> tuple[Authentication, bytes]:
    """The layer at the beginning of `data`, which is behind the CI field, and the message, from its CI field on.

    Raises:
        Rejected: `MALFORMED` for lengths that do not fit, `UNSUPPORTED` for fragments and other kinds of MAC.
    """
    length = data[0] if data else 0
    layer, message = data[1 : 1 + length], data[1 + length :]
    if len(layer) < max(length, 2):
        raise Rejected(Reason.MALFORMED, "the authentication layer is cut off")
    control = int.from_bytes(layer[:2], "little")
    if control & (_MORE_FRAGMENTS | 0xFF):
        raise Rejected(Reason.UNSUPPORTED, f"fragment {control & 0xFF} of a message in several telegrams")
    fields = _fields(layer[2:], control)
    if "ML" in fields and int.from_bytes(fields["ML"], "little") != len(message):
        raise Rejected(Reason.MALFORMED, f"the message has {len(message)} bytes, its length says otherwise")
    covered = b"".join(fields.get(name, b"") for name in ("MCL", "KI", "MCR", "ML")) + message
    counter = int.from_bytes(fields["MCR"], "little") if "MCR" in fields else -1
    derived = bool(fields["KI"][0] & 0x30) if "KI" in fields else None
    return Authentication(fields.get("MAC", b""), counter, covered, derived), message


def _fields(layer: bytes, control: int) -> dict[str, bytes]:
    """The optional fields in their order; all of the layer must be used up."""
    mac = 0
    if control & _HAS_MAC:
        kind = layer[0] & 0x0F if control & _HAS_MCL and layer else 0
        if kind not in MAC_BYTES:
            raise Rejected(Reason.UNSUPPORTED, f"authentication type {kind} is not AES-CMAC")
        mac = MAC_BYTES[kind]
    fields, at = {}, 0
    for name, bit, length in (
        ("MCL", _HAS_MCL, 1),
        ("KI", _HAS_KI, 2),
        ("MCR", _HAS_MCR, 4),
        ("MAC", _HAS_MAC, mac),
        ("ML", _HAS_ML, 2),
    ):
        if control & bit:
            fields[name] = layer[at : at + length]
            at += length
    if at != len(layer):
        raise Rejected(Reason.MALFORMED, f"the authentication layer has {len(layer)} bytes for {at} of its fields")
    return fields
