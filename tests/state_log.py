"""A state partition in memory, and owners of it that take turns at every step: the real writer and the real restore,
without Kafka, in any interleaving that a seed makes.
"""

import random
from collections.abc import Awaitable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

from aiokafka.structs import TopicPartition

from schemas.topology_model import Kafka
from streams import slots, state_topic
from streams.slots import Saved
from streams.state_topic import StateWriter

CHUNK_BYTES = 8
TP = TopicPartition("state", 0)


class Step:
    """Whoever awaits this lets the others have their turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class Log:
    """Records by offset; compaction takes out those that a later one of the same key replaces."""

    records: dict[int, tuple[bytes, bytes | None]] = field(default_factory=dict)
    end: int = 0

    def append(self, key: bytes, value: bytes | None) -> None:
        self.records[self.end] = (key, value)
        self.end += 1

    def compact(self) -> None:
        newest = {key: offset for offset, (key, _) in self.records.items()}
        self.records = {offset: self.records[offset] for offset in sorted(newest.values())}


class Unheard(Exception):
    """A record was written, but its writer never heard so."""


@dataclass
class Acknowledged:
    """What comes of a send, a step later."""

    heard: bool

    def __await__(self) -> Generator[None, None, None]:
        yield
        if not self.heard:
            raise Unheard


class Producer:
    """Sends in order; now and then nothing is heard of a commit record, if so wanted."""

    def __init__(self, history: "History") -> None:
        self.history = history

    async def send(self, topic: str, value: bytes | None, key: bytes, partition: int) -> Awaitable[object]:
        await Step()
        self.history.log.append(key, value)
        is_commit = value is not None and key.count(b"/") == 1
        return Acknowledged(not (is_commit and self.history.rng.random() < self.history.unheard))


class Consumer:
    """Reads one record at a time."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.next_offset = 0

    async def start(self) -> None:
        await Step()

    async def stop(self) -> None:
        """At once: an owner that is killed here takes no further step."""

    def assign(self, tps: list[TopicPartition]) -> None:
        assert tps == [TP]

    async def seek_to_beginning(self, tp: TopicPartition) -> None:
        self.next_offset = 0

    async def position(self, tp: TopicPartition) -> int:
        return self.next_offset

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        await Step()
        return {TP: self.log.end}

    async def getmany(self, tp: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        await Step()
        ahead = [offset for offset in self.log.records if offset >= self.next_offset]
        if not ahead:
            self.next_offset = self.log.end
            return {}
        self.next_offset = min(ahead) + 1
        key, value = self.log.records[min(ahead)]
        return {TP: [SimpleNamespace(key=key, value=value)]}


def state_at(next_offset: int) -> bytes:
    """What a pure function of the input prefix would hold: several chunks, another for each offset."""
    rng = random.Random(next_offset)
    return rng.randbytes(CHUNK_BYTES * rng.randint(2, 4))


@dataclass
class History:
    """Owners that come and go over one log, and what their restores found."""

    rng: random.Random
    nonces: Iterator[str]
    unheard: float = 0.0
    """Chance that nothing is heard of a commit record."""
    log: Log = field(default_factory=Log)
    saved: bool = False
    """Whether any save was ever completed."""
    wrong: list[str] = field(default_factory=list)

    async def own(self) -> None:
        """Restore, then work and save for ever: until it is killed."""
        saved, keys = await state_topic.restore(Kafka("", "", {}), "state", 0)
        self._check(saved)
        writer = StateWriter(Producer(self), "state", 0, keys, nonce=next(self.nonces))  # type: ignore[arg-type]
        next_offset = saved.next_offset if saved else 0
        while True:
            next_offset += self.rng.randint(1, 3)
            await Step()
            with suppress(Unheard):
                await writer.save(Saved(next_offset, state_at(next_offset)))
                self.saved = True

    def _check(self, found: Saved | None) -> None:
        if found is None:
            if self.saved:
                self.wrong.append("no state although one was saved")
        elif found.payload != state_at(found.next_offset):
            self.wrong.append(f"a mixed state at {found.next_offset}")

    def run(self, steps: int = 400) -> list[str]:
        """Two owners at most times: one is paused now and then, another takes over; some die; the log is compacted."""
        owners: list[Coroutine[Any, Any, None]] = [self.own()]
        older_runs = 0.5
        for _ in range(steps):
            dice = self.rng.random()
            if self.rng.random() < 0.1:
                older_runs = self.rng.choice((0.0, 0.5, 1.0))
            if len(owners) < 2 and dice < 0.1:
                owners.append(self.own())
            elif len(owners) == 2 and dice < 0.03:
                owners.pop(self.rng.randrange(2)).close()
            elif dice > 0.97:
                self.log.compact()
            for _ in range(self.rng.randint(1, 6)):
                owners[0 if self.rng.random() < older_runs else -1].send(None)
        for owner in owners:
            owner.close()
        return self.wrong


@contextmanager
def without_kafka(history: History, checksum: bool = True) -> Iterator[None]:
    """The product's own code over the history's log, in small chunks; without the checksum if so."""
    parts = [
        mock.patch.object(slots, "CHUNK_BYTES", CHUNK_BYTES),
        mock.patch.object(state_topic.kafka_clients, "consumer", lambda kafka: Consumer(history.log)),
    ]
    if not checksum:
        parts.append(mock.patch.object(slots, "_checksum", lambda next_offset, payload: ""))
    for part in parts:
        part.start()
    try:
        yield
    finally:
        for part in parts:
            part.stop()
