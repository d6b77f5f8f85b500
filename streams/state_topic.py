"""Reading and writing a shard's slots on its compacted topic (slots.py says what they mean)."""

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from schemas.codec import decode, encode
from schemas.results import StateChunk, StateCommit
from schemas.topology_model import Kafka
from streams import kafka_clients, slots
from streams.slots import Saved


@dataclass(slots=True)
class StateWriter:
    """One ownership of one state partition."""

    producer: AIOKafkaProducer
    topic: str
    partition: int
    left_by_others: list[bytes]
    """Keys of earlier ownerships, deleted once this one has saved."""
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    slot: int = 0

    async def save(self, saved: Saved) -> None:
        """Write the chunks, then the commit record; then forget what others left."""
        acknowledged = [
            await self._send(key, encode(chunk)) for key, chunk in slots.chunks(self.nonce, self.slot, saved.payload)
        ]
        for chunk in acknowledged:
            await chunk
        key, record = slots.commit(self.nonce, self.slot, saved)
        await (await self._send(key, encode(record)))
        self.slot = 1 - self.slot
        for key in self.left_by_others:
            await (await self._send(key, None))
        self.left_by_others = []

    async def _send(self, key: bytes, value: bytes | None) -> Awaitable[object]:
        sent: Awaitable[object] = await self.producer.send(self.topic, value, key, self.partition)
        return sent


async def restore(kafka: Kafka, topic: str, partition: int) -> tuple[Saved | None, list[bytes]]:
    """The newest whole state, and the keys of every ownership found.

    Reads until the end of the partition stops moving: somebody who lost the partition may still be writing, and
    deleting, while it is read.
    """
    tp = TopicPartition(topic, partition)
    stored: dict[bytes, StateChunk | StateCommit] = {}
    consumer = kafka_clients.consumer(kafka)
    try:
        await consumer.start()
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        while await consumer.position(tp) < (await consumer.end_offsets([tp]))[tp]:
            for message in (await consumer.getmany(tp, timeout_ms=200)).get(tp, []):
                _apply(stored, message.key, message.value)
    finally:
        await consumer.stop()
    return slots.newest_whole(stored), list(stored)


async def bounds(kafka: Kafka, topic: str, partition: int) -> tuple[int, int]:
    """The offsets of a partition's first record and of the one that will come next."""
    tp = TopicPartition(topic, partition)
    consumer = kafka_clients.consumer(kafka)
    try:
        await consumer.start()
        return (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
    finally:
        await consumer.stop()


def _apply(stored: dict[bytes, StateChunk | StateCommit], key: bytes, value: bytes | None) -> None:
    record = decode(value) if value is not None else None
    if isinstance(record, StateChunk | StateCommit):
        stored[key] = record
    else:
        stored.pop(key, None)
