"""Results as Kafka records: which topic, which partition, which bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from schemas.alert import Alert, encode_alert
from schemas.blocks import Beat
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.results import HeardBlock, HourlyLoadBlock, LoadBlock, PartialLoadBlock, ReliabilityBlock
from schemas.topology_model import Stream, Topology
from streams.contract import Result
from streams.hearing import cut


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record on its way."""

    topic: str
    partition: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def outgoing(result: Result, stream: Stream, topology: Topology, partition: int) -> Iterator[Outgoing]:
    """What to send where.

    A result stays in the partition of its input, so that a meter's results keep their order. What is about a substation
    goes by that: alerts, whose key is their id, so that subscribers and compaction can keep the newest version; what
    stream grid puts together or compares, parts of loads, hourly loads and meters that were heard; and what it makes of
    them. Beats go everywhere.
    """
    topic = topology.topic_of(type(result).__name__, stream.outputs)
    if isinstance(result, Alert):
        value, headers = encode_alert(result)
        to = _partition_of(result.substation or "", topic.partitions)
        yield Outgoing(topic.name, to, value, result.id.encode(), tuple(headers))
    elif isinstance(result, HeardBlock):
        places = [_partition_of(substation or "", topic.partitions) for substation in result.substations]
        for to, block in cut(result, places):
            yield Outgoing(topic.name, to, encode(block))
    elif isinstance(result, Beat):
        value = encode(result)
        yield from (Outgoing(topic.name, to, value) for to in range(topic.partitions))
    elif isinstance(result, PartialLoadBlock | HourlyLoadBlock | LoadBlock | ReliabilityBlock):
        yield Outgoing(topic.name, _partition_of(result.substation, topic.partitions), encode(result))
    else:
        yield Outgoing(topic.name, partition, encode(result))


_partition_of = lru_cache(maxsize=100_000)(partition_of)
