"""Points in time (EN 13757-3, annex A): types F, G, I and J. A meter's clock states no offset from UTC."""

from dataclasses import dataclass
from datetime import date, datetime, time

_EVERY_YEAR, _EVERY_MONTH, _EVERY_DAY, _EVERY_HOUR, _EVERY_MINUTE = 127, 15, 0, 31, 63

_MINUTE_MS = 60_000

_NO_METERS_YEAR = 2100
"""Some meters set the hundreds wrongly. A year of the next century is none that a meter of today means."""


class InvalidPoint(Exception):
    """The bytes name no point in time, or say themselves that they are invalid."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point in time as a meter writes it.

    `text` is ISO 8601 without offset; an asterisk stands for "every". `at` is the same where it is a date with a time
    of day, `summer` whether the meter says that summer time is in force, `step_ms` how finely it tells the time
    where that is no finer than minutes.
    """

    text: str
    at: datetime | None = None
    summer: bool = False
    step_ms: int | None = None


def point_in_time(octets: bytes) -> Point:
    """Read type G (2 bytes), J (3), F (4) or I (6).

    Raises:
        InvalidPoint: said in words.

    >>> point_in_time(bytes.fromhex("0D11A61B")).text, point_in_time(bytes.fromhex("BF1C")).text
    ('2013-11-06T17:13:00', '2013-12-31')
    """
    reader = {2: _type_g, 3: _type_j, 4: _type_f, 6: _type_i}.get(len(octets))
    if reader is None:
        raise InvalidPoint(f"no point in time has {len(octets)} bytes")
    try:
        return reader(octets)
    except ValueError as error:
        raise InvalidPoint(str(error)) from None


def _type_g(octets: bytes) -> Point:
    if octets == b"\xff\xff":
        raise InvalidPoint("marked as invalid")
    day, month = octets
    return Point(_date(day, month, hundreds=0))


def _type_j(octets: bytes) -> Point:
    second, minute, hour = octets
    return Point(time(hour & 0x1F, minute & 0x3F, second & 0x3F).isoformat())


def _type_f(octets: bytes) -> Point:
    minute, hour, day, month = octets
    if minute & 0x80:
        raise InvalidPoint("marked as invalid")
    whole = f"{_date(day, month, hundreds=hour >> 5 & 3)}T{_time_of_day(hour & 0x1F, minute & 0x3F)}"
    return Point(whole, None if "*" in whole else datetime.fromisoformat(whole), bool(hour & 0x80), _MINUTE_MS)


def _type_i(octets: bytes) -> Point:
    second, minute, hour, day, month, _ = octets
    if minute & 0x80:
        raise InvalidPoint("marked as invalid")
    whole = f"{_date(day, month, hundreds=0)}T{_time_of_day(hour & 0x1F, minute & 0x3F, second & 0x3F)}"
    return Point(whole, None if "*" in whole else datetime.fromisoformat(whole), bool(second & 0x40))


def _date(low: int, high: int, hundreds: int) -> str:
    """Day and three bits of the year, then month and four bits of the year; years from 81 on are of 19xx."""
    day, month, year = low & 0x1F, high & 0x0F, low >> 5 | (high & 0xF0) >> 1
    years = "*" if year == _EVERY_YEAR else f"{_full_year(year, hundreds):04d}"
    if day != _EVERY_DAY and month != _EVERY_MONTH and years != "*":
        return date(int(years), month, day).isoformat()
    if month == 0 or 12 < month < _EVERY_MONTH:
        raise ValueError(f"month {month}")
    months = "*" if month == _EVERY_MONTH else f"{month:02d}"
    return f"{years}-{months}-{'*' if day == _EVERY_DAY else f'{day:02d}'}"


def _full_year(year: int, hundreds: int) -> int:
    full = 2000 + year if hundreds == 0 and year <= 80 else 1900 + 100 * hundreds + year
    if year > 99 or full >= _NO_METERS_YEAR:
        raise ValueError(f"year {year}, hundreds {hundreds}")
    return full


def _time_of_day(hour: int, minute: int, second: int = 0) -> str:
    if hour != _EVERY_HOUR and minute != _EVERY_MINUTE:
        return time(hour, minute, second).isoformat()
    hours = "*" if hour == _EVERY_HOUR else f"{hour:02d}"
    minutes = "*" if minute == _EVERY_MINUTE else f"{minute:02d}"
    return f"{hours}:{minutes}:{second:02d}"
