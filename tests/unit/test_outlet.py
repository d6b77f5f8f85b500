"""The outlet where no Kafka is: it says in time that there is no more room, and who waits for room may be stopped."""

import pytest

from connectors.backoff import Stopped
from connectors.kafka import Outlet
from schemas.topology import Kafka


def outlet() -> Outlet:
    return Outlet(Kafka("127.0.0.1:1", "PLAINTEXT", {}), "test")


@pytest.mark.parametrize("size", [0, 256_000])
def test_without_room_a_few_megabytes_more_are_taken_without_waiting(size: int) -> None:
    full = outlet()
    full.stopped = lambda: True
    while full.has_room:
        full.produce("topic", 0, bytes(size))
    for _ in range(64):
        full.produce("topic", 0, bytes(256_000))
    assert not full.has_room


def test_who_waits_for_room_may_be_stopped() -> None:
    full = outlet()
    full.stopped = lambda: True
    with pytest.raises(Stopped):
        while True:
            full.produce("topic", 0, bytes(900_000))


def test_who_waits_until_kafka_has_all_may_be_stopped() -> None:
    sent = outlet()
    sent.settle()
    sent.produce("topic", 0, b"one")
    sent.stopped = lambda: True
    with pytest.raises(Stopped):
        sent.settle()
