"""COSEM date-time (IEC 62056-6-2, 4.1.6.1) to ms UTC.

year 2 | month | day | day of week | hour | minute | second | hundredths | deviation 2 | clock status

UTC is local time plus the deviation in minutes (0x8000 = not specified), the opposite of ISO 8601's offset.

    no deviation                   as the zone says, if one is given: the daylight saving bit decides in the hour that
                                   comes twice; where the clock has no status, the first, and status says so. Without
                                   a zone no time: it cannot be known; status says so. `local` has the wall clock
                                   either way
    date, hour or minute open      no time at all; status says so
    second or hundredths open      0
    clock status "invalid value"   no time: the meter itself says that it is wrong. `local` has it
    any other condition            the time, and the condition as a status; daylight saving is none
    a month 13, a minute 61,
    a deviation beyond 14 hours    Rejected time
    before 2000 or from 2200 on    Rejected time
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from connectors.decode.local_time import comes_twice, utc_ms
from connectors.decode.telegram import TIME_AMBIGUOUS
from schemas.errors import Reason, Rejected

LENGTH = 12
TIME_WITHOUT_OFFSET = "time_without_offset"
TIME_UNSPECIFIED = "time_unspecified"

_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
_YEARS = range(2000, 2200)
_UNSPECIFIED, _NO_DEVIATION, _INVALID_VALUE, _DAYLIGHT_SAVING = 0xFF, -0x8000, 0x01, 0x80
_FARTHEST_DEVIATION = 14 * 60
# 0xFD and 0xFE: the days and months when daylight saving begins and ends, the last days of a month.
_RECURRING = frozenset((0xFD, 0xFE, _UNSPECIFIED))
_CONDITIONS: Final = (
    (0x01, "clock_invalid_value"),
    (0x02, "clock_doubtful_value"),
    (0x04, "clock_different_base"),
    (0x08, "clock_invalid_status"),
)


class Moment(NamedTuple):
    """`at` is ms UTC, or None with the reason in `status`; `local` the wall clock where the meter states no UTC."""

    at: int | None
    local: str
    status: tuple[str, ...]

    @property
    def text(self) -> str:
        """ISO 8601: the wall clock, or UTC; empty where there is neither."""
        if self.local or self.at is None:
            return self.local
        return (_EPOCH + timedelta(milliseconds=self.at)).replace(tzinfo=UTC).isoformat()

    def later(self, seconds: int) -> "Moment":
        """The moment so many seconds on; raises Rejected time from 2200 on."""
        begin = datetime.fromisoformat(self.local) if self.local else _EPOCH + timedelta(milliseconds=self.at or 0)
        try:
            wall = begin + timedelta(seconds=seconds)
        except OverflowError:
            wall = datetime.max
        if wall.year not in _YEARS:
            raise Rejected(Reason.TIME, f"{seconds} s after {begin.isoformat()}: after 2199")
        at = None if self.at is None else self.at + 1000 * seconds
        return Moment(at, self.local and wall.isoformat(), self.status)


NO_MOMENT: Final = Moment(None, "", ())


def read_date_time(octets: bytes, zone: tzinfo | None = None) -> Moment:
    """Read a date-time of 12 bytes, in `zone` where it does not state its deviation; raises Rejected time.

    >>> read_date_time(bytes.fromhex("07e5 09 16 03 11 23 1e ff ffc4 00"))
    Moment(at=1632328530000, local='', status=())
    >>> read_date_time(bytes.fromhex("07e3 02 04 01 17 34 16 ff 8000 00"))
    Moment(at=None, local='2019-02-04T23:52:22', status=('time_without_offset',))
    """
    year, month, day = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    hour, minute, second, hundredths = octets[5:9]
    deviation, clock_status = int.from_bytes(octets[9:11], "big", signed=True), octets[11]
    status = () if clock_status == _UNSPECIFIED or not clock_status else _conditions(clock_status)
    if year == 0xFFFF or month in _RECURRING or day in _RECURRING or _UNSPECIFIED in (hour, minute):
        return Moment(None, "", (*status, TIME_UNSPECIFIED))
    second = 0 if second == _UNSPECIFIED else second
    hundredths = 0 if hundredths == _UNSPECIFIED else hundredths
    try:
        local = datetime(year, month, day, hour, minute, second, hundredths * 10_000)
    except ValueError:
        raise Rejected(Reason.TIME, f"{octets.hex(' ')} is no date-time of IEC 62056-6-2") from None
    if year not in _YEARS:
        raise Rejected(Reason.TIME, f"{local.isoformat()} lies before 2000 or after 2199")
    if clock_status & _INVALID_VALUE and clock_status != _UNSPECIFIED:
        return Moment(None, local.isoformat(), status)
    if deviation == _NO_DEVIATION:
        is_summer = None if clock_status == _UNSPECIFIED else bool(clock_status & _DAYLIGHT_SAVING)
        return without_offset(local, is_summer, status, zone)
    if abs(deviation) > _FARTHEST_DEVIATION:
        raise Rejected(Reason.TIME, f"{octets.hex(' ')} deviates {deviation} min from UTC")
    return Moment((local - _EPOCH) // _MILLISECOND + deviation * 60_000, "", status)


def looks_like_date_time(octets: bytes) -> bool:
    """Whether 12 bytes of which nobody says what they are can only be a date-time: text and numbers hardly ever can."""
    if len(octets) != LENGTH or int.from_bytes(octets[:2], "big") not in _YEARS:
        return False
    try:
        moment = read_date_time(octets)
    except Rejected:
        return False
    return TIME_UNSPECIFIED not in moment.status and (octets[4] <= 7 or octets[4] == _UNSPECIFIED)


def without_offset(local: datetime, is_summer: bool | None, status: tuple[str, ...], zone: tzinfo | None) -> Moment:
    """The moment of a wall clock in `zone`; `is_summer` is what the meter says of it, None = nothing."""
    if zone is None:
        return Moment(None, local.isoformat(), (*status, TIME_WITHOUT_OFFSET))
    if is_summer is None and comes_twice(local, zone):
        status = (*status, TIME_AMBIGUOUS)
    return Moment(utc_ms(local, zone, is_summer), local.isoformat(), status)


def _conditions(clock_status: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _CONDITIONS if clock_status & bit)
