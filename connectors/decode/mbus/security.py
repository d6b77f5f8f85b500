"""Keys and ciphers (EN 13757-7, 9; OMS volume 2, 9): security modes 5 and 7, the key derivation, counter mode.

Mode 5 has no authenticity: two bytes 2F 2F at the beginning show that the key fits, no more. Its access number of
eight bits comes round after 256 telegrams, so it protects against no replay. Mode 7 has both, by the MAC and the
message counter of the authentication layer.
"""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.constant_time import bytes_eq

from connectors.decode.mbus.authentication import Authentication
from connectors.decode.mbus.identity import Address
from connectors.decode.mbus.transport import Header
from connectors.decode.telegram import Keys
from schemas.errors import Reason, Rejected

KEY_BYTES = 16
_BEGINS_CLEAR = b"\x2f\x2f"
_ENCRYPTION_BY_METER, _AUTHENTICATION_BY_METER = b"\x00", b"\x01"
_DERIVATION_PADDING = b"\x07" * 7


def unprotected(
    data: bytes, header: Header, authentication: Authentication, meter: Address, keys: Keys
) -> tuple[bytes, str]:
    """The application's data, decrypted and authenticated, and how they were protected.

    "" for data in the clear; "mode_5"; "mode_7"; with "_cmac" behind it where a MAC was right. Data that begin with
    2F 2F where the header announces encryption were decrypted before they came here, as concentrators do: they are
    taken as they are if the meter has no key.

    Raises:
        Rejected: `MALFORMED` if fewer bytes are there than encrypted; `UNSUPPORTED` for other security modes; `KEY` if
            the meter has no key; `DECRYPT` if no key fits or the MAC is wrong with all.
    """
    if header.mode not in (0, 5, 7):
        raise Rejected(Reason.UNSUPPORTED, f"security mode {header.mode}")
    if header.encrypted_bytes > len(data):
        raise Rejected(Reason.MALFORMED, f"{header.encrypted_bytes} bytes are encrypted, {len(data)} are there")
    if not header.encrypted_bytes and not authentication.mac:
        return data, ""
    candidates = list(keys(meter.meter))
    if not candidates and (not header.encrypted_bytes or data.startswith(_BEGINS_CLEAR)):
        return data, ""
    for key in keys_of(meter.meter, candidates):
        clear = _with_key(key, data, header, authentication, meter)
        if clear is not None:
            mode = f"mode_{header.mode}" if header.encrypted_bytes else "mode_0"
            return clear, f"{mode}_cmac" if authentication.mac else mode
    raise Rejected(
        Reason.DECRYPT, f"no key of {meter.meter} fits{', or the MAC is wrong' if authentication.mac else ''}"
    )


def keys_of(meter: str, candidates: list[bytes]) -> list[bytes]:
    """Those of a meter's keys that have the right length; Rejected with `KEY` if there are none."""
    usable = [key for key in candidates if len(key) == KEY_BYTES]
    if not usable:
        raise Rejected(Reason.KEY, f"{meter} has no key of {KEY_BYTES} bytes")
    return usable


def _with_key(key: bytes, data: bytes, header: Header, authentication: Authentication, meter: Address) -> bytes | None:
    """The data as this key opens them; None if it does not fit, or the MAC is wrong."""
    counter = header.counter if header.counter >= 0 else authentication.counter
    derives_encryption = header.mode == 7 and header.derived_key
    derives_mac = derives_encryption if authentication.derived_key is None else authentication.derived_key
    if authentication.mac:
        mac_key = derived_key(key, _AUTHENTICATION_BY_METER, counter, meter) if derives_mac else key
        expected = cmac(mac_key, authentication.covered)[: len(authentication.mac)]
        if not bytes_eq(expected, authentication.mac):
            return None
    if not header.encrypted_bytes:
        return data
    secret, open_text = data[: header.encrypted_bytes], data[header.encrypted_bytes :]
    if header.mode == 7:
        encryption_key = derived_key(key, _ENCRYPTION_BY_METER, counter, meter) if derives_encryption else key
        clear = aes_cbc(encryption_key, bytes(16), secret)
    else:
        clear = aes_cbc(key, meter.octets + bytes([header.access]) * 8, secret)
    return clear + open_text if clear.startswith(_BEGINS_CLEAR) else None


def derived_key(master: bytes, purpose: bytes, counter: int, meter: Address) -> bytes:
    """Key derivation function A (EN 13757-7, 9.6.1): CMAC of purpose, message counter and identification number."""
    if counter < 0:
        raise Rejected(Reason.MALFORMED, "the key is derived from a message counter, which is absent")
    return cmac(master, purpose + counter.to_bytes(4, "little") + meter.octets[2:6] + _DERIVATION_PADDING)


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC-128 (NIST SP 800-38B)."""
    state = CMAC(AES128(key))
    state.update(message)
    return state.finalize()


def aes_cbc(key: bytes, initial: bytes, secret: bytes) -> bytes:
    """Decrypt whole blocks (NIST SP 800-38A, 6.2)."""
    decryptor = Cipher(AES128(key), CBC(initial)).decryptor()
    return decryptor.update(secret) + decryptor.finalize()


def aes_ctr(key: bytes, first_block: bytes, secret: bytes) -> bytes:
    """Decrypt, or encrypt (NIST SP 800-38A, 6.5)."""
    decryptor = Cipher(AES128(key), CTR(first_block)).decryptor()
    return decryptor.update(secret) + decryptor.finalize()
