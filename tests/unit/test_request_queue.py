"""Requests between a server's thread and the bridge's: bounded in all and for each sender, answered once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from connectors.decode.readings import Address, Carries
from connectors.request_queue import MOST_REQUESTS, MOST_REQUESTS_OF_ONE, Full, Request, RequestDelivery, RequestQueue

ADDRESS = Address("v1/p/reading", "p", "", Carries.READING)


def run(test: Callable[[RequestQueue], Coroutine[Any, Any, None]], most_bytes: int = 8_000) -> None:
    asyncio.run(test(RequestQueue(most_bytes)))


def payload(request: Request, text: bytes = b"x") -> RequestDelivery:
    return RequestDelivery(text, ADDRESS, request.identity, request=request)


def test_a_request_is_done_when_the_last_of_its_payloads_is_acknowledged() -> None:
    async def test(queue: RequestQueue) -> None:
        request = queue.admit("hub", 3)
        queue.submit(request, [payload(request, text) for text in (b"a", b"b", b"c")])
        first = queue.receive(0, 2)
        assert [delivery.payload for delivery in first] == [b"a", b"b"]
        rest = queue.receive(0, 2)
        for delivery in (*rest, first[0]):
            queue.acknowledge(delivery)
        await asyncio.sleep(0)
        assert not request.done.done()
        queue.acknowledge(first[1])
        await asyncio.wait_for(request.done, 5)

    run(test)


def test_nothing_is_received_where_nothing_is_wanted() -> None:
    async def test(queue: RequestQueue) -> None:
        request = queue.admit("hub", 3)
        queue.submit(request, [payload(request)])
        assert queue.receive(0, 0) == []
        assert len(queue.receive(0, 5)) == 1

    run(test)


def test_one_sender_gets_an_eighth_of_the_room_and_all_together_no_more_than_there_is() -> None:
    async def test(queue: RequestQueue) -> None:
        taken = [queue.admit("a", 500), queue.admit("a", 500)]
        with pytest.raises(Full) as full:
            queue.admit("a", 1)
        assert full.value.by_sender
        taken += [queue.admit(f"hub-{number}", 1_000) for number in range(7)]
        with pytest.raises(Full) as full:
            queue.admit("b", 1)
        assert not full.value.by_sender
        queue.release(taken[0])
        queue.release(taken[0])
        queue.admit("b", 500)
        with pytest.raises(Full):
            queue.admit("b", 1)

    run(test)


def test_a_request_larger_than_an_eighth_is_taken_alone() -> None:
    async def test(queue: RequestQueue) -> None:
        queue.admit("a", 4_000)
        with pytest.raises(Full):
            queue.admit("a", 1)

    run(test)


def test_requests_without_a_body_are_bounded_too() -> None:
    async def test(queue: RequestQueue) -> None:
        for _ in range(MOST_REQUESTS_OF_ONE):
            queue.admit("a", 0)
        with pytest.raises(Full) as full:
            queue.admit("a", 0)
        assert full.value.by_sender
        for number in range(MOST_REQUESTS - MOST_REQUESTS_OF_ONE):
            queue.admit(f"hub-{number}", 0)
        with pytest.raises(Full) as full:
            queue.admit("b", 0)
        assert not full.value.by_sender

    run(test)


def test_room_is_taken_until_kafka_has_it_although_nobody_waits_any_more() -> None:
    async def test(queue: RequestQueue) -> None:
        request = queue.admit("a", 1_000)
        queue.submit(request, [payload(request)])
        queue.abandon()
        assert request.done.cancelled()
        with pytest.raises(Full):
            queue.admit("a", 1)
        (delivery,) = queue.receive(0, 1)
        queue.acknowledge(delivery)
        await asyncio.sleep(0)
        queue.admit("a", 1)

    run(test)


def test_an_acknowledgement_after_the_server_has_closed_hurts_nobody() -> None:
    kept: list[tuple[RequestQueue, RequestDelivery]] = []

    async def test(queue: RequestQueue) -> None:
        request = queue.admit("a", 1)
        delivery = payload(request)
        queue.submit(request, [delivery])
        kept.append((queue, delivery))

    run(test)
    queue, delivery = kept[0]
    queue.acknowledge(delivery)
    assert delivery.request.left == 0
