"""The records of a turn, joined to what operators are given. Meters that are new get their rows in the table."""

from collections.abc import Sequence

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.blocks import EventBlock, ReadingBlock
from schemas.durations import HOUR_MS, QUARTER_MS
from schemas.master_data import HomeRequestBlock
from schemas.results import HourlyLoadBlock, PartialLoadBlock
from streams.contract import Events, HourlyLoads, Labels, PartialLoads, Rows
from streams.groups import Groups
from streams.meters import MeterTable
from streams.turn import Arrival


def arrived(
    blocks: Sequence[ReadingBlock | EventBlock | HourlyLoadBlock], arrivals: Sequence[Arrival]
) -> tuple[Int64s, Int64s]:
    """The source of each row of the blocks, and its time when the row came. An arrival for each block."""
    rows = [len(block.row_meter) for block in blocks]
    source = np.repeat(np.array([arrival.source for arrival in arrivals], np.int64), rows)
    return source, np.repeat(np.array([arrival.passed_ms for arrival in arrivals], np.int64), rows)


def readings(table: MeterTable, blocks: Sequence[ReadingBlock]) -> tuple[Rows, Int64s]:
    """All rows of the blocks in order, and the devices' counters. `table` is that of their profile."""
    wanted = [quantity.name for quantity in table.quantities]
    meter = []
    for block in blocks:
        row_of = table.find(block.meters, block.feeders, block.substations)
        table.column("own")["interval_ms"][row_of] = block.intervals_ms
        meter.append(row_of[block.row_meter])
    received_at = np.repeat([block.received_at for block in blocks], [len(rows) for rows in meter])
    rows = Rows(
        np.concatenate(meter),
        np.concatenate([block.at for block in blocks]),
        received_at,
        np.concatenate([block.quality for block in blocks]),
        np.concatenate([_by_wanted_column(block, wanted) for block in blocks]).copy(order="C"),
    )
    return rows, np.concatenate([block.sequence for block in blocks])


def _by_wanted_column(block: ReadingBlock, wanted: Sequence[str]) -> Float64s:
    """The block's values, shape (rows, wanted): NaN where a column is absent, others left out."""
    if block.columns == wanted:
        return block.rows_by_column().T
    by_name = dict(zip(block.columns, block.rows_by_column(), strict=True))
    absent = np.full(len(block.row_meter), np.nan)
    return np.stack([by_name.get(name, absent) for name in wanted], axis=1)


def events(table: MeterTable, blocks: Sequence[EventBlock]) -> Events:
    """All events of the blocks in order. `table` is that of the meters known by events."""
    meter = np.concatenate(
        [table.find(block.meters, block.feeders, block.substations)[block.row_meter] for block in blocks]
    )
    at = np.concatenate([block.at for block in blocks])
    kind = [kind for block in blocks for kind in block.kind]
    detail = [detail for block in blocks for detail in block.detail]
    substations = [block.substations[i] for block in blocks for i in block.row_meter]
    return Events(meter, at, kind, detail, substations)


def labels(table: MeterTable, block: HomeRequestBlock) -> Labels:
    """The block's labels of meters that the table has."""
    named = [block.meters[i] for i in block.row_meter]
    rows = [i for i, kind in enumerate(block.kind) if kind == "label" and named[i] in table.rows]
    return Labels(
        meter=np.array([table.rows[named[i]] for i in rows], np.int64),
        at=block.at[rows],
        number=block.number[rows],
        power_w=block.power_w[rows],
        appliance=[block.appliance[i] for i in rows],
    )


def partial_loads(table: MeterTable, blocks: Sequence[PartialLoadBlock]) -> PartialLoads:
    """All rows of the blocks in order. `table` is that of the parts."""
    found = []
    for block in blocks:
        ids = ["\x1f".join((block.substation, feeder or "", str(block.partition))) for feeder in block.feeder]
        found.append(table.find(ids, block.feeder, [block.substation] * len(ids)))
    return PartialLoads(
        feeders=table.feeders,
        substations=[substation or "" for substation in table.substations],
        part=np.concatenate(found),
        quarter=np.concatenate([block.start for block in blocks]) // QUARTER_MS,
        counted=np.concatenate([block.counted for block in blocks]),
        energy_steps=np.concatenate([block.energy_steps for block in blocks]),
        covered_ms=np.concatenate([block.covered_ms for block in blocks]),
    )


def hourly_loads(table: MeterTable, groups: Groups, blocks: Sequence[HourlyLoadBlock]) -> HourlyLoads:
    """All rows of the blocks in order. `table` and `groups` are those of the meters whose hourly loads come."""
    found = []
    for block in blocks:
        ids = ["\x1f".join((block.profile, meter)) for meter in block.meters]
        rows = table.find(ids, block.feeders, [block.substation] * len(ids))
        groups.follow(table.ids, table.substations, rows.tolist())
        found.append(rows[block.row_meter])
    return HourlyLoads(
        ids=table.ids,
        feeders=table.feeders,
        substations=table.substations,
        meter=np.concatenate(found),
        hour=np.concatenate([block.start for block in blocks]) // HOUR_MS,
        load=np.concatenate([block.load for block in blocks]),
        groups=groups,
    )
