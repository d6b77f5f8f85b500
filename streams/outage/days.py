"""Interruptions by feeder and day: what reliability indices are made of, told again where they have changed.

A customer counts where it hangs, whatever device opened over it. What it lost is put together over all outages and days
before it is counted, so that nested outages count once, and what goes on over midnight counts to the day it began on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from schemas.durations import DAY_MS, MINUTE_MS
from schemas.results import ReliabilityBlock
from streams.indices import Counts, Interruptions, count_by_day
from streams.outage.results import Interruption
from streams.outage.tree import Grid

KEPT_DAYS = 35
"""An interruption that began longer ago is not counted any more."""

NOTHING = Counts()
Place = tuple[str, str]
"""Substation and feeder; twice the substation for customers that hang under no feeder."""
Customers = Mapping[Place, int]
"""Usage points at each place."""


@dataclass
class Told:
    """What was told last of a feeder and day; revision 0 = nothing yet."""

    revision: int = 0
    customers: int = 0
    counts: Counts = NOTHING


@dataclass
class Feeder:
    """The customers of one place: which had no supply from when to when, and what was told by day since 1970."""

    interruptions: list[tuple[str, int, int]] = field(default_factory=list)
    told: dict[int, Told] = field(default_factory=dict)


@dataclass
class Days:
    """All that are kept, and the newest day that was begun."""

    newest: int = 0
    off_since_ms: int = 0
    """When time was first seen on a day that does not follow the newest; 0 = it is not on one."""
    known: dict[Place, Feeder] = field(default_factory=dict)

    def begin(self, customers: Customers, now_ms: int, changed: bool) -> set[Place]:
        """Begin the day, if it is new or the grid is: a row for each feeder, so that all customers are counted, and
        once where they have moved. The places whose rows may be others now."""
        if not self._is_another(now_ms) and not changed:
            return set()
        self._forget()
        for place in customers:
            self.known.setdefault(place, Feeder()).told.setdefault(self.newest, Told())
        return set(self.known)

    def _is_another(self, now_ms: int) -> bool:
        """Whether a day begins. One that does not follow the newest is believed once time has gone on there for a
        minute: a beat of days ahead, beside which time stands still, is not to make forgotten what is kept.
        """
        today = now_ms // DAY_MS
        is_off = self.newest > 0 and abs(today - self.newest) > 1
        if not is_off or self.off_since_ms // DAY_MS != today:
            self.off_since_ms = now_ms if is_off else 0
        begins = now_ms - self.off_since_ms >= MINUTE_MS if is_off else today > self.newest
        if begins:
            self.newest, self.off_since_ms = today, 0
        return begins

    def add(self, place_of: Mapping[str, Place], found: Interruption) -> set[Place]:
        """Keep an interruption at the places of its customers, unless it began too long ago."""
        places: set[Place] = set()
        if not self._keeps(found.start_ms // DAY_MS):
            return places
        for point, end_ms in zip(found.usage_points, found.end_ms.tolist(), strict=True):
            place = place_of[point]
            places.add(place)
            self.known.setdefault(place, Feeder()).interruptions.append((point, found.start_ms, end_ms))
        return places

    def told(
        self, customers: Customers, places: set[Place], sustained_ms: int, version: int
    ) -> Iterator[ReliabilityBlock]:
        """The days of these places whose rows have changed, in their next revision; a block a substation."""
        for substation, of_it in groupby(sorted(places), key=lambda place: place[0]):
            rows = [
                (None if feeder == substation else feeder, day, told)
                for _, feeder in of_it
                for day, told in self._changed((substation, feeder), customers, sustained_ms)
            ]
            if rows:
                yield _block(substation, rows, version)

    def _changed(self, place: Place, customers: Customers, sustained_ms: int) -> Iterator[tuple[int, Told]]:
        feeder = self.known[place]
        counted = count_by_day(_columns(feeder.interruptions), sustained_ms)
        for day in sorted(filter(self._keeps, {*counted, *feeder.told})):
            told = feeder.told.setdefault(day, Told())
            is_open = not told.revision or day == self.newest
            number = customers.get(place, 0) if is_open else told.customers
            counts = counted.get(day, NOTHING)
            if not told.revision or (number, counts) != (told.customers, told.counts):
                feeder.told[day] = Told(told.revision + 1, number, counts)
                yield day, feeder.told[day]

    def _keeps(self, day: int) -> bool:
        return day > self.newest - KEPT_DAYS

    def _forget(self) -> None:
        """Drop what is over. What ended on the day before the first that is kept may be of one event with what came."""
        since_ms = (self.newest - KEPT_DAYS) * DAY_MS
        for place, feeder in list(self.known.items()):
            feeder.interruptions = [one for one in feeder.interruptions if one[2] >= since_ms]
            feeder.told = {day: told for day, told in feeder.told.items() if self._keeps(day)}
            if not feeder.told and not feeder.interruptions:
                del self.known[place]

    def saved(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "newest": self.newest,
            "off_since_ms": self.off_since_ms,
            "known": [
                [
                    *place,
                    feeder.interruptions,
                    [[day, t.revision, t.customers, *t.counts] for day, t in feeder.told.items()],
                ]
                for place, feeder in self.known.items()
            ],
        }

    @classmethod
    def loaded(cls, saved: dict[str, Any]) -> "Days":
        """What `saved` gave."""
        found = cls(saved["newest"], saved.get("off_since_ms", 0))
        for substation, feeder, interruptions, told in saved["known"]:
            found.known[substation, feeder] = Feeder(
                [(point, start, end) for point, start, end in interruptions],
                {day: Told(revision, customers, Counts(*counts)) for day, revision, customers, *counts in told},
            )
        return found


def customers_of(grid: Grid) -> Customers:
    """How many usage points hang at each place."""
    return Counter(grid.place_of.values())


def _columns(interruptions: Sequence[tuple[str, int, int]]) -> Interruptions:
    number = {point: i for i, point in enumerate(sorted({point for point, _, _ in interruptions}))}
    rows = [(number[point], start, end) for point, start, end in interruptions]
    columns = np.array(rows, np.int64).reshape(len(rows), 3).T
    return Interruptions(columns[0], columns[1], columns[2])


def _block(substation: str, rows: Sequence[tuple[str | None, int, Told]], version: int) -> ReliabilityBlock:
    columns = np.array([(day * DAY_MS, told.revision, told.customers, *told.counts) for _, day, told in rows]).T
    return ReliabilityBlock(
        operator_version=version,
        substation=substation,
        feeder=[feeder for feeder, _, _ in rows],
        start=columns[0],
        revision=columns[1].astype(np.int32),
        customers=columns[2],
        sustained_interruptions=columns[3],
        sustained_ms=columns[4],
        momentary_events=columns[5],
        interrupted_ms=columns[6],
    )
