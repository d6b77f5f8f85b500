"""Interruptions by feeder and day: what reliability indices are made of, told again with each that is over."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.blocks import ReliabilityBlock
from schemas.durations import DAY_MS
from streams.indices import Interruptions, count
from streams.outage.results import Interruption
from streams.outage.tree import Grid

KEPT_DAYS = 35
"""An interruption that began longer ago is not counted any more."""

Key = tuple[str, str, int]
"""Substation, feeder, day since 1970."""
Customers = dict[tuple[str, str], int]
"""Usage points by substation and feeder."""


@dataclass
class Day:
    """One feeder on one day: customers by usage point, and from when to when each had no supply."""

    revision: int = 0
    interruptions: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass
class Days:
    """All that are kept, and the newest day that was begun."""

    newest: int = 0
    known: dict[Key, Day] = field(default_factory=dict)

    def begin(self, customers: Customers, now_ms: int, changed: bool) -> set[Key]:
        """Begin the day, if it is new or the grid is: a row for each feeder, so that all customers are counted."""
        today = now_ms // DAY_MS
        if today <= self.newest and not changed:
            return set()
        self.newest = max(today, self.newest)
        self.known = {key: day for key, day in self.known.items() if key[2] > self.newest - KEPT_DAYS}
        keys = {(*place, self.newest) for place in customers}
        for key in keys:
            self.known.setdefault(key, Day())
        return keys

    def add(self, grid: Grid, found: Interruption) -> set[Key]:
        """Count an interruption to the day on which it began, unless that is too long ago."""
        root = int(grid.roots[grid.root_of[grid.branch_of[found.device]]])
        key = (grid.node_ids[root][0], found.feeder, found.start_ms // DAY_MS)
        if key[2] <= self.newest - KEPT_DAYS:
            return set()
        day = self.known.setdefault(key, Day())
        day.interruptions += [
            (point, found.start_ms, end) for point, end in zip(found.usage_points, found.end_ms.tolist(), strict=True)
        ]
        return {key}

    def told(self, customers: Customers, keys: set[Key], sustained_ms: int, version: int) -> Iterator[ReliabilityBlock]:
        """The rows of these keys in their next revision, a block a substation."""
        for substation in sorted({key[0] for key in keys}):
            of_it = sorted(key for key in keys if key[0] == substation)
            rows = []
            for key in of_it:
                day = self.known[key]
                day.revision += 1
                counted = count(_columns(day), sustained_ms)
                rows.append((key[2] * DAY_MS, day.revision, customers.get(key[:2], 0), *counted))
            columns = np.array(rows, np.int64).T
            yield ReliabilityBlock(
                operator_version=version,
                substation=substation,
                feeder=[None if feeder == substation else feeder for _, feeder, _ in of_it],
                start=columns[0],
                revision=columns[1].astype(np.int32),
                customers=columns[2],
                sustained_interruptions=columns[3],
                sustained_ms=columns[4],
                momentary_events=columns[5],
                interrupted_ms=columns[6],
            )

    def saved(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "newest": self.newest,
            "known": [[*key, day.revision, day.interruptions] for key, day in self.known.items()],
        }

    @classmethod
    def loaded(cls, saved: dict[str, Any]) -> "Days":
        """What `saved` gave."""
        found = cls(saved["newest"])
        for substation, feeder, day, revision, interruptions in saved["known"]:
            found.known[substation, feeder, day] = Day(revision, [(point, a, b) for point, a, b in interruptions])
        return found


def customers_of(grid: Grid) -> Customers:
    """Usage points of each feeder, by substation and feeder."""
    points: dict[tuple[str, str], set[int]] = {}
    for branch, point in zip(grid.meter_branch.tolist(), grid.usage_point_of.tolist(), strict=True):
        root = int(grid.roots[grid.root_of[branch]])
        if point >= 0:
            points.setdefault((grid.node_ids[root][0], grid.feeder_of[branch]), set()).add(point)
    return {place: len(found) for place, found in points.items()}


def _columns(day: Day) -> Interruptions:
    place = {point: i for i, point in enumerate(sorted({point for point, _, _ in day.interruptions}))}
    rows = [(place[point], start, end) for point, start, end in day.interruptions]
    columns = np.array(rows, np.int64).reshape(len(rows), 3).T
    return Interruptions(columns[0], columns[1], columns[2])
