"""How far topics reach, and how far a group has read them: asked of Kafka anew each time, and told to it."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.errors import Unavailable

log = logging.getLogger("connectors.offsets")

Offsets = dict[tuple[str, int], int]

# Answers to a commit that time cures. The partitions went to another member, or go to one just now:
_REBALANCED = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._DESTROY,  # this member itself is leaving
    }
)
# Nobody is there to take it:
_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


def ends(settings: Mapping[str, Any], topics: Iterable[str], timeout_s: float = 3.0) -> tuple[Offsets, Offsets]:
    """The first offset and the one after the last, of every partition of these topics.

    Raises:
        Unavailable: Kafka does not answer.
    """
    admin = _client(settings)
    try:
        found = admin.list_topics(timeout=timeout_s).topics
        places = [
            TopicPartition(topic, number) for topic in topics if topic in found for number in found[topic].partitions
        ]
        asked = [
            admin.list_offsets(dict.fromkeys(places, spec), request_timeout=timeout_s)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        ]
        first, end = (
            {(place.topic, place.partition): future.result(2 * timeout_s).offset for place, future in answers.items()}
            for answers in asked
        )
    except (KafkaException, TimeoutError) as error:
        raise Unavailable("kafka", str(error) or "it does not answer in time") from error
    return first, end


def committed(
    settings: Mapping[str, Any], group: str, places: Sequence[tuple[str, int]], timeout_s: float = 3.0
) -> Offsets:
    """What a group has committed for these partitions; negative where it has nothing.

    Raises:
        Unavailable: Kafka does not answer.
    """
    # As a consumer that never joins: the AdminClient's own call for it ends the process where the coordinator has just
    # moved or is being made (librdkafka issue 5040).
    reader = Consumer({**settings, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    try:
        answer = reader.committed([TopicPartition(topic, number) for topic, number in places], timeout=2 * timeout_s)
    except KafkaException as error:
        raise Unavailable("kafka", str(error)) from error
    finally:
        reader.close()
    for place in answer:
        if place.error is not None:
            raise Unavailable("kafka", place.error.str())
    return {(place.topic, place.partition): place.offset for place in answer}


def commit(consumer: Consumer, next_offsets: Mapping[tuple[str, int], int]) -> bool:
    """Tell Kafka where the group goes on; whether all of it holds.

    Where it does not, since Kafka is away or another member has the partitions, somebody reads again from before.

    Raises:
        KafkaException: any other answer, such as that this user may not: no time cures it.

    """
    places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in next_offsets.items()]
    try:
        errors = [place.error for place in consumer.commit(offsets=places, asynchronous=False) or () if place.error]
    except KafkaException as failed:
        errors = [failed.args[0]]
    for error in errors:
        if not (error.code() in _REBALANCED or error.code() in _AWAY or error.retriable()):
            raise KafkaException(error)
    if errors:
        log.warning("not committed: %s", errors[0])
    return not errors


def _client(settings: Mapping[str, Any]) -> AdminClient:
    """A new one for each look: one kept over a broker's restart was seen to time out on every look after it."""
    return AdminClient({**settings, "log_level": 0})
