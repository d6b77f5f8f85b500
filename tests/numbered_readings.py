"""Readings that can be told apart by their numbers, as households send them and as they stand on Kafka."""

from collections import Counter
from datetime import UTC, datetime

import orjson

from schemas.blocks import ReadingBlock
from tests.bridge_process import Placed

START = 1_763_971_200


def reading(number: int) -> bytes:
    """The reading with this sequence number, of one second after the other."""
    time = datetime.fromtimestamp(START + number, UTC).isoformat()
    return orjson.dumps(
        {
            "time": time,
            "seq": number,
            "energy": {"consumed": number / 1_000, "produced": 0},
            "power": {"L1": number + 0.5, "L2": None, "L3": 0},
            "voltage": {"L1": 230.1, "L2": 230.2, "L3": 230.3},
        }
    )


def rows(blocks: list[ReadingBlock]) -> Counter[tuple[str, int]]:
    """How often each (meter, sequence) is there."""
    return Counter(
        (block.meters[meter], sequence)
        for block in blocks
        for meter, sequence in zip(block.row_meter.tolist(), block.sequence.tolist(), strict=True)
    )


def blocks_of(placed: list[Placed]) -> list[ReadingBlock]:
    return [found.record for found in placed if isinstance(found.record, ReadingBlock)]
