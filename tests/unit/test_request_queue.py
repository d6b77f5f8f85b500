"""Requests that wait for Kafka: bounded in all and for each sender, answered once, events first."""

import asyncio

import pytest

from connectors.decode.readings import Address, Carries
from connectors.request_queue import MOST_REQUESTS, MOST_REQUESTS_OF_ONE, Full, Request, RequestDelivery, RequestQueue

LOOP = asyncio.new_event_loop()
LOOP.close()


def queue_of(most_bytes: int = 8_000) -> RequestQueue:
    return RequestQueue(most_bytes)


def admitted(queue: RequestQueue, identity: str, size: int, urgent: bool = False) -> Request:
    return queue.admit(identity, size, LOOP.create_future(), urgent)


def payload(request: Request, text: bytes = b"x", carries: Carries = Carries.READING) -> RequestDelivery:
    return RequestDelivery(text, Address("v1/p/x", "p", "", carries), request.identity, request=request)


def submitted(queue: RequestQueue, *texts: bytes, now_s: float = 0.0, carries: Carries = Carries.READING) -> Request:
    request = admitted(queue, "hub", 3)
    queue.submit(request, [payload(request, text, carries) for text in texts], now_s)
    return request


def is_full(queue: RequestQueue, identity: str, size: int, urgent: bool = False) -> bool | None:
    """Whether there is no room because of the sender itself, or for anyone; None where there is some."""
    try:
        admitted(queue, identity, size, urgent)
    except Full as full:
        return full.by_sender
    return None


def test_a_request_is_done_when_the_last_of_its_payloads_is_acknowledged() -> None:
    queue = queue_of()
    request = submitted(queue, b"a", b"b", b"c")
    assert queue.has_arrived
    first = queue.receive(2)
    assert [delivery.payload for delivery in first] == [b"a", b"b"]
    for delivery in (*queue.receive(2), first[0]):
        queue.acknowledge(delivery)
    assert not queue.has_arrived and not request.done.done()
    queue.acknowledge(first[1])
    assert request.done.result() is True


def test_events_are_received_first_and_nothing_where_nothing_is_wanted() -> None:
    queue = queue_of()
    submitted(queue, b"r1", b"r2")
    submitted(queue, b"gasp", carries=Carries.EVENT)
    assert queue.receive(0) == []
    assert [delivery.payload for delivery in queue.receive(5)] == [b"gasp", b"r1", b"r2"]


def test_one_sender_gets_an_eighth_of_the_room_and_all_together_no_more_than_there_is() -> None:
    queue = queue_of()
    taken = [admitted(queue, "a", 500), admitted(queue, "a", 500)]
    assert is_full(queue, "a", 1) is True
    for number in range(7):
        admitted(queue, f"hub-{number}", 1_000)
    assert is_full(queue, "b", 1) is False
    assert is_full(queue, "b", 1_000, urgent=True) is None, "there is some more for events"
    assert is_full(queue, "c", 1, urgent=True) is False
    queue.release(taken[0])
    queue.release(taken[0])
    assert is_full(queue, "c", 1) is False
    assert is_full(queue, "c", 500, urgent=True) is None


def test_a_body_that_turns_out_small_gives_its_room_back() -> None:
    queue = queue_of()
    request = admitted(queue, "a", 1_000)
    assert is_full(queue, "a", 1) is True
    queue.shrink(request, 1)
    admitted(queue, "a", 999)
    assert is_full(queue, "a", 1) is True
    queue.release(request)
    assert is_full(queue, "a", 1) is None


def test_a_request_larger_than_an_eighth_is_taken_alone() -> None:
    queue = queue_of()
    admitted(queue, "a", 4_000)
    assert is_full(queue, "a", 1) is True


def test_requests_without_a_body_are_bounded_too() -> None:
    queue = queue_of()
    for _ in range(MOST_REQUESTS_OF_ONE):
        admitted(queue, "a", 0)
    assert is_full(queue, "a", 0) is True
    for number in range(MOST_REQUESTS - MOST_REQUESTS_OF_ONE):
        admitted(queue, f"hub-{number}", 0)
    assert is_full(queue, "b", 0) is False


def test_who_has_waited_long_waits_no_more_and_what_was_brought_keeps_its_room() -> None:
    queue = queue_of(48)
    first, second = submitted(queue, b"1", now_s=1.0), submitted(queue, b"2", now_s=3.0)
    queue.lose_patience(before_s=2.0)
    assert first.done.result() is False and not second.done.done()
    assert is_full(queue, "hub", 1) is True
    for delivery in queue.receive(2):
        queue.acknowledge(delivery)
    assert (first.done.result(), second.done.result()) == (False, True)
    assert is_full(queue, "hub", 1) is None
    queue.lose_patience(before_s=9.0)
    assert second.done.result() is True


def test_at_the_end_nobody_waits_any_longer() -> None:
    queue = queue_of()
    request = submitted(queue, b"1")
    queue.abandon()
    assert request.done.result() is False
    (delivery,) = queue.receive(1)
    queue.acknowledge(delivery)
    assert request.done.result() is False


def test_a_sender_that_is_gone_hurts_nobody() -> None:
    queue = queue_of()
    request = submitted(queue, b"1")
    request.done.cancel()
    queue.lose_patience(before_s=9.0)
    queue.acknowledge(queue.receive(1)[0])
    with pytest.raises(asyncio.CancelledError):
        request.done.result()
