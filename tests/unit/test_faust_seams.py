"""Faust's private parts are where streams/faust_seams.py says, and do what it relies on."""

import asyncio
import importlib.metadata
import inspect
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.structs import ConsumerRecord
from faust.app.base import App
from faust.transport import base, conductor
from faust.transport.consumer import Consumer, ConsumerThread, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP
from mode import Service
from mode.utils.queues import FlowControlQueue

from streams import faust_seams
from streams.faust_seams import NoReadOffsets, ShardConsumer, commit, is_waiting


def test_the_version_is_the_one_that_was_read() -> None:
    assert importlib.metadata.version("faust-streaming") == "0.15.3"


def test_partitions_resume_where_seek_to_committed_put_them() -> None:
    source = inspect.getsource(Consumer.perform_seek)
    assert "self.seek_to_committed()" in source
    assert "read_offset.update(" in source


def test_the_guard_against_repeats_asks_read_offset() -> None:
    source = inspect.getsource(Consumer._drain_messages)
    assert "get_read_offset = self._read_offset.__getitem__" in source
    assert "if r_offset is None or offset >= r_offset:" in source
    assert "self.consumer._read_offset[tp] = offset" in inspect.getsource(driver.AIOKafkaConsumerThread._seek_wait)


def test_the_guard_is_off() -> None:
    offsets = NoReadOffsets()
    offsets[TP("topic", 0)] = 7
    offsets.update({TP("topic", 0): 8})
    assert offsets[TP("topic", 0)] is None
    assert len(offsets) == 0


RECORDS = [ConsumerRecord("topic", 0, n, 1_000 * n, 0, None, b"%d" % n, None, 0, 1, ()) for n in range(150)]


class Fetches(ShardConsumer):
    """Just what fetching needs of a consumer; `asked` are the times at which Faust was let ask for records."""

    def __init__(self) -> None:
        Service.__init__(self)
        self._begin()
        self.asked = 0

    async def _from_faust(self, timeout: float) -> Any:
        self.asked += 1
        return {TP("topic", 0): RECORDS}, None


def test_a_full_queue_is_waited_for_no_longer_than_it_takes_to_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver.Consumer, "_wait_next_records", Fetches._from_faust)

    async def run() -> None:
        consumer, both = Fetches(), [TP("topic", 0), TP("topic", 1)]
        for tp in both:
            consumer.on_buffer_full(tp)
        fetching = asyncio.ensure_future(consumer._wait_next_records(1.0))
        for tp in both:
            await asyncio.sleep(0.01)
            assert consumer.asked == 0
            consumer.on_buffer_drop(tp)
        await fetching
        await consumer._wait_next_records(1.0)
        assert consumer.asked == 2

    asyncio.run(run())


def test_a_queue_that_tells_nobody_that_it_drained_does_not_stop_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver.Consumer, "_wait_next_records", Fetches._from_faust)
    monkeypatch.setattr(faust_seams, "MOST_DRAINING_S", 0.01)

    async def run() -> None:
        consumer = Fetches()
        consumer.on_buffer_full(TP("topic", 0))
        await consumer._wait_next_records(1.0)
        assert consumer.asked == 1

    asyncio.run(run())


def test_what_a_fetch_brought_of_a_partition_comes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver.Consumer, "_wait_next_records", Fetches._from_faust)
    consumer = Fetches()
    consumer.app = SimpleNamespace(consumer_generation_id=3)  # type: ignore[assignment]
    records, _ = asyncio.run(consumer._wait_next_records(1.0))
    messages = [consumer._to_message(tp, together) for tp, together in DefaultSchedulingStrategy().iterate(records)]
    assert [len(message.records) for message in messages] == [64, 64, 22]
    assert [record for message in messages for record in message.records] == RECORDS
    assert [(message.offset, message.generation_id) for message in messages] == [(63, 3), (127, 3), (149, 3)]


def test_getmany_asks_for_records_by_wait_next_records_and_makes_messages_by_to_message() -> None:
    source = inspect.getsource(Consumer.getmany)
    assert "await self._wait_next_records(timeout)" in source
    assert "yield tp, to_message(tp, record)" in source
    source = inspect.getsource(conductor)
    assert "consumer_on_buffer_full(tp)" in source and "consumer_on_buffer_drop(tp)" in source
    assert "await self.sleep(1)" in inspect.getsource(Consumer._wait_next_records)  # else ours is needless


def test_the_transport_and_consumer_can_be_replaced() -> None:
    assert "self.Consumer(" in inspect.getsource(base.Transport.create_consumer)
    assert "transport.by_url(self.conf.broker_consumer[0])" in inspect.getsource(App._new_transport)
    assert issubclass(ShardConsumer, driver.Consumer)


def test_faust_makes_folders_for_tables_unless_told_otherwise() -> None:
    assert ".tabledir.mkdir(" in inspect.getsource(App._create_directories)


def test_what_waits_for_the_agent_is_seen_in_its_queue() -> None:
    assert issubclass(FlowControlQueue, asyncio.Queue)
    app = faust.App("waits", broker="memory://")
    channel = app.channel()
    events = channel.stream()
    queue = events.channel.queue
    assert isinstance(queue, FlowControlQueue)
    queue.put_nowait(SimpleNamespace(message=SimpleNamespace(tp=TP("topic", 1))))
    assert is_waiting(events, TP("topic", 1)) and not is_waiting(events, TP("topic", 0))


def test_nothing_is_committed_of_partitions_that_left() -> None:
    committed: list[Any] = []

    async def commit_all(offsets: Any) -> None:
        committed.append(offsets)

    consumer = SimpleNamespace(assignment=lambda: {TP("topic", 1)}, _commit=commit_all)
    for offsets in ({TP("topic", 0): 7}, {TP("topic", 0): 7, TP("topic", 1): 8}):
        asyncio.run(commit(SimpleNamespace(consumer=consumer), offsets))  # type: ignore[arg-type]
    assert committed == [{TP("topic", 1): 8}]


def test_commits_go_through_fausts_thread() -> None:
    assert "self._thread.commit(offsets)" in inspect.getsource(ThreadDelegateConsumer._commit)
    assert hasattr(ConsumerThread, "commit")


def test_rebalance_complete_is_awaited_before_partitions_resume() -> None:
    from faust.tables.recovery import Recovery

    source = inspect.getsource(Recovery._resume_streams)
    order = ["on_rebalance_complete.send()", "resume_partitions(", "consumer.perform_seek()", "resume_flow()"]
    places = [source.index(call) for call in order]
    assert places == sorted(places)
