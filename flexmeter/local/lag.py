"""How far a consumer group is behind: records between what it committed and the end of its topics."""

from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.errors import Unavailable


def lag_of(
    committed: dict[tuple[str, int], int], first: dict[tuple[str, int], int], end: dict[tuple[str, int], int]
) -> int:
    """Records not yet committed. A partition without a commit (negative) counts from its first record.

    >>> lag_of({("t", 0): 5, ("t", 1): -1001}, {("t", 1): 2}, {("t", 0): 7, ("t", 1): 4})
    4
    """
    total = 0
    for place, last in end.items():
        start = committed.get(place, -1)
        total += max(0, last - (start if start >= 0 else first.get(place, 0)))
    return total


def lag(admin: AdminClient, group: str, topics: Sequence[str], timeout_s: float = 5.0) -> int:
    """A group's lag over these topics, in records.

    Raises:
        Unavailable: Kafka does not answer.
    """
    try:
        found = admin.list_topics(timeout=timeout_s).topics
        places = [TopicPartition(t, p) for t in topics if t in found for p in found[t].partitions]
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        answer = asked[group].result(timeout_s).topic_partitions or []
        end = admin.list_offsets({place: OffsetSpec.latest() for place in places})
        first = admin.list_offsets({place: OffsetSpec.earliest() for place in places})
        return lag_of(
            {(place.topic, place.partition): place.offset for place in answer},
            {(p.topic, p.partition): future.result(timeout_s).offset for p, future in first.items()},
            {(p.topic, p.partition): future.result(timeout_s).offset for p, future in end.items()},
        )
    except KafkaException as error:
        raise Unavailable("kafka", str(error)) from error
