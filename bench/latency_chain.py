"""What bench.latency measures: mosquitto, the MQTT bridge, Kafka and the worker of `metering`, each as it runs."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

from bench.last_gasp import roles_running
from bench.process import cpu_s
from bench.workload import FEEDERS, PROFILE, SUBSTATIONS, City
from connectors.kafka import ensure_topics
from flexmeter.local.kafka import kafka
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.roles import Place, Role
from flexmeter.registered import fill
from schemas.topology import Topology, load_topology

TOPOLOGY = Path("topology.yaml")
BRIDGE, STREAM = "mqtt_malmo", "metering"
_ROWS = Series("flexmeter_stream_rows")
_REJECTED = Series("flexmeter_bridge_rejected_total")


@dataclass(frozen=True, slots=True)
class Chain:
    """The parts between a device and a result."""

    place: Place
    topology: Topology
    bridge: Role
    worker: Role
    pids: dict[str, int]

    @property
    def mqtt_url(self) -> str:
        """Where devices report."""
        return f"mqtt://{HOST}:{self.place.mqtt_port}"

    @property
    def rows(self) -> int:
        """Readings that the worker has taken."""
        return _ROWS.total(scrape(self.worker.metrics_port)) or 0

    @property
    def rejected(self) -> int:
        """Messages that the bridge could not take."""
        return _REJECTED.total(scrape(self.bridge.metrics_port)) or 0

    def cpu_s(self) -> dict[str, float]:
        """CPU time of each part so far."""
        return {name: cpu_s(pid) for name, pid in self.pids.items()}


@contextmanager
def chain(meters: int) -> Iterator[Chain]:
    """All parts running, nothing in them yet but the register of so many meters."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Place(Path(folder), free_port(), free_port(), free_port())
        _write_files(place.folder, meters)
        brokers = (
            kafka(place.folder / "kafka", place.kafka_port, place.log("kafka")),
            mosquitto(place.folder / "mosquitto", place.mqtt_port, place.log("mosquitto")),
        )
        pids = {part.name: stack.enter_context(running(part)).pid for part in brokers}
        env = place.settings(environ)
        topology = load_topology(place.folder / "topology.yaml", env)
        ensure_topics(topology.kafka, topology.topics.values())
        fill(topology)
        worker, bridge = Role("worker", STREAM, free_port()), Role("bridge", BRIDGE, free_port())
        processes = stack.enter_context(roles_running(place, [worker, bridge], env))
        pids |= {role.command: processes[role.name].pid for role in (bridge, worker)}
        yield Chain(place, topology, bridge, worker, pids)


def _write_files(folder: Path, meters: int) -> None:
    rows = [
        f"{meter},{PROFILE},substation-{i % FEEDERS % SUBSTATIONS:02d},feeder-{i % FEEDERS:03d}"
        for i, meter in enumerate(City.of(meters, 1).ids)
    ]
    (folder / "register.csv").write_text("\n".join(["meter_id,profile,substation,feeder", *rows]) + "\n")
    (folder / "topology.yaml").write_text(TOPOLOGY.read_text("utf-8"))
