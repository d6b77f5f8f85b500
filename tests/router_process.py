"""A router as its users run it, on topics of a test's own."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from connectors.kafka import Outlet, ensure_topics
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.part import Part, running
from flexmeter.local.ports import free_port
from schemas.alert import Alert, encode_alert
from schemas.codec import decode, encode
from schemas.partition import partition_of
from schemas.topology import Topology, load_topology
from tests.waiting import wait_until

PARTITIONS = 2
T = 1_795_507_200_000
TEXT = """
kafka: {{bootstrap: "{bootstrap}"}}
register: register.csv
topics:
  {p}.evidence:   {{records: [EventBlock, Beat], by: substation, partitions: 2, retention_hours: 24}}
  {p}.readings:   {{records: [ReadingBlock, Beat], by: meter, partitions: 2, retention_hours: 24}}
  {p}.alerts:     {{records: [Alert], by: substation, partitions: 2, retention_hours: 24}}
  {p}.accounts:   {{records: [Account], by: partition, partitions: 2, retention_hours: 24}}
  {p}.marks:      {{records: [AlertMark], by: source, partitions: 1, compact: true}}
  {p}.deliveries: {{records: [AlertDelivery], by: source, partitions: 2, retention_hours: 24}}
  {p}.dead:       {{records: [DeadLetter], by: source, partitions: 1, retention_hours: 24}}
  {p}.state:      {{records: [StateChunk, StateCommit], by: partition, partitions: 2, compact: true}}
bridges:
  mqtt: {{protocol: mqtt, url: "mqtt://127.0.0.1:1", subscribe: ["m/{{profile}}/{{meter}}/event"], decoder: json,
          readings: {p}.readings, events: {p}.evidence, dead_letters: {p}.dead}}
streams:
  grid: {{input: {p}.evidence, operators: [last_gasp], outputs: [{p}.alerts, {p}.accounts], dead_letters: {p}.dead,
          state: {p}.state}}
sinks:
  clickhouse: {{url: "chdb://unused", inputs: [{p}.readings, {p}.accounts, {p}.alerts, {p}.dead],
                dead_letters: {p}.dead}}
routers:
  receiver:
    url: {url}
    input: {p}.alerts
    marks: {p}.marks
    deliveries: {p}.deliveries
    dead_letters: {p}.dead
    {settings}
"""
RULES = "rules: [{}]"
MAIL = 'options: {from: flexmeter@example.org, to: room@example.org, tls: "off"}'


def an_alert(name: str, number: int = 1, state: str = "", **changes: Any) -> Alert:
    """A version of the outage of that name under the substation ms-1."""
    content: dict[str, Any] = {
        "kind": "outage", "severity": "critical", "subject": name, "feeder": "f-1", "substation": "ms-1",
        "at": T, "raised_at": T, "summary": f"{name} is dark", "evidence": {}, **changes,
    }  # fmt: skip
    return Alert(name, number, state=state or ("raised" if number == 1 else "updated"), **content)


@dataclass
class RouterPlace:
    """Where one test's router reads, writes and tells its metrics."""

    folder: Path
    bootstrap: str
    prefix: str
    url: str
    settings: Sequence[str] = (RULES,)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.file = self.folder / "topology.yaml"
        text = TEXT.format(p=self.prefix, bootstrap=self.bootstrap, url=self.url, settings="\n    ".join(self.settings))
        self.file.write_text(text)
        self.topology: Topology = load_topology(self.file)
        ensure_topics(self.topology.kafka, self.topology.topics.values())

    def topic(self, name: str) -> str:
        return f"{self.prefix}.{name}"

    def put(self, *records: Alert | Any) -> None:
        """Alerts onto their partitions, other records onto the topic of marks; returns when Kafka has them."""
        outlet = Outlet(self.topology.kafka, "test")
        for record in records:
            if isinstance(record, Alert):
                value, headers = encode_alert(record)
                partition = partition_of(record.substation or "", PARTITIONS)
                outlet.produce(self.topic("alerts"), partition, value, headers=headers)
            else:
                outlet.produce(self.topic("marks"), 0, encode(record), key=record.id.encode())
        assert outlet.close(30)

    def put_raw(self, payload: bytes) -> None:
        """Bytes onto the topic of alerts."""
        outlet = Outlet(self.topology.kafka, "test")
        outlet.produce(self.topic("alerts"), 0, payload)
        assert outlet.close(30)

    @contextmanager
    def router(self) -> "Iterator[Popen[bytes]]":
        """A router at work, ready when it has its partitions' places."""
        argv = [sys.executable, "-m", "flexmeter", "router", "--topology", str(self.file), "--name", "receiver"]
        part = Part(
            name="router",
            argv=[*argv, "--metrics-port", str(self.port)],
            log=self.folder / "router.log",
            env={"PYTHONPATH": os.getcwd()},
            ready=lambda: bool(self.committed()),
        )
        with running(part) as process:
            yield process

    def metric(self, name: str) -> float:
        return Series(name).total(scrape(self.port)) or 0

    def committed(self) -> dict[int, int]:
        """The group's offsets; empty before it has any."""
        return _committed(self.bootstrap, "flexmeter-router-receiver", self.topic("alerts"))

    def wait_until(self, reached: Callable[[], object]) -> None:
        """Until it is so; else fail with the router's log."""
        wait_until(reached, lambda: (self.folder / "router.log").read_text()[-4_000:])

    def wait_until_done(self) -> None:
        """Until the router has committed all that the topic holds."""
        self.wait_until(lambda: self.committed() == self.ends(self.topic("alerts")))

    def ends(self, topic: str) -> dict[int, int]:
        kafka = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test"})
        try:
            count = self.topology.topics[topic].partitions
            return {n: kafka.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1] for n in range(count)}
        finally:
            kafka.close()

    def records(self, name: str) -> list[Any]:
        """All that stands on a topic, partition by partition."""
        topic = self.topic(name)
        ends, found = self.ends(topic), []
        kafka = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test"})
        try:
            for partition, end in ends.items():
                kafka.assign([TopicPartition(topic, partition, 0)])
                while kafka.position([TopicPartition(topic, partition)])[0].offset < end and end:
                    message = kafka.poll(1)
                    value = message.value() if message is not None else None
                    if value is not None:
                        found.append(decode(value))
        finally:
            kafka.close()
        return found


def _committed(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    kafka = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        places = kafka.committed([TopicPartition(topic, number) for number in range(PARTITIONS)], timeout=10)
    finally:
        kafka.close()
    return {place.partition: place.offset for place in places if place.offset >= 0}
