"""The same operators over stored rows: results of one hour computed again, late rows included.

Rows come out of the database in event-time order, so nothing is late. They must reach so far around the hour that its
results follow from them (`margin_ms`), and hold, for each register, the row where it was measured last before them,
however long ago (`lacking`): an increment over a gap belongs whole to the row that ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.catalogue import Profile, Quantity
from schemas.durations import MINUTE_MS, QUARTER_MS
from schemas.results import AggregateBlock, LoadBlock
from streams import gather, minutes, order
from streams.contract import Contributions, Mask, Operator, Result, Rows
from streams.meters import OWN, MeterTable
from streams.partial_loads import FeederLoads
from streams.samples import MOST_INTERVALS, Scale
from streams.substation_balance import SubstationBalance


@dataclass(frozen=True, slots=True)
class Stored:
    """Stored rows of the meters of `table`, sorted by meter, then by event time."""

    table: MeterTable
    rows: Rows
    sequence: Int64s
    """The devices' own counters, shape (r,)."""


def meters_of(
    profile: Profile,
    quantities: Sequence[Quantity],
    operators: Sequence[Operator],
    ids: Sequence[str],
    feeders: Sequence[str | None],
    substations: Sequence[str | None],
    interval_ms: Int64s,
) -> MeterTable:
    """Meters of a profile of whom nothing is known yet."""
    dtypes = {"own": OWN, "order": order.dtype(quantities)} | {op.name: op.dtype(quantities) for op in operators}
    table = MeterTable.empty(profile.name, quantities, dtypes)
    rows = table.find(ids, feeders, substations)
    table.column("own")["interval_ms"][rows] = interval_ms
    return table


def margin_ms(operators: Sequence[Operator], interval_ms: Int64s) -> Int64s:
    """How far around an hour rows of each meter bear on its results: the reach, and stretches to neighbours."""
    reach = max((operator.reach_ms or 0 for operator in operators), default=0)
    margin: Int64s = reach + MINUTE_MS + MOST_INTERVALS * interval_ms
    return margin


def closed_from(profile: Profile, operators: Sequence[Operator], interval_ms: Int64s) -> Int64s:
    """How long after an hour's end a meter's newest row is, once the stream has closed all that the hour bears on.

    Before, the stream would still give these windows, without the late row.
    """
    closed: Int64s = margin_ms(operators, interval_ms) + (profile.lateness_intervals + MOST_INTERVALS) * interval_ms
    return closed


def lacking(stored: Stored, begin: int, end: int) -> tuple[Mask, Mask]:
    """Of which meters more must be read than lies around the time [begin, end), shape (meters,) each.

    Before: the first rows, or the first of a register, stand there without the one they follow. After: a register rests
    for more than a short stretch behind the time, so that what counts whole where it is measured next may change.
    """
    meter, at = stored.rows.meter, stored.rows.at
    register = Scale.of(stored.table.quantities).is_register
    measured = np.isfinite(stored.rows.values) & register
    shape = (len(stored.table.ids), len(register))
    earlier, inside, later = at < begin, (at >= begin) & (at < end), at >= end
    none = np.iinfo(np.int64).max
    first, last = np.full(shape, none), np.zeros(shape, np.int64)
    np.minimum.at(first, meter[later], np.where(measured, at[:, None], none)[later])
    np.maximum.at(last, meter[~later], np.where(measured, at[:, None], 0)[~later])
    measured = np.append(measured, np.ones((len(at), 1), np.bool_), axis=1)
    before = _any(measured, meter, ~earlier, shape) & ~_any(measured, meter, earlier, shape)
    reach = (MOST_INTERVALS * stored.table.column("own")["interval_ms"])[:, None]
    after = _any(measured, meter, inside, shape)[:, :-1] & (first - last > reach)
    return np.logical_or.reduce(before, axis=1), np.logical_or.reduce(after, axis=1)


def _any(measured: Mask, meter: Int64s, which: Mask, shape: tuple[int, int]) -> Mask:
    """Of each meter, what was measured in any of those rows; last, whether there was one."""
    found = np.zeros((shape[0], shape[1] + 1), np.bool_)
    np.logical_or.at(found, meter[which], measured[which])
    return found


def rerun(profile: Profile, operators: Sequence[Operator], stored: Stored) -> list[Result | Contributions]:
    """What the operators make of the rows, everything closed at the end; meters of the table must be new."""
    table = stored.table
    state, interval_ms = table.column("order"), table.column("own")["interval_ms"]
    lateness_ms = interval_ms * profile.lateness_intervals
    taken = order.take(state, stored.rows, stored.sequence, lateness_ms)
    moved = taken.released.moved
    rest = order.advance(state, moved, state["newest_at"][moved] + minutes.closes_all_ms(interval_ms[moved]))
    return [
        result
        for released in (taken.released, rest.released)
        for operator in operators
        for result in operator.on_released(table.column(operator.name), table.view(), released)
    ]


def touching(block: AggregateBlock, begin: int, end: int) -> AggregateBlock | None:
    """The windows of a block that overlap the time; None if none do."""
    return rows_of_aggregates(block, (block.start < end) & (block.end > begin))


def rows_of_aggregates(block: AggregateBlock, which: Mask) -> AggregateBlock | None:
    """The rows that a mask selects; None if it selects none."""
    if not which.any():
        return None
    columns = {field.name: getattr(block, field.name) for field in fields(block)}
    taken: dict[str, Any] = {name: column[which] for name, column in columns.items() if isinstance(column, np.ndarray)}
    return replace(block, **taken)


def loads(given: Sequence[tuple[MeterTable, bool, Contributions]], begin: int, end: int) -> list[LoadBlock]:
    """Loads of feeders and substations in that time, out of what all their meters contribute.

    `given`: meters, whether they measure infeed, and what they add. Sums and rows are made as in the streams.
    """
    balance, sums = SubstationBalance(), FeederLoads(0, SubstationBalance.version)
    passed_ms = np.zeros(1, np.int64)
    for meters, infeed, more in given:
        quarter = more.quarter * QUARTER_MS
        sums.add(meters, infeed, more.take((quarter >= begin) & (quarter < end)), passed_ms)
    parts = MeterTable.empty("parts", (), {"balance": balance.part_dtype()})
    blocks = sums.due(passed_ms + QUARTER_MS)
    if not blocks:
        return []
    together = gather.partial_loads(parts, blocks)
    return balance.on_partial_loads(parts.column("balance"), together)
