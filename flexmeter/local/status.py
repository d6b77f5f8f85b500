"""What a running stack does just now: looked at from outside, through metrics, Kafka and ClickHouse."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from prometheus_client.samples import Sample

from connectors.offsets import Offsets
from flexmeter.local.account import Sent, sent
from flexmeter.local.lag import committed, ends, lag_of
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.page_query import Row, query
from flexmeter.local.roles import Place, Role
from schemas.errors import Unavailable
from schemas.topology_model import Topology

Seen = TypeVar("Seen")

ROWS: dict[str, Series] = {
    "bridge": Series("flexmeter_bridge_rows_total", (("record", "ReadingBlock"),)),
    "worker": Series("flexmeter_stream_rows"),
    "recompute": Series("flexmeter_recompute_hours_total"),
    "sink": Series("flexmeter_sink_inserted_rows_total", (("table", "readings_raw"),)),
    "router": Series("flexmeter_router_settled_total", (("outcome", "delivered"),)),
}
"""How each role counts readings, hours computed again, or alerts, in the order of the data's way."""

# Concentrators gather the readings of ST-I meters for seconds before they send them: that is none of our time.
_LATENCY = """\
SELECT count() AS n, quantile(0.5)(ms) AS p50, quantile(0.99)(ms) AS p99 FROM
(SELECT toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(at) AS ms FROM flexmeter.readings_raw
 WHERE inserted_at > now64(3) - 10 AND profile NOT LIKE 'turin_electricity_%')"""
_KINDS = """\
SELECT source, profile, uniqExact(meter) AS meters, count() AS readings FROM flexmeter.readings_raw
WHERE inserted_at > now64(3) - 60 GROUP BY source, profile ORDER BY source, profile"""
_AGGREGATES = """\
SELECT meter, quantity, window, formatDateTime(start, '%H:%i') AS at, count, mean FROM flexmeter.aggregates_raw
WHERE inserted_at > now64(3) - 900 AND quantity LIKE 'active_power%'
ORDER BY inserted_at DESC, start DESC, meter, quantity LIMIT 1 BY meter LIMIT 5"""
_ALERTS = """\
SELECT formatDateTime(at, '%H:%i:%S') AS at, severity, state, summary FROM flexmeter.alerts
ORDER BY raised_at DESC, id LIMIT 5"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the data's way: readings so far, and what waits before it (records; for a bridge payloads)."""

    name: str
    rows: int | None = None
    lag: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look. `kinds` is what came in the last minute, by source and profile. What could not be seen is `missing`."""

    at_s: float
    stages: Sequence[Stage]
    sent: Sent = field(default_factory=Sent)
    p50_ms: float = math.nan
    p99_ms: float = math.nan
    aggregates: Sequence[Row] = ()
    alerts: Sequence[Row] = ()
    kinds: Sequence[Row] = ()
    missing: str = ""


def look(place: Place, topology: Topology, running: Sequence[Role], at_s: float) -> Snapshot:
    """Look at all of it once. A part that is away for a moment leaves gaps; it raises nothing."""
    told = sent(place.fleet_account)
    away: set[str] = set()
    stages = [Stage("fleet", told.readings + told.duplicates), *_stages(place, topology, running, away)]
    latency, aggregates, alerts, kinds = (
        _or_gap(partial(query, place.page_port, sql), away) or [] for sql in (_LATENCY, _AGGREGATES, _ALERTS, _KINDS)
    )
    seen = bool(latency) and int(latency[0]["n"]) > 0
    p50_ms, p99_ms = (float(latency[0][key]) if seen else math.nan for key in ("p50", "p99"))
    return Snapshot(at_s, stages, told, p50_ms, p99_ms, aggregates, alerts, kinds, "; ".join(sorted(away)))


def behind(place: Place, topology: Topology, running: Sequence[Role], end: Offsets) -> dict[str, int]:
    """Records that each worker and sink has yet to read up to these ends; those that have none are left out.

    Routers are not asked: a receiver that is away may be so for hours, and loses nothing. Nor is what is to be computed
    again: an hour that a meter has not left behind stays asked for.

    Raises:
        Unavailable: Kafka does not answer.
    """
    first, _ = ends(place.bootstrap, list(topology.topics))
    readers = [role for role in running if role.command in ("worker", "sink")]
    lags = {role.name: _lag(place, role, topology, scrape(role.metrics_port), first, end) for role in readers}
    return {name: left for name, left in lags.items() if left}


def _stages(place: Place, topology: Topology, running: Sequence[Role], away: set[str]) -> list[Stage]:
    first, end = _or_gap(lambda: ends(place.bootstrap, list(topology.topics)), away) or ({}, {})
    stages = []
    for role in sorted(running, key=lambda role: list(ROWS).index(role.command)):
        samples = scrape(role.metrics_port)
        waiting = _or_gap(partial(_lag, place, role, topology, samples, first, end), away) if end else None
        stages.append(Stage(role.name, ROWS[role.command].total(samples), waiting))
    return stages


def _or_gap(look: Callable[[], Seen], away: set[str]) -> Seen | None:
    """What is seen; where something is away nothing, and its name in `away`."""
    try:
        return look()
    except Unavailable as error:
        away.add(str(error))
        return None


def _lag(
    place: Place, role: Role, topology: Topology, samples: Sequence[Sample], first: Offsets, end: Offsets
) -> int | None:
    """Records behind. A stream goes on from its shards' own next offsets; what its group committed is older."""
    if role.command == "bridge":
        return Series("flexmeter_bridge_in_flight").total(samples)
    if role.command == "router":
        return Series("flexmeter_router_waiting").total(samples)
    if role.command == "recompute":
        return Series("flexmeter_recompute_open_hours").total(samples)
    if role.command == "worker":
        topic = topology.streams[role.entry].input
        found = Series("flexmeter_next_offset").of(samples)
        next_offsets = {(topic, int(sample.labels["partition"])): int(sample.value) for sample in found}
        return lag_of(next_offsets, first, {at: last for at, last in end.items() if at[0] == topic})
    inputs = topology.sinks[role.entry].inputs
    mine = {at: last for at, last in end.items() if at[0] in inputs}
    return lag_of(committed(place.bootstrap, f"flexmeter-{role.entry}", list(mine)), first, mine)


def rate(earlier: Snapshot, later: Snapshot, stage: str) -> float:
    """Rows a second of a stage between two looks; NaN if one of them did not see it, or it began to count anew.

    >>> a = Snapshot(0, [Stage("sink", 10)]); b = Snapshot(2, [Stage("sink", 50)])
    >>> rate(a, b, "sink"), rate(a, b, "fleet"), rate(b, a, "sink")
    (20.0, nan, nan)
    """
    then, now = (next((s.rows for s in shot.stages if s.name == stage), None) for shot in (earlier, later))
    if then is None or now is None or now < then or later.at_s <= earlier.at_s:
        return math.nan
    return (now - then) / (later.at_s - earlier.at_s)
