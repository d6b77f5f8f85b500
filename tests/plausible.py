"""Records as a running pipeline makes them, for tests that need something to write and to look at. No randomness."""

from collections.abc import Iterator

import numpy as np

from schemas.alert import AlertDelivery, AlertMark
from schemas.arrays import Float64s, Int64s
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from schemas.dead_letter import dead_letter
from schemas.errors import Reason, Rejected
from schemas.master_data import GridBlock, HomeRequestBlock
from schemas.record import Record
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

NOON = 1_795_521_600_000
POWERS = ["active_power_l1_w", "active_power_l2_w", "active_power_l3_w"]
COLUMNS = [
    "active_energy_import_wh",
    "active_energy_export_wh",
    *POWERS,
    "voltage_l1_v",
    "voltage_l2_v",
    "voltage_l3_v",
]


def meters(count: int) -> list[str]:
    return [f"E350-{number:05d}" for number in range(count)]


def feeders(count: int) -> list[str | None]:
    return [f"F{number % 3 + 1}" for number in range(count)]


def power_w(meter: Int64s, at: Int64s, phase: int) -> Float64s:
    """A household's load on one phase: a base, a fridge that cycles, an evening kettle now and then."""
    minute = at / 60_000 + 17 * meter + 5 * phase
    base = 60 + 25 * ((7 * meter + phase) % 5) + 40 * np.sin(minute / 55)
    fridge = np.where((minute % 42) < 14, 95, 0) * (phase == 0)
    kettle = np.where((minute + 31 * meter) % 97 < 3, 2_000, 0) * (phase == meter % 3)
    return np.round(np.maximum(base + fridge + kettle, 5), 1)


def reading_block(meter_count: int, turns: range, end: int = NOON, step_ms: int = 10_000) -> ReadingBlock:
    """A reading of each meter at end + turn * step for each turn (turns may be negative)."""
    turn = np.repeat(np.array(turns, np.int64), meter_count)
    meter = np.tile(np.arange(meter_count, dtype=np.int64), len(turns))
    at = end + turn * step_ms
    phases = [power_w(meter, at, phase) for phase in range(3)]
    energy = np.floor(1_000_000 + (at - NOON) / 3_600_000 * 300 + 1_000 * meter)
    volts = [np.round(230 + 2 * np.sin(at / 400_000 + phase), 2) for phase in range(3)]
    return ReadingBlock(
        source="mqtt_malmo",
        profile="malmo_household",
        received_at=int(at[0]) + 350,
        meters=meters(meter_count),
        feeders=feeders(meter_count),
        substations=["S1"] * meter_count,
        intervals_ms=np.full(meter_count, step_ms, np.int64),
        row_meter=meter.astype(np.int32),
        at=at,
        sequence=turn - turns[0],
        quality=np.zeros(len(at), np.int32),
        columns=COLUMNS,
        values=np.concatenate([energy, np.zeros(len(at)), *phases, *volts]),
    )


def aggregate_block(meter_count: int, minutes: range, end: int = NOON, revision: int = 0) -> AggregateBlock:
    """One-minute means of the three powers of each meter, for the minutes end + m."""
    shape = (len(minutes), meter_count, 3)
    minute, meter, phase = (axis.ravel() for axis in np.indices(shape))
    start = end + (minute + minutes[0]) * 60_000
    mean = np.choose(phase, [power_w(meter, start, number) for number in range(3)]) + revision
    rows = len(start)
    return AggregateBlock(
        operator_version=1,
        meters=meters(meter_count),
        quantities=POWERS,
        windows=["1min"],
        row_meter=meter.astype(np.int32),
        row_quantity=phase.astype(np.int32),
        row_window=np.zeros(rows, np.int32),
        start=start,
        end=start + 60_000,
        revision=np.full(rows, revision, np.int32),
        count=np.full(rows, 6, np.int64),
        mean=mean,
        min=mean - 5,
        max=mean + 5,
        energy_trapezoid_wh=mean / 60,
        register_difference=np.full(rows, np.nan),
        covered_ms=np.full(rows, 60_000, np.int64),
        quality=np.zeros(rows, np.int32),
    )


