"""Logs of one input partition for tests of shards and operators, and what came out of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from schemas.alert import Alert
from schemas.blocks import Account, Beat, EventBlock, ReadingBlock
from schemas.catalogue import load_catalogue
from streams.contract import Operator, Result
from streams.shard import Shard

PROFILE = "malmo_household"
INTERVAL_MS = 10_000
BEGIN = 1_700_000_000_000 // 3_600_000 * 3_600_000
SOURCE = "mqtt_malmo"

Input = ReadingBlock | EventBlock | Beat


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


def block(rows: Sequence[Row]) -> ReadingBlock:
    """One block of these rows, which share their received_at and profile."""
    meters = sorted({row.meter for row in rows})
    interval_of = {row.meter: row.interval_ms for row in rows}
    return ReadingBlock(
        source=SOURCE,
        profile=rows[0].profile,
        received_at=rows[0].received_at,
        meters=meters,
        feeders=["F1"] * len(meters),
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


def beats(begin: int, seconds: int) -> list[Beat]:
    """A beat a second after `begin`."""
    return [Beat(SOURCE, begin + (i + 1) * 1_000) for i in range(seconds)]


def shard(operators: dict[str, Operator]) -> Shard:
    """An empty shard with these operators."""
    return Shard("under_test", 0, operators, load_catalogue(), turn_ms=1_000)


def feed(into: Shard, log: Sequence[Input]) -> Iterator[Result]:
    """The results of a log."""
    for record in log:
        yield from into.take(record) or []


def facts(results: Iterator[Result]) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Results by their natural key; a key that comes again must say the same."""
    found: dict[tuple[object, ...], tuple[object, ...]] = {}
    for result in results:
        for key, value in _facts(result):
            assert found.get(key, value) == value, f"{key} says two things"
            found[key] = value
    return found


def _facts(result: Result) -> Iterator[tuple[tuple[object, ...], tuple[object, ...]]]:
    if isinstance(result, Account):
        return
    if isinstance(result, Alert):
        yield ("Alert", result.id, result.number), (repr(result),)
        return
    name = type(result).__name__
    columns = {field.name: getattr(result, field.name) for field in fields(result)}
    for row, meter in enumerate(columns["row_meter"]):
        named = {
            other: columns[table][columns["row_" + other][row]]
            for other, table in (("quantity", "quantities"), ("window", "windows"))
            if table in columns
        }
        own = {
            key: column[row]
            for key, column in columns.items()
            if not key.startswith("row_") and hasattr(column, "__len__") and key not in _TABLES
        }
        key = [columns["meters"][meter], *named.values()] + [own.pop(part) for part in _KEYS if part in own]
        yield (name, *key), tuple(repr(value) for value in own.values())


_TABLES = {"meters", "quantities", "windows", "feeders", "profiles"}
_KEYS = ("start", "number")
