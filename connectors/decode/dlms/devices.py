"""Meters behind a meter: devices on its M-Bus channels (IEC 62056-6-2, 5.7: M-Bus client, value objects, device id).

    0-n:96.1.0   the device's identity
    0-n:24.1.0   its M-Bus client; attribute 9 is the type of the device (EN 13757-3)
    0-n:24.2.e   its values: extended registers, with the time of capture as attribute 5

A device is read as if it had sent its list itself: value 1 becomes the register that a meter of its type has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.decode.dlms.lists import Entry, Scale
from connectors.decode.dlms.roles import role
from connectors.decode.obis import DEVICE_CODES

_IDENTITY, _CLIENT, _FIRST_VALUE = bytes((96, 1, 0)), bytes((24, 1, 0)), bytes((24, 2, 1))
_DEVICES = 24
_DEVICE_TYPE, _CAPTURE_TIME = 9, 5
_OWN_IDENTITY: Final = bytes((0, 0, 96, 1, 0, 255))
_OWN_CLOCK: Final = bytes((0, 0, 1, 0, 0, 255))


@dataclass(slots=True)
class Device:
    """A device's list, as if it were its own."""

    entries: list[Entry] = field(default_factory=list)
    scales: dict[bytes, Scale] = field(default_factory=dict)


def split_devices(entries: Sequence[Entry], scales: Mapping[bytes, Scale]) -> tuple[Sequence[Entry], Sequence[Device]]:
    """The meter's own entries, and the devices behind it that say who they are and what they measured."""
    lists: dict[int, list[Entry]] = {}
    for entry in entries:
        if channel := role(entry.code).device_channel:
            lists.setdefault(channel, []).append(entry)
    named = {channel: device for channel, device in lists.items() if _is_device(device)}
    if not named:
        return entries, ()
    own = [entry for entry in entries if role(entry.code).device_channel not in named]
    return own, [_device(named[channel], scales) for channel in sorted(named)]


def _is_device(entries: Sequence[Entry]) -> bool:
    return any(one.code[2:5] == _IDENTITY for one in entries) and any(one.code[2] == _DEVICES for one in entries)


def _device(entries: Sequence[Entry], scales: Mapping[bytes, Scale]) -> Device:
    kinds = [one.value for one in entries if one.code[2:5] == _CLIENT and one.attribute == _DEVICE_TYPE]
    register = next((DEVICE_CODES[kind] for kind in kinds if isinstance(kind, int) and kind in DEVICE_CODES), b"")
    device = Device()
    for entry in entries:
        code = entry.code
        if code[2:5] == _FIRST_VALUE and entry.attribute == _CAPTURE_TIME:
            device.entries.append(Entry(_OWN_CLOCK, entry.value))
            continue
        if code[2:5] == _FIRST_VALUE and register:
            code = register
        elif code[2:5] == _IDENTITY:
            code = _OWN_IDENTITY
        if entry.code in scales:
            device.scales[code] = scales[entry.code]
        device.entries.append(entry._replace(code=code))
    return device
