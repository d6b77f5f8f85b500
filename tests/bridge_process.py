"""The bridge as its users run it, on topics of a test's own, and what it put on Kafka."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from time import monotonic
from types import MappingProxyType
from typing import TypeVar

import paho.mqtt.client as paho
import yaml
from confluent_kafka import Consumer, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion

from connectors.mqtt_session import MqttAddress
from flexmeter.local.part import Part, spawn, stop
from schemas.codec import decode
from schemas.record import Record
from schemas.topology import Bridge, Topology, load_topology
from tests.topologies import own_copy

ROOT = Path(__file__).parent.parent
REGISTER = """\
meter_id,profile,substation,feeder
m1,malmo_household,sub-1,sub-1-f1
m2,malmo_household,sub-1,sub-1-f2
m3,malmo_household,sub-2,sub-2-f1
m4,malmo_household,,
h1,district_heat,,
"""

Kind = TypeVar("Kind", bound=Record)


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and where it stands."""

    partition: int
    offset: int
    record: Record


@dataclass(frozen=True, slots=True)
class Place:
    """A bridge with a topology of its own."""

    path: Path
    topology: Topology
    folder: Path
    url: str

    @property
    def bridge(self) -> Bridge:
        (bridge,) = self.topology.bridges.values()
        return bridge

    def topic(self, name: str) -> str:
        bridge = self.bridge
        register = self.topology.register_topic
        names = {"readings": bridge.readings, "events": bridge.events, "dead": bridge.dead_letters}
        return {**names, "register": register.name if register else ""}[name]

    def start(self, *arguments: str) -> "Popen[bytes]":
        """The bridge; how far it is, its log and its metrics say."""
        argv = [sys.executable, "-m", "flexmeter", "bridge", "--name", self.bridge.name, "--topology", str(self.path)]
        return spawn(Part("bridge", [*argv, *arguments], self.folder / "bridge.log"))

    @contextmanager
    def running(self, *arguments: str) -> Iterator["Popen[bytes]"]:
        process = self.start(*arguments)
        try:
            yield process
        finally:
            stop(process, 20)

    def log(self) -> str:
        path = self.folder / "bridge.log"
        return path.read_text("utf-8") if path.exists() else ""

    def placed(
        self, name: str, kind: type[Kind], enough: Callable[[list[Kind]], bool], within_s: float = 60
    ) -> list[Placed]:
        """The records of one kind on a topic, from its beginning, as soon as they are enough."""
        topic = self.topology.topics[self.topic(name)]
        consumer = Consumer({"bootstrap.servers": self.topology.kafka.bootstrap, "group.id": "test"})
        consumer.assign([TopicPartition(topic.name, partition, 0) for partition in range(topic.partitions)])
        found: list[Placed] = []
        records: list[Kind] = []
        deadline = monotonic() + within_s
        try:
            while not enough(records):
                assert monotonic() < deadline, f"{len(records)} {kind.__name__} on {topic.name}\n{self.log()}"
                for message in consumer.consume(500, timeout=0.2):
                    value = message.value()
                    if message.error() is not None or value is None:
                        continue  # the topic is not there yet, or its broker is away
                    record = decode(value)
                    if isinstance(record, kind):
                        records.append(record)
                        found.append(Placed(message.partition() or 0, message.offset() or 0, record))
        finally:
            consumer.close()
        return found

    def ends(self, name: str) -> int:
        """How many records, of all kinds, a topic has; 0 where there is no topic yet."""
        topic = self.topology.topics[self.topic(name)]
        consumer = Consumer({"bootstrap.servers": self.topology.kafka.bootstrap, "group.id": "test"})
        try:
            places = [TopicPartition(topic.name, partition) for partition in range(topic.partitions)]
            return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        finally:
            consumer.close()


def make_place(
    folder: Path,
    kafka: str,
    url: str,
    prefix: str,
    entry: Mapping[str, object] = MappingProxyType({}),
    topics: Mapping[str, object] = MappingProxyType({}),
    register_topic: bool = False,
    **options: str,
) -> Place:
    """The repository's topology with all its topics, and all its addresses, under a prefix.

    `entry` has what the bridge's entry has otherwise, `principals` and `keys` what the topology has; `topics` are there
    besides. The register is a file, unless it is to be a topic.
    """
    document = own_copy(prefix)
    document["kafka"] = {"bootstrap": kafka}
    document["register"] = str(folder / "register.csv")
    bridge = document["bridges"].pop("mqtt_malmo")
    document["bridges"] = {prefix: bridge}
    bridge["url"] = url
    bridge["subscribe"] = [f"{prefix}/{{profile}}/{{meter}}/{carries}" for carries in ("reading", "event")]
    bridge["options"] = options or {}
    document |= {key: value for key, value in entry.items() if key in ("principals", "keys")}
    bridge |= {key: value for key, value in entry.items() if key not in ("principals", "keys")}
    if "counters" not in bridge:
        del document["topics"][f"{prefix}.meter.counters"]
    if not register_topic:
        del document["topics"][f"{prefix}.meter.register"]
    document["topics"] |= topics
    path = folder / "topology.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / "register.csv").write_text(REGISTER)
    return Place(path, load_topology(path), folder, url)


@contextmanager
def publisher(url: str) -> Iterator[Callable[[str, bytes], None]]:
    """Publishes with QoS 1; on leaving, the broker has everything."""
    address = MqttAddress.parse(url)
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect(address.host, address.port)
    client.loop_start()
    sent: list[paho.MQTTMessageInfo] = []
    try:
        yield lambda topic, payload: sent.append(client.publish(topic, payload, qos=1))
        for message in sent:
            message.wait_for_publish(30)
            assert message.is_published()
    finally:
        client.disconnect()
        client.loop_stop()
