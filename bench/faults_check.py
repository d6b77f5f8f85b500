"""Reads what a fault run wrote, and holds it against an uninterrupted run and against the truth."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from bench.faults_load import PARTITIONS, READINGS, SOURCES
from bench.faults_truth import AGGREGATE, WINDOWS, Aggregates, LoadFact, LoadKey, Readings, last_gasps
from schemas.alert import decode_alert
from schemas.blocks import (
    Account,
    AggregateBlock,
    Beat,
    EventBlock,
    LoadBlock,
    PartialLoadBlock,
    PresenceBlock,
    ReadingBlock,
    RecomputeRequestBlock,
    Record,
)
from schemas.codec import decode
from schemas.errors import Unavailable

RESULTS = ("aggregates", "presence", "requests", "evidence", "accounts", "alerts", "dead")
"""Topics whose records must be the same, byte for byte: those that follow from the readings, and alerts."""
STEPS_PER_WH = 36_000_000
"""Steps of 0.1 W ms in a Wh."""
SHOWN = 3
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Message:
    """A record of Kafka's."""

    offset: int
    written_at: int
    """ms UTC."""
    value: bytes


@dataclass(slots=True)
class Log:
    """Reads topics from their start to their present end."""

    bootstrap: str
    _read_to: dict[tuple[str, int], int] = field(default_factory=dict)

    def read(self, topic: str, partition: int, offset: int = 0) -> Iterator[Message]:
        """Every record of a partition from an offset on."""
        settings = {"bootstrap.servers": self.bootstrap, "group.id": "faults-read", "enable.auto.commit": False}
        consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
        try:
            place = TopicPartition(topic, partition)
            first, end = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
            reached = max(first, offset)
            consumer.assign([TopicPartition(topic, partition, reached)])
            while reached < end:
                messages = consumer.consume(min(1_000, end - reached), PATIENCE_S)
                if not messages:
                    raise Unavailable("kafka", f"{topic}/{partition}: nothing comes from offset {reached} on")
                for message in messages:
                    if (error := message.error()) is not None:
                        raise Unavailable("kafka", error.str())
                    reached = (message.offset() or 0) + 1
                    yield Message(reached - 1, message.timestamp()[1], message.value() or b"")
        finally:
            consumer.close()

    def accounts(self, topic: str, partition: int) -> Iterator[Account]:
        """Those that a partition holds, from where the last call ended."""
        first = self._read_to.get((topic, partition), 0)
        for message in self.read(topic, partition, first):
            self._read_to[topic, partition] = message.offset + 1
            account = decode(message.value)
            assert isinstance(account, Account)
            yield account

    def end(self, topic: str, partition: int) -> int:
        """The offset that comes next."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "faults-read"})
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE_S)[1])
        finally:
            consumer.close()


@dataclass(slots=True)
class Found:
    """The distinct records of one partition of results, and how many there were in all."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    """By their digests, in the order in which each came first."""
    records: int = 0
    longest_pause_s: float = 0.0
    """Between one record and the next, by Kafka's timestamps."""

    @classmethod
    def of(cls, log: Log, topic: str, partition: int, of_stream: str = "metering") -> "Found":
        """Read them; of evidence only what metering adds, of accounts only those of one stream."""
        found, before = cls(), 0
        for message in log.read(topic, partition):
            if topic.endswith(("evidence", "accounts")) and not _is_of(decode(message.value), of_stream):
                continue
            found.values[hashlib.blake2b(message.value, digest_size=16).digest()] = message.value
            found.records += 1
            found.longest_pause_s = max(
                found.longest_pause_s, (message.written_at - (before or message.written_at)) / 1e3
            )
            before = message.written_at
        return found


def _is_of(record: Record, stream: str) -> bool:
    return isinstance(record, PartialLoadBlock) or (isinstance(record, Account) and record.stream == stream)


