"""The roles of a topology as parts of the local stack, in the order of their start."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flexmeter.local.part import Part
from flexmeter.local.ports import HOST
from schemas.topology_model import Topology


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is: its folder and the ports of its parts."""

    folder: Path
    kafka_port: int
    mqtt_port: int
    page_port: int

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
        """What every role is told through its environment. What the user has set stays, except where the parts are."""
        mine = {
            "FLEXMETER_RUN": str(self.folder),
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "KAFKA_SECURITY": "PLAINTEXT",
            "MQTT_URL": f"mqtt://{HOST}:{self.mqtt_port}",
            "CLICKHOUSE_URL": f"chdb://{self.folder / 'clickhouse'}",
            "PAGE_PORT": str(self.page_port),
            "PYTHONUNBUFFERED": "1",
        }
        return {"FLEXMETER_REGISTER": str(self.folder / "register.csv"), **env, **mine}


@dataclass(frozen=True, slots=True)
class Role:
    """A role to run: which command, for which entry of the topology, with what else on its command line."""

    command: str
    name: str
    arguments: tuple[str, ...] = ()


def roles(topology: Topology) -> list[Role]:
    """What a topology needs to run, in the order of start: whoever takes data starts before whoever gives it."""
    return [
        *(Role("sink", name) for name in topology.sinks),
        *(Role("worker", name) for name in topology.streams),
        *(Role("bridge", name) for name in topology.bridges),
    ]


def part(role: Role, place: Place, topology_path: Path, env: Mapping[str, str]) -> Part:
    """A role as a child process."""
    argv = [sys.executable, "-m", "flexmeter", role.command, "--topology", str(topology_path), *role.arguments]
    if role.name:
        argv += ["--name", role.name]
    name = f"{role.command}-{role.name}" if role.name else role.command
    return Part(name=name, argv=argv, log=place.log(name), env=place.settings(env), stop_s=20)


def groups(topology: Topology) -> dict[str, tuple[str, Sequence[str]]]:
    """The consumer group of each stage, and the topics it reads."""
    streams = {f"worker-{s.name}": (f"flexmeter-{s.name}", [s.input]) for s in topology.streams.values()}
    sinks = {f"sink-{s.name}": (f"flexmeter-{s.name}", list(s.inputs)) for s in topology.sinks.values()}
    return {**streams, **sinks}
