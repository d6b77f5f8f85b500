"""The broker of bench.engine, and the topics that its contestants read."""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench.live_blocks import Bridges
from bench.workload import City, Step, block_log, record_log, steps
from flexmeter.local.kafka import kafka
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.versions import current

_PRODUCER = {
    "compression.type": "lz4",
    "linger.ms": 100,
    "batch.size": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
    "queue.buffering.max.messages": 1_000_000,
}
"""lz4 as the bridges choose it; batches as large as the broker takes, which is to the advantage of small records."""

_INPUT = {"retention.ms": "-1", "message.timestamp.before.max.ms": str(2**62)}
"""The data has a fixed date, and Kafka records carry its event time."""


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """One Kafka broker with its data in `folder`, on a port of its own; its bootstrap address."""
    port = free_port()
    with running(kafka(folder / "kafka", port, folder / "kafka.log")):
        yield f"{HOST}:{port}"


@dataclass(frozen=True, slots=True)
class Input:
    """A topic of readings: blocks of `rows`, or such as that many `bridges` make; if neither, a record a reading."""

    meters: int
    partitions: int
    readings: int
    rows: int
    bridges: int = 0

    @property
    def topic(self) -> str:
        """Its name says what is in it."""
        blocks = f"blocks-of-{self.rows}" if self.rows else f"blocks-of-{self.bridges}-bridges"
        form = blocks if self.rows or self.bridges else "records"
        return f"bench.{form}.{self.meters}-meters.{self.partitions}-partitions"

    @property
    def steps(self) -> int:
        """How often each meter reports."""
        return -(-self.readings // self.meters)


def make_topic(bootstrap: str, name: str, partitions: int, config: dict[str, str]) -> None:
    """A new topic."""
    admin = _admin(bootstrap)
    (made,) = admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values()
    made.result()


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def delete_topics(bootstrap: str, wanted: Callable[[str], bool]) -> None:
    """Delete the topics whose name is wanted."""
    admin = _admin(bootstrap)
    names = [name for name in admin.list_topics(timeout=10).topics if wanted(name)]
    for gone in admin.delete_topics(names).values() if names else ():
        gone.result()


def provide(bootstrap: str, folder: Path, wanted: Input, say: Callable[[str], None]) -> None:
    """Write the topic, unless a topic of the same kind that an earlier run left in `folder` is long enough."""
    stamp = folder / f"{wanted.topic}.json"
    schema = current()["ReadingBlock"].id
    left = json.loads(stamp.read_text()) if stamp.exists() else {"readings": 0}
    if left["readings"] >= wanted.readings and left["schema"] == schema:
        return
    stamp.unlink(missing_ok=True)
    delete_topics(bootstrap, wanted.topic.__eq__)
    time.sleep(1)
    say(f"writing {wanted.steps * wanted.meters:,} readings to {wanted.topic} ...")
    make_topic(bootstrap, wanted.topic, wanted.partitions, _INPUT)
    _write(bootstrap, wanted)
    stamp.write_text(json.dumps({"readings": wanted.readings, "schema": schema}))


def _write(bootstrap: str, wanted: Input) -> None:
    city = City.of(wanted.meters, wanted.partitions)
    producer = Producer({"bootstrap.servers": bootstrap, **_PRODUCER})
    bridges = Bridges(city, wanted.bridges)
    source = steps(city)
    for _ in range(wanted.steps):
        step = next(source)
        for partition, payload in bridges.send(step) if wanted.bridges else ():
            _send(producer, wanted.topic, partition, [payload], [str(partition).encode()], [int(step.at[0])])
        for partition in range(0 if wanted.bridges else wanted.partitions):
            if wanted.rows:
                _send(producer, wanted.topic, partition, *_blocks(city, step, partition, wanted.rows))
            else:
                _send(producer, wanted.topic, partition, *_records(city, step, partition))
    producer.flush()


def _blocks(city: City, step: Step, partition: int, rows: int) -> tuple[list[bytes], list[bytes], list[int]]:
    values = list(block_log(city, step, partition, rows))
    return values, [str(partition).encode()] * len(values), [int(step.at[0])] * len(values)


def _records(city: City, step: Step, partition: int) -> tuple[list[bytes], list[bytes], list[int]]:
    members = city.members[partition]
    return record_log(city, step, partition), [city.ids[i].encode() for i in members], step.at[members].tolist()


def _send(
    producer: Producer, topic: str, partition: int, values: Sequence[bytes], keys: Sequence[bytes], at: Sequence[int]
) -> None:
    for value, key, timestamp in zip(values, keys, at, strict=True):
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=timestamp)
                break
            except BufferError:
                producer.poll(0.1)
    producer.poll(0)


def read_topic(bootstrap: str, topic: str, partitions: int) -> Generator[list[bytes], None, None]:
    """The values of a topic from its start on, batch by batch, without end; a batch is empty when nothing came."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-check", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        while True:
            batch = consumer.consume(500, timeout=0.2)
            yield [message.value() or b"" for message in batch if message.error() is None]
    finally:
        consumer.close()
