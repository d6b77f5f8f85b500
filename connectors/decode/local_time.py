"""A meter's local time, which does not state its offset from UTC, to UTC.

an hour that comes twice      as the meter's summer time flag says; where it has none, the first
an hour that does not come    the same; where it has none, as if summer time had not begun: the clock was not yet set
"""

from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def utc_ms(local: datetime, zone: tzinfo, is_summer: bool | None = None) -> int:
    """Milliseconds UTC of a wall clock in `zone`; `is_summer` is what the meter says of it, None = nothing.

    >>> from zoneinfo import ZoneInfo
    >>> twice, rome = datetime(2026, 10, 25, 2, 30), ZoneInfo("Europe/Rome")
    >>> [utc_ms(twice, rome, is_summer) - utc_ms(twice, rome) for is_summer in (True, False)]
    [0, 3600000]
    """
    before, after = _folds(local, zone)
    if is_summer is None:
        return before
    return min(before, after) if is_summer else max(before, after)


def comes_twice(local: datetime, zone: tzinfo) -> bool:
    """Whether clocks are set back, so that the wall clock shows that time twice.

    >>> from zoneinfo import ZoneInfo
    >>> [comes_twice(datetime(2026, 10, 25, hour, 30), ZoneInfo("Europe/Rome")) for hour in (1, 2, 3)]
    [False, True, False]
    """
    before, after = _folds(local, zone)
    return before < after


def _folds(local: datetime, zone: tzinfo) -> tuple[int, int]:
    """UTC by the offset before a change of the clocks, and by the one after it."""
    first, second = ((local.replace(tzinfo=zone, fold=fold) - _EPOCH) // _MILLISECOND for fold in (0, 1))
    return first, second
