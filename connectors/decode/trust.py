"""How far the time and the values of a row can be trusted: one rule for every format.

more than 5 min ahead of the bridge's clock        kept, Quality.FUTURE
a value outside the catalogue's plausible range    kept, Quality.OUT_OF_RANGE
a time before 2000 or from 2200 on                 Rejected time; how old one may be says the bridge (age.py)
a payload of more than 1 MB                        Rejected too_large
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from schemas.catalogue import load_catalogue
from schemas.errors import Reason, Rejected
from schemas.quality import Quality

LARGEST_PAYLOAD_BYTES = 1_000_000
FUTURE_TOLERANCE_MS = 5 * 60_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
YEAR_2000_MS = (datetime(2000, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
YEAR_2200_MS = (datetime(2200, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND

Ranges = tuple[tuple[float, ...], tuple[float, ...]]
"""Least and greatest plausible values, in the order of some quantities."""

# Plain ints: an IntFlag's operators would cost more than all the rest of a row.
_FUTURE, _OUT_OF_RANGE = int(Quality.FUTURE), int(Quality.OUT_OF_RANGE)


def check_size(payload: bytes) -> None:
    """Raise Rejected for a payload that is too large to be read."""
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {LARGEST_PAYLOAD_BYTES} are read")


def checked_time(at: int, said: object) -> int:
    """`at` (ms UTC) where a meter can have measured then; `said` is how the payload writes it, for the report.

    Raises:
        Rejected: `Reason.TIME`.

    """
    if not YEAR_2000_MS <= at < YEAR_2200_MS:
        raise Rejected(Reason.TIME, f"{said} lies before 2000 or after 2199")
    return at


def time_quality(at: int, received_at: int) -> int:
    """Quality.FUTURE if the time lies too far ahead of the bridge's clock; both ms UTC."""
    return _FUTURE if at > received_at + FUTURE_TOLERANCE_MS else 0


def value_quality(ranges: Ranges, values: Sequence[float]) -> int:
    """Quality.OUT_OF_RANGE if a value is implausible; NaN, not measured, passes.

    >>> ranges = plausible(("voltage_v", "current_a"))
    >>> value_quality(ranges, (230.0, float("nan"))), value_quality(ranges, (20_000.0, 1.0))
    (0, 8)
    """
    for value, minimum, maximum in zip(values, *ranges, strict=True):
        if value < minimum or value > maximum:
            return _OUT_OF_RANGE
    return 0


@lru_cache
def plausible(quantities: tuple[str, ...]) -> Ranges:
    """The catalogue's plausible ranges of these quantities."""
    known = [load_catalogue().quantities[name] for name in quantities]
    return tuple(quantity.minimum for quantity in known), tuple(quantity.maximum for quantity in known)
