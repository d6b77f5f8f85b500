"""Results as Kafka records: which topic, which partition, which bytes."""

from dataclasses import dataclass

from schemas.alert import Alert, encode_alert
from schemas.blocks import PartialLoadBlock
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topology_model import Stream, Topology
from streams.contract import Result


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record on its way."""

    topic: str
    partition: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def outgoing(result: Result, stream: Stream, topology: Topology, partition: int) -> Outgoing:
    """What to send where.

    A result stays in the partition of its input, so that a meter's results keep their order. What is about a substation
    goes by that: alerts, whose key is their id, so that subscribers and compaction can keep the newest version, and
    parts of loads, on their way to the stream that puts them together.
    """
    topic = topology.topic_of(type(result).__name__, stream.outputs)
    if isinstance(result, Alert):
        value, headers = encode_alert(result)
        to = partition_of(result.substation or "", topic.partitions)
        return Outgoing(topic.name, to, value, result.id.encode(), tuple(headers))
    if isinstance(result, PartialLoadBlock):
        partition = partition_of(result.substation, topic.partitions)
    return Outgoing(topic.name, partition, encode(result))
