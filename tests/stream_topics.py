"""What stands on the topics of the stream metering, whose workers are processes; and what should."""

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.kafka import client_settings
from schemas.codec import decode
from schemas.results import Account
from schemas.topology import Topology
from streams.registry import OPERATORS
from tests.streams_log import Facts, facts, feed, shard

PARTITIONS = 4


def end_of(consumer: Consumer, place: TopicPartition, within_s: float = 10.0) -> int:
    """The offset that comes next. A broker that was just told to lead a partition may not know it yet."""
    until = time.monotonic() + within_s
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=within_s)[1])
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > until:
                raise
        time.sleep(0.1)


def read(
    topology: Topology, topic: str, starts: Mapping[int, int] = MappingProxyType({})
) -> Iterator[tuple[int, int, bytes]]:
    """Every (partition, offset, value) of a topic, from these offsets (0, unless told) to its present end."""
    options = {"group.id": "reads", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
    consumer = Consumer({**client_settings(topology.kafka), **options})
    for partition in range(PARTITIONS):
        end = end_of(consumer, TopicPartition(topic, partition))
        next_offset = starts.get(partition, 0)
        if next_offset < end:
            consumer.assign([TopicPartition(topic, partition, next_offset)])
        while next_offset < end:
            message = consumer.poll(10)
            assert message is not None and message.error() is None
            next_offset = message.offset() + 1
            yield partition, message.offset(), message.value()
    consumer.close()


def worked_up_to(topology: Topology, prefix: str) -> dict[int, int]:
    """Next offset of each partition, by the accounts."""
    accounts = [decode(value) for _, _, value in read(topology, f"{prefix}.accounts")]
    return {a.partition: a.next_offset for a in accounts if isinstance(a, Account)}


def expected(topology: Topology, prefix: str) -> Facts:
    """What one uninterrupted shard a partition makes of the input topic."""
    operators = {name: OPERATORS[name] for name in ("rolling_load", "presence")}
    shards = [shard(operators) for _ in range(PARTITIONS)]
    found: Facts = {}
    for partition, _, value in read(topology, f"{prefix}.readings"):
        found |= facts(feed(shards[partition], [decode(value)]))  # type: ignore[list-item]
    return found
