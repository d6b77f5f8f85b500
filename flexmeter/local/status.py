"""What a running stack does just now: looked at from outside, through Kafka and ClickHouse."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka.admin import AdminClient

from flexmeter.local.account import Sent, sent
from flexmeter.local.lag import lag
from flexmeter.local.page_query import Row, query
from flexmeter.local.roles import Place
from schemas.errors import Unavailable

_ROWS = "SELECT count() AS n FROM flexmeter.readings_raw"
_ACCOUNTS = "SELECT stream, sum(received) AS received FROM flexmeter.accounts GROUP BY stream"
_LATENCY = """\
SELECT count() AS n, quantile(0.5)(ms) AS p50, quantile(0.99)(ms) AS p99 FROM
(SELECT toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(at) AS ms FROM flexmeter.readings_raw
 WHERE inserted_at > now64(3) - 10)"""
_AGGREGATES = """\
SELECT meter, quantity, window, formatDateTime(start, '%H:%i') AS at, count, mean FROM flexmeter.aggregates_raw
WHERE inserted_at > now64(3) - 900 ORDER BY inserted_at DESC, meter, quantity LIMIT 5"""
_ALERTS = """\
SELECT formatDateTime(at, '%H:%i:%S') AS at, severity, state, summary FROM flexmeter.alerts
ORDER BY raised_at DESC, id LIMIT 5"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the data's way: rows so far (None: not counted there), records behind (None: does not read Kafka)."""

    name: str
    rows: int | None = None
    lag: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look. What could not be seen is named in `missing`."""

    at_s: float
    stages: Sequence[Stage]
    sent: Sent = field(default_factory=Sent)
    p50_ms: float = math.nan
    p99_ms: float = math.nan
    aggregates: Sequence[Row] = ()
    alerts: Sequence[Row] = ()
    missing: str = ""


def look(place: Place, admin: AdminClient, groups: Mapping[str, tuple[str, Sequence[str]]], at_s: float) -> Snapshot:
    """Look at all of it once. A part that is away for a moment leaves gaps; it raises nothing."""
    told = sent(place.fleet_account)
    lags, away = _lags(admin, groups)
    try:
        rows = int(query(place.page_port, _ROWS)[0]["n"])
        accounts = {str(row["stream"]): int(row["received"]) for row in query(place.page_port, _ACCOUNTS)}
        (latency,) = query(place.page_port, _LATENCY)
        aggregates, alerts = query(place.page_port, _AGGREGATES), query(place.page_port, _ALERTS)
    except Unavailable as error:
        return Snapshot(at_s, [Stage("fleet", told.readings), *_stages(lags, {}, None)], told, missing=str(error))
    seen = int(latency["n"]) > 0
    return Snapshot(
        at_s,
        [Stage("fleet", told.readings + told.duplicates), *_stages(lags, accounts, rows)],
        told,
        float(latency["p50"]) if seen else math.nan,
        float(latency["p99"]) if seen else math.nan,
        aggregates,
        alerts,
        away,
    )


def _lags(admin: AdminClient, groups: Mapping[str, tuple[str, Sequence[str]]]) -> tuple[dict[str, int | None], str]:
    try:
        return {stage: lag(admin, group, topics) for stage, (group, topics) in groups.items()}, ""
    except Unavailable as error:
        return dict.fromkeys(groups), str(error)


def _stages(lags: Mapping[str, int | None], accounts: Mapping[str, int], rows: int | None) -> list[Stage]:
    def counted(name: str) -> int | None:
        command, _, entry = name.partition("-")
        return rows if command == "sink" else accounts.get(entry)

    return [Stage(name, counted(name), behind) for name, behind in lags.items()]


def rate(earlier: Snapshot, later: Snapshot, stage: str) -> float:
    """Rows a second of a stage between two looks; NaN if one of them did not see it.

    >>> a = Snapshot(0, [Stage("sink", 10)]); b = Snapshot(2, [Stage("sink", 50)])
    >>> rate(a, b, "sink"), rate(a, b, "fleet")
    (20.0, nan)
    """
    then, now = (next((s.rows for s in shot.stages if s.name == stage), None) for shot in (earlier, later))
    if then is None or now is None or later.at_s <= earlier.at_s:
        return math.nan
    return (now - then) / (later.at_s - earlier.at_s)
