"""Reads what a fault run left in Kafka."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from schemas.codec import decode
from schemas.errors import Unavailable
from schemas.record import Record
from schemas.results import Account, PartialLoadBlock

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Message:
    """A record of Kafka's."""

    offset: int
    written_at: int
    """ms UTC."""
    value: bytes


@dataclass(slots=True)
class Log:
    """Reads topics from their start to their present end."""

    bootstrap: str
    _read_to: dict[tuple[str, int], int] = field(default_factory=dict)

    def read(self, topic: str, partition: int, offset: int = 0) -> Iterator[Message]:
        """Every record of a partition from an offset on."""
        settings = {"bootstrap.servers": self.bootstrap, "group.id": "faults-read", "enable.auto.commit": False}
        consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
        try:
            place = TopicPartition(topic, partition)
            first, end = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
            reached = max(first, offset)
            consumer.assign([TopicPartition(topic, partition, reached)])
            while reached < end:
                messages = consumer.consume(min(1_000, end - reached), PATIENCE_S)
                if not messages:
                    raise Unavailable("kafka", f"{topic}/{partition}: nothing comes from offset {reached} on")
                for message in messages:
                    if (error := message.error()) is not None:
                        raise Unavailable("kafka", error.str())
                    reached = (message.offset() or 0) + 1
                    yield Message(reached - 1, message.timestamp()[1], message.value() or b"")
        finally:
            consumer.close()

    def accounts(self, topic: str, partition: int) -> Iterator[Account]:
        """Those that a partition holds, from where the last call ended."""
        first = self._read_to.get((topic, partition), 0)
        for message in self.read(topic, partition, first):
            self._read_to[topic, partition] = message.offset + 1
            account = decode(message.value)
            assert isinstance(account, Account)
            yield account

    def end(self, topic: str, partition: int) -> int:
        """The offset that comes next."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "faults-read"})
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE_S)[1])
        finally:
            consumer.close()


@dataclass(slots=True)
class Found:
    """The distinct records of one partition of results, and how many there were in all."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    """By their digests, in the order in which each came first."""
    records: int = 0
    longest_pause_s: float = 0.0
    """Between one record and the next, by Kafka's timestamps."""

    @classmethod
    def of(cls, log: Log, topic: str, partition: int, of_stream: str = "metering") -> "Found":
        """Read them; of evidence only what metering adds, of accounts only those of one stream."""
        found, before = cls(), 0
        for message in log.read(topic, partition):
            if topic.endswith(("evidence", "accounts")) and not _is_of(decode(message.value), of_stream):
                continue
            found.values[hashlib.blake2b(message.value, digest_size=16).digest()] = message.value
            found.records += 1
            found.longest_pause_s = max(
                found.longest_pause_s, (message.written_at - (before or message.written_at)) / 1e3
            )
            before = message.written_at
        return found


def _is_of(record: Record, stream: str) -> bool:
    return isinstance(record, PartialLoadBlock) or (isinstance(record, Account) and record.stream == stream)
