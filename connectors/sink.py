"""The sink loop: poll Kafka -> rows -> insert in large blocks -> commit.

Offsets are committed when the database has the rows and Kafka the dead letters, never before. So a crash repeats rows,
and so may another member of the group after a rebalance: repeats replace themselves in the tables.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import Counter, Gauge, Histogram

from connectors.backoff import Stopped, until_available
from connectors.batch import Batch, Block, NewMeters
from connectors.columns import rows_of
from connectors.kafka import Outlet, client_settings
from connectors.offsets import commit
from connectors.origin import Origin
from connectors.rows import ROWS
from connectors.store import Store
from connectors.table_rows import Rows
from schemas.blocks import DeadLetter
from schemas.codec import encode
from schemas.dead_letter import dead_letter
from schemas.errors import Reason, Rejected, Unavailable
from schemas.partition import partition_of
from schemas.topology import Kafka, Topic

log = logging.getLogger(__name__)

ROWS_READ = Counter("flexmeter_sink_rows", "Rows read from Kafka", ["sink"])
INSERTED = Counter("flexmeter_sink_inserted_rows", "Rows that the database has", ["sink", "table"])
REJECTED = Counter("flexmeter_sink_rejected", "Records and rows sent to the dead letters", ["sink", "reason"])
RETRIES = Counter("flexmeter_sink_retries", "Attempts that found the database or Kafka away", ["sink", "what"])
AVAILABLE = Gauge("flexmeter_sink_available", "1 while what the sink writes to answers", ["sink"])
LAG = Gauge("flexmeter_sink_lag_records", "Records not yet read", ["sink", "topic", "partition"])
INSERT_SECONDS = Histogram("flexmeter_sink_insert_seconds", "Time of one insert", ["sink"])

MAX_ROWS = 50_000
LINGER_S = 0.5
POLL_S = 0.1
POLL_RECORDS = 20
"""Of some thousand rows each where the sink is behind: by so many a batch may exceed MAX_ROWS."""

Decode = Callable[[bytes], Any]


def consumer(kafka: Kafka, group: str) -> Consumer:
    """A consumer of that group: from the oldest record where the group has no place yet, committing when told."""
    settings = {
        **client_settings(kafka),
        "group.id": group,
        "client.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": "false",
        "queued.max.messages.kbytes": "65536",
        # A killed member's partitions go on after this: Kafka's least. Heartbeats have a thread of their own.
        "session.timeout.ms": "6000",
        "heartbeat.interval.ms": "2000",
    }
    return Consumer(settings, logger=logging.getLogger("librdkafka"))


class Sink:
    """One sink of the topology. `decoders` says for each input topic how its payloads are read; what cannot be taken
    goes to the topic `dead_letters` by `outlet`.
    """

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        decoders: Mapping[str, Decode],
        store: Store,
        outlet: Outlet,
        dead_letters: Topic,
        *,
        linger_s: float = LINGER_S,
        max_rows: int = MAX_ROWS,
    ) -> None:
        self._name, self._consumer, self._decoders = name, consumer, decoders
        self._store, self._outlet, self._dead_letters = store, outlet, dead_letters
        self._linger_s, self._max_rows = linger_s, max_rows
        self._meters = NewMeters()
        self._stop = threading.Event()
        outlet.stopped = self._stop.is_set
        AVAILABLE.labels(name).set(1)

    def stop(self) -> None:
        """Ask `run` to insert what it has read, and return."""
        self._stop.set()

    def migrate(self, statements: Sequence[str]) -> None:
        """Make the tables, as soon as the database is there."""
        try:
            self._until_available(lambda: self._store.migrate(statements))
        except Stopped:
            log.warning("stopped before the database was there")

    def run(self) -> None:
        """Until `stop`: read, insert, commit. Whatever it raises is a fault of ours; a restart reads again."""
        self._consumer.subscribe(list(self._decoders), on_assign=self._assigned)
        try:
            while not self._stop.is_set():
                self._write(self._read())
        except Stopped:
            log.warning("stopped while waiting; what was read is not committed and will be read again")
        finally:
            self._consumer.close()

    def _assigned(self, *_: object) -> None:
        """Another sink may have inserted other places of our meters meanwhile."""
        self._meters = NewMeters()

    def _read(self) -> Batch:
        """A batch: as many rows as fit, or what comes within the linger after the first record."""
        batch, deadline = Batch(), None
        while batch.rows < self._max_rows and not self._stop.is_set():
            left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
            if left <= 0:
                break
            messages = self._consumer.consume(POLL_RECORDS, left)
            if messages and deadline is None:
                deadline = time.monotonic() + self._linger_s
            for message in messages:
                self._take(message, batch)
        return batch

    def _take(self, message: Message, batch: Batch) -> None:
        error = message.error()
        if error is not None:
            self._complain(error)
            return
        place = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
        origin = Origin(*place, written_at=message.timestamp()[1])
        payload = bytes(message.value() or b"")
        try:
            for rows in _rows(self._decoders[origin.topic](payload), origin):
                batch.add(self._meters.only_new(rows), origin)
        except Rejected as rejected:
            self._reject(rejected, origin, payload, batch)
        except Exception:
            log.error("cannot handle %s", origin)
            raise
        batch.read(origin)

    def _write(self, batch: Batch) -> None:
        for block in batch.blocks():
            self._insert(block, batch)
        if batch.letters:
            self._send(batch.letters)
        if batch.next_offsets:
            self._commit(batch.next_offsets)
        ROWS_READ.labels(self._name).inc(batch.rows)

    def _insert(self, block: Block, batch: Batch) -> None:
        """Insert the block; if the database refuses it, halve it until only the bad rows are left out."""
        try:
            with INSERT_SECONDS.labels(self._name).time():
                self._until_available(lambda: self._store.insert(block.table, block.columns))
        except Rejected as rejected:
            if len(block) > 1:
                for half in block.halves():
                    self._insert(half, batch)
                return
            self._reject(rejected, block.origin(0), _as_json(block), batch)
            return
        INSERTED.labels(self._name, block.table).inc(len(block))

    def _reject(self, rejected: Rejected, origin: Origin, payload: bytes, batch: Batch) -> None:
        log.warning("%s rejected: %s", origin, rejected)
        REJECTED.labels(self._name, rejected.reason.value).inc()
        # The record's own time: a letter that a restart writes again is the same letter.
        batch.letters.append(dead_letter(self._name, str(origin), origin.written_at, rejected, payload))

    def _send(self, letters: Sequence[DeadLetter]) -> None:
        """Return when Kafka has all letters; the outlet tries for ever."""
        topic = self._dead_letters
        for letter in letters:
            self._outlet.produce(topic.name, partition_of(letter.source, topic.partitions), encode(letter))
        self._outlet.settle()

    def _until_available(self, attempt: Callable[[], None]) -> None:
        until_available(attempt, self._stop, self._away)
        AVAILABLE.labels(self._name).set(1)

    def _away(self, away: Unavailable) -> None:
        AVAILABLE.labels(self._name).set(0)
        RETRIES.labels(self._name, away.what).inc()

    def _commit(self, next_offsets: Mapping[tuple[str, int], int]) -> None:
        """The rows are in: what is not committed is read again, and repeats change nothing."""
        commit(self._consumer, next_offsets)
        for (topic, partition), offset in next_offsets.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            LAG.labels(self._name, topic, partition).set(max(high - offset, 0))

    def _complain(self, error: KafkaError) -> None:
        """An error that librdkafka reports among the messages; unless it is fatal, it goes on trying by itself."""
        if error.fatal():
            raise KafkaException(error)
        RETRIES.labels(self._name, "kafka").inc()
        log.warning("kafka: %s", error)


def _rows(record: Any, origin: Origin) -> list[Rows]:
    to_rows = ROWS.get(type(record))
    if to_rows is None:
        raise Rejected(Reason.SCHEMA, f"no table takes a {type(record).__name__}")
    return to_rows(record, origin)


def _as_json(block: Block) -> bytes:
    """One refused row: its table and its columns by name."""
    row = dict(zip(block.columns, next(rows_of(block.columns)), strict=True))
    readable = {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value for name, value in row.items()
    }
    return orjson.dumps({"table": block.table, "row": readable})
