"""What streams write, as rows."""

from typing import Any

import numpy as np

from connectors.columns import same, times, words
from connectors.origin import Origin
from connectors.table_rows import Rows, every, first_wins, known, version
from schemas.results import (
    Account,
    AggregateBlock,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    LoadBlock,
    PresenceBlock,
    RecomputeRequestBlock,
    ReliabilityBlock,
)


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
        "version": version(block.operator_version, block.revision),
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
        "feeder": words(block.row_meter, known(block.feeders)),
        "version": np.full(len(block.row_meter), block.operator_version, np.uint64),
    }
    return [Rows("presence_raw", columns)]


def loads(block: LoadBlock, origin: Origin) -> list[Rows]:
    """A row a quarter of an hour of a feeder, or of a substation as a whole (feeder empty)."""
    rows = len(block.start)
    columns: dict[str, Any] = {
        "substation": same(block.substation, rows),
        "feeder": known(block.feeder),
        "start": times(block.start),
        "meters": block.counted,
        "energy_wh": block.energy_wh,
        "covered_ms": block.covered_ms,
        "infeed_wh": block.infeed_wh,
        "version": version(block.operator_version, block.revision),
    }
    return [Rows("loads_raw", columns)]


def reliability(block: ReliabilityBlock, origin: Origin) -> list[Rows]:
    """A row a feeder and day (feeder empty: customers at the substation itself)."""
    counts = ("customers", "sustained_interruptions", "sustained_ms", "momentary_events", "interrupted_ms")
    columns: dict[str, Any] = {
        "substation": same(block.substation, len(block.start)),
        "feeder": known(block.feeder),
        "start": times(block.start),
        **{name: getattr(block, name) for name in counts},
        "version": version(block.operator_version, block.revision),
    }
    return [Rows("reliability_raw", columns)]


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
        "version": version(block.operator_version, block.revision),
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
        "version": version(block.operator_version, block.revision),
    }
    return [Rows("appliance_energy_raw", columns)]


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
        "version": first_wins(origin.offset, len(block.row_meter)),
    }
    return [Rows("recompute_requests_raw", columns)]


def account(record: Account, origin: Origin) -> list[Rows]:
    """One row: what became of a partition's rows up to an offset, which is the version too."""
    counts = ("meters", "received", "duplicates", "conflicts", "late", "future", "pending", "released")
    columns: dict[str, Any] = {
        "stream": [record.stream],
        "partition": np.array([record.partition], np.int32),
        "next_offset": np.array([record.next_offset], np.int64),
        "at": every(record.at, 1),
        **{name: np.array([getattr(record, name)], np.int64) for name in counts},
        "version": np.array([record.next_offset], np.uint64),
    }
    return [Rows("accounts_raw", columns)]
