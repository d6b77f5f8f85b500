"""Reliability indices by IEEE Std 1366-2012: SAIDI, SAIFI, CAIDI, MAIFI_E, and major event days.

Customers are usage points. An interruption is sustained if it lasts longer than the threshold of the profile (3 min by
EN 50160, 5 min by IEEE 1366). All momentary interruptions of a customer that begin within that time of the first are
one event; if one within it becomes sustained, the event is that sustained interruption (clause 3.18).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s, Int64s
from schemas.durations import DAY_MS, MINUTE_MS

Mask = npt.NDArray[np.bool_]
DAYS_OF_FIVE_YEARS = 5 * 365
NOT_COMPUTABLE = "not computable"


@dataclass(frozen=True)
class Interruptions:
    """One customer's loss of supply a row; i rows, in any order."""

    customer: Int64s
    start_ms: Int64s
    end_ms: Int64s


@dataclass(frozen=True)
class Indices:
    """Of one group of customers over one period; None where nothing was interrupted."""

    customers: int
    saidi_minutes: float
    saifi: float
    caidi_minutes: float | None
    maifi_e: float
    customer_minutes: float
    """All of it, momentary interruptions included."""


class Counts(NamedTuple):
    """What the indices are made of."""

    sustained_interruptions: int = 0
    sustained_ms: int = 0
    """How long these lasted together."""
    momentary_events: int = 0
    interrupted_ms: int = 0
    """How long all lasted together, momentary ones included."""


def merged(found: Interruptions) -> Interruptions:
    """Overlapping rows of a customer as one, sorted by customer and time."""
    order = np.lexsort((found.start_ms, found.customer))
    customer, start, end = found.customer[order], found.start_ms[order], found.end_ms[order]
    kept: list[tuple[int, int, int]] = []
    for who, begin, until in zip(customer.tolist(), start.tolist(), end.tolist(), strict=True):
        if kept and kept[-1][0] == who and begin <= kept[-1][2]:
            kept[-1] = (who, kept[-1][1], max(kept[-1][2], until))
        else:
            kept.append((who, begin, until))
    columns = np.array(kept, np.int64).reshape(len(kept), 3).T
    return Interruptions(columns[0], columns[1], columns[2])


def indices(found: Interruptions, customers: Int64s, sustained_ms: int) -> Indices:
    """The indices of a group; `customers`: its usage points, as numbered in `found`.

    >>> rows = Interruptions(np.array([0, 1, 1]), np.array([0, 0, 600_000]), np.array([600_000, 30_000, 620_000]))
    >>> found = indices(rows, np.arange(4), 180_000)
    >>> found.saidi_minutes, found.saifi, found.caidi_minutes, found.maifi_e
    (2.5, 0.25, 10.0, 0.5)
    """
    mine = np.isin(found.customer, customers)
    rows = Interruptions(found.customer[mine], found.start_ms[mine], found.end_ms[mine])
    return indices_of(count(rows, sustained_ms), len(customers))


def indices_of(counts: Counts, n: int) -> Indices:
    """The indices of a group of n customers."""
    number, lasted_ms, momentary_events, interrupted_ms = counts
    minutes = lasted_ms / MINUTE_MS
    return Indices(
        customers=n,
        saidi_minutes=minutes / n if n else 0.0,
        saifi=number / n if n else 0.0,
        caidi_minutes=minutes / number if number else None,
        maifi_e=momentary_events / n if n else 0.0,
        customer_minutes=interrupted_ms / MINUTE_MS,
    )


def count(found: Interruptions, sustained_ms: int) -> Counts:
    """The sums over all interruptions.

    >>> tuple(count(Interruptions(np.array([0, 1]), np.array([0, 0]), np.array([600_000, 30_000])), 180_000))
    (1, 600000, 1, 630000)
    """
    by_day = count_by_day(found, sustained_ms).values()
    return Counts(*(sum(column) for column in zip(*by_day, strict=True))) if by_day else Counts()


def count_by_day(found: Interruptions, sustained_ms: int) -> dict[int, Counts]:
    """The sums by day (since 1970, UTC); all that is one interruption, or one event, counts to the day it began on."""
    rows = merged(found)
    lasted = rows.end_ms - rows.start_ms
    sustained = lasted > sustained_ms
    momentary = _momentary_events(rows, sustained, sustained_ms)
    days, place = np.unique(rows.start_ms // DAY_MS, return_inverse=True)
    sums = np.zeros((len(days), len(Counts._fields)), np.int64)
    np.add.at(sums, place, np.column_stack((sustained, lasted * sustained, momentary, lasted)))
    return {day: Counts(*row) for day, row in zip(days.tolist(), sums.tolist(), strict=True)}


def _momentary_events(rows: Interruptions, sustained: Mask, ms: int) -> Mask:
    """Which rows begin a momentary interruption event; `rows` sorted by customer and time."""
    begins, who, began, first = np.zeros(len(sustained), np.bool_), -1, 0, 0
    for row, (customer, start, lasting) in enumerate(
        zip(rows.customer.tolist(), rows.start_ms.tolist(), sustained.tolist(), strict=True)
    ):
        if customer != who or start - began > ms:
            who, began, first = customer, start, row
            begins[row] = not lasting
        elif lasting:
            begins[first] = False
    return begins


def major_event_threshold(saidi_by_day: Float64s) -> float | str:
    """T_MED in minutes a day: exp(alpha + 2.5 beta) of the logs of daily SAIDI (clause 5.3), days without any left out.

    Only from five years of days on; before, it is "not computable".

    >>> major_event_threshold(np.ones(365))
    'not computable'
    """
    if len(saidi_by_day) < DAYS_OF_FIVE_YEARS:
        return NOT_COMPUTABLE
    logs = np.log(saidi_by_day[saidi_by_day > 0])
    if len(logs) < 2:
        return NOT_COMPUTABLE
    return float(np.exp(logs.mean() + 2.5 * logs.std(ddof=1)))


def major_event_days(saidi_by_day: Float64s) -> Int64s | str:
    """Positions of the days above the threshold."""
    threshold = major_event_threshold(saidi_by_day)
    return threshold if isinstance(threshold, str) else np.flatnonzero(saidi_by_day > threshold)
