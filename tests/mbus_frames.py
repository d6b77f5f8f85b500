"""M-Bus telegrams composed from the standards, for tests: the opposite way to connectors.decode.mbus.

Nothing of the decoder is used here, so that a mistake is not made twice.
"""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC

KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
ADDRESS = bytes.fromhex("9326 78563412 33 07")
"""ITS 12345678, version 0x33, water, as the wireless link layer writes it."""
METER = "ITS12345678"

WATER = bytes.fromhex("0C13 45230100  426C BF1C  4C13 11220100  0259 D204  023B 7D00")
"""12.345 m3; 2013-12-31 (storage 1) 12.211 m3; 12.34 degrees; 0.125 m3/h."""


def crc(data: bytes) -> bytes:
    """EN 13757-4 by its definition, bit after bit."""
    register = 0
    for byte in data:
        for bit in range(7, -1, -1):
            feedback = (register >> 15) ^ (byte >> bit & 1)
            register = (register << 1 & 0xFFFF) ^ (0x3D65 if feedback else 0)
    return (register ^ 0xFFFF).to_bytes(2, "big")


def wired(data: bytes, control: int = 0x08, address: int = 1) -> bytes:
    """A long frame; `data` begins with the CI field."""
    body = bytes([control, address]) + data
    return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])


def stripped(data: bytes, control: int = 0x44, address: bytes = ADDRESS) -> bytes:
    """A wireless frame without CRCs."""
    body = bytes([control]) + address + data
    return bytes([len(body)]) + body


def format_a(data: bytes, control: int = 0x44, address: bytes = ADDRESS) -> bytes:
    frame = stripped(data, control, address)
    blocks = [frame[:10], *(frame[at : at + 16] for at in range(10, len(frame), 16))]
    return b"".join(block + crc(block) for block in blocks)


def format_b(data: bytes, control: int = 0x44, address: bytes = ADDRESS) -> bytes:
    body = bytes([control]) + address + data
    length = len(body) + (2 if len(body) + 1 <= 126 else 4)
    frame = bytes([length]) + body
    blocks = [frame[:126], frame[126:]] if len(frame) > 126 else [frame]
    return b"".join(block + crc(block) for block in blocks)


def long_header(address: bytes = ADDRESS, access: int = 42, status: int = 0, configuration: bytes = b"\0\0") -> bytes:
    """CI 72 and its header."""
    return b"\x72" + address[2:6] + address[:2] + address[6:] + bytes([access, status]) + configuration


def short_header(access: int = 42, status: int = 0, configuration: bytes = b"\0\0") -> bytes:
    """CI 7A and its header."""
    return b"\x7a" + bytes([access, status]) + configuration


def filled(records: bytes) -> bytes:
    """As they are encrypted: 2F 2F in front, filled up to whole blocks."""
    clear = b"\x2f\x2f" + records
    return clear + b"\x2f" * (-len(clear) % 16)


def cbc(key: bytes, initial: bytes, clear: bytes) -> bytes:
    encryptor = Cipher(AES128(key), CBC(initial)).encryptor()
    return encryptor.update(clear) + encryptor.finalize()


def cmac(key: bytes, message: bytes) -> bytes:
    state = CMAC(AES128(key))
    state.update(message)
    return state.finalize()


def mode_5(records: bytes, key: bytes = KEY, access: int = 42, layout: str = "short", open_text: bytes = b"") -> bytes:
    """Transport and application layer in security mode 5."""
    clear = filled(records)
    configuration = bytes([len(clear) // 16 << 4, 0x05])
    header = (
        short_header(access, 0, configuration) if layout == "short" else long_header(ADDRESS, access, 0, configuration)
    )
    return header + cbc(key, ADDRESS + bytes([access]) * 8, clear) + open_text


def mode_7(
    records: bytes,
    key: bytes = KEY,
    counter: int = 0x01020304,
    mac_bytes: int = 8,
    with_length: bool = True,
    counter_in_header: bool = False,
) -> bytes:
    """Authentication, transport and application layer in security mode 7 with key derivation (OMS profile B)."""
    count = counter.to_bytes(4, "little")
    derivation = count + ADDRESS[2:6] + b"\x07" * 7
    encryption_key, mac_key = cmac(key, b"\x00" + derivation), cmac(key, b"\x01" + derivation)
    clear = filled(records)
    configuration = bytes([len(clear) // 16 << 4, 0x27 if counter_in_header else 0x07, 0x10])
    header = short_header(42, 0, configuration) + (count if counter_in_header else b"")
    message = header + cbc(encryption_key, bytes(16), clear)
    kind = {2: 3, 4: 4, 8: 5, 12: 6, 16: 7}[mac_bytes]
    control = bytes([0x00, 0x24 | (0x00 if counter_in_header else 0x08) | (0x10 if with_length else 0x00)])
    mcl = bytes([kind | (0 if counter_in_header else 0x20) | (0x40 if with_length else 0)])
    mcr = b"" if counter_in_header else count
    length = len(message).to_bytes(2, "little") if with_length else b""
    mac = cmac(mac_key, mcl + mcr + length + message)[:mac_bytes]
    layer = control + mcl + mcr + mac + length
    return b"\x90" + bytes([len(layer)]) + layer + message


def ell(message: bytes, access: int = 17) -> bytes:
    """Extended link layer without session: CI 8C."""
    return bytes([0x8C, 0x20, access]) + message


def ell_ctr(
    message: bytes, key: bytes | None = KEY, session: int = 0x20012345, control: int = 0x20, receiver: bytes = b""
) -> bytes:
    """Extended link layer with session: CI 8D, or 8F with a receiver; encrypted if there is a key."""
    number = (session if key else session & 0x1FFFFFFF).to_bytes(4, "little")
    payload = crc(message)[::-1] + message
    if key:
        encryptor = Cipher(AES128(key), CTR(ADDRESS + bytes([control & 0xED]) + number + bytes(3))).encryptor()
        payload = encryptor.update(payload) + encryptor.finalize()
    return bytes([0x8F if receiver else 0x8D, control, 17]) + receiver + number + payload


def compact(records: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """A full frame and the compact frame that stands for it, from blocks and values."""
    full = b"".join(block + value for block, value in records)
    signature = crc(b"".join(block for block, _ in records))[::-1]
    return b"\x78" + full, b"\x79" + signature + crc(full)[::-1] + b"".join(value for _, value in records)
