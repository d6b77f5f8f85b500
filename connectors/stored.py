"""What recomputation asks of ClickHouse: stored readings, where meters hang, and the results that stand.

Names of meters stand in the SQL as hexadecimal escapes: nothing in them can end a string or a statement, or be taken
for a word of SQL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from connectors.columns import Columns, Words, plain, row_count
from connectors.database import Database
from schemas.arrays import Float64s, Int32s, Int64s
from schemas.quality import Quality

_ON_TIME = f"bitAnd(quality, {int(Quality.FUTURE)}) = 0"
"""Rows from the future are aggregated nowhere."""


@dataclass(frozen=True, slots=True)
class MeterPlace:
    """Where a meter hangs, by the register when it last said something new; None where unknown."""

    meter: str
    profile: str
    feeder: str | None
    substation: str | None
    interval_ms: int


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Readings sorted by meter as named in the question, then by event time; shape (r,), values (r, q)."""

    meter: Int64s
    at: Int64s
    received_at: Int64s
    sequence: Int64s
    quality: Int32s
    values: Float64s


def places_of(database: Database, profile: str, meters: Iterable[str]) -> list[MeterPlace]:
    """Those of these meters that have reported under the profile."""
    return _places(database, f"profile = {_text(profile)} AND meter IN ({_texts(meters)})")


def places_under(database: Database, substation: str) -> list[MeterPlace]:
    """All meters of a substation."""
    return _places(database, f"substation = {_text(substation)}")


def readings(
    database: Database, profile: str, meters: Sequence[str], quantities: Sequence[str], begin: Int64s, end: Int64s
) -> StoredRows:
    """Rows of each meter with begin <= at < end, by meter; shape (meters,)."""
    reach = f"at >= {_time(int(begin.min()))} AND at < {_time(int(end.max()))}"
    found = _rows(database, profile, meters, quantities, reach)
    return _taken(found, (found.at >= begin[found.meter]) & (found.at < end[found.meter]))


def readings_at(
    database: Database, profile: str, meters: Sequence[str], quantities: Sequence[str], at: Sequence[tuple[str, int]]
) -> StoredRows:
    """The rows of these (meter, at)."""
    wanted = ", ".join(f"({_text(meter)}, {_time(time)})" for meter, time in at)
    return _rows(database, profile, meters, quantities, f"(meter, at) IN ({wanted})")


def neighbours(
    database: Database, profile: str, meters: Sequence[str], registers: Sequence[str], time: int, *, before: bool
) -> list[tuple[str, int]]:
    """(meter, at) of each meter's last row before a time and the last of each register; or its first ones from then."""
    sign, pick = ("<", "max") if before else (">=", "min")
    wanted = ["1", *(f"isFinite(`{name}`)" for name in registers)]
    columns = ", ".join(
        f"if(countIf({which}) = 0, 0, toUnixTimestamp64Milli({pick}If(at, {which}))) AS n{i}"
        for i, which in enumerate(wanted)
    )
    found = database.ask(
        f"SELECT meter, {columns} FROM flexmeter.readings_raw WHERE profile = {_text(profile)} "
        f"AND meter IN ({_texts(meters)}) AND at {sign} {_time(time)} AND {_ON_TIME} GROUP BY meter"
    )
    names = plain(found["meter"])
    times = [plain(found[f"n{i}"]) for i in range(len(wanted))]
    return sorted({(meter, at) for column in times for meter, at in zip(names, column, strict=True) if at})


def reported_since(database: Database, profile: str, meters: Iterable[str], since: int) -> dict[str, int]:
    """The newest event time of each meter that has rows from then on, ms UTC."""
    found = database.ask(
        "SELECT meter, toUnixTimestamp64Milli(max(at)) AS newest FROM flexmeter.readings_raw "
        f"WHERE profile = {_text(profile)} AND meter IN ({_texts(meters)}) AND at >= {_time(since)} AND {_ON_TIME} "
        "GROUP BY meter"
    )
    return dict(zip(plain(found["meter"]), plain(found["newest"]), strict=True))


