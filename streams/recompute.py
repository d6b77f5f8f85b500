"""Hours to be computed again from the stored readings, because something came too late for them."""

import numpy as np

from schemas.arrays import Int64s
from schemas.durations import HOUR_MS
from schemas.results import RecomputeRequestBlock
from streams.contract import Rows
from streams.meters import MeterTable
from streams.samples import MOST_INTERVALS


def late_rows(table: MeterTable, late: Rows) -> list[RecomputeRequestBlock]:
    """Requests for the hours that late rows, or the stretches to their neighbours, touch."""
    reach_ms = MOST_INTERVALS * table.column("own")["interval_ms"][late.meter]
    hours = np.concatenate(((late.at - reach_ms) // HOUR_MS, late.at // HOUR_MS, (late.at + reach_ms) // HOUR_MS))
    return requests(table, np.tile(late.meter, 3), hours)


def requests(table: MeterTable, meter: Int64s, hours: Int64s) -> list[RecomputeRequestBlock]:
    """One request for each meter and hour."""
    if not len(meter):
        return []
    pairs = np.unique(np.stack((meter, hours), axis=1), axis=0)
    meters, row_meter = np.unique(pairs[:, 0], return_inverse=True)
    ids = [table.ids[i] for i in meters]
    start = pairs[:, 1] * HOUR_MS
    profiles = [table.profile] * len(ids)
    return [RecomputeRequestBlock(ids, profiles, row_meter.astype(np.int32), start, start + HOUR_MS)]