def run_faults(name: str, run: Found, calm: Found) -> Iterator[str]:
    """Where a run and the uninterrupted one did not say the same, record by record, byte for byte."""
    for missing in list(calm.values.keys() - run.values.keys())[:SHOWN]:
        yield f"{name}: lost: {_shown(calm.values[missing])}"
    for extra in list(run.values.keys() - calm.values.keys())[:SHOWN]:
        yield f"{name}: nobody else says: {_shown(run.values[extra])}"
    lost, more = len(calm.values.keys() - run.values.keys()), len(run.values.keys() - calm.values.keys())
    if lost + more > 0:
        yield f"{name}: {lost} of {len(calm.values)} records lost, {more} that the uninterrupted run has not"


def _shown(value: bytes) -> str:
    text = value.decode(errors="replace") if value[:1] == b"{" else repr(decode(value))
    return " ".join(text.split())[:240]


def aggregates(found: Found, ids: list[str]) -> tuple[Aggregates, list[str]]:
    """The highest version of each aggregate, and what is said in two ways."""
    place = {meter: i for i, meter in enumerate(ids)}
    parts = []
    for value in found.values.values():
        block = decode(value)
        if isinstance(block, AggregateBlock):
            parts.append(_rows(block, place))
    rows = np.concatenate(parts) if parts else np.empty(0, AGGREGATE)
    rows = np.unique(canonical(rows))
    key = rows[["meter", "quantity", "window", "start", "version", "revision"]]
    twice = np.flatnonzero(key[1:] == key[:-1])
    faults = [f"aggregates: one key and version says two things: {rows[i]} and {rows[i + 1]}" for i in twice[:SHOWN]]
    fact = rows[["meter", "quantity", "window", "start"]]
    highest = rows[np.append(fact[1:] != fact[:-1], True)[: len(rows)]]
    highest["version"] = highest["revision"] = 0
    return highest, faults


def _rows(block: AggregateBlock, place: Mapping[str, int]) -> Aggregates:
    rows = np.zeros(len(block.row_meter), AGGREGATE)
    rows["meter"] = np.array([place.get(meter, -1) for meter in block.meters])[block.row_meter]
    rows["window"] = np.array([WINDOWS.index(window) for window in block.windows])[block.row_window]
    rows["quantity"], rows["version"] = block.row_quantity, block.operator_version
    for name in AGGREGATE.names or ():
        if name not in ("meter", "window", "quantity", "version"):
            rows[name] = getattr(block, name)
    return rows


def canonical(rows: Aggregates) -> Aggregates:
    """With one bit pattern for "does not apply", so that rows can be compared as bytes."""
    made = rows.copy()
    for name in ("mean", "min", "max", "energy_trapezoid_wh", "register_difference"):
        made[name][np.isnan(made[name])] = -1e300
    return made


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


def aggregate_faults(name: str, wanted: Aggregates, ids: list[str], found: Found) -> Iterator[str]:
    """`wanted` in canonical form, sorted."""
    rows, faults = aggregates(found, ids)
    yield from faults
    if rows.tobytes() == wanted.tobytes():
        return
    for text, some in (("missing or other", np.setdiff1d(wanted, rows)), ("not wanted", np.setdiff1d(rows, wanted))):
        yield f"{name}: {len(some)} aggregates {text}, of {len(wanted)}: {list(some[:SHOWN])}"


def presence_faults(name: str, wanted: Mapping[tuple[str, int], tuple[object, ...]], found: Found) -> Iterator[str]:
    """A fact of presence missing, other, said in two ways, or of nothing."""
    said: dict[tuple[str, int], tuple[object, ...]] = {}
    for value in found.values.values():
        block = decode(value)
        assert isinstance(block, PresenceBlock)
        for row, place in enumerate(block.row_meter):
            key = (block.meters[place], int(block.number[row]))
            fact = (block.state[row], int(block.since[row]), int(block.last_at[row]), block.feeders[place])
            if said.setdefault(key, fact) != fact:
                yield f"{name}: presence {key} says two things: {said[key]} and {fact}"
    yield from _differences(f"{name}: presence", wanted, said)