def hourly_block(meter_count: int, hours: range, end: int = NOON) -> AggregateBlock:
    """What the import register of each meter counted in the hours end + h."""
    hour, meter = (axis.ravel() for axis in np.indices((len(hours), meter_count)))
    start = end + (hour + hours[0]) * 3_600_000
    rows = len(start)
    energy = 220.0 + 150 * np.sin((hour + hours[0] + meter) / 3.8) ** 2
    nothing = np.full(rows, np.nan)
    return AggregateBlock(
        operator_version=1,
        meters=meters(meter_count),
        quantities=["active_energy_import_wh"],
        windows=["1h"],
        row_meter=meter.astype(np.int32),
        row_quantity=np.zeros(rows, np.int32),
        row_window=np.zeros(rows, np.int32),
        start=start,
        end=start + 3_600_000,
        revision=np.zeros(rows, np.int32),
        count=np.full(rows, 360, np.int64),
        mean=nothing,
        min=nothing,
        max=nothing,
        energy_trapezoid_wh=nothing,
        register_difference=np.round(energy),
        covered_ms=np.full(rows, 3_600_000, np.int64),
        quality=np.zeros(rows, np.int32),
    )


def event_block(end: int = NOON) -> EventBlock:
    return EventBlock(
        source="mqtt_malmo",
        received_at=end + 40,
        meters=meters(2),
        feeders=["F1", None],
        substations=["S1", None],
        row_meter=np.array([0, 1], np.int32),
        at=np.array([end, end + 10], np.int64),
        quality=np.zeros(2, np.int32),
        kind=["last_gasp", "tamper"],
        detail=["", "cover open"],
    )


def presence_block(end: int = NOON) -> PresenceBlock:
    return PresenceBlock(
        operator_version=1,
        meters=meters(1),
        feeders=["F1"],
        row_meter=np.zeros(2, np.int32),
        number=np.array([1, 2], np.int64),
        state=["silent", "resumed"],
        since=np.array([end, end + 60_000], np.int64),
        last_at=np.array([end, end + 60_000], np.int64),
    )


def load_block(end: int = NOON) -> LoadBlock:
    return LoadBlock(
        operator_version=1,
        substation="S1",
        feeder=["F1", None],
        start=np.array([end - 60_000, end - 60_000], np.int64),
        revision=np.array([2, 3], np.int32),
        counted=np.array([2, 2], np.int64),
        energy_wh=np.array([9.5, 9.5]),
        covered_ms=np.array([120_000, 120_000], np.int64),
        infeed_wh=np.array([np.nan, 10.25]),
    )


def reliability_block(end: int = NOON) -> ReliabilityBlock:
    """Two feeders of a substation and its own customers, today and yesterday."""
    rows = np.arange(6, dtype=np.int64)
    today = end // 86_400_000 * 86_400_000
    return ReliabilityBlock(
        operator_version=1,
        substation="S1",
        feeder=["F1", "F2", None] * 2,
        start=today - rows // 3 * 86_400_000,
        revision=np.ones(6, np.int32),
        customers=20 + rows % 3,
        sustained_interruptions=2 * rows,
        sustained_ms=2 * rows * 900_000,
        momentary_events=rows % 2,
        interrupted_ms=2 * rows * 900_000 + rows % 2 * 20_000,
    )


def appliance_event_block(end: int = NOON) -> ApplianceEventBlock:
    return ApplianceEventBlock(
        operator_version=1,
        meters=meters(1),
        row_meter=np.zeros(2, np.int32),
        number=np.array([1, 2], np.int64),
        revision=np.array([1, 0], np.int32),
        state=["off", "on"],
        appliance=["kettle", "washing_machine"],
        decided_at=np.array([end - 60_000, end], np.int64),
        start=np.array([end - 240_000, end], np.int64),
        end=np.array([end - 60_000, 0], np.int64),
        power_w=np.array([2_050.0, 1_900.0]),
        energy_wh=np.array([102.5, 0.0]),
        confidence=np.array([0.97, 0.6]),
    )


def appliance_energy_block(end: int = NOON) -> ApplianceEnergyBlock:
    start = np.full(2, end - 900_000, np.int64)
    return ApplianceEnergyBlock(
        operator_version=1,
        meters=meters(1),
        appliances=["remainder", "kettle"],
        windows=["15min"],
        row_meter=np.zeros(2, np.int32),
        row_appliance=np.array([0, 1], np.int32),
        row_window=np.zeros(2, np.int32),
        start=start,
        end=start + 900_000,
        revision=np.zeros(2, np.int32),
        energy_wh=np.array([31.5, 102.5]),
        covered_ms=np.full(2, 900_000, np.int64),
    )


