"""What a fault run starts and ends: a broker on a small disk of its own, the load, workers that are always there."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from bench.faults_load import PARTITIONS, READINGS
from connectors.kafka import ensure_topics
from flexmeter.local import kafka as local_kafka
from flexmeter.local.part import Part, spawn, tail, wait_ready
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Unavailable
from schemas.topology import Topology, load_topology

SESSION_TIMEOUT_S = 6.0
SAVE_INTERVAL_S = 0.5
CALM_SAVE_INTERVAL_S = 20.0
CHUNK_BYTES = {"metering": 20_000, "grid": 400}
"""Of each stream's saves here: so small that all have several chunks."""
STREAMS = tuple(CHUNK_BYTES)
DISK_MB = 8_000
MOST_SHRINKS = 20

_TOPOLOGY = """\
kafka:
  bootstrap: {bootstrap}
register: register.csv
topics:
  {readings}:     {{records: [ReadingBlock, Beat], by: meter, partitions: {n}, retention_hours: 24}}
  {run}.evidence:
    {{records: [EventBlock, PartialLoadBlock, Beat], by: substation, partitions: {n}, retention_hours: 24}}
  {run}.aggregates:      {{records: [AggregateBlock], by: meter, partitions: {n}, retention_hours: 24}}
  {run}.loads:           {{records: [LoadBlock], by: substation, partitions: {n}, retention_hours: 24}}
  {run}.presence:        {{records: [PresenceBlock], by: meter, partitions: {n}, retention_hours: 24}}
  {run}.requests:        {{records: [RecomputeRequestBlock], by: meter, partitions: {n}, retention_hours: 24}}
  {run}.alerts:          {{records: [Alert], by: substation, partitions: {n}, retention_hours: 24}}
  {run}.accounts:        {{records: [Account], by: partition, partitions: {n}, retention_hours: 24}}
  {run}.dead:            {{records: [DeadLetter], by: source, partitions: {n}, retention_hours: 24}}
  {run}.state.metering:  {{records: [StateChunk, StateCommit], by: partition, partitions: {n}, compact: true}}
  {run}.state.grid:      {{records: [StateChunk, StateCommit], by: partition, partitions: {n}, compact: true}}
bridges:
  load: {{protocol: mqtt, url: "mqtt://{bootstrap}", subscribe: ["a/{{profile}}/{{meter}}/reading"], decoder: json,
         readings: {readings}, events: {run}.evidence, dead_letters: {run}.dead}}
streams:
  metering:
    input: {readings}
    operators: [rolling_load, feeder_load, presence]
    outputs: [{run}.aggregates, {run}.presence, {run}.evidence, {run}.requests, {run}.accounts]
    dead_letters: {run}.dead
    state: {run}.state.metering
  grid:
    input: {run}.evidence
    operators: [last_gasp, substation_balance]
    outputs: [{run}.alerts, {run}.loads, {run}.accounts]
    dead_letters: {run}.dead
    state: {run}.state.grid
sinks:
  nobody:
    url: chdb://unused
    inputs: [{run}.aggregates, {run}.presence, {run}.requests, {run}.alerts, {run}.loads, {run}.accounts, {run}.dead]
    dead_letters: {run}.dead
"""
_SMALL_SEGMENTS = {"segment.bytes": "4194304", "segment.ms": "20000", "min.cleanable.dirty.ratio": "0.1"}
"""Of the state topics, so that their compaction works while the faults happen."""


def write_topology(folder: Path, bootstrap: str, run: str) -> Path:
    """The file of a run: all runs read the same readings, each writes results and states of its own."""
    path = folder / f"{run}.yaml"
    path.write_text(_TOPOLOGY.format(bootstrap=bootstrap, run=run, readings=READINGS, n=PARTITIONS))
    return path


def make_topics(topology: Topology) -> None:
    """Make what is missing; compaction of states is made busy."""
    ensure_topics(topology.kafka, topology.topics.values())
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in _SMALL_SEGMENTS.items()
    ]
    compacted = [name for name, topic in topology.topics.items() if topic.compact]
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries) for name in compacted]
    admin = AdminClient({"bootstrap.servers": topology.kafka.bootstrap})
    for done in admin.incremental_alter_configs(resources).values():
        done.result()


@dataclass(slots=True)
class Broker:
    """Kafka, its log on a disk of a few GB, so that it can be full."""

    folder: Path
    port: int
    part: Part
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, folder: Path) -> "Broker":
        """Mount the disk and start.

        Raises:
            Unavailable: the disk cannot be mounted (see faults.py), or Kafka does not start.
        """
        disk, port = folder / "disk", free_port()
        disk.mkdir()
        _mount(f"size={DISK_MB}m", disk)
        part = local_kafka.kafka(disk, port, folder / "kafka.log")
        process = spawn(part)
        wait_ready(part, process)
        return cls(folder, port, part, process)

    @property
    def bootstrap(self) -> str:
        """Its address."""
        return f"{HOST}:{self.port}"

    def restart(self) -> None:
        """After its end: start it again, and wait until it answers."""
        self.process = spawn(self.part)
        wait_ready(self.part, self.process)

    def fill_disk(self) -> None:
        """Leave no byte free: the disk shrinks to what is on it."""
        for _ in range(MOST_SHRINKS):
            with suppress(Unavailable):  # the broker wrote between the question and the shrinking
                return self._shrink_disk()
        return self._shrink_disk()

    def _shrink_disk(self) -> None:
        disk = self.folder / "disk"
        used = os.statvfs(disk)
        _mount(f"remount,size={(used.f_blocks - used.f_bfree) * used.f_frsize}", disk)

    def empty_disk(self) -> None:
        """Give it its size again."""
        _mount(f"remount,size={DISK_MB}m", self.folder / "disk")

    def said(self, text: str) -> int:
        """How often its log holds the text."""
        return self.part.log.read_text(errors="replace").count(text)


