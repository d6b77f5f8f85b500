"""What bridges write, as rows: readings, events, and what could not be taken."""

from typing import Any

import numpy as np

from connectors.columns import same, times, words
from connectors.origin import Origin
from connectors.table_rows import Rows, every, first_wins, known
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock


def readings(block: ReadingBlock, origin: Origin) -> list[Rows]:
    """A row a reading, and a row a meter for the table of meters."""
    rows = len(block.row_meter)
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "profile": same(block.profile, rows),
        "at": times(block.at),
        **dict(zip(block.columns, block.rows_by_column(), strict=True)),
        "quality": block.quality,
        "sequence": block.sequence,
        "source": same(block.source, rows),
        "received_at": every(block.received_at, rows),
        "version": first_wins(origin.offset, rows),
    }
    return [Rows("readings_raw", columns), _meters(block)]


def _meters(block: ReadingBlock) -> Rows:
    count = len(block.meters)
    columns: dict[str, Any] = {
        "meter": list(block.meters),
        "profile": same(block.profile, count),
        "feeder": known(block.feeders),
        "substation": known(block.substations),
        "interval_ms": block.intervals_ms,
        "version": np.full(count, max(block.received_at, 0), np.uint64),
    }
    return Rows("meters_raw", columns)


def events(block: EventBlock, origin: Origin) -> list[Rows]:
    """A row an event."""
    rows = len(block.row_meter)
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "at": times(block.at),
        "kind": list(block.kind),
        "detail": list(block.detail),
        "feeder": words(block.row_meter, known(block.feeders)),
        "substation": words(block.row_meter, known(block.substations)),
        "quality": block.quality,
        "source": same(block.source, rows),
        "received_at": every(block.received_at, rows),
        "version": first_wins(origin.offset, rows),
    }
    return [Rows("events_raw", columns)]


def dead_letter(record: DeadLetter, origin: Origin) -> list[Rows]:
    """One row with the raw bytes; its key is the record's place in Kafka, so that equal payloads are all kept."""
    columns: dict[str, Any] = {
        "topic": [origin.topic],
        "partition": np.array([origin.partition], np.int32),
        "offset": np.array([origin.offset], np.int64),
        "source": [record.source],
        "address": [record.address],
        "received_at": every(record.received_at, 1),
        "reason": [record.reason],
        "detail": [record.detail],
        "payload": [record.payload],
        "payload_length": np.array([record.payload_length], np.int64),
        "payload_sha256": [record.payload_sha256],
    }
    return [Rows("dead_letters_raw", columns)]
