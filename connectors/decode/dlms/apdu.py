"""Notifications, the APDUs that a meter sends unasked (IEC 62056-5-3, 9.5).

data-notification 0x0F: invoke id and priority 4 | date-time: length, 0 or 12 bytes | data
event-notification-request 0xC2: there is a time 1, date-time | class 2 | instance 6 | attribute 1 | data

What is not ciphered may also be the data alone, an array or a structure: some gateways pass on no more.
"""

from dataclasses import dataclass
from typing import Final

from connectors.decode.dlms.axdr import ARRAY, OCTET_STRING, STRUCTURE, Data, decode_data
from connectors.decode.dlms.cursor import Cursor
from schemas.errors import Reason, Rejected

DATA_NOTIFICATION, EVENT_NOTIFICATION = 0x0F, 0xC2

_DATE_TIME_LENGTH = 12
_OTHERS: Final = {
    0x18: "information-report-request (short names)",
    0xC4: "get-response",
    0xC5: "set-response",
    0xC7: "action-response",
    0xC0: "get-request",
    0xC1: "set-request",
    0xC3: "action-request",
    0xCA: "glo-event-notification-request: it does not name the sender's system title",
    0xD2: "ded-event-notification-request: it does not name the sender's system title",
    0xD8: "exception-response",
    0xDB: "general-glo-ciphering within another ciphering",
    0xDC: "general-ded-ciphering within another ciphering",
    0xDD: "general-ciphering within another ciphering",
    0xDF: "general-signing (ECDSA)",
    0xE0: "general-block-transfer within another APDU",
    0x60: "an association request",
    0x61: "an association response",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a COSEM object, as a notification or a profile names it (IEC 62056-6-2, 4.3.6)."""

    interface_class: int
    code: bytes
    """The object's logical name: its OBIS code in six bytes."""
    number: int
    """0 means all attributes in their order."""
    element: int = 0


@dataclass(frozen=True, slots=True)
class Notification:
    """What a meter sent unasked."""

    date_time: bytes
    """When it was sent, 12 bytes (clock.py), or empty."""
    body: Data
    octets: bytes
    """The body as it was sent."""
    of: Attribute | None = None
    """Whose value the body is, where the notification says so itself."""


def read_notification(apdu: bytes) -> Notification:
    """Read one APDU in the clear.

    Raises:
        Rejected: empty; malformed; unsupported for an APDU that is no notification; what axdr.decode_data finds.

    """
    if not apdu:
        raise Rejected(Reason.EMPTY, "an APDU without bytes")
    tag = apdu[0]
    if tag == DATA_NOTIFICATION:
        return _data_notification(apdu)
    if tag == EVENT_NOTIFICATION:
        return _event_notification(apdu)
    if tag in _OTHERS:
        raise Rejected(Reason.UNSUPPORTED, f"APDU 0x{tag:02X}: {_OTHERS[tag]}")
    raise Rejected(Reason.MALFORMED, f"0x{tag:02X} begins no APDU of IEC 62056-5-3 that a meter sends unasked")


def is_body(octets: bytes) -> bool:
    """Whether it is the data of a notification without its APDU."""
    return octets[:1] in (bytes((ARRAY,)), bytes((STRUCTURE,)))


def read_body(octets: bytes) -> Notification:
    """Read the data alone; raises what axdr.decode_data does."""
    return Notification(b"", decode_data(octets), octets)


def _data_notification(apdu: bytes) -> Notification:
    cursor = Cursor(apdu, "a data-notification", 1)
    cursor.take(4, "invoke id and priority")
    date_time = _date_time(cursor)
    return Notification(date_time, decode_data(apdu, cursor.at), apdu[cursor.at :])


def _event_notification(apdu: bytes) -> Notification:
    cursor = Cursor(apdu, "an event-notification-request", 1)
    date_time = _date_time(cursor) if cursor.unsigned(1, "whether there is a time") else b""
    interface_class, code = cursor.unsigned(2, "the class"), cursor.take(6, "the instance")
    attribute = Attribute(interface_class, code, cursor.unsigned(1, "the attribute"))
    return Notification(date_time, decode_data(apdu, cursor.at), apdu[cursor.at :], attribute)


def _date_time(cursor: Cursor) -> bytes:
    length = cursor.unsigned(1, "the length of the date-time")
    if length == OCTET_STRING and cursor.left and cursor.data[cursor.at] == _DATE_TIME_LENGTH:
        # Kaifa writes the tag of an octet-string before it. No date-time has 9 bytes, so it cannot be taken for one.
        length = cursor.unsigned(1)
    if length not in (0, _DATE_TIME_LENGTH):
        raise Rejected(Reason.MALFORMED, f"a date-time of {length} bytes; it has 0 or {_DATE_TIME_LENGTH}")
    return cursor.take(length, "the date-time")
