"""What members of a group make of errors: time cures some, the others end the process, not logged for ever."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.kafka import Outlet
from connectors.offsets import commit
from connectors.router.topics import Memory
from connectors.sink import Sink
from connectors.store import Store
from schemas.topology import Kafka, load_topology

DEAD_LETTERS = load_topology("topology.yaml", env={}).topics["dead.letters"]


class Message:
    def __init__(self, error: KafkaError) -> None:
        self._error = error

    def error(self) -> KafkaError:
        return self._error


class Member:
    """A consumer whose commits are answered so: by a raised error, or by one of a partition."""

    def __init__(self, code: int | None, partition_s_own: bool = False, messages: Sequence[Message] = ()) -> None:
        self.told: list[tuple[str, int, int]] = []
        self._error = None if code is None else KafkaError(code)
        self._raises = not partition_s_own
        self._messages = messages

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[Any]:
        assert not asynchronous
        if self._error is not None and self._raises:
            raise KafkaException(self._error)
        self.told = [(place.topic, place.partition, place.offset) for place in offsets]
        return [type("Answer", (), {"error": self._error})]

    def subscribe(self, topics: list[str], on_assign: object) -> None:
        assert topics == []

    def consume(self, _count: int, _timeout_s: float) -> Sequence[Message]:
        return self._messages

    def close(self) -> None:
        self._messages = ()


def committed(member: Member) -> bool:
    return commit(cast(Consumer, member), {("alerts", 3): 17})


def test_what_is_committed_is_told_to_kafka() -> None:
    member = Member(None)
    assert committed(member)
    assert member.told == [("alerts", 3, 17)]


@pytest.mark.parametrize("partition_s_own", [False, True])
@pytest.mark.parametrize(
    "code", [KafkaError.REBALANCE_IN_PROGRESS, KafkaError.UNKNOWN_MEMBER_ID, KafkaError._TRANSPORT]
)
def test_a_commit_that_a_rebalance_or_an_absence_undoes_is_passed_over(code: int, partition_s_own: bool) -> None:
    assert not committed(Member(code, partition_s_own))


@pytest.mark.parametrize("partition_s_own", [False, True])
@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_commit_that_kafka_forbids_is_raised(code: int, partition_s_own: bool) -> None:
    with pytest.raises(KafkaException, match="authorization failed"):
        committed(Member(code, partition_s_own))


def test_a_sink_goes_on_after_an_error_of_the_moment_and_ends_at_a_fatal_one() -> None:
    fatal = KafkaError(KafkaError._FATAL, "fenced", fatal=True)
    member = Member(None, messages=[Message(KafkaError(KafkaError._TRANSPORT)), Message(fatal)])
    unused: Any = None
    outlet = Outlet(Kafka("127.0.0.1:1", "PLAINTEXT", {}), "test")
    sink = Sink("a_sink", cast(Consumer, member), {}, cast(Store, unused), outlet, DEAD_LETTERS)
    with pytest.raises(KafkaException, match="fenced"):
        sink.run()


def test_a_router_s_memory_goes_on_after_an_error_of_the_moment_and_ends_at_a_fatal_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory(Kafka("127.0.0.1:1", "PLAINTEXT", {}), DEAD_LETTERS, lambda record: None)
    memory._take([cast(Any, Message(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))])
    assert "authorization failed" in caplog.text
    with pytest.raises(KafkaException, match="fenced"):
        memory._take([cast(Any, Message(KafkaError(KafkaError._FATAL, "fenced", fatal=True)))])
    memory.close()
