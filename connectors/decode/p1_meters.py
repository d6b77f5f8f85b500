"""What the lines of a P1 telegram say: of the meter itself, and of the meters behind it on channels 1 to 4.

A meter behind (gas, water, heat, another electricity meter) has 0-n:24.1.0 (its type, EN 13757-3), 0-n:96.1.0 or
96.1.1 (its identity) and a value with the time at which it was read. It becomes a telegram of its own if it has an
identity; else its values stay with the meter, under "channel n".

DSMR splits energy by tariff 1 and 2, and has no total: the total is their sum, said so in its description.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from connectors.decode.dlms.clock import NO_MOMENT, Moment, without_offset
from connectors.decode.dlms.roles import role
from connectors.decode.dlms.telegrams import Channels, Sender
from connectors.decode.obis import DEVICE_CODES, meaning, measured, medium_of, net_powers, written
from connectors.decode.telegram import Measured, Telegram, numbered
from schemas.catalogue import OBIS_MEDIA
from schemas.errors import Reason, Rejected

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?")
_TIME = re.compile(r"(\d{12})([WS]?)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
_CENTRAL_EUROPEAN: Final = timedelta(hours=1)
_A_WINTER_DAY: Final = datetime(2025, 1, 1)

_DEVICE_TYPE = (24, 1, 0)
# C and D of what a device behind has measured; 24.3.0 in DSMR 2 and 3.
_DEVICE_VALUES: Final = ((24, 2), (24, 3))
# C, D, E of what says which meter it is, the best first; Belgium has the identifier of a device behind in 96.1.1.
_IDENTITIES: Final = ((96, 1, 1), (96, 1, 0), (42, 0, 0))
_DEVICE_IDENTITIES: Final = ((96, 1, 0), (96, 1, 1))
# Digits that are no number: identities, messages, the tariff's name, versions.
_TEXTS: Final = ((96, 1), (96, 13), (96, 14), (0, 2), (0, 0))


class Line(NamedTuple):
    """A code and what stands in its brackets."""

    code: bytes
    values: tuple[str, ...]

    @property
    def group(self) -> tuple[int, int, int]:
        """C, D and E."""
        return self.code[2], self.code[3], self.code[4]


def telegrams_of(lines: Sequence[Line], sender: Sender) -> Iterator[Telegram]:
    """The meter's telegram, and one for each meter behind it."""
    channels: dict[int, list[Line]] = {}
    for line in lines:
        channels.setdefault(role(line.code).device_channel, []).append(line)
    own = channels.pop(0, [])
    behind = {number: device for number, device in channels.items() if _identity(device, _DEVICE_IDENTITIES)}
    meter = _identity(own, _IDENTITIES)
    zone = sender.zones(meter)
    moment = next((_moment(line.values[0], zone) for line in own if role(line.code).is_clock), NO_MOMENT)
    said = list(_measured(own))
    for number, device in channels.items():
        if number not in behind:
            said += _measured(device, f"channel {number}")
    said += _totals(own)
    yield sender.telegram(meter, medium_of(line.code for line in own), moment, numbered(said))
    for device in behind.values():
        yield _device_telegram(device, sender)


def _measured(lines: Sequence[Line], channel: str = "") -> Iterator[Measured]:
    codes, found = [], []
    channels = Channels(line.code for line in lines)
    for line in lines:
        if not role(line.code).is_clock:
            one = _value(line, channel or channels.word(line.code))
            codes.append(line.code)
            found.append(one)
            if one is not None:
                yield one
    yield from net_powers(codes, found)


def _value(line: Line, channel: str) -> Measured | None:
    """What one line says; None where its brackets are empty. A maximum comes with its time: (time)(value*unit)."""
    text = ", ".join(filter(None, line.values))
    if not text:
        return None
    written_value, when = line.values[-1], channel
    is_text = line.group[:2] in _TEXTS or len(line.values) > 1
    if len(line.values) == 2 and "*" in written_value and _TIME.fullmatch(line.values[0]):
        is_text, when = False, ", ".join(filter(None, (channel, f"at {line.values[0]}")))
    number, star, unit = written_value.partition("*")
    if not is_text and _NUMBER.fullmatch(number):
        return measured(line.code, float(number), unit, when)
    if star and not is_text:
        raise Rejected(Reason.VALUE, f"{written(line.code)} is {written_value[:40]!r}, expected a number and a unit")
    _, which, description = meaning(line.code)
    return Measured("", text, "", description, ", ".join(filter(None, (which, channel))))


