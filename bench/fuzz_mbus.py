"""What fuzzing needs to know of M-Bus: which telegrams have a checksum, and how to mend a mutated one."""

from collections.abc import Callable, Sequence
from functools import partial

from connectors.decode.mbus import Framing, decode_mbus, decode_wmbus
from connectors.decode.telegram import Keys
from schemas.errors import Rejected

Decode = Callable[[bytes], Sequence[object]]

_LONG_FRAME, _STOP = 0x68, 0x16
_SHORTEST_WIRED_BYTES, _LONGEST_WIRED_BYTES = 9, 261
_SHORTEST_WIRELESS_BYTES, _LONGEST_WIRELESS_BYTES = 11, 256


def guard_wired(payload: bytes, keys: Keys) -> Decode | None:
    """The decoder, for a payload that it takes: all wired frames have a checksum."""
    decode = partial(decode_mbus, keys=keys)
    return decode if _takes(decode, payload) else None


def guard_wireless(payload: bytes, keys: Keys) -> Decode | None:
    """The decoder that insists on the CRCs of format A or B, for a payload that has them."""
    for framing in (Framing.A, Framing.B):
        decode = partial(decode_wmbus, keys=keys, framing=framing)
        if _takes(decode, payload):
            return decode
    return None


def repair_wired(payload: bytes) -> bytes:
    """The payload as one long frame, with the lengths and the checksum that its bytes ask for.

    >>> repair_wired(bytes.fromhex("680000680801720000")).hex()
    '680303680801727b16'
    """
    if not _SHORTEST_WIRED_BYTES <= len(payload) <= _LONGEST_WIRED_BYTES:
        return payload
    body = payload[4:-2]
    start = bytes([_LONG_FRAME, len(body), len(body), _LONG_FRAME])
    return start + body + bytes([sum(body) & 0xFF, _STOP])


def repair_wireless(payload: bytes) -> bytes:
    """The payload as one frame without CRCs, with the length that its bytes ask for."""
    if not _SHORTEST_WIRELESS_BYTES <= len(payload) <= _LONGEST_WIRELESS_BYTES:
        return payload
    return bytes([len(payload) - 1]) + payload[1:]


def _takes(decode: Decode, payload: bytes) -> bool:
    try:
        return bool(decode(payload))
    except Rejected:
        return False
