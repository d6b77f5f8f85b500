"""What each record says, as rows of ClickHouse tables: pure functions, one for each type of record.

Which columns a table has and what they mean stands in `tables/*.sql`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from connectors.columns import Array, Columns, same, times, words
from schemas.alert import Alert
from schemas.blocks import (
    Account,
    AggregateBlock,
    AlertDelivery,
    AlertMark,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    Beat,
    DeadLetter,
    EventBlock,
    GridBlock,
    HeardBlock,
    HomeRequestBlock,
    HourlyLoadBlock,
    Int32s,
    LoadBlock,
    PartialLoadBlock,
    PlannedWorkBlock,
    PresenceBlock,
    ReadingBlock,
    RecomputeRequestBlock,
    ReliabilityBlock,
)

# A row's place within its record: offsets below 2**47 and records below 65,536 rows keep their order in 64 bits.
_ROW_BITS = 16
_GATEWAY, _NOBODY = "gateway", "-"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stands in Kafka, and since when, ms UTC."""

    topic: str
    partition: int
    offset: int
    written_at: int = 0

    def __str__(self) -> str:
        """As dead letters name it.

        >>> str(Origin("meter.readings", 3, 4711))
        'meter.readings/3/4711'
        """
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows for one table."""

    table: str
    columns: Columns


def readings(block: ReadingBlock, origin: Origin) -> list[Rows]:
    """A row a reading, and a row a meter for the table of meters."""
    rows = len(block.row_meter)
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "profile": same(block.profile, rows),
        "at": times(block.at),
        **dict(zip(block.columns, block.rows_by_column(), strict=True)),
        "quality": block.quality,
        "sequence": block.sequence,
        "source": same(block.source, rows),
        "received_at": _every(block.received_at, rows),
        "version": _first_wins(origin.offset, rows),
    }
    return [Rows("readings_raw", columns), _meters(block)]


def events(block: EventBlock, origin: Origin) -> list[Rows]:
    """A row an event."""
    rows = len(block.row_meter)
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "at": times(block.at),
        "kind": list(block.kind),
        "detail": list(block.detail),
        "feeder": words(block.row_meter, _known(block.feeders)),
        "substation": words(block.row_meter, _known(block.substations)),
        "quality": block.quality,
        "source": same(block.source, rows),
        "received_at": _every(block.received_at, rows),
        "version": _first_wins(origin.offset, rows),
    }
    return [Rows("events_raw", columns)]


def aggregates(block: AggregateBlock, origin: Origin) -> list[Rows]:
    """A row a window of a meter's quantity; the version orders by operator version, then revision."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "quantity": words(block.row_quantity, block.quantities),
        "window": words(block.row_window, block.windows),
        "start": times(block.start),
        "end": times(block.end),
        "count": block.count,
        "mean": block.mean,
        "min": block.min,
        "max": block.max,
        "energy_trapezoid_wh": block.energy_trapezoid_wh,
        "register_difference": block.register_difference,
        "covered_ms": block.covered_ms,
        "quality": block.quality,
        "version": _version(block.operator_version, block.revision),
    }
    return [Rows("aggregates_raw", columns)]


def presence(block: PresenceBlock, origin: Origin) -> list[Rows]:
    """A row a change between silent and resumed."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "number": block.number,
        "state": list(block.state),
        "since": times(block.since),
        "last_at": times(block.last_at),
        "feeder": words(block.row_meter, _known(block.feeders)),
        "version": np.full(len(block.row_meter), block.operator_version, np.uint64),
    }
    return [Rows("presence_raw", columns)]


def loads(block: LoadBlock, origin: Origin) -> list[Rows]:
    """A row a quarter of an hour of a feeder, or of a substation as a whole (feeder empty)."""
    rows = len(block.start)
    columns: dict[str, Any] = {
        "substation": same(block.substation, rows),
        "feeder": _known(block.feeder),
        "start": times(block.start),
        "meters": block.counted,
        "energy_wh": block.energy_wh,
        "covered_ms": block.covered_ms,
        "infeed_wh": block.infeed_wh,
        "version": _version(block.operator_version, block.revision),
    }
    return [Rows("loads_raw", columns)]


def appliance_events(block: ApplianceEventBlock, origin: Origin) -> list[Rows]:
    """A row a load or cycle of a home."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "number": block.number,
        "state": list(block.state),
        "appliance": list(block.appliance),
        "decided_at": times(block.decided_at),
        "start": times(block.start),
        "end": times(block.end),
        "power_w": block.power_w,
        "energy_wh": block.energy_wh,
        "confidence": block.confidence,
        "version": _version(block.operator_version, block.revision),
    }
    return [Rows("appliance_events_raw", columns)]


