"""DLMS/COSEM pushes of an ST-I meter: a batch of the last seconds, authenticated and encrypted (IEC 62056-5-3)."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flexmeter.fleet.speak.obis import code

_ARRAY, _STRUCTURE, _OCTETS, _INT8, _UINT16, _INT64, _ENUM = 1, 2, 9, 15, 18, 20, 22
_W, _WH, _NO_UNIT = 27, 30, 255
_CLOCK, _REGISTER = 8, 3
_SECURED = 0x30
"""Suite 0, authenticated and encrypted."""

Row = tuple[int, ...]
"""Event time, ms UTC, then the value of each column in W or Wh, whole."""


def push(serial: str, title: bytes, key: bytes, counter: int, codes: Sequence[str], rows: Sequence[Row]) -> bytes:
    """general-glo-ciphering of a data-notification: who measured, the columns, their scalers and units, the rows.

    `key` is the encryption key, with the authentication key behind it; `counter` the invocation counter, never the same
    twice. Codes with D = 8 are energies, others powers.
    """
    body = _data_notification(_batch(serial, codes, rows))
    header = bytes([_SECURED]) + counter.to_bytes(4, "big")
    encryption, authentication = key[:16], key[16:]
    nonce = title + header[1:]
    sealed = AESGCM(encryption).encrypt(nonce, body, header[:1] + authentication)
    content = header + sealed[:-4]  # DLMS has 12 bytes of the tag
    return b"\xdb" + _length(len(title)) + title + _length(len(content)) + content


def _batch(serial: str, codes: Sequence[str], rows: Sequence[Row]) -> bytes:
    columns = [(_CLOCK, "0-0:1.0.0", _NO_UNIT), *((_REGISTER, one, _WH if ".8." in one else _W) for one in codes)]
    objects = [
        _structure(_unsigned16(interface), _octets(code(text)), bytes([_INT8, 2]), _unsigned16(0))
        for interface, text, _ in columns
    ]
    scales = [_structure(bytes([_INT8, 0]), bytes([_ENUM, unit])) for _, _, unit in columns]
    values = [_structure(_octets(_date_time(at)), *map(_integer, row)) for at, *row in rows]
    who = _structure(_octets(code("0-0:96.1.0")), _octets(serial.encode()))
    return _structure(who, _array(objects), _array(scales), _array(values))


def _data_notification(body: bytes) -> bytes:
    """Invoke id and priority, no time of its own, the body."""
    return b"\x0f\x40\x00\x00\x01\x00" + body


def _date_time(at: int) -> bytes:
    """COSEM's date-time in UTC, with hundredths of a second (IEC 62056-6-2, 4.6.1)."""
    when = datetime.fromtimestamp(at // 1000, UTC)
    date = struct.pack(">HBBB", when.year, when.month, when.day, when.isoweekday())
    return date + struct.pack(">BBBBhB", when.hour, when.minute, when.second, at % 1000 // 10, 0, 0)


def _length(count: int) -> bytes:
    if count < 0x80:
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _structure(*parts: bytes) -> bytes:
    return bytes([_STRUCTURE]) + _length(len(parts)) + b"".join(parts)


def _array(parts: Sequence[bytes]) -> bytes:
    return bytes([_ARRAY]) + _length(len(parts)) + b"".join(parts)


def _octets(value: bytes) -> bytes:
    return bytes([_OCTETS]) + _length(len(value)) + value


def _unsigned16(value: int) -> bytes:
    return struct.pack(">BH", _UINT16, value)


def _integer(value: int) -> bytes:
    return struct.pack(">Bq", _INT64, value)
