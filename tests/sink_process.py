"""The sink as its users run it, on topics of a test's own, and what they see through ClickHouse's HTTP interface."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition

from connectors.kafka import Outlet, ensure_topics
from flexmeter.local.part import Part, running
from flexmeter.local.ports import HOST, free_port
from schemas.alert import AlertMark
from schemas.codec import encode
from schemas.topology import load_topology
from schemas.topology_model import Kafka
from tests.topologies import own_copy

PARTITIONS = 2
# What tests call a topic -> its name in topology.yaml
TOPICS = {
    "readings": "meter.readings",
    "events": "grid.evidence",
    "aggregates": "meter.aggregates",
    "presence": "meter.presence",
    "loads": "grid.loads",
    "reliability": "grid.reliability",
    "recompute": "recompute.requests",
    "accounts": "accounts",
    "alerts": "alerts",
    "marks": "alert.marks",
    "dead": "dead.letters",
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where one test's sink reads, writes and serves."""

    prefix: str
    bootstrap: str
    topology: Path
    url: str
    port: int

    def topic(self, role: str) -> str:
        return f"{self.prefix}.{TOPICS[role]}"

    def send(self, records: Iterable[tuple[str, Any]], partition: int = 0) -> None:
        """Write (role of topic, record or bytes) into a partition; returns when Kafka has them."""
        outlet = Outlet(Kafka(self.bootstrap, "PLAINTEXT", {}), "test")
        for role, record in records:
            payload = record if isinstance(record, bytes) else encode(record)
            key = record.id.encode() if isinstance(record, AlertMark) else None  # its topic is compacted
            outlet.produce(self.topic(role), partition, payload, key=key)
        assert outlet.close(30)

    @property
    def env(self) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP": self.bootstrap, "CLICKHOUSE_URL": self.url}

    def part(self) -> Part:
        argv = [sys.executable, "-m", "flexmeter", "sink", "--topology", str(self.topology), "--name", "clickhouse"]
        return Part(
            name="sink",
            argv=[*argv, "--http-port", str(self.port)],
            log=self.topology.with_suffix(".log"),
            env={"PYTHONPATH": os.getcwd(), **self.env},
            ready=lambda: reachable(self.port),
        )

    @contextmanager
    def sink(self) -> "Iterator[subprocess.Popen[bytes]]":
        with running(self.part()) as process:
            yield process

    def http(self, sql: str = "", path: str = "/", method: str = "POST", **parameters: str) -> Answer:
        return http(self.port, sql, path, method, **parameters)

    def rows(self, sql: str) -> list[list[Any]]:
        answer = self.http(sql, default_format="JSONCompactEachRow")
        assert answer.status == 200, answer.body.decode()
        return [json.loads(line) for line in answer.body.splitlines()]

    def wait_until_read(self, timeout_s: float = 60) -> None:
        """Until the sink has committed everything that the topics hold."""
        deadline = monotonic() + timeout_s
        kafka = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "flexmeter-clickhouse"})
        try:
            while behind := self._behind(kafka):
                assert monotonic() < deadline, f"not read: {behind}"
                sleep(0.1)
        finally:
            kafka.close()

    def _behind(self, kafka: Consumer) -> list[str]:
        places = [TopicPartition(self.topic(role), number) for role in TOPICS for number in range(PARTITIONS)]
        try:
            committed = {(place.topic, place.partition): place.offset for place in kafka.committed(places, timeout=10)}
            ends = {(place.topic, place.partition): kafka.get_watermark_offsets(place)[1] for place in places}
        except KafkaException as error:
            return [str(error)]  # the group or a topic is being made
        return [str(place) for place, end in ends.items() if max(committed[place], 0) < end]

    def wait_for(self, sql: str, expected: Any, timeout_s: float = 60) -> None:
        """Until the one value that the query gives is as expected."""
        deadline = monotonic() + timeout_s
        while (seen := self.rows(sql)[0][0]) != expected:
            assert monotonic() < deadline, f"{sql}: {seen}, expected {expected}"
            sleep(0.1)


def make_place(folder: Path, prefix: str, bootstrap: str, url: str = "") -> Place:
    """The topology of the repository with topics and a database of the test's own."""
    url = url or f"chdb://{folder / 'clickhouse'}"
    path = folder / f"{prefix}.yaml"
    document = own_copy(prefix)
    for topic in document["topics"].values():
        topic["partitions"] = PARTITIONS
    path.write_text(yaml.safe_dump(document))
    env = {"KAFKA_BOOTSTRAP": bootstrap, "CLICKHOUSE_URL": url}
    topology = load_topology(path, env)
    ensure_topics(topology.kafka, [topic for topic in topology.topics.values() if "StateChunk" not in topic.records])
    return Place(prefix, bootstrap, path, url, free_port())


def http(port: int, sql: str = "", path: str = "/", method: str = "POST", **parameters: str) -> Answer:
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    data = sql.encode() if method == "POST" else None
    request = urllib.request.Request(f"http://{HOST}:{port}{path}{query}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def reachable(port: int) -> bool:
    try:
        return http(port, path="/ping", method="GET").body == b"Ok.\n"
    except OSError:
        return False
