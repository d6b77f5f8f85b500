"""A local stack for the proof: two MQTT bridges for disjoint halves of the meters, two workers of `metering` and one of
each other stream, a sink. `make soak` runs it with the one MQTT bridge of topology.yaml.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
import yaml
from confluent_kafka import Consumer, TopicPartition

from connectors.kafka import ensure_topics
from flexmeter.local import roles
from flexmeter.local.access import only
from flexmeter.local.kafka import kafka
from flexmeter.local.lag import committed, ends, lag_of
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import Part, complete
from flexmeter.local.ports import free_port
from flexmeter.local.roles import Place, Role
from flexmeter.local.supervise import Supervisor
from flexmeter.registered import fill
from schemas.blocks import ReadingBlock
from schemas.codec import decode
from schemas.errors import Unavailable
from schemas.topology import Topology, load_topology

AREAS = ("malmo-north", "malmo-south")
WORKERS = 2


def say(text: str) -> None:
    """Progress, on stderr: stdout's last line is the result."""
    print(text, file=sys.stderr, flush=True)


def proof_topology(text: str) -> str:
    """The project's topology with one bridge of MQTT for each area in place of its own."""
    whole = yaml.safe_load(text)
    pattern = whole["bridges"].pop("mqtt_malmo")
    pattern["options"]["oldest_days"] = "0"  # a recording is replayed as of years ago
    whole["bridges"] |= {
        f"mqtt_{area.replace('-', '_')}": pattern
        | {"subscribe": [f"{area}/{{profile}}/{{meter}}/{carries}" for carries in ("reading", "event")]}
        for area in AREAS
    }
    written: str = yaml.safe_dump(whole, sort_keys=False)
    return written


@dataclass(slots=True)
class ProofStack:
    """Everything that runs, by name of its part."""

    place: Place
    topology_path: Path
    fleet_arguments: Sequence[str]
    supervisor: Supervisor = field(default_factory=Supervisor)
    running: dict[str, Role] = field(default_factory=dict)

    @property
    def topology(self) -> Topology:
        """What runs; of the bridges those of MQTT, which is all that the fleet speaks here."""
        return only(load_topology(self.topology_path, self.place.settings(os.environ)), ("mqtt",))

    def set_up(self) -> None:
        """Start it all but the fleet.

        Raises:
            Unavailable: a part did not become ready.
        """
        topology = self.topology
        self.running.update(_roles(topology))
        say(f"starting Kafka, mosquitto, {', '.join(self.running)} ...")
        self.supervisor.start(
            kafka(self.place.folder / "kafka", self.place.kafka_port, self.place.log("kafka")),
            mosquitto(self.place.folder / "mosquitto", self.place.mqtt_port, self.place.log("mosquitto")),
        )
        ensure_topics(topology.kafka, topology.topics.values())
        complete(replace(self._part("fleet", self._fleet("--register-only")), start_s=180.0))
        fill(topology)
        self.supervisor.start(*(self._part(name, role) for name, role in self.running.items()))

    def start_fleet(self) -> None:
        """Begin to send. The fleet ends by itself; it is no child of the supervisor, which would start it again."""
        self.supervisor.start(self._part("fleet", self._fleet()))

    def watch(self) -> None:
        """Start again what has ended, the fleet excepted, and say so."""
        fleet = self.supervisor.children.get("fleet")
        code = None if fleet is None else fleet.process.poll()
        if code is not None:
            del self.supervisor.children["fleet"]
            if code:
                raise Unavailable("fleet", f"ended with {code}; its log: {self.place.log('fleet')}")
        for line in self.supervisor.watch():
            say(f"  {line}")

    def fleet_account(self) -> Mapping[str, int]:
        """What the fleet says it sent."""
        try:
            told: dict[str, int] = orjson.loads(self.place.fleet_account.read_bytes())
        except FileNotFoundError:
            return {"sent": 0, "duplicates": 0, "garbage": 0, "expected": 0, "done": 0}
        return told

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a part that runs; what is killed the supervisor starts again."""
        child = self.supervisor.children.get(name)
        if child is not None:
            child.process.send_signal(number)

    def lag(self, name: str) -> int:
        """What waits in front of a part: payloads not acknowledged by a bridge, readings not done by a worker, records
        not committed by a sink; for Kafka, the most of these.

        Raises:
            Unavailable: Kafka does not answer.
        """
        if name == "kafka":
            return max(self.lag(part) for part in self.running if not part.startswith("bridge"))
        role = self.running[name]
        samples = scrape(role.metrics_port)
        if role.command == "bridge":
            return Series("flexmeter_bridge_in_flight").total(samples) or 0
        topology, bootstrap = self.topology, self.place.bootstrap
        if role.command == "worker":
            topic = topology.streams[role.entry].input
            found = Series("flexmeter_next_offset").of(samples)
            reached = {(topic, int(s.labels["partition"])): int(s.value) for s in found}
            _, end = ends(bootstrap, [topic])
            return rows_between(bootstrap, reached, {place: end[place] for place in reached})
        first, end = ends(bootstrap, topology.sinks[role.entry].inputs)
        return lag_of(committed(bootstrap, f"flexmeter-{role.entry}", list(end)), first, end)

    def take_down(self) -> None:
        """End everything."""
        self.signal("fleet", signal.SIGCONT)
        self.supervisor.stop_all()

    def _fleet(self, *more: str) -> Role:
        return Role("fleet", "", 0, (*self.fleet_arguments, *more))

    def _part(self, name: str, role: Role) -> Part:
        made = roles.part(role, self.place, self.topology_path, os.environ)
        return replace(made, name=name, log=self.place.log(name))


def rows_between(bootstrap: str, start: Mapping[tuple[str, int], int], end: Mapping[tuple[str, int], int]) -> int:
    """Readings in these stretches of Kafka's partitions; beats are none. Counts what comes within two seconds."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "flexmeter-proof", "enable.auto.commit": False}
    waiting = {place for place in start if start[place] < end[place]}
    rows = 0
    reader = Consumer(settings)
    try:
        reader.assign([TopicPartition(topic, number, start[topic, number]) for topic, number in waiting])
        deadline = time.monotonic() + 2
        while waiting and time.monotonic() < deadline:
            message = reader.poll(0.1)
            if message is None or message.error() is not None:
                continue
            place = (message.topic() or "", message.partition() or 0)
            record = decode(message.value() or b"")
            if place in waiting and isinstance(record, ReadingBlock):
                rows += len(record.row_meter)
            if (message.offset() or 0) + 1 >= end[place]:
                waiting.discard(place)
    finally:
        reader.close()
    return rows


def _roles(topology: Topology) -> list[tuple[str, Role]]:
    """Those of the topology, with a second worker for the stream that carries the load."""
    found = []
    for role in roles.roles(topology, free_port):
        if role.command == "recompute":
            continue  # the proof is about what the streams say
        if role.command == "worker" and role.entry == "metering":
            for n in range(1, WORKERS + 1):
                found.append((f"{role.name}-{n}", replace(role, metrics_port=free_port(), arguments=_instance(n))))
        else:
            found.append((role.name, role))
    return found


def _instance(number: int) -> tuple[str, ...]:
    return ("--instance", f"proof-{number}", "--save-interval", "5")
