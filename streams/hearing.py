"""What a metering shard hands on to the grid: blocks of heard rows under a name of its own, and that name's beats.

The name is stream, partition and the bridge that brought the readings, so that on the other side each such way has a
clock of its own: when a bridge or a worker stops, the beats of its ways stop, and nobody's silence counts.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from schemas.blocks import Beat
from schemas.results import HeardBlock
from streams.beats import Beats
from streams.contract import HeardRows
from streams.meters import MeterTable


def blocks(table: MeterTable, heard: HeardRows, hearer: str, sources: Sequence[str]) -> Iterator[HeardBlock]:
    """The rows, a block for each source that brought them."""
    source_of = table.column("own")["source"][heard.meter]
    for source in np.unique(source_of).tolist():
        which = source_of == source
        meters, row_meter = np.unique(heard.meter[which], return_inverse=True)
        yield HeardBlock(
            source=f"{hearer}/{sources[source]}",
            meters=[table.ids[meter] for meter in meters.tolist()],
            substations=[table.substations[meter] for meter in meters.tolist()],
            row_meter=row_meter.astype(np.int32),
            at=heard.at[which],
            received_at=heard.received_at[which],
            voltage_v=heard.voltage_v[which],
            active_power_w=heard.active_power_w[which],
        )


def beats(hearer: str, before: Beats, after: Beats) -> Iterator[Beat]:
    """A beat for each source whose time moved: all that came in before it has been handed on."""
    known = before.newest_by_source
    for name, at in after.newest_by_source.items():
        if at > known.get(name, 0):
            yield Beat(f"{hearer}/{name}", at)


def cut(block: HeardBlock, places: Sequence[int]) -> Iterator[tuple[int, HeardBlock]]:
    """The block by the places of its meters."""
    place_of = np.array(places, np.int64)
    for place in np.unique(place_of).tolist():
        meters = np.flatnonzero(place_of == place)
        which = place_of[block.row_meter] == place
        yield (
            place,
            HeardBlock(
                source=block.source,
                meters=[block.meters[meter] for meter in meters.tolist()],
                substations=[block.substations[meter] for meter in meters.tolist()],
                row_meter=np.searchsorted(meters, block.row_meter[which]).astype(np.int32),
                at=block.at[which],
                received_at=block.received_at[which],
                voltage_v=block.voltage_v[which],
                active_power_w=block.active_power_w[which],
            ),
        )
