"""Where on Kafka one payload went: watches the topics of a bridge from just before the payload is sent."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from connectors.decode.readings import Decoded, MeterEvent, Reading
from connectors.kafka import client_settings
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from schemas.codec import decode
from schemas.quality import Quality
from schemas.record import Record
from schemas.topology import Bridge, Topology


@dataclass(frozen=True, slots=True)
class Found:
    """A place on Kafka, and the record that stands there; `row` for blocks."""

    topic: str
    partition: int
    offset: int
    record: Record
    row: int


@dataclass(frozen=True, slots=True)
class Sought:
    """What the payload became: what our own decoder makes of it (None = rejects it), or its dead letter."""

    address: str
    payload: bytes
    decoded: Decoded | None

    def row_in(self, record: Record) -> int | None:
        """The row of the record that is of this payload; None if it has none."""
        if isinstance(record, DeadLetter):
            same = record.payload_sha256 == hashlib.sha256(self.payload).hexdigest()
            return 0 if same and record.address == self.address else None
        if isinstance(record, ReadingBlock) and self.decoded:
            return next((row for sought in self.decoded.readings for row in _reading_rows(sought, record)), None)
        if isinstance(record, EventBlock) and self.decoded:
            return next((row for sought in self.decoded.events for row in _event_rows(sought, record)), None)
        return None


class Follower:
    """Reads the topics of one bridge from their present ends on. Joins no group, commits nothing."""

    def __init__(self, topology: Topology, bridge: Bridge) -> None:
        settings = {**client_settings(topology.kafka), "group.id": "flexmeter-send", "enable.auto.commit": False}
        self._consumer = Consumer(settings)
        topics = [topology.topics[name] for name in (bridge.readings, bridge.events, bridge.dead_letters)]
        places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10.0)[1]
        self._consumer.assign(places)

    def __enter__(self) -> Self:
        """Use it in a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def find(self, sought: Sought, within_s: float) -> Found | None:
        """The first record that holds it; None where none came within the time."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            message = self._consumer.poll(min(left, 0.5))
            value = message.value() if message is not None and message.error() is None else None
            if message is None or value is None:
                continue
            record = decode(value)
            row = sought.row_in(record)
            if row is not None:
                return Found(str(message.topic()), message.partition() or 0, message.offset() or 0, record, row)
        return None


def _reading_rows(sought: Reading, block: ReadingBlock) -> Iterator[int]:
    values = block.rows_by_column()
    for row, index in enumerate(block.row_meter):
        timed_here = sought.quality & block.quality[row] & Quality.TIME_BY_BRIDGE
        same = block.meters[index] == sought.meter and (timed_here or block.at[row] == sought.at)
        if same and np.array_equal(values[:, row], sought.values, equal_nan=True):
            yield row


def _event_rows(sought: MeterEvent, block: EventBlock) -> Iterator[int]:
    for row, index in enumerate(block.row_meter):
        timed_here = sought.quality & block.quality[row] & Quality.TIME_BY_BRIDGE
        same = (block.meters[index], block.kind[row], block.detail[row]) == (sought.meter, sought.kind, sought.detail)
        if same and (timed_here or block.at[row] == sought.at):
            yield row
