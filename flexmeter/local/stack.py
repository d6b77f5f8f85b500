"""Sets up everything on this machine, shows it live, and takes it down again."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from connectors.kafka import ensure_topics
from connectors.offsets import Offsets
from flexmeter.local import account, roles, screen, status
from flexmeter.local.kafka import kafka
from flexmeter.local.lag import ends
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import Part, finish, spawn
from flexmeter.local.ports import free_port
from flexmeter.local.rabbitmq import rabbitmq
from flexmeter.local.roles import Place, Role
from flexmeter.local.status import Snapshot, look
from flexmeter.local.supervise import Supervisor
from flexmeter.registered import fill
from flexmeter.role import STOPS
from schemas.errors import Unavailable
from schemas.topology_model import Topology

LOOK_S = 2.0
LINE_S = 5.0
DRAIN_S = 90.0


@dataclass(slots=True)
class Stack:
    """One run: where it is, what it runs, and what was said about it."""

    place: Place
    topology: Topology
    topology_path: Path
    fleet: Role
    console: Console
    running: list[Role] = field(default_factory=list)
    supervisor: Supervisor = field(default_factory=Supervisor)
    said: "deque[str]" = field(default_factory=lambda: deque(maxlen=20))
    began_ms: int = 0

    def set_up(self, env: Mapping[str, str] = os.environ) -> None:
        """Start the parts and the roles, each when those before it are ready.

        Raises:
            Unavailable: one did not become ready.
            Faults: Kafka has a topic with another number of partitions.
        """
        keep_last_logs(self.place.folder / "logs")
        register = self._part(replace(self.fleet, arguments=(*self.fleet.arguments, "--register-only")), env)
        registering = spawn(register)
        brokers = self._brokers()
        self._start(", ".join(part.name for part in brokers), *brokers)
        with self._step(f"{len(self.topology.topics)} topics"):
            ensure_topics(self.topology.kafka, self.topology.topics.values())
        with self._step("register of meters"):
            finish(register, registering)
            fill(self.topology)
        published = [(part, spawn(part)) for part in self._publishers(env)]
        self.running = roles.roles(self.topology, free_port)
        self._start(", ".join(role.name for role in self.running), *(self._part(role, env) for role in self.running))
        for part, process in published:
            with self._step(part.name):
                finish(part, process)
        self.began_ms = time.time_ns() // 1_000_000
        self.place.fleet_account.unlink(missing_ok=True)
        self._start("fleet", self._part(self.fleet, env))

    def _publishers(self, env: Mapping[str, str]) -> Iterator[Part]:
        """Commands that put on Kafka what streams know of the grid and of homes."""
        commands = {"GridBlock": Role("grid", "", 0), "HomeRequestBlock": Role("home", "", 0, ("announce",))}
        for record, role in commands.items():
            if any(record in topic.records for topic in self.topology.topics.values()):
                yield self._part(role, env)

    def _brokers(self) -> list[Part]:
        """Kafka, and those that the bridges receive from."""
        place = self.place
        parts = [
            kafka(place.folder / "kafka", place.kafka_port, place.log("kafka")),
            mosquitto(place.folder / "mosquitto", place.mqtt_port, place.log("mosquitto")),
        ]
        if any(bridge.protocol == "amqp" for bridge in self.topology.bridges.values()):
            parts.append(rabbitmq(place.folder / "rabbitmq", place.amqp_port, place.log("rabbitmq")))
        return parts

    def _part(self, role: Role, env: Mapping[str, str]) -> Part:
        return roles.part(role, self.place, self.topology_path, env)

    def _start(self, what: str, *parts: Part) -> None:
        with self._step(what):
            self.supervisor.start(*parts)

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        with self.console.status(f"{what} ..."):
            yield
        self._print(f"  {what} ready ({time.monotonic() - began:.1f} s)")

    def show(self, for_s: float | None) -> None:
        """Watch and show until the time is up, or for ever.

        Raises:
            Unavailable: a part ended too often.
        """
        end = time.monotonic() + for_s if for_s else float("inf")
        now = earlier = self._look()
        live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None
        with live or _nothing():
            while time.monotonic() < end:
                self._wait(min(end, time.monotonic() + (LOOK_S if live else LINE_S)))
                earlier, now = now, self._look()
                self._draw(live, earlier, now)

    def _look(self) -> Snapshot:
        return look(self.place, self.topology, self.running, time.monotonic())

    def _draw(self, live: Live | None, earlier: Snapshot, now: Snapshot) -> None:
        if live:
            height = self.console.size.height - 1  # the cursor's line
            live.update(screen.picture(earlier, now, self.place.page, list(self.said), height), refresh=True)
            return
        while self.said:
            self._print(self.said.popleft())
        self._print(screen.plain(earlier, now))

    def _wait(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self.said.extend(self.supervisor.watch())
            time.sleep(min(0.2, left))

    def account(self) -> bool:
        """Stop the fleet, wait until what it sent has arrived, print the account. False if anything was lost."""
        self.supervisor.stop(["fleet"])
        told = account.sent(self.place.fleet_account)
        end: Offsets = {}

        def missing() -> dict[str, int]:
            return account.missing(told, account.arrived(self.place.page_port, self.began_ms))

        def behind() -> dict[str, int]:
            end.update(() if end else ends(self.place.bootstrap, list(self.topology.topics))[1])
            return status.behind(self.place, self.topology, self.running, end)

        deadline = time.monotonic() + DRAIN_S
        with self.console.status("waiting for what is under way ..."):
            lost = self._until_none(missing, deadline)
            undone = self._until_none(behind, deadline)
        arrived = account.arrived(self.place.page_port, self.began_ms)
        kinds = account.kinds(self.place.page_port, self.began_ms)
        failed = lost, account.not_taken(told), undone
        for line in [*self.said, *account.summary(told, arrived, kinds), account.verdict(*failed)]:
            self._print(line)
        return not any(failed)

    def _until_none(self, look: Callable[[], dict[str, int]], deadline: float) -> dict[str, int]:
        """Look until there is nothing left, or no time; what was left then."""
        while True:
            try:
                left = look()
            except Unavailable as error:
                self.said.append(str(error))
                left = {"(could not be counted)": 1}
            if not left or time.monotonic() > deadline:
                return left
            self._wait(time.monotonic() + 0.5)

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def take_down(self) -> None:
        """Stop all, last started first. A second Ctrl-C ends them at once."""

        def at_once(_signal: int, _frame: FrameType | None) -> None:
            self.supervisor.kill_all()

        for number in STOPS:
            signal.signal(number, at_once)
        with self.console.status("stopping ..."):
            self.supervisor.stop_all()
        self.console.print(
            f"All stopped; the data is kept in {self.place.folder}", markup=False, highlight=False, soft_wrap=True
        )


def keep_last_logs(folder: Path) -> None:
    """Begin new logs; those of the run before are kept as *.log.1."""
    for log in folder.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))


@contextmanager
def _nothing() -> Iterator[None]:
    yield
