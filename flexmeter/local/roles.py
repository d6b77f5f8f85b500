"""The roles of a topology as parts of the local stack, in the order of their start."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flexmeter.local.metrics import Series, scrape
from flexmeter.local.part import Part
from flexmeter.local.ports import HOST, listens
from schemas.topology_model import Topology
from streams.registry import OPERATORS


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is: its folder and the ports of its parts."""

    folder: Path
    kafka_port: int
    mqtt_port: int
    page_port: int
    amqp_port: int = 5672

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return f"{HOST}:{self.kafka_port}"

    @property
    def page(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.page_port}/"

    @property
    def fleet_account(self) -> Path:
        """Where the fleet says what it sent."""
        return self.folder / "fleet.json"

    def log(self, name: str) -> Path:
        """The log of a part."""
        return self.folder / "logs" / f"{name}.log"

    def settings(self, env: Mapping[str, str]) -> dict[str, str]:
        """What every role is told through its environment. What the user has set stays, except where things are:
        the parts are ours, and the fleet writes its own register.
        """
        mine = {
            "FLEXMETER_RUN": str(self.folder),
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "KAFKA_SECURITY": "PLAINTEXT",
            "MQTT_URL": f"mqtt://{HOST}:{self.mqtt_port}",
            "AMQP_URL": f"amqp://guest:guest@{HOST}:{self.amqp_port}/%2F",
            "CLICKHOUSE_URL": f"chdb://{self.folder / 'clickhouse'}",
            "PAGE_PORT": str(self.page_port),
            "FLEXMETER_REGISTER": str(self.folder / "register.csv"),
            "PYTHONUNBUFFERED": "1",
        }
        return {**env, **mine}


@dataclass(frozen=True, slots=True)
class Role:
    """A role to run: which command, for which entry of the topology, and where it tells its metrics."""

    command: str
    entry: str
    metrics_port: int
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name as a part."""
        return f"{self.command}-{self.entry}" if self.entry else self.command


def roles(topology: Topology, new_port: Callable[[], int]) -> list[Role]:
    """What a topology needs to run, in the order of start: whoever takes data before whoever gives it."""
    return [
        *(Role("sink", name, new_port()) for name in topology.sinks),
        *(Role("router", name, new_port()) for name in topology.routers),
        *(Role("worker", name, new_port(), ("--instance", "local")) for name in topology.streams),
        *(Role("recompute", name, new_port()) for name in _that_ask(topology)),
        *(Role("bridge", name, new_port()) for name in topology.bridges),
    ]


def _that_ask(topology: Topology) -> list[str]:
    """Streams whose late rows ask for hours that can be computed again, where a sink keeps the readings for it."""
    carry = {name for name, topic in topology.topics.items() if "RecomputeRequestBlock" in topic.records}
    can = {name for name, operator in OPERATORS.items() if operator.reach_ms is not None}
    asking = [
        name for name, stream in topology.streams.items() if carry & set(stream.outputs) and can & set(stream.operators)
    ]
    return asking if "clickhouse" in topology.sinks else []


def part(role: Role, place: Place, topology_path: Path, env: Mapping[str, str]) -> Part:
    """A role as a child process."""
    entry = ["--name", role.entry] if role.entry else []
    return Part(
        name=role.name,
        argv=[sys.executable, "-m", "flexmeter", role.command, *entry, *role.arguments],
        log=place.log(role.name),
        env={
            **place.settings(env),
            "FLEXMETER_TOPOLOGY": str(topology_path),
            "FLEXMETER_METRICS_PORT": str(role.metrics_port),
        },
        ready=lambda: is_ready(role, place),
        stop_s=20,
    )


READY: dict[str, Series] = {
    "bridge": Series("flexmeter_bridge_ready"),
    "worker": Series("flexmeter_next_offset"),
    "sink": Series("flexmeter_sink_available"),
    "router": Series("flexmeter_router_available"),
}


def is_ready(role: Role, place: Place) -> bool:
    """Whether a role does its work: the bridge is subscribed (what is sent before is lost), the page answers, the fleet
    tells what it sent.
    """
    if role.command == "fleet":
        return place.fleet_account.exists()
    if role.command not in READY:
        return True
    found = READY[role.command].of(scrape(role.metrics_port))
    if role.command == "bridge":
        return any(sample.value for sample in found)
    return bool(found) and (role.command != "sink" or listens(place.page_port))
