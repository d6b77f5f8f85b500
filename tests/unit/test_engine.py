"""What a worker does with records and brokers that are not as they should be; whole workers: tests/integration."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.types import TP

from schemas.catalogue import load_catalogue
from schemas.codec import decode, encode
from schemas.dead_letter import DeadLetter
from schemas.results import Account
from schemas.topology import load_topology
from streams import kafka_clients
from streams.engine import Engine, Settings
from streams.faust_seams import Record
from streams.held import Held
from streams.registry import OPERATORS
from streams.results import Outgoing
from streams.shard import Shard
from tests.streams_log import BEGIN, beats

TOPIC = "meter.readings"
TOPOLOGY = load_topology(Path(__file__).parents[2] / "topology.yaml", env={})


class Sending(Engine):
    """A worker whose results are kept here."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY, TOPOLOGY.streams["metering"], {}, load_catalogue(), Settings())
        self.sent: list[Outgoing] = []

    async def _send(self, held: Held, record: Outgoing) -> None:
        self.sent.append(record)


def holding() -> Held:
    """A partition of which nothing is known."""
    shard = Shard("metering", 0, {"presence": OPERATORS["presence"]}, load_catalogue(), 1_000)
    return Held(shard, writer=None, save_due=0.0, saved_offset=-1)  # type: ignore[arg-type]


def record(offset: int, value: bytes | None) -> Record:
    return ConsumerRecord(TOPIC, 0, offset, 1_000, 0, None, value, None, 0, len(value or b""), ())


def test_a_record_without_a_value_is_a_dead_letter_and_the_next_is_taken() -> None:
    async def taken() -> tuple[int, list[Outgoing]]:
        engine, held = Sending(), holding()
        for offset, value in enumerate([None, b"no record"]):
            await engine._take(held, record(offset, value))
        return held.shard.cursor, engine.sent

    cursor, sent = asyncio.run(taken())
    assert cursor == 2
    letters = [letter for out in sent if isinstance(letter := decode(out.value), DeadLetter)]
    assert [(letter.payload, letter.reason) for letter in letters] == [(b"", "schema"), (b"no record", "schema")]


class Together:
    """An agent's stream: what came of partition 0, batch by batch."""

    def __init__(self, batches: list[list[Record]]) -> None:
        self.batches = batches

    def noack(self) -> "Together":
        return self

    async def events(self) -> AsyncIterator[SimpleNamespace]:
        for records in self.batches:
            yield SimpleNamespace(message=SimpleNamespace(partition=0, records=records))


def worked(engine: Engine, held: Held, batches: list[list[Record]]) -> None:
    engine.held[0] = held
    asyncio.run(engine._work(Together(batches)))  # type: ignore[arg-type]


def test_after_a_hole_in_what_came_together_nothing_is_taken_and_it_is_sought_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer, reading = Consumer([]), Reading()
    monkeypatch.setattr(kafka_clients, "consumer", lambda kafka: consumer)
    engine, held = Sending(), holding()
    engine.app = SimpleNamespace(consumer=reading)
    held.shard.cursor = 3
    time = [encode(beat) for beat in beats(BEGIN, 9)]
    worked(engine, held, [[record(3, time[0]), record(4, b"no record"), *(record(n, time[n]) for n in (6, 7, 8))]])
    assert held.shard.cursor == 5 and reading.sought == [5] and len(engine.sent) == 1
    worked(engine, held, [[record(n, time[n]) for n in (4, 5, 6, 7, 8)]])
    assert held.shard.cursor == 9 and reading.sought == [5]


def test_results_are_given_though_the_first_beat_was_ahead_and_the_clock_is_right_since() -> None:
    engine, held = Sending(), holding()
    log = [*beats(BEGIN + 3_600_000, 1), *beats(BEGIN, 100)]
    worked(engine, held, [[record(n, encode(beat)) for n, beat in enumerate(log)]])
    accounts = [account for out in engine.sent if isinstance(account := decode(out.value), Account)]
    assert accounts[-1].next_offset == 101 and accounts[-1].at == BEGIN + 100_000


@dataclass
class Consumer:
    """A consumer of a broker that fails in these ways, one after the other, and is there then."""

    failures: list[Exception]
    stopped: list[bool] = field(default_factory=list)

    async def start(self) -> None:
        if self.failures and isinstance(self.failures[0], KafkaConnectionError):
            raise self.failures.pop(0)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.failures:
            raise self.failures.pop(0)
        return dict.fromkeys(partitions, 3)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 9)

    async def stop(self) -> None:
        self.stopped.append(True)


class Reading:
    """What a worker reads with: there is more above its cursor."""

    def __init__(self) -> None:
        self.sought: list[int] = []

    def highwater(self, partition: TopicPartition) -> int:
        return 9

    async def seek_wait(self, offsets: dict[TopicPartition, int]) -> None:
        self.sought += offsets.values()


def lost_tail(
    failures: list[Exception], monkeypatch: pytest.MonkeyPatch, waiting: int | None = None
) -> tuple[Consumer, Reading]:
    """Nothing has come to a worker for a minute, while the broker fails in these ways.

    `waiting` is the partition of which something is in the agent's queue.
    """
    consumer, reading = Consumer(failures), Reading()
    monkeypatch.setattr(kafka_clients, "consumer", lambda kafka: consumer)
    monkeypatch.setattr(kafka_clients, "ASK_AGAIN_S", 0.0)

    async def watch() -> None:
        engine, held = Sending(), holding()
        if waiting is not None:
            engine._events = engine.app.channel().stream()
            engine._events.channel.queue.put_nowait(SimpleNamespace(message=SimpleNamespace(tp=TP(TOPIC, waiting))))
        engine.app = SimpleNamespace(consumer=reading)
        engine.held[0], held.shard.cursor = held, 5
        await engine._watch_tail(held, held.last_taken + 60)

    asyncio.run(watch())
    return consumer, reading


def test_a_worker_waits_for_a_broker_that_is_away_and_seeks_then(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [KafkaConnectionError("away"), KafkaTimeoutError("slow"), KafkaConnectionError("away again")]
    consumer, reading = lost_tail(failures, monkeypatch)
    assert reading.sought == [5]
    assert len(consumer.stopped) == 4, "every consumer is stopped, also one that did not start"


def test_a_tail_is_not_lost_while_the_agent_has_it_in_its_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lost_tail([], monkeypatch, waiting=0)[1].sought == []
    assert lost_tail([], monkeypatch, waiting=1)[1].sought == [5]


def test_what_the_broker_refuses_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        lost_tail([TopicAuthorizationFailedError("no")], monkeypatch)
