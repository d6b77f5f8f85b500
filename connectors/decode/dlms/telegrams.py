"""Entries to telegrams: who measured, when, and what it is in the catalogue's words.

Identity: the best of the objects that say which meter it is (roles.py), else the sender's system title in hex, else
empty.
Time: the clock object, else the notification's date-time, else a date-time without a code; the first that leads to
UTC, else the first with a wall clock.
Values: with a scaler and unit of its own, from beside it or from a layout. A number without either is passed on as it
is, under its code's description: not as the catalogue's quantity, since nobody knows its scale.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from connectors.decode.dlms.axdr import Data
from connectors.decode.dlms.clock import LENGTH, NO_MOMENT, Moment, looks_like_date_time, read_date_time
from connectors.decode.dlms.cosem_units import scaled, unit_name
from connectors.decode.dlms.lists import Entry, Scale
from connectors.decode.dlms.roles import role
from connectors.decode.dlms.text import text_of
from connectors.decode.obis import meaning, measured, medium_of, net_powers
from connectors.decode.telegram import Measured, Telegram, Zones, no_zones, numbered
from schemas.errors import Reason, Rejected

_LATEST_UNIX_TIME_S = 7_258_118_400  # 2200
_EARLIEST_UNIX_TIME_S = 946_684_800  # 2000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent an APDU, as far as its envelope tells."""

    title: str = ""
    """The system title in hex; empty where the APDU came in the clear."""
    counter: int = -1
    security: str = ""
    """How the APDU was protected; empty where it came in the clear."""
    tag: bytes = b""
    """What authenticates the APDU with its counter; empty where nothing does."""
    zones: Zones = no_zones
    """Where meters' clocks run, for times that do not say."""

    def telegram(self, meter: str, medium: str, moment: Moment, measured: tuple[Measured, ...]) -> Telegram:
        """A telegram of this sender's."""
        return Telegram(
            meter,
            medium,
            moment.at,
            self.counter,
            moment.status,
            measured,
            local_time=moment.local,
            security=self.security,
            key_holder=self.title,
            proven_counter=self.counter if self.tag else -1,
            proven_tag=self.tag.hex(),
        )


def telegram(
    meter: str, entries: Sequence[Entry], scales: dict[bytes, Scale], sent_at: bytes, sender: Sender
) -> Telegram:
    """The telegram of a push without rows; raises Rejected time."""
    channels = Channels(entry.code for entry in entries)
    codes, said, clocks, unnamed = [], [], [], []
    for entry in entries:
        if not entry.code:
            unnamed.append(entry.value)
        if role(entry.code).is_clock:
            clocks.append(entry)
        elif (one := _measured(entry, scales, channels)) is not None:
            codes.append(entry.code)
            said.append(one)
    moment = _moment(clocks, sent_at, unnamed, sender.zones(meter))
    return sender.telegram(meter, medium_of(codes), moment, numbered((*said, *net_powers(codes, said))))


class Channels:
    """B in words, where the same code comes on several channels; the lowest needs no word."""

    def __init__(self, codes: Iterable[bytes]) -> None:
        coded = [code for code in codes if code and code[0] and code[2]]
        self.several = len({code[1] for code in coded}) > 1
        self._lowest: dict[bytes, int] = {}
        if self.several:
            for code in sorted(coded, reverse=True):
                self._lowest[_without_channel(code)] = code[1]

    def word(self, code: bytes) -> str:
        """What `which` says of the channel."""
        if not self.several or not code:
            return ""
        return "" if self._lowest.get(_without_channel(code), code[1]) == code[1] else f"channel {code[1]}"


def _without_channel(code: bytes) -> bytes:
    return code[:1] + code[2:]


def identity(entries: Sequence[Entry], sender: Sender) -> str:
    """The meter's own identity, else its sender's, else nothing.

    Raises:
        Rejected: field, where one object says that it is of two meters: nobody knows whose the values are.

    """
    best, found = 0, ""
    for code, value, _, _, attribute in entries:
        rank = role(code).identity_rank
        if not rank or attribute != 2 or rank > best > 0 or not isinstance(value, (bytes, str, int)):
            continue
        text = text_of(value).strip()
        if text and rank == best and text != found:
            raise Rejected(Reason.FIELD, f"a list of two meters, {found!r} and {text!r}")
        if text:
            best, found = rank, text
    return found or sender.title


def clock_moment(value: Data, zone: tzinfo | None) -> Moment:
    """The time that a clock object's value is: a date-time, or seconds of UNIX time; none where it is neither."""
    if isinstance(value, bytes) and len(value) == LENGTH:
        return read_date_time(value, zone)
    if type(value) is int and _EARLIEST_UNIX_TIME_S <= value < _LATEST_UNIX_TIME_S:
        return Moment(value * 1000, "", ())
    return NO_MOMENT


def number(value: Data) -> float | None:
    """The number that a value is; None for text, for nothing, and for a float that is not finite."""
    if type(value) is int:
        return value
    if isinstance(value, int):
        return int(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def said(code: bytes, value: float, scale: Scale | None, attribute: int, channel: str) -> Measured:
    """A number in the catalogue's unit, or as it is where it has no scale or the catalogue not the quantity."""
    if scale is None or attribute != 2:
        return said_text(code, value, attribute, channel)
    return measured(code, scaled(value, scale[0]), unit_name(scale[1]), channel)


def said_text(code: bytes, value: float | str, attribute: int, channel: str) -> Measured:
    """What the catalogue has no quantity for."""
    _, which, description = meaning(code)
    if attribute != 2:
        description = f"{description}, attribute {attribute}"
    return Measured("", value, "", description, ", ".join(filter(None, (which, channel))))


def _measured(entry: Entry, scales: dict[bytes, Scale], channels: Channels) -> Measured | None:
    """None where nothing was measured: null-data, and floats that are not finite."""
    code, value, scale, place, attribute = entry
    channel = channels.word(code) if channels.several else ""
    if type(value) is int and scale is not None and attribute == 2:  # nearly every entry of a push
        return measured(code, scaled(value, scale[0]), unit_name(scale[1]), channel)
    if isinstance(value, (int, float)):
        plain = number(value)
        if plain is None:
            return None
        return said(code, plain, scale or scales.get(code), attribute, channel) if code else _unnamed(plain, place)
    if value is None:
        return None
    text = _time_or_text(value)
    return said_text(code, text, attribute, channel) if code else _unnamed(text, place)


def _unnamed(value: float | str, place: str) -> Measured:
    return Measured("", value, "", place)


def _time_or_text(value: Data) -> str:
    if isinstance(value, bytes) and looks_like_date_time(value):
        return read_date_time(value).text
    return text_of(value)


def _moment(clocks: Sequence[Entry], sent_at: bytes, unnamed: Sequence[Data], zone: tzinfo | None) -> Moment:
    moments = [clock_moment(clock.value, zone) for clock in clocks if clock.attribute == 2]
    if sent_at:
        moments.append(read_date_time(sent_at, zone))
    moments += [
        read_date_time(value, zone) for value in unnamed if isinstance(value, bytes) and looks_like_date_time(value)
    ]
    return _best(moments)


def _best(moments: Sequence[Moment]) -> Moment:
    """The first that leads to UTC, else the first with a wall clock, else the first."""
    for moment in moments:
        if moment.at is not None:
            return moment
    return next((moment for moment in moments if moment.local), moments[0] if moments else NO_MOMENT)
