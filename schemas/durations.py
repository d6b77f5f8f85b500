"""Lengths of time in ms, as all times here are."""

import re

MINUTE_MS = 60_000
QUARTER_MS = 900_000
"""Quarter of an hour: the period of balance and of billing."""
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

_TEXT = re.compile(r"([1-9]\d{0,5})([mhd])")
_UNITS_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def duration_ms(text: str) -> int | None:
    """What a person writes, such as 90m, 4h or 2d; None where it is no duration.

    >>> duration_ms("90m"), duration_ms("90")
    (5400000, None)
    """
    found = _TEXT.fullmatch(text)
    return int(found[1]) * _UNITS_MS[found[2]] if found else None
