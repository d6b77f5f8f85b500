"""When the telegrams of a payload were measured, as the rows of a bridge have it.

    a time that leads to UTC                     that
    the same, but the hour came twice and        the first time up to where the clock steps back, the second from there;
    the meter does not say which it means        without a step the second, unless the newest would then lie in the
                                                 future. Quality.TIME_AMBIGUOUS, but for a step
    a time relative to the arrival               that, Quality.TIME_BY_BRIDGE
    a wall clock whose zone nobody knows         the newest of the meter's came when it arrived, the others as much
                                                 earlier as their clocks say, Quality.TIME_BY_BRIDGE
    a clock of minutes (M-Bus, type F), of a     the same
    meter that reports more than once in one
    no time                                      the arrival, Quality.TIME_BY_BRIDGE

Where the bridge gives the time, no two rows of a meter get the same: what would is put 1 ms behind the one before. A
counter that several such rows share tells none of them apart; they have none.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from connectors.decode.local_time import utc_ms
from connectors.decode.telegram import TIME_AMBIGUOUS, Telegram
from connectors.decode.trust import FUTURE_TOLERANCE_MS, time_quality
from schemas.quality import Quality
from schemas.register import Register, is_zone

_LEAST_STEP_BACK = timedelta(minutes=30)
_MILLISECOND = timedelta(milliseconds=1)
_TIME_BY_BRIDGE, _TIME_AMBIGUOUS = int(Quality.TIME_BY_BRIDGE), int(Quality.TIME_AMBIGUOUS)


class Clock(NamedTuple):
    """A meter's clock: in which zone it runs, and how often the meter reports."""

    zone: tzinfo | None
    interval_ms: int


Clocks = Callable[[str], Clock]
"""A meter's identity to its clock."""

UNKNOWN_CLOCK = Clock(None, 0)


def no_clocks(meter: str) -> Clock:
    """Nothing is known of any clock."""
    return UNKNOWN_CLOCK


def registered_clocks(register: Register, zone: str = "") -> Clocks:
    """The clocks of the register as it is then; `zone` (IANA) is for meters whose own it does not say."""
    zone_of = cache(lambda name: ZoneInfo(name) if is_zone(name) else None)

    def clock(meter: str) -> Clock:
        device = register.devices.get(meter)
        return Clock(zone_of(device.time_zone or zone), device.interval_ms) if device else UNKNOWN_CLOCK

    return clock


class RowTime(NamedTuple):
    """Event time, ms UTC; the Quality bits of what it is worth; and the counter, where it tells rows apart, or -1."""

    at: int
    quality: int
    sequence: int


def row_times(telegrams: Sequence[Telegram], received_at: int, clocks: Clocks = no_clocks) -> list[RowTime]:
    """The times of a payload's telegrams, which have their meters' names, in their order.

    >>> frames = [Telegram("m", "", None, access_number, (), ()) for access_number in (7, 8)]
    >>> [(at, Quality(quality).name, sequence) for at, quality, sequence in row_times(frames, 50)]
    [(50, 'TIME_BY_BRIDGE', 7), (51, 'TIME_BY_BRIDGE', 8)]
    """
    times = [stated(telegram, received_at) for telegram in telegrams]
    doubtful: dict[str, list[int]] = {}
    for place, telegram in enumerate(telegrams):
        if telegram.at is None or telegram.clock_step_ms is not None or TIME_AMBIGUOUS in telegram.status:
            doubtful.setdefault(telegram.meter, []).append(place)
    for meter, places in doubtful.items():
        if len(places) == 1 and telegrams[places[0]].at is None:
            continue
        found = _of_one_meter([telegrams[place] for place in places], received_at, clocks(meter))
        for place, time in zip(places, found, strict=True):
            times[place] = time
    return times


def stated(telegram: Telegram, received_at: int) -> RowTime:
    """The time of a telegram that came alone, as far as it says: the arrival stands in for what it does not say."""
    at, quality = telegram.at, 0
    if at is None:
        at, quality = received_at + (telegram.relative_ms or 0), _TIME_BY_BRIDGE
    if TIME_AMBIGUOUS in telegram.status:
        quality |= _TIME_AMBIGUOUS
    return RowTime(at, quality | time_quality(at, received_at), telegram.sequence)


def _of_one_meter(telegrams: Sequence[Telegram], received_at: int, clock: Clock) -> Iterable[RowTime]:
    told = [one.at is not None and (one.clock_step_ms or 0) <= clock.interval_ms for one in telegrams]
    own = iter(_by_clock([one for one, is_told in zip(telegrams, told, strict=True) if is_told], received_at, clock))
    others = iter(_by_arrival([one for one, is_told in zip(telegrams, told, strict=True) if not is_told], received_at))
    return [next(own if is_told else others) for is_told in told]


def _by_clock(telegrams: Sequence[Telegram], received_at: int, clock: Clock) -> Iterator[RowTime]:
    """Times that lead to UTC; in the hour that came twice, by their order or by the arrival."""
    walls = [_wall_clock(one) if TIME_AMBIGUOUS in one.status else None for one in telegrams]
    back = _step_back(walls)
    is_second = back is None and _may_be_second(filter(None, walls), received_at, clock)
    for place, (telegram, wall) in enumerate(zip(telegrams, walls, strict=True)):
        at, quality, sequence = stated(telegram, received_at)
        if wall is not None and clock.zone is not None and (is_second or (back is not None and place >= back)):
            at = utc_ms(wall, clock.zone, is_summer=False)
        if back is not None:
            quality &= ~_TIME_AMBIGUOUS
        yield RowTime(at, quality, sequence)


def _step_back(walls: Sequence[datetime | None]) -> int | None:
    """Where the clock was set back: the one place where a time comes again, or is half an hour earlier."""
    found = [
        place
        for place, (before, after) in enumerate(pairwise(walls), 1)
        if before and after and (after == before or before - after >= _LEAST_STEP_BACK)
    ]
    return found[0] if len(found) == 1 else None


def _may_be_second(walls: Iterable[datetime], received_at: int, clock: Clock) -> bool:
    newest = max(walls, default=None)
    if newest is None or clock.zone is None:
        return False
    return utc_ms(newest, clock.zone, is_summer=False) <= received_at + FUTURE_TOLERANCE_MS


def _by_arrival(telegrams: Sequence[Telegram], received_at: int) -> Iterator[RowTime]:
    """Times that the bridge gives."""
    walls = [_wall_clock(one) for one in telegrams]
    newest = max(filter(None, walls), default=None)
    counters = Counter(one.sequence for one in telegrams)
    taken: set[int] = set()
    behind: dict[int, int] = {}
    for telegram, wall in zip(telegrams, walls, strict=True):
        ago = (newest - wall) // _MILLISECOND if newest and wall else -(telegram.relative_ms or 0)
        at = behind.get(received_at - ago, received_at - ago)
        while at in taken:
            at += 1
        taken.add(at)
        behind[received_at - ago] = at + 1
        sequence = telegram.sequence if counters[telegram.sequence] == 1 else -1
        yield RowTime(at, _TIME_BY_BRIDGE | time_quality(at, received_at), sequence)


def _wall_clock(telegram: Telegram) -> datetime | None:
    """The meter's wall clock; None where it shows no date with a time of day."""
    try:
        return datetime.fromisoformat(telegram.local_time) if "T" in telegram.local_time else None
    except ValueError:
        return None