def appliance_energy(block: ApplianceEnergyBlock, origin: Origin) -> list[Rows]:
    """A row a window of an appliance of a home."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "appliance": words(block.row_appliance, block.appliances),
        "window": words(block.row_window, block.windows),
        "start": times(block.start),
        "end": times(block.end),
        "energy_wh": block.energy_wh,
        "covered_ms": block.covered_ms,
        "version": _version(block.operator_version, block.revision),
    }
    return [Rows("appliance_energy_raw", columns)]


def reliability(block: ReliabilityBlock, origin: Origin) -> list[Rows]:
    """A row a feeder and day (feeder empty: customers at the substation itself)."""
    counts = ("customers", "sustained_interruptions", "sustained_ms", "momentary_events", "interrupted_ms")
    columns: dict[str, Any] = {
        "substation": same(block.substation, len(block.start)),
        "feeder": _known(block.feeder),
        "start": times(block.start),
        **{name: getattr(block, name) for name in counts},
        "version": _version(block.operator_version, block.revision),
    }
    return [Rows("reliability_raw", columns)]


def grid_nodes(block: GridBlock, origin: Origin) -> list[Rows]:
    """A row a device of a part of the grid, and a row of counts for each that meters of the part hang at.

    Who hangs there is left out, as a meter's place may bear its name.
    """
    found: dict[str, dict[str, Any]] = {}
    points: dict[str, set[str]] = {}
    for node, parent, kind, phase, meter, point in zip(
        block.node, block.parent, block.kind, block.phase, block.meter, block.usage_point, strict=True
    ):
        if meter:
            row = found.setdefault(parent, {})
            row["meters"] = row.get("meters", 0) + 1
            points.setdefault(parent, set()).update({point or meter} - {_NOBODY})
        elif kind != _GATEWAY:
            found.setdefault(node, {}).update(parent=parent, kind=kind, phase=phase)
    found.pop("", None)
    columns: dict[str, Any] = {
        "substation": same(block.substation, len(found)),
        "node": list(found),
        "part": np.full(len(found), block.part, np.int64),
        **{name: [row.get(name, "") for row in found.values()] for name in ("parent", "kind", "phase")},
        "customers": np.array([len(points.get(node, ())) for node in found], np.int64),
        "meters": np.array([row.get("meters", 0) for row in found.values()], np.int64),
        "published_at": _every(block.at, len(found)),
        "version": np.full(len(found), max(block.at, 0), np.uint64),
    }
    return [Rows("grid_nodes_raw", columns)]


def anomaly_scores(block: AnomalyScoreBlock, origin: Origin) -> list[Rows]:
    """A row a quarter of an hour of a meter."""
    rows = len(block.row_meter)
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "start": times(block.start),
        "end": times(block.end),
        "unit": same(block.unit, rows),
        "load": block.load,
        "expected": block.expected,
        "low": block.low,
        "high": block.high,
        "rarity_decades": block.rarity_decades,
        "state": list(block.state),
        "version": np.full(rows, block.operator_version, np.uint64),
    }
    return [Rows("anomaly_scores_raw", columns)]


def recompute_requests(block: RecomputeRequestBlock, origin: Origin) -> list[Rows]:
    """A row an hour to compute again."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "profile": words(block.row_meter, block.profiles),
        "start": times(block.start),
        "end": times(block.end),
        "version": _first_wins(origin.offset, len(block.row_meter)),
    }
    return [Rows("recompute_requests_raw", columns)]


def home_requests(block: HomeRequestBlock, origin: Origin) -> list[Rows]:
    """A row a request of a home."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "at": times(block.at),
        "kind": list(block.kind),
        "number": block.number,
        "power_w": block.power_w,
        "appliance": list(block.appliance),
        "version": _first_wins(origin.offset, len(block.row_meter)),
    }
    return [Rows("home_requests_raw", columns)]


def account(record: Account, origin: Origin) -> list[Rows]:
    """One row: what became of a partition's rows up to an offset, which is the version too."""
    counts = ("meters", "received", "duplicates", "conflicts", "late", "future", "pending", "released")
    columns: dict[str, Any] = {
        "stream": [record.stream],
        "partition": np.array([record.partition], np.int32),
        "next_offset": np.array([record.next_offset], np.int64),
        "at": _every(record.at, 1),
        **{name: np.array([getattr(record, name)], np.int64) for name in counts},
        "version": np.array([record.next_offset], np.uint64),
    }
    return [Rows("accounts_raw", columns)]