def request_faults(name: str, wanted: set[tuple[str, str, int, int]], found: Found) -> Iterator[str]:
    """Windows of late rows that nobody wants computed again, or that should not be."""
    said = set()
    for value in found.values.values():
        block = decode(value)
        assert isinstance(block, RecomputeRequestBlock)
        for row, place in enumerate(block.row_meter):
            said.add((block.meters[place], block.profiles[place], int(block.start[row]), int(block.end[row])))
    if said != wanted:
        yield f"{name}: {len(wanted - said)} requests missing, {len(said - wanted)} not wanted"


def alert_faults(wanted: Mapping[tuple[str, int], tuple[object, ...]], values: Mapping[bytes, bytes]) -> Iterator[str]:
    """An alert missing, other, said in two ways, or of nothing."""
    said: dict[tuple[str, int], tuple[object, ...]] = {}
    for alert in map(decode_alert, values.values()):
        fact = (alert.state, alert.subject, alert.feeder, alert.substation, alert.at, alert.raised_at)
        if said.setdefault((alert.id, alert.number), fact) != fact:
            yield f"alert {alert.id} number {alert.number} says two things"
    yield from _differences("alerts", wanted, said)


def load_faults(name: str, wanted: Mapping[LoadKey, LoadFact], found: list[Found]) -> Iterator[str]:
    """A feeder's or substation's load missing, other, said in two ways, or of nothing, in its highest revision."""
    said: dict[tuple[LoadKey, int], tuple[float, ...]] = {}
    highest: dict[LoadKey, int] = {}
    for value in (value for one in found for value in one.values.values()):
        block = decode(value)
        assert isinstance(block, LoadBlock)
        columns = (block.counted.tolist(), block.energy_wh.tolist(), block.covered_ms.tolist())
        for row, (start, revision) in enumerate(zip(block.start.tolist(), block.revision.tolist(), strict=True)):
            key = (block.substation, block.feeder[row], start)
            fact = tuple(column[row] for column in columns)
            if said.setdefault((key, revision), fact) != fact:
                yield f"{name}: load of {key}, revision {revision}, says two things: {said[key, revision]} and {fact}"
            highest[key] = max(revision, highest.get(key, 0))
    held = {key: said[key, revision] for key, revision in highest.items()}
    truth = {key: (counted, energy / STEPS_PER_WH, covered) for key, (counted, energy, covered) in wanted.items()}
    wrong = [key for key, fact in truth.items() if held.get(key) != fact]
    for key in wrong[:SHOWN]:
        yield f"{name}: load of {key}: {truth[key]} expected, {held.get(key)} found"
    more = held.keys() - truth.keys()
    if wrong or more:
        yield f"{name}: {len(wrong)} of {len(truth)} loads missing or other, {len(more)} not wanted"


def account_faults(name: str, stream: str, wanted: Mapping[str, int], found: Found) -> Iterator[str]:
    """Where the newest account of a stream over this partition is not what the log comes to."""
    accounts = [account for account in map(decode, found.values.values()) if isinstance(account, Account)]
    of_stream = [account for account in accounts if account.stream == stream]
    if not of_stream:
        yield f"{name}: no account of {stream}"
        return
    newest = max(of_stream, key=lambda account: account.next_offset)
    if wrong := {what: (n, getattr(newest, what)) for what, n in wanted.items() if getattr(newest, what) != n}:
        yield f"{name}: account of {stream}: (expected, found): {wrong}"


def _differences(
    name: str, wanted: Mapping[tuple[str, int], tuple[object, ...]], said: Mapping[tuple[str, int], tuple[object, ...]]
) -> Iterator[str]:
    wrong = [key for key, fact in wanted.items() if said.get(key) != fact]
    for key in wrong[:SHOWN]:
        yield f"{name}: {key}: {wanted[key]} expected, {said.get(key)} found"
    more = said.keys() - wanted.keys()
    if wrong or more:
        yield f"{name}: {len(wrong)} of {len(wanted)} missing or other, {len(more)} not wanted"
