"""DLMS/COSEM push to telegrams, all the way.

    no bytes, or flags and no frame               Rejected empty
    more than 256 KiB, 100 APDUs, 50,000 values,
    or a list of 5,000 that are no profile's      Rejected too_large
    frames, APDUs or data that are not whole,
    that have bytes too many, or follow no rule   Rejected malformed
    a wrong HCS, FCS or M-Bus checksum            Rejected checksum
    compression, signatures, key agreement,
    any other service                             Rejected unsupported
    no key for the system title                   Rejected key
    a wrong tag; without a tag, no key under
    which the content is a notification           Rejected decrypt
    a date-time that there cannot be              Rejected time
    rows of a profile without columns or clock,
    one list of two meters                        Rejected field
    text that is not ASCII or UTF-8               Rejected encoding

A payload is taken whole or rejected whole.
"""

from connectors.decode.dlms.apdu import Notification, is_body, read_body, read_notification
from connectors.decode.dlms.axdr import MOST_VALUES
from connectors.decode.dlms.devices import split_devices
from connectors.decode.dlms.framing import apdus
from connectors.decode.dlms.layouts import completed
from connectors.decode.dlms.lists import Listed, attributed, listed, meters_of
from connectors.decode.dlms.profiles import row_telegrams
from connectors.decode.dlms.roles import role
from connectors.decode.dlms.security import Envelope, is_ciphered, opened, read_envelope
from connectors.decode.dlms.telegrams import Sender, identity, telegram
from connectors.decode.telegram import Keys, Telegram, Zones, no_zones
from schemas.errors import Reason, Rejected

LONGEST_LIST = 5_000


def decode_dlms(payload: bytes, keys: Keys, *, zones: Zones = no_zones) -> tuple[Telegram, ...]:
    """Read one payload; `keys` is asked for the keys of a system title, in upper-case hex.

    `zones` are asked for times that do not state their offset from UTC: without a zone such a telegram has
    `local_time` and no `at`.

    Raises:
        Rejected: see the table at the top of this module.

    >>> payload = bytes.fromhex("0f 40000000 00 0101 0203 0906 0100010700ff 06 00000118 0202 0f00 161b")
    >>> decode_dlms(payload, lambda title: ())[0].values
    {'active_power_import_w': 280.0}
    """
    telegrams: list[Telegram] = []
    values = 0
    for apdu in apdus(payload):
        read = _telegrams(apdu, keys, zones)
        values += sum(len(one.measured) for one in read)
        if values > MOST_VALUES:
            raise Rejected(Reason.TOO_LARGE, f"more than {MOST_VALUES} values in one payload")
        telegrams += read
    return tuple(telegrams)


def _telegrams(apdu: bytes, keys: Keys, zones: Zones) -> list[Telegram]:
    if not is_ciphered(apdu):
        return _read(read_body(apdu) if is_body(apdu) else read_notification(apdu), Sender(zones=zones))
    envelope = read_envelope(apdu)
    sender = Sender(envelope.title.hex().upper(), envelope.counter, envelope.security, envelope.tag, zones)
    if envelope.is_proven:
        (content,) = opened(envelope, keys)
        return _read(read_notification(content), sender)
    return _read_unproven(envelope, keys, sender)


def _read_unproven(envelope: Envelope, keys: Keys, sender: Sender) -> list[Telegram]:
    """Without a tag, the right key is the one under which the content can be read to its end."""
    faults = []
    for content in opened(envelope, keys):
        try:
            return _read(read_notification(content), sender)
        except Rejected as rejected:
            faults.append(rejected)
    raise Rejected(
        Reason.DECRYPT,
        f"under no key of system title {sender.title} the content is a notification ({faults[0]}); it has no tag",
    )


def _read(notification: Notification, sender: Sender) -> list[Telegram]:
    if notification.of is not None:
        return _read_meter(attributed(notification.of, notification.body), notification, sender)
    return [one for body in meters_of(notification.body) for one in _read_meter(listed(body), notification, sender)]


def _read_meter(found: Listed, notification: Notification, sender: Sender) -> list[Telegram]:
    if len(found.entries) > LONGEST_LIST:
        raise Rejected(Reason.TOO_LARGE, f"a list of {len(found.entries)} values; at most {LONGEST_LIST} are read")
    entries = completed(found.entries, notification.octets)
    if not entries and not found.buffers:
        raise Rejected(Reason.EMPTY, "a notification without a value")
    own, devices = split_devices(entries, found.scales)
    meter, sent_at = identity(own, sender), notification.date_time
    telegrams = [one for buffer in found.buffers for one in row_telegrams(buffer, found.scales, sender, meter)]
    if not telegrams or not all(any(role(entry.code)[:2]) for entry in own):
        telegrams.insert(0, telegram(meter, own, found.scales, sent_at, sender))
    for device in devices:
        meter = identity(device.entries, sender)
        telegrams.append(telegram(meter, device.entries, device.scales, sent_at, sender))
    return telegrams
