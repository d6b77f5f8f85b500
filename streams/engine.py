"""One worker of one stream: the loop that feeds records to shards and results to Kafka. The only module that knows
Faust's public side.

Effectively once without transactions: a shard is a pure function of its input up to its own next offset, which is saved
with it and says where to read on; results are facts with keys, so what is sent again after a restart changes nothing.
The order that matters, in each place where it happens: results are awaited before a state is made valid; a record other
than the next one is never applied; the first failed send ends the process, and the replay sends all again.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import faust
import uvloop
from aiokafka import AIOKafkaProducer
from faust.types import TP

from schemas.catalogue import Catalogue
from schemas.codec import decode, encode
from schemas.dead_letter import dead_letter
from schemas.errors import Rejected
from schemas.topology_model import Stream, Topology
from streams import kafka_clients, metrics, state_topic
from streams.contract import Operator, Result
from streams.faust_seams import Record, app_with_offsets, commit, credentials, is_waiting, records_of
from streams.held import Held
from streams.kafka_clients import until_answered
from streams.results import Outgoing, outgoing
from streams.shard import Shard
from streams.slots import Saved
from streams.snapshot import compressed, copied, thaw
from streams.state_topic import StateWriter
from streams.warm_up import warm_up

log = logging.getLogger(__name__)

MOST_IN_FLIGHT_BYTES = 16_000_000
"""Results of one partition that may wait for Kafka; then all records wait too, as one agent works on all partitions."""
MOST_WAITING = 16
"""Messages in the agent's queue, each of what a fetch brought of a partition."""
CAUGHT_UP_S = 5.0
"""A replay that needs no longer than this for what came in the meantime has caught up."""
METADATA_MAX_AGE_MS = 5_000
"""A group's leader that was refused by a broker just starting knows no partitions until it asks again, and assigns none
to anybody so long."""
LEAST_BETWEEN_SEEKS_S = 1.0
LOST_TAIL_S = 3.0
"""With records above the next offset, none worked on for this long and none waiting, seek again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is told beside the topology.

    A partition is saved `save_interval_s` after its last save, or later, up to ten times that, when as much has come in
    as the state is large. `instance` makes it a static member of its group: a successor with the same name takes over
    at once. `replay`: read the input from where it begins, withhold the results of the first `withhold_ms` of its
    beats, whose windows began before it, and stop when caught up.
    """

    instance: str | None = None
    save_interval_s: float = 30.0
    session_timeout_s: float = 20.0
    replay: bool = False
    withhold_ms: int = 0


