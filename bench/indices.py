"""Reliability indices by IEEE Std 1366-2012: SAIDI, SAIFI, CAIDI, MAIFI_E, and major event days."""

from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.durations import MINUTE_MS
from streams.indices import Counts, Interruptions, count_by_day

DAYS_OF_FIVE_YEARS = 5 * 365
NOT_COMPUTABLE = "not computable"


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