def score_block(quarters: int, end: int = NOON) -> AnomalyScoreBlock:
    """The last quarters of a meter, the newest one unusual and told."""
    start = end - 900_000 * np.arange(quarters, 0, -1)
    load = 300 + 60 * np.sin(start / 14_400_000)
    newest = start == end - 900_000
    return AnomalyScoreBlock(
        operator_version=2,
        unit="W",
        meters=meters(1),
        row_meter=np.zeros(quarters, np.int32),
        start=start,
        end=start + 900_000,
        load=np.where(newest, 4_200.0, load),
        expected=load + 5,
        low=load - 80,
        high=load + 350,
        rarity_decades=np.where(newest, 12.5, 0.5),
        state=["alerted" if is_newest else "usual" for is_newest in newest.tolist()],
    )


def home_request_block(end: int = NOON) -> HomeRequestBlock:
    return HomeRequestBlock(
        meters=meters(2),
        row_meter=np.array([0, 1, 0], np.int32),
        at=np.array([end - 86_400_000, end - 86_400_000, end], np.int64),
        kind=["consent", "withdraw", "label"],
        number=np.array([0, 0, 2], np.int64),
        power_w=np.array([0.0, 0.0, 1_900.0]),
        appliance=["", "", "dishwasher"],
    )


def recompute_block(end: int = NOON) -> RecomputeRequestBlock:
    hours = np.array([end - 7_200_000, end - 3_600_000], np.int64)
    profiles = ["malmo_household", "malmo_household"]
    return RecomputeRequestBlock(meters(2), profiles, np.array([0, 1], np.int32), hours, hours + 3_600_000)


def account(next_offset: int, received: int, end: int = NOON) -> Account:
    return Account("metering", 1, next_offset, end, 50, received, 10, 0, 2, 0, 8, received - 20)


def garbage(end: int = NOON) -> DeadLetter:
    refused = Rejected(Reason.MALFORMED, "not JSON at byte 0")
    return dead_letter("mqtt_malmo", "malmo/malmo_household/E350-00001/reading", end, refused, b"\xff\x00{nonsense")


def grid_block(at: int = NOON) -> GridBlock:
    """Two feeders, transformers under one of them, a home at each, and a tie that nobody hangs at."""
    rows = [
        ("S1", "", "substation"), ("F1", "S1", "feeder"), ("F2", "S1", "feeder"), ("tie", "S1", "switch"),
        ("F1-T1", "F1", "transformer"), ("F1-T2", "F1", "transformer"), ("G1", "", "gateway"),
        *((f"n-{above}", above, "meter") for above in ("F2", "F1-T1", "F1-T2")),
    ]  # fmt: skip
    node, parent, kind = (list(column) for column in zip(*rows, strict=True))
    meter = [name if what == "meter" else "" for name, _, what in rows]
    nothing = [""] * len(rows)
    return GridBlock("S1", at, 0, 1, node, parent, kind, nothing, meter, nothing, nothing)


def alert_marks() -> tuple[AlertMark, AlertMark]:
    """Power lost at a meter is acknowledged, and a feeder silenced for an hour."""
    alert = f"last_gasp/{meters(2)[1]}/{NOON}"
    return (
        AlertMark(f"ack/{alert}", "acknowledged", alert, "", "", "", "", NOON, 0, "ann", "on my way"),
        AlertMark("silence/1", "silenced", "", "anomaly", "", "S1/F1", "", NOON, NOON + 3_600_000, "bob", ""),
    )


def alert_delivery() -> AlertDelivery:
    return AlertDelivery("control_room", f"last_gasp/{meters(2)[1]}/{NOON}", 1, "delivered", True, NOON)


def everything() -> Iterator[tuple[str, Record]]:
    """(topic's role, record): a little of each record that a sink takes."""
    yield "readings", reading_block(20, range(-30, 0))
    yield "readings", reading_block(20, range(0, 10))
    yield "aggregates", aggregate_block(20, range(-10, 0))
    yield "events", event_block()
    yield "presence", presence_block()
    yield "recompute", recompute_block()
    yield "loads", load_block()
    yield "reliability", reliability_block()
    yield "appliance_events", appliance_event_block()
    yield "appliance_energy", appliance_energy_block()
    yield "scores", score_block(2)
    yield "home_requests", home_request_block()
    yield "grid", grid_block()
    yield "accounts", account(100, 800)
    yield "accounts", account(200, 1_000)
    yield "dead", garbage()
    for mark in alert_marks():
        yield "marks", mark
    yield "deliveries", alert_delivery()