def dead_letter(record: DeadLetter, origin: Origin) -> list[Rows]:
    """One row with the raw bytes; its key is the record's place in Kafka, so that equal payloads are all kept."""
    columns: dict[str, Any] = {
        "topic": [origin.topic],
        "partition": np.array([origin.partition], np.int32),
        "offset": np.array([origin.offset], np.int64),
        "source": [record.source],
        "address": [record.address],
        "received_at": _every(record.received_at, 1),
        "reason": [record.reason],
        "detail": [record.detail],
        "payload": [record.payload],
        "payload_length": np.array([record.payload_length], np.int64),
        "payload_sha256": [record.payload_sha256],
    }
    return [Rows("dead_letters_raw", columns)]


def alert(record: Alert, origin: Origin) -> list[Rows]:
    """One row: a numbered version of an alert."""
    columns: dict[str, Any] = {
        "id": [record.id],
        "number": np.array([record.number], np.int64),
        "kind": [record.kind],
        "severity": [record.severity],
        "state": [record.state],
        "subject": [record.subject],
        "feeder": [record.feeder or ""],
        "substation": [record.substation or ""],
        "at": _every(record.at, 1),
        "raised_at": _every(record.raised_at, 1),
        "summary": [record.summary],
        "evidence": [orjson.dumps(record.evidence).decode()],
    }
    return [Rows("alerts_raw", columns)]


def alert_mark(record: AlertMark, origin: Origin) -> list[Rows]:
    """One row; a mark that was changed has a higher version."""
    texts = ("id", "mark", "alert", "kind", "subject", "area", "severity", "by", "reason")
    columns: dict[str, Any] = {
        **{name: [getattr(record, name)] for name in texts},
        "at": _every(record.at, 1),
        "until": _every(record.until, 1),
        "version": np.array([origin.offset], np.uint64),
    }
    return [Rows("alert_marks_raw", columns)]


def alert_delivery(record: AlertDelivery, origin: Origin) -> list[Rows]:
    """One row: what a router did with a version of an alert."""
    columns: dict[str, Any] = {
        "router": [record.router],
        "alert": [record.alert],
        "number": np.array([record.number], np.int64),
        "outcome": [record.outcome],
        "told": np.array([record.told], np.uint8),
        "at": _every(record.at, 1),
        "version": np.array([origin.offset], np.uint64),
    }
    return [Rows("alert_deliveries_raw", columns)]


def nothing(
    record: Beat | PartialLoadBlock | HourlyLoadBlock | HeardBlock | PlannedWorkBlock, origin: Origin
) -> list[Rows]:
    """No row: a beat is a clock; the others are on their way to a stream: what they tell is in tables of its own, or in
    the register.
    """
    return []


ROWS: Mapping[type[Any], Callable[[Any, Origin], list[Rows]]] = {
    ReadingBlock: readings,
    EventBlock: events,
    AggregateBlock: aggregates,
    PresenceBlock: presence,
    RecomputeRequestBlock: recompute_requests,
    Account: account,
    DeadLetter: dead_letter,
    Alert: alert,
    AlertMark: alert_mark,
    AlertDelivery: alert_delivery,
    LoadBlock: loads,
    ApplianceEventBlock: appliance_events,
    ApplianceEnergyBlock: appliance_energy,
    AnomalyScoreBlock: anomaly_scores,
    HomeRequestBlock: home_requests,
    Beat: nothing,
    PartialLoadBlock: nothing,
    HeardBlock: nothing,
    GridBlock: grid_nodes,
    PlannedWorkBlock: nothing,
    ReliabilityBlock: reliability,
    HourlyLoadBlock: nothing,
}
"""Record type -> its rows. A record that is not here belongs in no table."""


def _meters(block: ReadingBlock) -> Rows:
    count = len(block.meters)
    columns: dict[str, Any] = {
        "meter": list(block.meters),
        "profile": same(block.profile, count),
        "feeder": _known(block.feeders),
        "substation": _known(block.substations),
        "interval_ms": block.intervals_ms,
        "version": np.full(count, max(block.received_at, 0), np.uint64),
    }
    return Rows("meters_raw", columns)


def _known(names: list[str | None]) -> list[str]:
    return [name or "" for name in names]


def _version(operator_version: int, revision: Int32s) -> Array:
    """Orders by the operator's version, then by revision."""
    return np.uint64(operator_version << 32) + revision.astype(np.uint64)


def _every(ms: int, rows: int) -> Array:
    return times(np.full(rows, ms, np.int64))


def _first_wins(offset: int, rows: int) -> Array:
    """Versions that fall along a partition's log: of two rows with one key the first stays, as in the streams."""
    last = np.iinfo(np.uint64).max
    return last - (np.uint64(offset << _ROW_BITS) + np.arange(rows, dtype=np.uint64))
