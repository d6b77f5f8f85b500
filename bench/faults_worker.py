"""`flexmeter worker` with parts that fail when told to: faults from inside, which no signal can place so exactly.

    python -m bench.faults_worker --orders FOLDER [--weakness NAME] -- --topology FILE --name STREAM ...

An order is a file in the folder, named by what is to go wrong; taking it deletes it, and one log line says what was
done. Everything else is the product's own. A weakness takes away one of the protections that results rest on; runs with
it must be found wrong, else the comparison would mean nothing.
"""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from flexmeter.commands import worker
from schemas.topology_model import Kafka
from streams import engine, kafka_clients, slots, state_topic
from streams.engine import Engine
from streams.held import Held
from streams.slots import Saved
from streams.state_topic import StateWriter

log = logging.getLogger(__name__)

TORN_CHUNKS, TORN_COMMIT, UNHEARD, PAUSE = "torn_chunks", "torn_commit", "unheard", "pause"
FAILED_SEND, HELD_RESULTS, LOST_RECORD = "failed_send", "held_results", "lost_record"
HOLE_CHECK, SAVE_ORDER, CHECKSUM = "hole_check", "save_order", "checksum"
WEAKNESSES = (HOLE_CHECK, SAVE_ORDER, CHECKSUM)
HOLD_S = 3.0


class Orders:
    """What is to go wrong next, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, *kinds: str) -> str:
        """The first of these that was ordered, or nothing; it is ordered no more."""
        for kind in kinds:
            try:
                (self.folder / kind).unlink()
            except FileNotFoundError:
                continue
            return kind
        return ""


def die(why: str) -> NoReturn:
    """SIGKILL to ourselves, the reason in the log."""
    log.warning("FAULT %s", why)
    logging.shutdown()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


class FaultyProducer(AIOKafkaProducer):  # type: ignore[misc]
    """Sends of results fail, or are held back, when ordered."""

    orders: Orders
    state_topics: frozenset[str]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.holding = False
        self.held: set[int] = set()
        """Partitions whose results are held back."""

    async def send(
        self, topic: str, value: Any = None, key: Any = None, partition: Any = None, **more: Any
    ) -> Awaitable[Any]:
        """As aiokafka's, but for what was ordered."""
        if topic not in self.state_topics:
            loop = asyncio.get_running_loop()
            if self.orders.take(FAILED_SEND):
                log.warning("FAULT a result for %s/%s fails to be sent", topic, partition)
                failed = loop.create_future()
                failed.set_exception(KafkaTimeoutError())
                return failed
            if not self.holding and self.orders.take(HELD_RESULTS):
                self.holding = True
                loop.call_later(HOLD_S, lambda: die(f"killed while results of {sorted(self.held)} were under way"))
            if self.holding:
                self.held.add(partition)
                return loop.create_future()
        sent: Awaitable[Any] = await super().send(topic, value, key, partition, **more)
        return sent


class FaultyWriter(StateWriter):
    """Saves that are torn, interrupted, or written without being heard of."""

    orders: Orders
    producer: FaultyProducer
    fault = ""
    after_chunks = 0
    sends = 0

    async def save(self, saved: Saved) -> None:
        """As the product's, but for what was ordered."""
        count = len(slots.chunks(self.nonce, self.slot, saved.payload))
        if self.fault != TORN_CHUNKS and count > 1:
            self.fault = self.orders.take(TORN_CHUNKS, TORN_COMMIT, UNHEARD, PAUSE)
        self.after_chunks = random.randrange(1, count) if self.fault in (TORN_CHUNKS, PAUSE) else count
        self.sends = 0
        too_soon = self.partition in self.producer.held
        await super().save(saved)
        if too_soon:
            die(f"killed when the state of partition {self.partition} was valid, but not its results sent")

    async def _send(self, key: bytes, value: bytes | None) -> Awaitable[object]:
        now = self.fault if self.sends == self.after_chunks else ""
        self.sends += 1
        if now == UNHEARD:
            await (await super()._send(key, value))
            self.fault = TORN_CHUNKS  # whatever is saved next goes to the same slot
            log.warning("FAULT nothing heard of a commit record of partition %d", self.partition)
            raise KafkaTimeoutError
        if now:
            await self.producer.flush()
            self._go_wrong()
        return await super()._send(key, value)

    def _go_wrong(self) -> None:
        fault, self.fault = self.fault, ""
        where = f"in a save of partition {self.partition} after {self.after_chunks} chunks"
        if fault in (TORN_CHUNKS, TORN_COMMIT):
            die(f"killed {where}")
        if fault == PAUSE:
            log.warning("FAULT paused %s", where)
            os.kill(os.getpid(), signal.SIGSTOP)
            log.warning("FAULT woken %s", where)


class Forgotten(dict[Any, int]):
    """Sends under way that nobody sees who asks which there are: so a save awaits none."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def _faulty_engine(orders: Orders, weakness: str) -> type[Engine]:
    class FaultyEngine(Engine):
        """Loses a record on its way to the shard when ordered; without one protection if it is weak."""

        async def _take(self, held: Any, message: Any) -> None:
            if message.offset == held.shard.cursor and orders.take(LOST_RECORD):
                log.warning("FAULT offset %d of partition %d is lost", message.offset, message.partition)
                return
            if weakness == HOLE_CHECK:
                held.shard.cursor = max(held.shard.cursor, message.offset)
            await super()._take(held, message)

        async def _save(self, held: Any) -> None:
            if weakness == SAVE_ORDER and not isinstance(held.in_flight, Forgotten):
                held.in_flight = Forgotten(held.in_flight)
            await super()._save(held)

    return FaultyEngine


def _as_often_as_told(held: Held, now: float, interval_s: float) -> bool:
    """The product saves less often where little comes in; here faults are to meet many saves."""
    return now >= held.save_due


def install(orders: Orders, weakness: str, chunk_bytes: int) -> None:
    """Put the faulty parts in the place of the product's."""
    Held.is_save_due = _as_often_as_told  # type: ignore[method-assign,assignment]
    slots.CHUNK_BYTES = chunk_bytes
    restore = state_topic.restore

    async def timed_restore(kafka: Kafka, topic: str, partition: int) -> tuple[Saved | None, list[bytes]]:
        began = time.monotonic()
        found = await restore(kafka, topic, partition)
        log.info("RESTORED partition %d in %.3f s", partition, time.monotonic() - began)
        return found

    state_topic.restore = timed_restore
    FaultyWriter.orders = FaultyProducer.orders = orders
    vars(kafka_clients)["AIOKafkaProducer"] = FaultyProducer
    vars(engine)["StateWriter"] = FaultyWriter
    vars(worker)["Engine"] = _faulty_engine(orders, weakness)
    if weakness == CHECKSUM:
        slots._checksum = lambda next_offset, payload: ""


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--orders", type=click.Path(path_type=Path), required=True)
@click.option("--weakness", type=click.Choice(WEAKNESSES), default=None)
@click.option("--chunk-bytes", required=True, type=int, help="Small, so that every save has several chunks.")
@click.option("--state-topic", "state_topics", multiple=True, required=True)
@click.argument("arguments", nargs=-1)
def main(
    orders: Path, weakness: str | None, chunk_bytes: int, state_topics: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    """Run the worker, with faults to order."""
    FaultyProducer.state_topics = frozenset(state_topics)
    install(Orders(orders), weakness or "", chunk_bytes)
    worker.command(list(arguments))


if __name__ == "__main__":
    main()
