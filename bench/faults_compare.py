"""Holds all that a fault run wrote against an uninterrupted run and against the truth, partition by partition."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.faults_check import (
    account_faults,
    aggregate_faults,
    alert_faults,
    canonical,
    load_faults,
    presence_faults,
    request_faults,
    run_faults,
)
from bench.faults_load import PARTITIONS, READINGS, SOURCES
from bench.faults_log import Found, Log
from bench.faults_truth import LoadFact, LoadKey, Readings, last_gasps
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.codec import decode
from schemas.record import Record

RESULTS = ("aggregates", "presence", "requests", "evidence", "accounts", "alerts", "dead")
"""Topics whose records must be the same, byte for byte: those that follow from the readings, and alerts."""


@dataclass(slots=True)
class Comparison:
    """A run against an uninterrupted one over the same input, and against the truth; partition by partition."""

    log: Log
    run: str
    calm: str
    faults: list[str] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """What the input topics hold, by the names of the load's account."""
    repeats: int = 0
    records: int = 0
    """Distinct records of results."""
    facts: int = 0
    longest_pause_s: float = 0.0

    def all(self, account: Mapping[str, int]) -> "Comparison":
        """Compare everything. `account` is what the load says that Kafka acknowledged."""
        alerts: dict[tuple[str, int], tuple[object, ...]] = {}
        said: dict[bytes, bytes] = {}
        loads: dict[LoadKey, LoadFact] = {}
        for partition in range(PARTITIONS):
            found = {name: self._records(name, partition) for name in RESULTS}
            self._readings(partition, found, loads)
            alerts |= self._evidence(partition)
            said |= found["alerts"].values
        self.faults += alert_faults(alerts, said)
        self.facts += len(alerts)
        self._loads(loads)
        for name, count in self.acknowledged.items():
            if account.get(name) != count:
                self.faults.append(f"input: {name}: {account.get(name)} acknowledged, {count} found")
        return self

    def _records(self, name: str, partition: int) -> Found:
        run = Found.of(self.log, f"{self.run}.{name}", partition)
        calm = Found.of(self.log, f"{self.calm}.{name}", partition)
        self.faults += run_faults(f"{name}/{partition}", run, calm)
        self.repeats += run.records - calm.records
        self.records += len(run.values)
        self.longest_pause_s = max(self.longest_pause_s, run.longest_pause_s if name == "accounts" else 0)
        if name == "dead" and run.values:
            self.faults.append(f"{run.records} dead letters of what was no garbage")
        return run

    def _readings(self, partition: int, found: Mapping[str, Found], loads: dict[LoadKey, LoadFact]) -> None:
        truth, end = Readings(), 0
        for message in self.log.read(READINGS, partition):
            record = decode(message.value)
            truth.take(record)
            self._count(READINGS, record)
            end = message.offset + 1
        wanted = np.unique(canonical(truth.aggregates()))
        parts = truth.loads()
        self.facts += len(wanted) + len(truth.presence) + len(truth.requests) + len(parts)
        name = f"readings/{partition}"
        self.faults += aggregate_faults(name, wanted, sorted(truth.meters), found["aggregates"])
        self.faults += presence_faults(name, truth.presence, found["presence"])
        self.faults += request_faults(name, truth.requests, found["requests"])
        self.faults += account_faults(name, "metering", {**truth.account(), "next_offset": end}, found["accounts"])
        for key, fact in parts.items():
            for place in (key, (key[0], None, key[2])):
                before = loads.get(place, (0, 0, 0))
                loads[place] = (before[0] + fact[0], before[1] + fact[1], before[2] + fact[2])

    def _evidence(self, partition: int) -> dict[tuple[str, int], tuple[object, ...]]:
        """The alerts that follow from it. What stream grid says of it is held against it, too."""
        topic = f"{self.run}.evidence"
        blocks, end = [], 0
        for message in self.log.read(topic, partition):
            record = decode(message.value)
            if isinstance(record, EventBlock):
                blocks.append(record)
            if isinstance(record, EventBlock) or (isinstance(record, Beat) and record.source in SOURCES):
                self._count(topic, record)
            end = message.offset + 1
        rows = sum(len(block.row_meter) for block in blocks)
        meters = len({meter for block in blocks for meter in block.meters})
        wanted = {"received": rows, "released": rows, "meters": meters, "pending": 0, "late": 0, "next_offset": end}
        accounts = Found.of(self.log, f"{self.run}.accounts", partition, of_stream="grid")
        self.faults += account_faults(f"evidence/{partition}", "grid", wanted, accounts)
        self.longest_pause_s = max(self.longest_pause_s, accounts.longest_pause_s)
        return dict(last_gasps(blocks))

    def _loads(self, wanted: Mapping[LoadKey, LoadFact]) -> None:
        """Of the second stream: each run against the truth, so they are equal too."""
        self.facts += len(wanted)
        for run in (self.run, self.calm):
            found = [Found.of(self.log, f"{run}.loads", partition) for partition in range(PARTITIONS)]
            self.faults += load_faults(run, wanted, found)
            if run == self.run:
                self.records += sum(len(one.values) for one in found)
                self.repeats += sum(one.records - len(one.values) for one in found)

    def _count(self, topic: str, record: Record) -> None:
        rows = len(record.row_meter) if isinstance(record, ReadingBlock | EventBlock) else 0
        self.acknowledged[f"{topic}/records"] += 1
        self.acknowledged[f"{topic}/rows"] += rows
