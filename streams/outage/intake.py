"""The blocks of a turn as the news that the outages are told from: which meter, what, when."""

from collections.abc import Iterable, Sequence

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.blocks import EventBlock
from schemas.results import HeardBlock
from streams.outage.arrivals import Load, News
from streams.outage.evidence import Evidence, Kind, settled_times
from streams.outage.tree import Grid
from streams.outage.ways import Ways

KINDS = {
    "last_gasp": Kind.LAST_GASP,
    "power_down": Kind.LAST_GASP,
    "power_restored": Kind.RESTORED,
    "power_up": Kind.RESTORED,
}
"""Events that tell of a meter's supply."""

_Columns = tuple[Int64s, Int64s, Int64s, Int64s, Float64s]


def news_of(grid: Grid, blocks: Iterable[EventBlock | HeardBlock], ways: Ways, way_of: Int64s) -> News:
    """All rows about meters of the grid, in an order of their own, repeats left out.

    Keeps in `way_of` by which way each meter is heard, and in `ways` how old what they brought is.
    """
    parts: list[_Columns] = []
    loads: dict[tuple[int, int], Load] = {}
    for block in blocks:
        rows = _rows_of(grid, block.meters)
        if isinstance(block, EventBlock):
            parts.append(_events(block, rows))
            continue
        way_of[rows[rows >= 0]] = ways.index(block.source)
        parts.append(_heard(block, rows))
        loads |= {(load.branch, load.at): load for load in _loads(grid, block, rows)}
    _note_delays(blocks, ways)
    evidence = _ordered(parts)
    return News(evidence, [loads[key] for key in sorted(loads)])


def _rows_of(grid: Grid, meters: Sequence[str]) -> Int64s:
    """Position of each meter; -1 = the grid does not know it."""
    return np.array([grid.row_of.get(meter, -1) for meter in meters], np.int64)


def _events(block: EventBlock, rows: Int64s) -> _Columns:
    kind = np.array([KINDS.get(kind, -1) for kind in block.kind], np.int64)
    row = rows[block.row_meter]
    which = (kind >= 0) & (row >= 0)
    received_at = np.full(int(which.sum()), block.received_at, np.int64)
    return row[which], kind[which], block.at[which], received_at, np.full(len(received_at), np.nan)


def _heard(block: HeardBlock, rows: Int64s) -> _Columns:
    row = rows[block.row_meter]
    which = row >= 0
    volts = block.voltage_v[which]
    kind = np.where(np.isnan(volts), Kind.READING, Kind.VOLTAGE).astype(np.int64)
    return row[which], kind, block.at[which], block.received_at[which], volts


def _loads(grid: Grid, block: HeardBlock, rows: Int64s) -> Iterable[Load]:
    """Loads measured over all that hangs under a branch: by a meter of nobody's over its node, or under a node's id."""
    at = settled_times(block.at, block.received_at).tolist()
    for i in np.flatnonzero(np.isfinite(block.active_power_w)).tolist():
        meter = int(block.row_meter[i])
        branch = _measured(grid, block.meters[meter], int(rows[meter]))
        if branch >= 0:
            yield Load(branch, at[i], float(block.active_power_w[i]))


def _measured(grid: Grid, name: str, row: int) -> int:
    """The branch whose load a meter measures; -1 = none."""
    if row < 0:
        return grid.branch_of.get(name, -1)
    if grid.usage_point_of[row] >= 0:
        return -1
    branch = int(grid.meter_branch[row])
    return branch if len(grid.node_ids[branch]) > 1 else int(grid.parent[branch])


def _note_delays(blocks: Iterable[EventBlock | HeardBlock], ways: Ways) -> None:
    """By way, over all of its blocks together: how a turn's rows were cut is nothing to go by."""
    heard = [block for block in blocks if isinstance(block, HeardBlock)]
    for name in dict.fromkeys(block.source for block in heard):
        own = [block for block in heard if block.source == name]
        at = np.concatenate([block.at for block in own])
        ways.brought(ways.index(name), at, np.concatenate([block.received_at for block in own]))


def _ordered(parts: Sequence[_Columns]) -> Evidence:
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Evidence(nothing, nothing, nothing, nothing, np.zeros(0))
    meter, kind, at, received_at, volts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((volts, received_at, at, kind, meter))
    whole = np.stack((meter, kind, at, received_at))[:, order]
    new = np.append(True, (np.diff(whole) != 0).any(axis=0) | ~_equal(volts[order]))[: len(order)]
    meter, kind, at, received_at = whole[:, new]
    return Evidence(meter, kind, at, received_at, volts[order][new])


def _equal(volts: Float64s) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each but the first is as the one before it."""
    found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (volts[1:] == volts[:-1]) | (
        np.isnan(volts[1:]) & np.isnan(volts[:-1])
    )
    return found