class Engine:
    """Runs one stream until it is stopped. `app` is the Faust app to run."""

    def __init__(
        self,
        topology: Topology,
        stream: Stream,
        operators: Mapping[str, Operator],
        catalogue: Catalogue,
        settings: Settings,
    ) -> None:
        self.topology = topology
        self.stream = stream
        self.operators = operators
        self.catalogue = catalogue
        self.settings = settings
        self.held: dict[int, Held] = {}
        self.revocations = 0
        self._events: faust.Stream[bytes] | None = None
        self._producer: AIOKafkaProducer | None = None
        self._goal: dict[TP, int] = {}
        self._goal_set = 0.0
        self.app = self._app()

    def _app(self) -> faust.App:
        kafka = self.topology.kafka
        app = app_with_offsets(
            self._next_offsets,
            id=f"flexmeter-{self.stream.name}",
            broker=["kafka://" + address for address in kafka.bootstrap.split(",")],
            broker_credentials=credentials(kafka),
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=self.settings.instance,
            broker_session_timeout=self.settings.session_timeout_s,
            broker_heartbeat_interval=self.settings.session_timeout_s / 4,
            broker_max_poll_interval=600.0,
            consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
            stream_buffer_maxsize=MOST_WAITING,
            stream_wait_empty=False,
        )
        topic = app.topic(
            self.stream.input,
            value_type=bytes,
            value_serializer="raw",
            key_type=bytes,
            key_serializer="raw",
            acks=False,
        )
        app.agent(topic, name=self.stream.name)(self._work)
        app.timer(0.5)(self._tick)
        app.on_rebalance_complete.connect(self._assigned)
        app.on_partitions_revoked.connect(self._revoked)
        app.on_before_shutdown.connect(self._stopping)
        return app

    # Records in, results out

    async def _work(self, events: faust.Stream[bytes]) -> None:
        self._events = events
        async for event in events.noack().events():
            held = self.held.get(event.message.partition)
            if held is not None:
                async with held.lock:
                    for record in records_of(event):
                        await self._take_or_die(held, record)

    async def _take_or_die(self, held: Held, record: Record) -> None:
        try:
            await self._take(held, record)
        except Exception:
            die(f"{record.topic}/{record.partition} at offset {record.offset} could not be worked on")

    async def _take(self, held: Held, record: Record) -> None:
        shard = held.shard
        held.last_taken = time.monotonic()
        held.taken_bytes += len(record.value or b"")
        if record.offset > shard.cursor:
            await self._seek_back(held, f"offset {record.offset} came")
        if record.offset != shard.cursor:
            return
        try:
            results = shard.take(decode(record.value or b""))
        except Rejected as rejected:
            shard.skip()
            await self._reject(held, record, rejected)
            return
        if results is not None:
            withheld = self.settings.replay and shard.beats.newest - shard.beats.oldest < self.settings.withhold_ms
            await self._turn_over(held, [] if withheld else results)

    async def _turn_over(self, held: Held, results: list[Result]) -> None:
        partition = held.shard.partition
        for result in results:
            metrics.RESULTS.labels(self.stream.name, type(result).__name__).inc()
            for record in outgoing(result, self.stream, self.topology, partition):
                await self._send(held, record)
        metrics.NEXT_OFFSET.labels(self.stream.name, partition).set(held.shard.next_offset)
        metrics.ROWS.labels(self.stream.name, partition).set(held.shard.counts.received)
        metrics.TURNS.labels(self.stream.name).inc()
        await asyncio.sleep(0)  # what was sent goes out now, not after all that a fetch brought

    async def _reject(self, held: Held, record: Record, rejected: Rejected) -> None:
        metrics.REJECTED.labels(self.stream.name, rejected.reason).inc()
        address = f"{record.topic}/{record.partition}/{record.offset}"
        letter = dead_letter(self.stream.name, address, record.timestamp, rejected, record.value or b"")
        topic = self.topology.topics[self.stream.dead_letters]
        await self._send(held, Outgoing(topic.name, record.partition % topic.partitions, encode(letter)))

    async def _send(self, held: Held, record: Outgoing) -> None:
        producer = await self._producing()
        sent = await producer.send(
            record.topic, record.value, record.key, record.partition, headers=list(record.headers)
        )
        sent.add_done_callback(_must_have_been_sent)
        held.sent(sent, len(record.value))
        await held.room(MOST_IN_FLIGHT_BYTES)

    async def _producing(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = kafka_clients.producer(self.topology.kafka)
            await self._producer.start()
        return self._producer

    # Where to read on

    async def _next_offsets(self) -> dict[TP, int]:
        return {TP(self.stream.input, partition): held.shard.cursor for partition, held in self.held.items()}

    async def _seek_back(self, held: Held, why: str) -> None:
        if time.monotonic() - held.last_seek < LEAST_BETWEEN_SEEKS_S:
            return
        metrics.SEEKS.labels(self.stream.name).inc()
        tp = TP(self.stream.input, held.shard.partition)
        log.info("%s/%d: %s, wanted %d: seeking", tp.topic, tp.partition, why, held.shard.cursor)
        bounds = await until_answered(lambda: state_topic.bounds(self.topology.kafka, tp.topic, tp.partition))
        if self.held.get(tp.partition) is held:  # it was not taken away meanwhile
            self._must_be_readable(held.shard, *bounds)
            await self.app.consumer.seek_wait({tp: held.shard.cursor})
        held.last_seek = time.monotonic()

    async def _tick(self) -> None:
        now = time.monotonic()
        for partition, held in list(self.held.items()):
            if self.held.get(partition) is not held:  # it was taken away while another one was looked at
                continue
            await self._watch_tail(held, now)
            if held.is_save_due(now, self.settings.save_interval_s):
                await self._save(held)
        if self.settings.replay and self.held and await self._has_caught_up(now):
            log.info("stream %s has caught up on partitions %s", self.stream.name, sorted(self.held))
            os.kill(os.getpid(), signal.SIGTERM)

    async def _has_caught_up(self, now: float) -> bool:
        """Whether all that the input held at the last look is worked on, and the last look is not long ago."""
        wanted = {TP(self.stream.input, partition): held.shard.cursor for partition, held in self.held.items()}
        if self._goal.keys() == wanted.keys() and any(wanted[tp] < end for tp, end in self._goal.items()):
            return False
        caught_up = self._goal.keys() == wanted.keys() and now - self._goal_set < CAUGHT_UP_S
        self._goal, self._goal_set = dict(await self.app.consumer.highwaters(*wanted)), now
        return caught_up

    async def _watch_tail(self, held: Held, now: float) -> None:
        """A tail that was lost leaves no hole to see: nothing comes although there is more."""
        if now - held.last_taken < LOST_TAIL_S:
            return
        tp = TP(self.stream.input, held.shard.partition)
        end = self.app.consumer.highwater(tp)
        is_busy = held.lock.locked() or (self._events is not None and is_waiting(self._events, tp))
        if end is not None and end > held.shard.cursor and not is_busy:
            await self._seek_back(held, f"nothing came for {LOST_TAIL_S:.0f} s")

    # Partitions come and go

    async def _assigned(self, *args: object, **kwargs: object) -> None:
        """Awaited by Faust before partitions resume. A revoke in the meantime makes what was restored void."""
        revocations = self.revocations
        wanted = [tp.partition for tp in self.app.consumer.assignment() if tp.topic == self.stream.input]
        missing = sorted(set(wanted) - set(self.held))
        restored = await asyncio.gather(*(self._restored(partition) for partition in missing))
        if self.revocations != revocations:
            return
        self.held |= dict(zip(missing, restored, strict=True))
        metrics.HELD.labels(self.stream.name).set(len(self.held))
        for partition in missing:
            metrics.NEXT_OFFSET.labels(self.stream.name, partition).set(self.held[partition].shard.next_offset)
        log.info("stream %s holds partitions %s", self.stream.name, sorted(self.held))

    async def _restored(self, partition: int) -> Held:
        kafka, stream = self.topology.kafka, self.stream
        shard = Shard(stream.name, partition, self.operators, self.catalogue, self._turn_ms())
        began = time.monotonic()
        saved, keys = await until_answered(lambda: state_topic.restore(kafka, stream.state, partition))
        earliest, end = await until_answered(lambda: state_topic.bounds(kafka, stream.input, partition))
        if saved is None:
            shard.next_offset = earliest
            shard.begin()
        else:
            thaw(saved.payload, shard)
        self._must_be_readable(shard, earliest, end)
        writer = StateWriter(await self._producing(), stream.state, partition, keys)
        due = time.monotonic() + self.settings.save_interval_s * (0.5 + (partition % 8) / 16)
        metrics.RESTORE_SECONDS.labels(stream.name).observe(time.monotonic() - began)
        log.info("%s/%d: goes on at offset %d of %d", stream.input, partition, shard.next_offset, end)
        return Held(shard, writer, due, shard.next_offset if saved else -1)

    def _turn_ms(self) -> int:
        return 250 if "EventBlock" in self.topology.topics[self.stream.input].records else 1_000

    def _must_be_readable(self, shard: Shard, earliest: int, end: int) -> None:
        where = f"{self.stream.input}/{shard.partition}"
        if shard.cursor < earliest:
            die(
                f"{where}: the state goes on at offset {shard.cursor}, but the topic begins at {earliest} now: "
                f"what lies between was deleted before it was read. Put it back from a backup; or empty the topic "
                f"{self.stream.state} to start afresh, and compute the lost time again from the stored readings"
            )
        if shard.cursor > end:
            die(
                f"{where}: the state goes on at offset {shard.cursor}, but the topic ends at {end}: it was made "
                f"anew or lost its tail. Empty the topic {self.stream.state} to start afresh with it"
            )

    async def _revoked(self, *args: object, **kwargs: object) -> None:
        self.revocations += 1
        await self._save_all()
        for partition in self.held:
            for gauge in (metrics.NEXT_OFFSET, metrics.ROWS):
                with suppress(KeyError):  # no turn has closed yet
                    gauge.remove(self.stream.name, partition)
        self.held.clear()
        metrics.HELD.labels(self.stream.name).set(0)

    async def _stopping(self, *args: object, **kwargs: object) -> None:
        await self._save_all()
        if self._producer is not None:
            await self._producer.stop()

    # State

    async def _save_all(self) -> None:
        await asyncio.gather(*(self._save(held) for held in list(self.held.values())))

    async def _save(self, held: Held) -> None:
        async with held.saving:
            async with held.lock:
                held.save_due, held.taken_bytes = time.monotonic() + self.settings.save_interval_s, 0
                next_offset = held.shard.next_offset
                if next_offset == held.saved_offset:
                    return
                state, outputs = copied(held.shard), list(held.in_flight)
            saved = Saved(next_offset, await asyncio.to_thread(compressed, state))
            del state  # as large as all that is known of the meters
            with metrics.SAVE_SECONDS.labels(self.stream.name).time():
                await asyncio.gather(*outputs)
                await held.writer.save(saved)
            held.saved_offset, held.saved_bytes = saved.next_offset, len(saved.payload)
            metrics.SAVED_BYTES.labels(self.stream.name).inc(len(saved.payload))
        await commit(self.app, {TP(self.stream.input, held.shard.partition): saved.next_offset})


def _must_have_been_sent(sent: asyncio.Future[object]) -> None:
    if sent.cancelled() or sent.exception() is not None:
        die(f"a result could not be sent: {sent}")


def die(why: str) -> NoReturn:
    """End the process at once: nothing is saved, so that a restart goes on from the last whole state."""
    log.critical(why, exc_info=True)
    logging.shutdown()
    os._exit(1)


def run(engine: Engine) -> NoReturn:
    """Run the worker until SIGTERM or SIGINT; exits 0 after a save, non-zero after a crash."""
    warm_up(engine.catalogue)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    for chatty in ("faust", "mode", "aiokafka", "abc", "streams.faust_seams"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    worker = faust.Worker(engine.app, loglevel=logging.INFO, logfile=None, override_logging=False, quiet=True)
    worker.execute_from_commandline()
    raise AssertionError("Faust's worker ends the process")
