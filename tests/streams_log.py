"""Logs of one input partition for tests of shards and operators, and what came out of them."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from schemas.alert import Alert
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.master_data import GridBlock, HomeRequestBlock, PlannedWorkBlock
from schemas.results import Account, HeardBlock, HourlyLoadBlock, PartialLoadBlock
from streams.contract import Operator, Result
from streams.outage.tree import Node
from streams.shard import Shard

PROFILE = "malmo_household"
INTERVAL_MS = 10_000
BEGIN = 1_700_000_000_000 // 3_600_000 * 3_600_000
SOURCE = "mqtt_malmo"

WAY = "metering/0/mqtt_malmo"
"""The name under which a metering shard hands on whom it heard."""

Input = (
    ReadingBlock
    | EventBlock
    | HeardBlock
    | GridBlock
    | PlannedWorkBlock
    | PartialLoadBlock
    | HourlyLoadBlock
    | HomeRequestBlock
    | Beat
)
Facts = dict[tuple[object, ...], tuple[object, ...]]
"""Values by natural key."""


@dataclass(frozen=True)
class Row:
    """One reading as it reaches the bridge."""

    meter: str
    at: int
    received_at: int
    values: tuple[float, ...]
    quality: int = 0
    interval_ms: int = INTERVAL_MS
    profile: str = PROFILE
    feeder: str = "F1"


@dataclass(frozen=True)
class PartialLoad:
    """What the meters of one partition say of a feeder's load, or of a substation's infeed (None)."""

    partition: int
    substation: str
    feeder: str | None
    start: int
    counted: int
    energy_steps: int


def block(rows: Sequence[Row]) -> ReadingBlock:
    """One block of these rows, which share their received_at and profile."""
    meters = sorted({row.meter for row in rows})
    interval_of = {row.meter: row.interval_ms for row in rows}
    feeder_of = {row.meter: row.feeder for row in rows}
    return ReadingBlock(
        source=SOURCE,
        profile=rows[0].profile,
        received_at=rows[0].received_at,
        meters=meters,
        feeders=[feeder_of[meter] for meter in meters],
        substations=["S1"] * len(meters),
        intervals_ms=np.array([interval_of[meter] for meter in meters], np.int64),
        row_meter=np.array([meters.index(row.meter) for row in rows], np.int32),
        at=np.array([row.at for row in rows], np.int64),
        sequence=np.full(len(rows), -1, np.int64),
        quality=np.array([row.quality for row in rows], np.int32),
        columns=list(load_catalogue().profiles[rows[0].profile].quantities),
        values=np.array([row.values for row in rows], np.float64).T.ravel(),
    )


def events(rows: Sequence[tuple[str, int, str]]) -> EventBlock:
    """One block of (meter, at, kind)."""
    meters = sorted({meter for meter, _, _ in rows})
    return EventBlock(
        source=SOURCE,
        received_at=rows[0][1],
        meters=meters,
        feeders=["F1"] * len(meters),
        substations=["S1"] * len(meters),
        row_meter=np.array([meters.index(meter) for meter, _, _ in rows], np.int32),
        at=np.array([at for _, at, _ in rows], np.int64),
        quality=np.zeros(len(rows), np.int32),
        kind=[kind for _, _, kind in rows],
        detail=[""] * len(rows),
    )


def requests(
    rows: Sequence[tuple[str, int, str]], number: int = 0, power_w: float = 0, appliance: str = ""
) -> HomeRequestBlock:
    """One block of (meter, at, kind); the labels among them are all of one load."""
    meters = sorted({meter for meter, _, _ in rows})
    return HomeRequestBlock(
        meters=meters,
        row_meter=np.array([meters.index(meter) for meter, _, _ in rows], np.int32),
        at=np.array([at for _, at, _ in rows], np.int64),
        kind=[kind for _, _, kind in rows],
        number=np.full(len(rows), number, np.int64),
        power_w=np.full(len(rows), power_w, np.float64),
        appliance=[appliance] * len(rows),
    )


def heard(rows: Sequence[Row], source: str = WAY) -> HeardBlock:
    """What metering hands on of these rows."""
    meters = sorted({row.meter for row in rows})
    return HeardBlock(
        source=source,
        meters=meters,
        substations=["S1"] * len(meters),
        row_meter=np.array([meters.index(row.meter) for row in rows], np.int32),
        at=np.array([row.at for row in rows], np.int64),
        received_at=np.array([row.received_at for row in rows], np.int64),
        voltage_v=np.array([row.values[-1] for row in rows], np.float64),
        active_power_w=np.full(len(rows), np.nan),
    )


def grid_blocks(nodes: Sequence[Node], cut: int = 1_000, at: int = BEGIN) -> list[GridBlock]:
    """The nodes of substation S1 as published, in parts of `cut`."""
    parts = [nodes[i : i + cut] for i in range(0, len(nodes), cut)]
    rows = [[list(column) for column in zip(*map(astuple, part), strict=True)] for part in parts]
    return [GridBlock("S1", at, number, len(parts), *columns) for number, columns in enumerate(rows)]


def beats(begin: int, count: int, every_ms: int = 1_000, source: str = SOURCE) -> list[Beat]:
    """Beats after `begin`."""
    return [Beat(source, begin + (i + 1) * every_ms) for i in range(count)]


def shard(operators: dict[str, Operator]) -> Shard:
    """An empty shard with these operators."""
    return Shard("under_test", 0, operators, load_catalogue(), turn_ms=1_000)


def feed(into: Shard, log: Sequence[Input]) -> Iterator[Result]:
    """The results of a log."""
    for record in log:
        yield from into.take(record) or []


def partial_loads(rows: Sequence[PartialLoad]) -> list[PartialLoadBlock]:
    """These rows as metering would send them: a block for each partition and substation, in order."""
    places = list(dict.fromkeys((row.partition, row.substation) for row in rows))
    return [_partial_load_block([row for row in rows if (row.partition, row.substation) == place]) for place in places]


def _partial_load_block(rows: Sequence[PartialLoad]) -> PartialLoadBlock:
    return PartialLoadBlock(
        operator_version=1,
        partition=rows[0].partition,
        substation=rows[0].substation,
        feeder=[row.feeder for row in rows],
        start=np.array([row.start for row in rows], np.int64),
        counted=np.array([row.counted for row in rows], np.int64),
        energy_steps=np.array([row.energy_steps for row in rows], np.int64),
        covered_ms=np.array([900_000 * row.counted for row in rows], np.int64),
    )


def hourly_loads(rows: Sequence[tuple[str, int, float]], profile: str = PROFILE) -> HourlyLoadBlock:
    """One block of (meter, start, load), all under one substation."""
    meters = sorted({meter for meter, _, _ in rows})
    return HourlyLoadBlock(
        operator_version=1,
        substation="S1",
        profile=profile,
        meters=meters,
        feeders=["F1"] * len(meters),
        row_meter=np.array([meters.index(meter) for meter, _, _ in rows], np.int32),
        start=np.array([start for _, start, _ in rows], np.int64),
        load=np.array([load for _, _, load in rows], np.float64),
    )


def facts(results: Iterator[Result]) -> Facts:
    """Results by their natural key, each in its highest version; a version that comes again must say the same."""
    said: Facts = {}
    newest: dict[tuple[object, ...], tuple[int, tuple[object, ...]]] = {}
    for result in results:
        for key, version, value in _facts(result):
            assert said.setdefault((*key, version), value) == value, f"{key} says two things as version {version}"
            newest[key] = max(newest.get(key, (version, value)), (version, value), key=lambda found: found[0])
    return {key: value for key, (_, value) in newest.items()}


def _facts(result: Result) -> Iterator[tuple[tuple[object, ...], int, tuple[object, ...]]]:
    if isinstance(result, Account | Beat):
        return
    if isinstance(result, Alert):
        yield ("Alert", result.id, result.number), 0, (repr(result),)
        return
    name = type(result).__name__
    columns = {field.name: getattr(result, field.name) for field in fields(result)}
    common = [str(columns.pop(place)) for place in ("partition", "substation") if place in columns]
    for row in range(len(columns["row_meter"] if "row_meter" in columns else columns["start"])):
        named = [columns[table][columns[index][row]] for index, table in _TABLES.items() if index in columns]
        own = {key: column[row] for key, column in columns.items() if _is_per_row(key, column)}
        key = [*common, *named, *(own.pop(part) for part in _KEYS if part in own)]
        own.pop("received_at", None)
        version = int(own.pop("revision", own.get("counted", 0)))
        yield (name, *key), version, tuple(repr(value) for value in own.values())


def _is_per_row(name: str, column: object) -> bool:
    return hasattr(column, "__len__") and not isinstance(column, str) and name not in {*_TABLES, *_NOT_PER_ROW}


_TABLES = {"row_meter": "meters", "row_quantity": "quantities", "row_window": "windows", "row_appliance": "appliances"}
_NOT_PER_ROW = {*_TABLES.values(), "feeders", "profiles", "substations"}
_KEYS = ("feeder", "start", "number", "at")
