"""How far readers of Kafka are behind: records between where they go on and the end of their topics."""

from collections.abc import Mapping, Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.errors import Unavailable

Offsets = dict[tuple[str, int], int]


def lag_of(next_offsets: Mapping[tuple[str, int], int], first: Offsets, end: Offsets) -> int:
    """Records not yet read. A partition whose next offset is unknown (negative) counts from its first record.

    >>> lag_of({("t", 0): 5, ("t", 1): -1001}, {("t", 1): 2}, {("t", 0): 7, ("t", 1): 4})
    4
    """
    total = 0
    for place, last in end.items():
        start = next_offsets.get(place, -1)
        total += max(0, last - (start if start >= 0 else first.get(place, 0)))
    return total


def ends(bootstrap: str, topics: Sequence[str], timeout_s: float = 3.0) -> tuple[Offsets, Offsets]:
    """The first offset and the one after the last, of every partition of these topics.

    Raises:
        Unavailable: Kafka does not answer.
    """
    admin = _client(bootstrap)
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


def committed(bootstrap: str, group: str, places: Sequence[tuple[str, int]], timeout_s: float = 3.0) -> Offsets:
    """What a group has committed for these partitions.

    Raises:
        Unavailable: Kafka does not answer.
    """
    wanted = [TopicPartition(topic, number) for topic, number in places]
    admin = _client(bootstrap)
    try:
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=timeout_s
        )
        answer = asked[group].result(2 * timeout_s).topic_partitions or []
    except (KafkaException, TimeoutError) as error:
        raise Unavailable("kafka", str(error) or "it does not answer in time") from error
    return {(place.topic, place.partition): place.offset for place in answer}


def _client(bootstrap: str) -> AdminClient:
    """A new one for each look: one kept over a broker's restart was seen to time out on every look after it."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