def _mount(options: str, disk: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "flexmeter-faults", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable("disk", f"{' '.join(command)}: {done.stderr.strip()}")


@dataclass(slots=True)
class Worker:
    """A worker process that is started again whenever it ends, and what its log says since the last start."""

    part: Part
    orders: Path
    stream: str
    process: "subprocess.Popen[bytes]"
    log_from: int
    ends: list[int] = field(default_factory=list)
    """How it ended so far: exit codes, negative for signals."""
    again_at: float = 0.0

    @classmethod
    def start(cls, part: Part, orders: Path, stream: str) -> "Worker":
        """Start it."""
        return cls(part, orders, stream, spawn(part), _size(part.log))

    def said(self, pattern: str) -> list[str]:
        """What the pattern's group matched in the log, since the last start."""
        with self.part.log.open("rb") as log:
            log.seek(self.log_from)
            return re.findall(pattern, log.read().decode(errors="replace"))

    def holds(self) -> int:
        """How many partitions it last said it holds."""
        said = self.said(r"holds partitions \[(.*)\]")
        return len(said[-1].split(",")) if said and said[-1] else 0

    def look(self) -> None:
        """Start it again if it ended; after a failure of its own a little later."""
        if self.again_at and time.monotonic() >= self.again_at:
            self.log_from, self.again_at = _size(self.part.log), 0.0
            self.process = spawn(self.part)
        code = self.process.poll()
        if code is not None and not self.again_at:
            self.ends.append(code)
            self.again_at = time.monotonic() + (1.0 if code > 0 else 0.01)

    def is_stopped(self) -> bool:
        """Whether the process is stopped by SIGSTOP."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "T"


@dataclass(slots=True)
class Workers:
    """All workers of one run over one topology."""

    folder: Path
    topology_path: Path
    weakness: str | None
    save_interval_s: float = SAVE_INTERVAL_S
    running: dict[str, Worker] = field(default_factory=dict)
    ended: dict[str, list[int]] = field(default_factory=dict)
    """How those ended that are no more."""

    @property
    def topology(self) -> Topology:
        """What runs."""
        return load_topology(self.topology_path)

    def start(self, stream: str, name: str, static: bool = True) -> Worker:
        """One more worker of a stream; a static member of its group, or one that leaves when it ends."""
        orders = self.folder / "orders" / name
        orders.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "bench.faults_worker", "--orders", str(orders)]
        argv += ["--chunk-bytes", str(CHUNK_BYTES[stream])]
        argv += [part for s in self.topology.streams.values() for part in ("--state-topic", s.state)]
        argv += ["--weakness", self.weakness] if self.weakness else []
        argv += ["--", "--topology", str(self.topology_path), "--name", stream]
        argv += ["--save-interval", str(self.save_interval_s), "--session-timeout", str(SESSION_TIMEOUT_S)]
        argv += ["--instance", name] if static else []
        worker = Worker.start(Part(name, argv, self.folder / f"{name}.log", stop_s=60), orders, stream)
        self.running[name] = worker
        return worker

    def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Keep all workers running until something is so; False if it was not in time."""
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                return False
            for worker in self.running.values():
                worker.look()
            time.sleep(0.05)
        return True

    def must(self, reached: Callable[[], bool], seconds: float, what: str) -> None:
        """As `until`.

        Raises:
            Unavailable: it was not in time; with the ends of the logs.
        """
        if not self.until(reached, seconds):
            logs = "\n".join(tail(worker.part.log) for worker in self.running.values())
            raise Unavailable("workers", f"{what}: not within {seconds:.0f} s\n{logs}")

    def of(self, stream: str) -> Sequence[Worker]:
        """The workers of a stream."""
        return [worker for worker in self.running.values() if worker.stream == stream]

    def all_held(self, stream: str) -> bool:
        """Whether the workers of a stream hold all partitions between them."""
        return sum(worker.holds() for worker in self.of(stream)) == PARTITIONS

    def leave(self, name: str) -> int:
        """End one by SIGTERM and start it no more; its exit code."""
        worker = self.running.pop(name)
        worker.process.send_signal(signal.SIGTERM)
        return self._ended(name, worker)

    def _ended(self, name: str, worker: Worker) -> int:
        try:
            code = worker.process.wait(worker.part.stop_s)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            code = worker.process.wait()
        self.ended[name] = [*worker.ends, code]
        return code

    def stop(self) -> list[int]:
        """End all by SIGTERM; their exit codes."""
        for worker in self.running.values():
            worker.process.send_signal(signal.SIGTERM)
        codes = [self._ended(name, worker) for name, worker in self.running.items()]
        self.running.clear()
        return codes

    def kill(self) -> None:
        """End all at once."""
        for worker in self.running.values():
            worker.process.kill()


def load_part(folder: Path, topology_path: Path, seed: int, meters: int, steps_per_s: float) -> Part:
    """The process that writes the input."""
    argv = [sys.executable, "-m", "bench.faults_load", "--topology", str(topology_path)]
    argv += ["--account", str(folder / "account.json"), "--seed", str(seed)]
    argv += ["--meters", str(meters), "--steps-per-s", str(steps_per_s)]
    return Part("load", argv, folder / "load.log", env=dict(os.environ), stop_s=150)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
