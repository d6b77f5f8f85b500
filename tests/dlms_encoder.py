"""The meter's side of DLMS, as little of it as tests need: A-XDR, notifications, ciphering and framing."""

import struct
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

TITLE = bytes.fromhex("464C580000000001")
EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))

WH, W, VAR, V, A = 30, 27, 29, 35, 33
_FORMATS = {5: ">i", 6: ">I", 15: ">b", 16: ">h", 17: ">B", 18: ">H", 20: ">q", 21: ">Q", 23: ">f", 24: ">d"}


def length(count: int) -> bytes:
    if count < 0x80:
        return bytes((count,))
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def number(tag: int, value: float) -> bytes:
    return bytes((tag,)) + struct.pack(_FORMATS[tag], value)


def octets(value: bytes) -> bytes:
    return b"\x09" + length(len(value)) + value


def text(value: str) -> bytes:
    return b"\x0a" + length(len(value)) + value.encode("ascii")


def structure(*values: bytes) -> bytes:
    return b"\x02" + length(len(values)) + b"".join(values)


def array(*values: bytes) -> bytes:
    return b"\x01" + length(len(values)) + b"".join(values)


def code(written: str) -> bytes:
    """1-0:1.8.0, with or without *F."""
    written, _, f = written.partition("*")
    return bytes(int(group) for group in written.replace("-", ".").replace(":", ".").split(".")) + bytes(
        (int(f or 255),)
    )


def scale(scaler: int, unit: int) -> bytes:
    return structure(number(15, scaler), bytes((0x16, unit)))


def register(written: str, value: bytes, scaler: int, unit: int) -> bytes:
    return structure(octets(code(written)), value, scale(scaler, unit))


def u32(value: int) -> bytes:
    return number(6, value)


def u16(value: int) -> bytes:
    return number(18, value)


def attribute(interface_class: int, written: str, which: int = 2) -> bytes:
    return structure(u16(interface_class), octets(code(written)), number(15, which), u16(0))


def date_time(year: int, *rest: int, deviation: int = -0x8000, status: int = 0) -> bytes:
    """Year, month, day, hour, minute, second; the deviation in minutes."""
    month, day, hour, minute, second = rest
    return struct.pack(">HBBBBBBBhB", year, month, day, 0xFF, hour, minute, second, 0, deviation, status)


def notification(body: bytes, at: bytes = b"") -> bytes:
    return b"\x0f\x40\x00\x00\x01" + length(len(at)) + at + body


def ciphered(
    apdu: bytes, control: int = 0x30, counter: int = 1, ek: bytes = EK, ak: bytes = AK, associated: bytes = b""
) -> bytes:
    """Security header, data and tag: the ciphered content."""
    nonce = TITLE + counter.to_bytes(4, "big")
    header = bytes((control,)) + counter.to_bytes(4, "big")
    if not control & 0x10:
        encryptor = Cipher(AES(ek), CTR(nonce + b"\x00\x00\x00\x02")).encryptor()
        return header + encryptor.update(apdu) + encryptor.finalize()
    gcm = Cipher(AES(ek), GCM(nonce)).encryptor()
    encrypts = control & 0x20
    gcm.authenticate_additional_data(header[:1] + ak + associated + (b"" if encrypts else apdu))
    data = gcm.update(apdu) if encrypts else apdu
    gcm.finalize()
    return header + data + gcm.tag[:12]


def general_glo(content: bytes, tag: int = 0xDB, title: bytes = TITLE) -> bytes:
    return bytes((tag,)) + length(len(title)) + title + length(len(content)) + content


def crc_x25(data: bytes) -> bytes:
    """Bit by bit, as ISO/IEC 13239 describes it."""
    crc = 0xFFFF
    for byte in data:
        for bit in range(8):
            carry = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0x8408 if carry else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def hdlc_frame(
    information: bytes, is_segment: bool = False, control: int = 0x13, addresses: bytes = b"\x03\x02\x21"
) -> bytes:
    """One frame between its flags."""
    size = 2 + len(addresses) + 1 + 2 + len(information) + 2
    header = (0xA000 | is_segment << 11 | size).to_bytes(2, "big") + addresses + bytes((control,))
    frame = header + crc_x25(header) + information
    return b"\x7e" + frame + crc_x25(frame) + b"\x7e"


def hdlc(apdu: bytes, size: int = 2000) -> bytes:
    """An APDU in as many frames as it takes with `size` bytes each."""
    whole = b"\xe6\xe7\x00" + apdu
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    return b"".join(hdlc_frame(part, is_segment=part is not parts[-1]) for part in parts)


def blocks(apdu: bytes, size: int) -> list[bytes]:
    """An APDU in general-block-transfer."""
    parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
    return [
        struct.pack(">BBHH", 0xE0, 0xC0 if number == len(parts) else 0x40, number, 0) + length(len(part)) + part
        for number, part in enumerate(parts, 1)
    ]


def wrapper(apdu: bytes) -> bytes:
    return struct.pack(">HHHH", 1, 1, 16, len(apdu)) + apdu


def mbus(apdu: bytes, size: int = 200) -> bytes:
    """An APDU over the link layer of M-Bus."""
    parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
    return b"".join(_mbus_frame(part, number, number == len(parts) - 1) for number, part in enumerate(parts))


def _mbus_frame(part: bytes, number: int, is_last: bool) -> bytes:
    user = b"\x53\xff" + bytes((number | is_last << 4,)) + b"\x01\x67" + part
    return bytes((0x68, len(user) & 0xFF, len(user) & 0xFF, 0x68)) + user + bytes((sum(user) & 0xFF, 0x16))


def encoded(value: Any) -> bytes:
    """Python values as decode_data gives them, in one of the types that they may have come from."""
    if value is None:
        return b"\x00"
    if isinstance(value, bool):
        return bytes((3, value))
    if isinstance(value, int):
        return number(6, value) if 0 <= value < 1 << 32 else number(20, value)
    if isinstance(value, float):
        return number(24, value)
    if isinstance(value, bytes):
        return octets(value)
    if isinstance(value, str):
        raw = value.encode()
        return b"\x0c" + length(len(raw)) + raw
    parts: Sequence[bytes] = [encoded(one) for one in value]
    return structure(*parts) if isinstance(value, tuple) else array(*parts)