def _totals(lines: Sequence[Line]) -> Iterator[Measured]:
    """Energy drawn and fed in, where there are tariffs 1 and 2 alone."""
    by_code = {line.code: line for line in lines}
    for c in (1, 2):
        tariffs = [by_code.get(bytes((1, 0, c, 8, e, 255))) for e in (1, 2)]
        others = (line for line in lines if line.code[0] == 1 and line.group[:2] == (c, 8))
        if None in tariffs or sum(1 for _ in others) != len(tariffs):
            continue
        found = [_value(line, "") for line in tariffs if line is not None]
        parts = [float(one.value) for one in found if one is not None and one.quantity]
        if found[0] is not None and len(parts) == len(tariffs):
            description = f"1-0:{c}.8.1 and 1-0:{c}.8.2, their sum"
            yield Measured(found[0].quantity, round(sum(parts), 9), found[0].unit, description)


def _device_telegram(lines: Sequence[Line], sender: Sender) -> Telegram:
    """The telegram of a meter behind: its value has the time at which it was read."""
    kind = next((line.values[0] for line in lines if line.group == _DEVICE_TYPE), "")
    code = _device_code(kind)
    meter, moment = _identity(lines, _DEVICE_IDENTITIES), NO_MOMENT
    found = []
    for line in lines:
        if line.group[:2] in _DEVICE_VALUES and len(line.values) > 1:
            moment = _moment(line.values[0], sender.zones(meter))
            found.append(_device_value(line, code))
        elif (one := _value(line, "")) is not None:
            found.append(one)
    return sender.telegram(meter, OBIS_MEDIA[code[0]] if code else "", moment, numbered(found))


def _device_code(text: str) -> bytes | None:
    return DEVICE_CODES.get(int(text)) if text.isdecimal() and len(text) <= 3 else None


def _device_value(line: Line, code: bytes | None) -> Measured:
    """(time)(value*unit), in DSMR 2 and 3 (time)(..)(..)(..)(code)(unit)(value)."""
    number, star, unit = line.values[-1].partition("*")
    if not star and len(line.values) >= 3:
        unit = line.values[-2]
    if not _NUMBER.fullmatch(number):
        raise Rejected(Reason.VALUE, f"{written(line.code)} is {line.values[-1][:40]!r}, expected a number and a unit")
    return measured(code or line.code, float(number), unit)


def _moment(text: str, zone: tzinfo | None) -> Moment:
    """YYMMDDhhmmss with W for winter or S for summer time; without either, the zone alone leads to UTC."""
    match = _TIME.fullmatch(text)
    try:
        local = datetime.strptime(f"20{match[1]}", "%Y%m%d%H%M%S") if match else None
    except ValueError:
        local = None
    if match is None or local is None:
        raise Rejected(Reason.TIME, f"{text[:40]!r} is no time YYMMDDhhmmss with W or S")
    if not match[2]:
        return without_offset(local, None, (), zone)
    winter = zone.utcoffset(_A_WINTER_DAY) or timedelta() if zone else _CENTRAL_EUROPEAN
    offset = winter + timedelta(hours=match[2] == "S")
    return Moment((local - offset - _EPOCH) // _MILLISECOND, "", ())


def _identity(lines: Sequence[Line], groups: Sequence[tuple[int, int, int]]) -> str:
    """The first identity that is there. It is written as the hex of its text; one that is no text stays hex."""
    values = {line.group: line.values[0] for line in lines}
    text = next((values[group] for group in groups if values.get(group)), "")
    if _HEX.fullmatch(text):
        octets = bytes.fromhex(text)
        if octets.isascii() and octets.decode("ascii").isprintable():
            return octets.decode("ascii").strip()
    return text
