"""Faust's private parts that the engine leans on, all of them. Written against faust-streaming 0.15.3; a test fails
when Faust changes here.

- transport/consumer.py:565 `perform_seek` calls `seek_to_committed` before partitions resume. Ours seeks to where the
  shards say. Without it the results would be the same, by replay.
- transport/consumer.py:1208 `_drain_messages` drops a record below `_read_offset` and tracks gaps above it. The shard's
  own next offset does this exactly, so the guard is off: it would drop records that were sought again on purpose.
- transport/consumer.py:691 `getmany` makes a message of every record by `_to_message`, and each goes by itself through
  tasks, a queue and the agent's stream, which costs a third of the work on a block. Ours makes one message of what a
  fetch brought of a partition, up to `MOST_TOGETHER` records.
- transport/consumer.py:776 `_wait_next_records` sleeps a second when all partitions filled the agent's queue, though
  that drains in a third of one, and waits as long for one that is at its end while the others are full. Ours asks for
  no more until the queue has drained (`on_buffer_drop` of all), and then for all.
- transport/drivers/aiokafka.py:1019 `_seek_wait` writes `_read_offset`, app/base.py:1932 `_new_transport` makes the
  transport, transport/base.py:89 the consumer; transport/consumer.py:1476 `_commit` hands a commit to Faust's thread.
- mode/utils/queues.py `FlowControlQueue` is an asyncio.Queue, in whose `_queue` the agent's messages wait.
- app/base.py:1972 `_create_directories` makes folders for tables in the working folder; there are no tables here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, cast

import faust
from aiokafka.structs import ConsumerRecord
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT

from schemas.topology_model import Kafka
from streams import kafka_clients

Offsets = Mapping[TP, int]

log = logging.getLogger(__name__)

MOST_DRAINING_S = 1.0
MOST_TOGETHER = 64

Record: TypeAlias = ConsumerRecord[bytes, bytes]
Records: TypeAlias = Sequence[Record]


class NoReadOffsets(dict[TP, int | None]):
    """Remembers nothing, so that every record is handed on."""

    def __getitem__(self, tp: TP) -> int | None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        pass

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Forget it."""


def _together(came: Records) -> list[Records]:
    return [came[start : start + MOST_TOGETHER] for start in range(0, len(came), MOST_TOGETHER)]


def records_of(event: EventT[Any]) -> Records:
    """What came together, of one partition, in its order."""
    return cast(Any, event.message).records  # type: ignore[no-any-return]


def is_waiting(events: faust.Stream[Any], tp: TP) -> bool:
    """Whether the agent's queue holds something of this partition."""
    queue = cast(Any, events.channel).queue
    return any(event.message.tp == tp for event in queue._queue)


class ShardConsumer(driver.Consumer):
    """Starts each partition where its shard says."""

    next_offsets: Callable[[], Awaitable[Offsets]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begin()

    def _begin(self) -> None:
        self._read_offset = NoReadOffsets()
        self._full: set[TP] = set()
        self._drained = asyncio.Event()

    def on_buffer_full(self, tp: TP) -> None:
        """The agent's queue is full, of this partition too."""
        self._full.add(tp)
        self._drained.clear()

    def on_buffer_drop(self, tp: TP) -> None:
        """It has drained, as far as this partition is concerned."""
        self._full.discard(tp)
        if not self._full:
            self._drained.set()

    async def _wait_next_records(self, timeout: float) -> Any:
        """More records, when there is room; after a second in any case, as a queue that is cleared tells nobody."""
        if self._full:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), MOST_DRAINING_S)
        records, active = await super()._wait_next_records(timeout)
        return {tp: _together(came) for tp, came in records.items()}, active

    def _to_message(self, tp: TP, record: Records) -> Any:
        """Faust's message of the last of these records, with all of them."""
        message = super()._to_message(tp, record[-1])
        message.records = record
        return message

    async def seek_to_committed(self) -> Offsets:
        """Seek to the shards' next offsets, not to what the group committed."""
        offsets = await type(self).next_offsets()
        if offsets:
            await self.seek_wait(offsets)
        return offsets


def app_with_offsets(next_offsets: Callable[[], Awaitable[Offsets]], **settings: Any) -> faust.App:
    """A Faust app whose consumer asks `next_offsets` where to start, each time partitions were assigned."""
    consumer = type("Consumer", (ShardConsumer,), {"next_offsets": staticmethod(next_offsets)})
    transport = type("Transport", (driver.Transport,), {"Consumer": consumer})

    class App(faust.App):
        def _new_transport(self) -> Any:
            return transport(self.conf.broker_consumer, self)

        def _create_directories(self) -> None:
            pass

    return App(**settings)


def credentials(kafka: Kafka) -> SASLCredentials | SSLCredentials | None:
    """TLS and SASL as Faust takes them."""
    context = kafka_clients.tls(kafka.options) if kafka.security.endswith("SSL") else None
    if kafka.security.startswith("SASL"):
        settings = kafka_clients.security(kafka)
        return SASLCredentials(
            mechanism=settings["sasl_mechanism"],
            username=settings["sasl_plain_username"],
            password=settings["sasl_plain_password"],
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None


async def commit(app: faust.App, offsets: Offsets) -> None:
    """Tell the group how far we are. A hint for lag only: the shard's own next offset is what counts.

    At the end of a worker Faust's thread may be gone before the last save is done; then the hint is not given.
    """
    assigned = app.consumer.assignment()
    ours = {tp: offset for tp, offset in offsets.items() if tp in assigned}
    try:
        if ours:  # aiokafka refuses to commit nothing, and that ends Faust's thread
            await app.consumer._commit(ours)
    except RuntimeError as error:
        log.info("the group is not told of %s: %s", dict(offsets), error)
