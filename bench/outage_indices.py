"""The reliability that was published of a scenario, held against what follows from the facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench.indices import NOT_COMPUTABLE, Indices, indices, indices_of, major_event_days
from bench.outage_score import Happened
from schemas.arrays import Float64s, Int64s
from schemas.durations import DAY_MS, MINUTE_MS
from schemas.results import ReliabilityBlock
from streams.indices import Counts, Interruptions
from streams.outage.tree import Grid

TOTAL = "total"


@dataclass(frozen=True)
class Row:
    """What holds of a feeder and day."""

    feeder: str
    """The substation's id for customers that hang under no feeder."""
    start_ms: int
    revision: int
    customers: int
    counts: Counts


def rows_of(blocks: Iterable[ReliabilityBlock]) -> list[Row]:
    """The highest revision of each feeder and day, by day."""
    found: dict[tuple[str, int], Row] = {}
    for block in blocks:
        columns = (block.start, block.revision, block.customers, *(getattr(block, name) for name in Counts._fields))
        for feeder, *numbers in zip(block.feeder, *(column.tolist() for column in columns), strict=True):
            start, revision, customers, *counts = numbers
            row = Row(feeder or block.substation, start, revision, customers, Counts(*counts))
            key = (row.feeder, start)
            if key not in found or found[key].revision < revision:
                found[key] = row
    return sorted(found.values(), key=lambda row: row.start_ms)


def told_indices(rows: Sequence[Row]) -> dict[str, Indices]:
    """In total and by feeder, as the published rows have them; the customers are those of the newest day."""
    customers = {row.feeder: row.customers for row in rows}
    groups = {TOTAL: rows} | {feeder: [row for row in rows if row.feeder == feeder] for feeder in customers}
    return {
        name: indices_of(_sum(some), sum(customers.values()) if name == TOTAL else customers[name])
        for name, some in groups.items()
    }


def _sum(rows: Sequence[Row]) -> Counts:
    return Counts(*(sum(column) for column in zip(*(row.counts for row in rows), strict=True)))


def true_interruptions(grid: Grid, happened: Sequence[Happened]) -> Interruptions:
    """Of each customer, as the facts have it; planned ones left out."""
    rows = [
        (customer, one.fact.open_ms, one.close_ms)
        for one in happened
        if not one.planned
        for customer in np.unique(grid.usage_point_of[grid.meters(one.branch)]).tolist()
        if customer >= 0
    ]
    columns = np.array(rows, np.int64).reshape(len(rows), 3).T
    return Interruptions(columns[0], columns[1], columns[2])


def compare_indices(grid: Grid, true: Interruptions, rows: Sequence[Row], sustained_ms: int) -> dict[str, Any]:
    """The indices of both, in total and by feeder, and the error of customer-minutes."""
    groups = {TOTAL: np.arange(len(grid.usage_points))} | by_feeder(grid)
    told, nothing = told_indices(rows), indices_of(Counts(), 0)
    both = {name: (indices(true, who, sustained_ms), told.get(name, nothing)) for name, who in groups.items()}
    minutes, said = both[TOTAL][0].customer_minutes, both[TOTAL][1].customer_minutes
    return {
        "customer_minutes": {
            "true": minutes,
            "told": said,
            "error": (said - minutes) / minutes if minutes else (0.0 if not said else None),
        },
        "indices": {name: _beside(*pair) for name, pair in both.items()},
    }


def by_feeder(grid: Grid) -> dict[str, Int64s]:
    """Usage points of each feeder; one with several meters is where the first of them is."""
    points, first = np.unique(grid.usage_point_of, return_index=True)
    found: dict[str, list[int]] = {}
    for point, row in zip(points.tolist(), first.tolist(), strict=True):
        if point >= 0:
            found.setdefault(grid.feeder_of[int(grid.meter_branch[row])], []).append(point)
    return {feeder: np.array(found[feeder], np.int64) for feeder in sorted(found)}


def saidi_by_day(rows: Sequence[Row]) -> Float64s:
    """Minutes of each day from the first to the last, by the published rows."""
    days = {row.start_ms // DAY_MS for row in rows}
    lost, customers = np.zeros((2, max(days) - min(days) + 1 if days else 0))
    for row in rows:
        place = row.start_ms // DAY_MS - min(days)
        lost[place] += row.counts.sustained_ms / MINUTE_MS
        customers[place] += row.customers
    return np.divide(lost, customers, out=np.zeros(len(lost)), where=customers > 0)


def major_days(rows: Sequence[Row]) -> list[str] | str:
    """The dates of the major event days, if there are days enough to tell."""
    found = major_event_days(saidi_by_day(rows))
    if isinstance(found, str):
        return NOT_COMPUTABLE
    first = rows[0].start_ms
    return [f"{datetime.fromtimestamp((first + day * DAY_MS) / 1000, UTC):%Y-%m-%d}" for day in found.tolist()]


def _beside(true: Indices, told: Indices) -> dict[str, Any]:
    names = ("saidi_minutes", "saifi", "caidi_minutes", "maifi_e")
    return {name: {"true": getattr(true, name), "told": getattr(told, name)} for name in names}
