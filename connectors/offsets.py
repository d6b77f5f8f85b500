"""How far topics reach, and how far a group has read them: asked of Kafka anew each time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.errors import Unavailable

Offsets = dict[tuple[str, int], int]


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


def _client(settings: Mapping[str, Any]) -> AdminClient:
    """A new one for each look: one kept over a broker's restart was seen to time out on every look after it."""
    return AdminClient({**settings, "log_level": 0})
