"""What the reliability indices of IEEE Std 1366-2012 are made of: interruptions of customers, counted by day.

Customers are usage points. An interruption is sustained if it lasts longer than the threshold of the profile (3 min by
EN 50160, 5 min by IEEE 1366). All momentary interruptions of a customer that begin within that time of the first are
one event; if one within it becomes sustained, the event is that sustained interruption (clause 3.18).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from schemas.arrays import Int64s
from schemas.durations import DAY_MS
from streams.contract import Mask


@dataclass(frozen=True)
class Interruptions:
    """One customer's loss of supply a row; i rows, in any order."""

    customer: Int64s
    start_ms: Int64s
    end_ms: Int64s


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
