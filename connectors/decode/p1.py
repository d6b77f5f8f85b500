"""The P1 telegram of DSMR and ESMR meters (P1 companion standard 5.0; IEC 62056-21, mode D): text, checked by lines.

/ISK5\\2MT382-1000          manufacturer, baud rate, identification
                           an empty line
1-0:1.8.1(000004.426*kWh)  OBIS code and values
!6EEE                      CRC-16/ARC of everything from / to !, in hex; DSMR 2 and 3 have none

no bytes                                  Rejected empty
more than 64 KiB                          Rejected too_large
not ASCII                                 Rejected encoding
a wrong CRC, or none where the telegram
says that it is of DSMR 4 or later        Rejected checksum
a line that is none of the above          Rejected malformed
a number or a time that is none           Rejected value, time
encrypted (DB ...): what security.py says Rejected key, decrypt ...
"""

import re
from collections.abc import Iterator
from typing import Final

from connectors.decode.dlms.security import is_ciphered, opened, read_envelope
from connectors.decode.dlms.telegrams import Sender
from connectors.decode.obis import parsed
from connectors.decode.p1_meters import Line, telegrams_of
from connectors.decode.telegram import Keys, Telegram, Zones, no_zones
from schemas.errors import Reason, Rejected

LARGEST_PAYLOAD_BYTES = 64 * 1024

# The standard has CR LF; brokers and gateways make LF of it.
_TELEGRAM = re.compile(r"/[A-Za-z]{3}[^\r\n]+\r?\n\r?\n((?:[^!\r\n][^\r\n]*\r?\n)*)!([0-9A-Fa-f]{1,4})?(?:\r?\n)*")
_LINE = re.compile(r"([0-9.:*-]+)((?:\([^()]*\))+)")
_CONTINUED = re.compile(r"((?:\([^()]*\))+)")
_VALUES = re.compile(r"\(([^()]*)\)")


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def decode_p1(payload: bytes, keys: Keys, *, zones: Zones = no_zones) -> tuple[Telegram, ...]:
    """Read the telegrams of a payload: one for the meter, one for each meter behind it that has a time of its own.

    Times marked W are in the winter time of the meter's zone, those marked S an hour ahead of it. Without a zone that
    is Central European Time: DSMR is of countries that have it. Luxembourg's meters encrypt the text as
    general-glo-ciphering.

    Raises:
        Rejected: see the table at the top of this module.

    >>> decode_p1(b"/ISK5\\\\2M\\r\\n\\r\\n1-0:1.7.0(00.244*kW)\\r\\n!\\r\\n", lambda title: ())[0].values
    {'active_power_import_w': 244.0}
    """
    if not payload.strip():
        raise Rejected(Reason.EMPTY, f"{len(payload)} bytes, none of them other than white space")
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {LARGEST_PAYLOAD_BYTES} are read")
    sender = Sender(zones=zones)
    if is_ciphered(payload):
        payload, sender = _clear(payload, keys, zones)
    return tuple(one for lines in _telegrams(payload) for one in telegrams_of(list(_lines(lines)), sender))


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC, as DSMR wants it.

    >>> f"{crc16_arc(b'123456789'):04X}"
    'BB3D'
    """
    crc, table = 0, _CRC_TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def _clear(payload: bytes, keys: Keys, zones: Zones) -> tuple[bytes, Sender]:
    envelope = read_envelope(payload)
    if not envelope.is_proven:
        raise Rejected(Reason.UNSUPPORTED, "a P1 telegram that is encrypted and not authenticated")
    (text,) = opened(envelope, keys)
    return text, Sender(envelope.title.hex().upper(), envelope.counter, envelope.security, envelope.tag, zones)


def _telegrams(payload: bytes) -> Iterator[str]:
    """The lines between head and CRC of each telegram of a payload, its CRC checked."""
    try:
        text = payload.decode("ascii")
    except UnicodeDecodeError as fault:
        raise Rejected(Reason.ENCODING, f"not ASCII: byte {fault.start} is 0x{payload[fault.start]:02X}") from None
    at = 0
    while at < len(text):
        match = _TELEGRAM.match(text, at)
        if match is None:
            raise Rejected(Reason.MALFORMED, f"no telegram from / to ! begins at character {at}")
        _check(match, payload)
        yield match[1]
        at = match.end()


def _check(match: re.Match[str], payload: bytes) -> None:
    if match[2] is None:
        if "1-3:0.2.8(" in match[1]:
            raise Rejected(Reason.CHECKSUM, "the telegram is of DSMR 4 or later and has no CRC")
        return
    wanted = crc16_arc(payload[match.start() : match.end(1) + 1])
    if int(match[2], 16) != wanted:
        raise Rejected(Reason.CHECKSUM, f"the CRC is {match[2]}, {wanted:04X} is right")


def _lines(text: str) -> Iterator[Line]:
    """Each code with its values; a line of values alone goes on with the line before (DSMR 2 and 3)."""
    code, values = b"", ()
    for written in text.splitlines():
        if (goes_on := _CONTINUED.fullmatch(written)) is not None and code:
            values += tuple(_VALUES.findall(goes_on[1]))
            continue
        if code:
            yield Line(code, values)
        match = _LINE.fullmatch(written)
        found = parsed(match[1]) if match is not None else None
        if match is None or found is None:
            raise Rejected(Reason.MALFORMED, f"{written[:60]!r} is no OBIS code with values")
        code, values = found, tuple(_VALUES.findall(match[2]))
    if code:
        yield Line(code, values)