def standing_aggregates(database: Database, meters: Iterable[str], begin: int, end: int) -> Columns:
    """What `aggregates` shows of these meters' windows that overlap the time; times as ms UTC."""
    return database.ask(
        "SELECT meter, quantity, window, toUnixTimestamp64Milli(start) AS start, count, mean, min, max, "
        "energy_trapezoid_wh, register_difference, covered_ms, quality, toInt64(operator_version) AS operator_version, "
        f"toInt64(revision) AS revision FROM flexmeter.aggregates WHERE meter IN ({_texts(meters)}) "
        f"AND start >= {_time(begin - 3_600_000)} AND start < {_time(end)} AND end > {_time(begin)}"
    )


def standing_loads(database: Database, substation: str, begin: int, end: int) -> list[dict[str, Any]]:
    """What `loads` shows of a substation and its feeders; times as ms UTC."""
    found = database.ask(
        "SELECT feeder, toUnixTimestamp64Milli(start) AS start, meters, energy_wh, covered_ms, infeed_wh, "
        "toInt64(operator_version) AS operator_version, toInt64(revision) AS revision FROM flexmeter.loads "
        f"WHERE substation = {_text(substation)} AND start >= {_time(begin)} AND start < {_time(end)}"
    )
    columns = {name: plain(column) for name, column in found.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _places(database: Database, which: str) -> list[MeterPlace]:
    found = database.ask(f"SELECT meter, profile, feeder, substation, interval_ms FROM flexmeter.meters WHERE {which}")
    columns = [plain(found[name]) for name in ("meter", "profile", "feeder", "substation", "interval_ms")]
    return [MeterPlace(m, p, f or None, s or None, ms) for m, p, f, s, ms in sorted(zip(*columns, strict=True))]


def _rows(database: Database, profile: str, meters: Sequence[str], quantities: Sequence[str], which: str) -> StoredRows:
    columns = "".join(f", `{name}`" for name in quantities)
    found = database.ask(
        "SELECT meter, toUnixTimestamp64Milli(at) AS time, toUnixTimestamp64Milli(received_at) AS received, sequence, "
        f"quality{columns} FROM flexmeter.readings WHERE profile = {_text(profile)} "
        f"AND meter IN ({_texts(meters)}) AND {which} AND {_ON_TIME}"
    )
    number = {meter: i for i, meter in enumerate(meters)}
    names = cast(Words, found["meter"])
    meter = np.array([number[name] for name in names.words], np.int64)[names.index]
    at = np.asarray(found["time"], np.int64)
    values = np.empty((row_count(found), len(quantities)))
    for i, name in enumerate(quantities):
        values[:, i] = np.asarray(found[name])
    received_at, sequence = (np.asarray(found[name], np.int64) for name in ("received", "sequence"))
    rows = StoredRows(meter, at, received_at, sequence, np.asarray(found["quality"], np.int32), values)
    return _taken(rows, np.lexsort((at, meter)))


def joined(parts: Sequence[StoredRows]) -> StoredRows:
    """The rows of all parts, sorted, each (meter, at) once."""
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in StoredRows.__slots__]
    rows = StoredRows(*columns)
    rows = _taken(rows, np.lexsort((rows.at, rows.meter)))
    new = np.ones(len(rows.at), np.bool_)
    new[1:] = (rows.meter[1:] != rows.meter[:-1]) | (rows.at[1:] != rows.at[:-1])
    return _taken(rows, new)


def _taken(rows: StoredRows, which: Any) -> StoredRows:
    return StoredRows(*(getattr(rows, name)[which] for name in StoredRows.__slots__))


def _time(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms}, 'UTC')"


def _texts(texts: Iterable[str]) -> str:
    return ", ".join(_text(text) for text in texts)


def _text(text: str) -> str:
    r"""As a string of SQL, every byte escaped.

    >>> print(_text("a'"))
    '\x61\x27'
    """
    return "'" + "".join(f"\\x{byte:02x}" for byte in text.encode()) + "'"
