"""Readings for a sink, block by block, as fast as they are asked for."""

from collections.abc import Iterator

import numpy as np

from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue

BLOCK_ROWS, METERS = 1_000, 100


def blocks(count: int) -> Iterator[ReadingBlock]:
    """Readings of 100 E350 meters, every 10 s."""
    profile = load_catalogue().profiles["malmo_household"]
    random = np.random.default_rng(20)
    turns = BLOCK_ROWS // METERS
    for number in range(count):
        turn = number * turns + np.repeat(np.arange(turns, dtype=np.int64), METERS)
        yield ReadingBlock(
            source="mqtt_malmo",
            profile=profile.name,
            received_at=1_795_507_200_000 + int(turn[0]) * 10_000,
            meters=[f"E350-{meter:05d}" for meter in range(METERS)],
            feeders=["F1"] * METERS,
            substations=["S1"] * METERS,
            intervals_ms=np.full(METERS, 10_000, np.int64),
            row_meter=np.tile(np.arange(METERS, dtype=np.int32), turns),
            at=1_795_507_200_000 + turn * 10_000,
            sequence=turn,
            quality=np.zeros(BLOCK_ROWS, np.int32),
            columns=list(profile.quantities),
            values=np.round(random.gamma(2, 100, 8 * BLOCK_ROWS), 1),
        )
