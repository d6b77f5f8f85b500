"""Faust's private parts that the engine leans on, all of them. Written against faust-streaming 0.15.3; a test fails
when Faust changes here.

- transport/consumer.py:565 `perform_seek` calls `seek_to_committed` before partitions resume. Ours seeks to where the
  shards say. Without it the results would be the same, by replay.
- transport/consumer.py:1208 `_drain_messages` drops a record below `_read_offset` and tracks gaps above it. The shard's
  own next offset does this exactly, so the guard is off: it would drop records that were sought again on purpose.
- transport/consumer.py:1220 `_drain_messages` delivers each record by `wait_first`, which makes four tasks and cancels
  three of them. A delivery that need not wait, as nearly all, is done without any: they cost as much as a small block.
- transport/consumer.py:776 `_wait_next_records` sleeps a second when all partitions filled the agent's queue, though
  that drains in a third of one, and waits as long for one that is at its end while the others are full. Ours asks for
  no more until the queue has drained (`on_buffer_drop` of all), and then for all.
- transport/drivers/aiokafka.py:1019 `_seek_wait` writes `_read_offset`, app/base.py:1932 `_new_transport` makes the
  transport, transport/base.py:89 the consumer; transport/consumer.py:1476 `_commit` hands a commit to Faust's thread.
- app/base.py:1972 `_create_directories` makes folders for tables in the working folder; there are no tables here.
"""

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from typing import Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.services import WaitResults

from schemas.topology_model import Kafka
from streams import kafka_clients

Offsets = Mapping[TP, int]

log = logging.getLogger(__name__)

MOST_DRAINING_S = 1.0


class NoReadOffsets(dict[TP, int | None]):
    """Remembers nothing, so that every record is handed on."""

    def __getitem__(self, tp: TP) -> int | None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        pass

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Forget it."""


async def _rest(begun: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    """What is left of a coroutine that awaits something already."""
    return await _steps(begun, awaited)


@types.coroutine
def _steps(begun: Coroutine[Any, Any, Any], awaited: Any) -> Generator[Any, Any, Any]:
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as thrown:  # a cancellation, mostly: it is the coroutine's
                awaited = begun.throw(thrown)
            else:
                awaited = begun.send(sent)
    except StopIteration as done:
        return done.value


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
        return await super()._wait_next_records(timeout)

    async def wait_first(self, *coros: Any, timeout: float | None = None) -> WaitResults:
        """The first of these to be done, as mode's; at once if it is a delivery that can be done at once."""
        first, *others = coros
        if not isinstance(first, Coroutine) or not others:
            return await super().wait_first(*coros, timeout=timeout)
        try:
            awaited = first.send(None)
        except StopIteration as done:
            for other in others:
                other.close()
            return WaitResults([first], [done.value], False)
        return await super().wait_first(_rest(first, awaited), *others, timeout=timeout)

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
    held = app.consumer.assignment()
    try:
        await app.consumer._commit({tp: offset for tp, offset in offsets.items() if tp in held})
    except RuntimeError as error:
        log.info("the group is not told of %s: %s", dict(offsets), error)
