"""M-Bus telegrams of a heat meter (wired: EN 13757-2, -3) and a water meter (wireless: EN 13757-4, security mode 5)."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC

_HEAT, _WATER = 0x04, 0x07
_VERSION = 0x19
_RESPONSE, _SEND_NO_REPLY = 0x08, 0x44


def manufacturer(letters: str) -> bytes:
    """The three letters of a FLAG identifier as two bytes (EN 13757-7, 7.5.2).

    >>> manufacturer("KAM").hex()
    '2d2c'
    """
    first, second, third = (ord(letter) - 64 for letter in letters)
    return (first << 10 | second << 5 | third).to_bytes(2, "little")


def _number(meter: str) -> bytes:
    """The identification number behind the three letters, BCD, the last digits first."""
    return bytes.fromhex(meter[3:])[::-1]


def _record(head: str, value: float) -> bytes:
    """DIF (an integer of 16 or 32 bits) and VIF in hexadecimal digits, then the value in the VIF's unit."""
    dif = int(head[:2], 16)
    return bytes.fromhex(head) + round(value).to_bytes(dif & 0x0F, "little", signed=True)


def heat(
    meter: str,
    access: int,
    energy_wh: float,
    volume_l: float,
    flow_m3_per_h: float,
    power_w: float,
    peak_w: float,
    forward_c: float,
    return_c: float,
) -> bytes:
    """A long frame of a heat meter: kWh, l, l/h, W, W (its maximum), and temperatures in 0.01 degrees.

    >>> heat("KAM67900001", 7, 7_000, 0, 0, 0, 0, 0, 0)[:26].hex(" ")
    '68 35 35 68 08 01 72 01 00 90 67 2d 2c 19 04 07 00 00 00 04 06 07 00 00 00 04'
    """
    records = (
        _record("0406", energy_wh / 1000),
        _record("0413", volume_l),
        _record("043B", flow_m3_per_h * 1000),
        _record("042B", power_w),
        _record("142B", peak_w),
        _record("0259", forward_c * 100),
        _record("025D", return_c * 100),
    )
    identity = _number(meter) + manufacturer(meter[:3]) + bytes([_VERSION, _HEAT])
    data = bytes([_RESPONSE, 1, 0x72]) + identity + bytes([access & 0xFF, 0, 0, 0]) + b"".join(records)
    return bytes([0x68, len(data), len(data), 0x68]) + data + bytes([sum(data) & 0xFF, 0x16])


def water(meter: str, access: int, key: bytes, volume_m3: float, flow_m3_per_h: float, temperature_c: float) -> bytes:
    """A frame of a water meter without its CRCs, as concentrators pass it on, in security mode 5 (EN 13757-7, 9.4).

    The address and eight times the access number are the initial vector of AES-128 in CBC.
    """
    address = manufacturer(meter[:3]) + _number(meter) + bytes([_VERSION, _WATER])
    records = (
        _record("0413", volume_m3 * 1000),
        _record("043B", flow_m3_per_h * 1000),
        _record("0259", temperature_c * 100),
    )
    clear = b"\x2f\x2f" + b"".join(records)
    clear += b"\x2f" * (-len(clear) % 16)
    encryptor = Cipher(AES128(key), CBC(address + bytes([access & 0xFF]) * 8)).encryptor()
    header = bytes([0x7A, access & 0xFF, 0, len(clear), 0x05])
    body = bytes([_SEND_NO_REPLY]) + address + header + encryptor.update(clear) + encryptor.finalize()
    return bytes([len(body)]) + body
