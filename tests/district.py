"""A day of a small district up to now: a little of every record that some panel of the dashboards shows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from schemas.alert import Alert
from schemas.arrays import Float64s, Int64s
from schemas.blocks import ReadingBlock
from schemas.master_data import GridBlock
from schemas.record import Record
from schemas.results import AggregateBlock, LoadBlock
from tests.plausible import (
    aggregate_block,
    appliance_energy_block,
    appliance_event_block,
    event_block,
    garbage,
    grid_block,
    home_request_block,
    hourly_block,
    meters,
    presence_block,
    reading_block,
    recompute_block,
    reliability_block,
    score_block,
)

HOMES = 6
HEAT, WATER = ["H-00001", "H-00002"], ["W-00001", "W-00002"]
FIVE_MINUTES, QUARTER, HOUR = 300_000, 900_000, 3_600_000
VOLTAGES = ["voltage_l1_v", "voltage_l2_v", "voltage_l3_v"]
_ALERTS = [
    ("critical", "raised", "E350-00000", "Power lost at E350-00000 (last gasp)"),
    ("warning", "updated", "F2", "Three meters of feeder F2 are silent"),
    ("info", "cleared", "E350-00003", "Power is back at E350-00003 after 4 min"),
]

# The day is inserted at once: this puts each row where it would have been, had it come when it was made.
AS_THEY_CAME = [
    f"ALTER TABLE flexmeter.{table} UPDATE inserted_at = {made} + toIntervalMillisecond({after}) WHERE 1 "
    "SETTINGS mutations_sync = 2"
    for table, made, after in [
        ("readings_raw", "at", "180 + cityHash64(meter, at) % 400"),
        ("aggregates_raw", "end", "1900 + cityHash64(meter, start) % 400"),
    ]
]


def day_until(now: int, homes: int = HOMES) -> Iterator[Record | Alert]:
    """The records, for a sink to insert in this order."""
    hour = now // HOUR * HOUR
    for turn in range(-1_080, 0, 60):
        yield reading_block(homes, range(turn, turn + 60), now)
    yield hourly_block(homes, range(-24, 0), hour)
    yield aggregate_block(homes, range(-120, 0), now // 60_000 * 60_000)
    yield _voltages(now // 60_000 * 60_000, homes)
    yield from _heat(now)
    yield from _water(now)
    yield _loads(now, homes)
    yield appliance_energy_block(now // QUARTER * QUARTER)
    yield appliance_event_block(now - 600_000)  # on for long enough to be seen among the pixels of a day
    yield event_block(now - 60_000)
    yield presence_block(now - 120_000)
    yield recompute_block(hour)
    yield home_request_block(now - 60_000)
    yield garbage(now - 1_000)
    yield reliability_block(now)
    yield _grid(now - HOUR)
    yield from _outages(now)
    yield score_block(96, now // QUARTER * QUARTER)
    yield from _alarms(now)
    for number, (severity, state, subject, summary) in enumerate(_ALERTS):
        at = now - number * 97_000 - 1_000
        yield Alert(f"a{number}", 1, "last_gasp", severity, state, subject, "F1", "S1", at, at - 240_000, summary, {})


def _grid(at: int) -> GridBlock:
    """As many customers as the outages tell of."""
    above = [name for name, count in {"F2": 40, "F1-T1": 7, "F1-T2": 12}.items() for _ in range(count)]
    homes, plain = [f"n-{number}" for number in range(len(above))], grid_block(at)
    devices = [place for place, kind in enumerate(plain.kind) if kind != "meter"]
    nothing = [""] * (len(devices) + len(homes))
    return replace(
        plain,
        node=[plain.node[place] for place in devices] + homes,
        parent=[plain.parent[place] for place in devices] + above,
        kind=[plain.kind[place] for place in devices] + ["meter"] * len(homes),
        phase=nothing,
        meter=[""] * len(devices) + homes,
        usage_point=nothing,
        comm_parent=nothing,
    )


def _outages(now: int) -> Iterator[Alert]:
    """One that lasts, one that is over, one that was over at once."""
    for device, began, ended, customers in (
        ("F1-T2", now - 600_000, None, 12),
        ("F2", now - 7_200_000, now - 3_600_000, 40),
        ("F1-T1", now - 9_000_000, now - 8_980_000, 7),
    ):
        ending = None if ended is None else "restored" if ended - began > 180_000 else "momentary"
        for number, at in enumerate([began + 400, ended or began + 200_000], 1):
            closed = ended is not None and number == 2
            evidence = {
                "phase": "closed" if closed else "provisional" if number == 1 else "sustained",
                "ending": ending if closed else None,
                "start_ms": began,
                "end_ms": ended if closed else None,
                "confidence": 0.75 + 0.2 * (number - 1),
                "probability_of_outage": 0.99,
                "probability_still_dark": 0.0 if closed else 0.85,
                "devices": [{"device": device, "alike": [device, f"{device}-fuse"], "probability": 0.75}],
                "customers": customers,
                "customers_dark": 0 if closed else customers,
            }
            state = "raised" if number == 1 else "cleared" if closed else "updated"
            severity = "info" if closed else "warning" if number == 1 else "critical"
            yield Alert(
                f"outage/S1/{began}", number, "outage", severity, state, device, device[:2], "S1", at, began + 400,
                f"{device} dark", evidence,
            )  # fmt: skip


def _alarms(now: int) -> Iterator[Alert]:
    """A fault that is over, one that is open, and an unusual load."""
    began, came = now - 8 * HOUR, {"came": 4_200.0, "expected": 305.0, "rarity_decades": 12.5}
    turned, less = {"measured": -812.0, "since": began}, {"measured": 120.0, "expected": 480.0}
    for kind, state, at, summary, evidence in (
        ("reversed_phase", "raised", began, "a phase that never fed in shows -812 W", turned),
        ("sudden_drop", "cleared", now - HOUR, "a day's mean load of 120 instead of 480", less),
        ("anomaly", "raised", now - HOUR, "4200 W came where 305 (220 to 650) was expected", came),
    ):
        operator = "anomaly" if kind == "anomaly" else f"meter_fault/{kind}"
        number, subject = 2 if state == "cleared" else 1, meters(1)[0]
        alert_id, text = f"{operator}/{subject}/{began}", f"{subject}: {summary}"
        yield Alert(alert_id, number, kind, "warning", state, subject, "F1", "S1", at, began, text, evidence)


def _voltages(end: int, homes: int) -> AggregateBlock:
    """One-minute means of two hours; the first home's L1 lies outside the band of EN 50160."""
    start = end - 60_000 * np.arange(120, 0, -1)
    mean = np.full((homes, len(VOLTAGES), len(start)), 231.5) + np.arange(homes)[:, None, None] % 7
    mean[0, 0] = 205.0
    return _aggregates(meters(homes), VOLTAGES, "1min", start, 60_000, mean)


def _heat(now: int) -> Iterator[ReadingBlock | AggregateBlock]:
    at = now - FIVE_MINUTES * np.arange(288, 0, -1)
    turn = np.arange(len(at))
    of_one = {
        "forward_temperature_c": 82 + 4 * np.sin(turn / 40),
        "return_temperature_c": 47 + 6 * np.sin(turn / 50),
        "flow_m3_per_h": 1.2 + 0.4 * np.sin(turn / 30),
        "volume_m3": 5_000 + turn / 10,
        "heat_power_w": 48_000 + 9_000 * np.sin(turn / 30),
        "heat_power_peak_w": np.full(len(at), 91_000.0),
        "heat_energy_wh": np.floor(7e8 + 4_000 * turn),
    }
    yield _readings("district_heat_turin", HEAT, at, of_one)
    quarters = now // QUARTER * QUARTER - QUARTER * np.arange(96, 0, -1)
    gauges = ["forward_temperature_c", "return_temperature_c", "heat_power_w"]
    means = np.stack([np.resize(of_one[name], (len(HEAT), len(quarters))) for name in gauges], axis=1)
    yield _aggregates(HEAT, gauges, "15min", quarters, QUARTER, means)
    yield _counted(HEAT, "heat_energy_wh", now, 48_000)


def _water(now: int) -> Iterator[ReadingBlock | AggregateBlock]:
    at = now - FIVE_MINUTES * np.arange(288, 0, -1)
    turn = np.arange(len(at))
    of_one = {
        "water_volume_m3": np.round(310 + turn / 500, 3),
        "water_flow_m3_per_h": np.round(0.02 + 0.3 * (turn % 37 < 2), 3),
        "water_temperature_c": 12 + np.sin(turn / 60),
    }
    yield _readings("water", WATER, at, of_one)
    yield _counted(WATER, "water_volume_m3", now, 0.024)


def _readings(profile: str, names: list[str], at: Int64s, of_one: dict[str, Float64s]) -> ReadingBlock:
    rows = len(at) * len(names)
    return ReadingBlock(
        source="mbus_turin",
        profile=profile,
        received_at=int(at[-1]) + 900,
        meters=names,
        feeders=[None] * len(names),
        substations=[None] * len(names),
        intervals_ms=np.full(len(names), FIVE_MINUTES, np.int64),
        row_meter=np.tile(np.arange(len(names), dtype=np.int32), len(at)),
        at=np.repeat(at, len(names)),
        sequence=np.arange(rows, dtype=np.int64),
        quality=np.zeros(rows, np.int32),
        columns=list(of_one),
        values=np.concatenate([np.repeat(values, len(names)) for values in of_one.values()]),
    )


def _counted(names: list[str], register: str, now: int, each_hour: float) -> AggregateBlock:
    """What a register counted in each of 24 hours."""
    hours = now // HOUR * HOUR - HOUR * np.arange(24, 0, -1)
    difference = np.resize(each_hour * (1.0 + np.arange(24) % 5), (len(names), 1, len(hours)))
    nothing = np.full_like(difference, np.nan)
    return _aggregates(names, [register], "1h", hours, HOUR, nothing, difference)


def _aggregates(
    names: list[str],
    quantities: Sequence[str],
    window: str,
    start: Int64s,
    length: int,
    mean: Float64s,
    difference: Float64s | None = None,
) -> AggregateBlock:
    """`mean` and `difference` by meter, quantity and start."""
    meter, quantity, number = (axis.ravel() for axis in np.indices(mean.shape))
    rows = len(number)
    nothing = np.full(rows, np.nan)
    return AggregateBlock(
        operator_version=1,
        meters=names,
        quantities=list(quantities),
        windows=[window],
        row_meter=meter.astype(np.int32),
        row_quantity=quantity.astype(np.int32),
        row_window=np.zeros(rows, np.int32),
        start=start[number],
        end=start[number] + length,
        revision=np.zeros(rows, np.int32),
        count=np.full(rows, 6, np.int64),
        mean=mean.ravel(),
        min=mean.ravel() - 1,
        max=mean.ravel() + 1,
        energy_trapezoid_wh=nothing,
        register_difference=nothing if difference is None else difference.ravel(),
        covered_ms=np.full(rows, length, np.int64),
        quality=np.zeros(rows, np.int32),
    )


def _loads(now: int, homes: int) -> LoadBlock:
    """24 hours of the substation as a whole and of two feeders; 8 % of the infeed reaches no meter."""
    quarters = now // QUARTER * QUARTER - QUARTER * np.arange(96, 0, -1)
    places = [None, "F1", "F2"]
    start = np.tile(quarters, len(places))
    whole = np.repeat([place is None for place in places], len(quarters))
    energy = np.where(whole, 900.0, 450.0) + 40 * np.sin(start / 7e6)
    rows = len(start)
    return LoadBlock(
        operator_version=1,
        substation="S1",
        feeder=[place for place in places for _ in quarters],
        start=start,
        revision=np.full(rows, homes, np.int32),
        counted=np.where(whole, homes, homes // 2).astype(np.int64),
        energy_wh=energy,
        covered_ms=np.where(whole, homes, homes // 2).astype(np.int64) * QUARTER,
        infeed_wh=np.where(whole, energy / 0.92, np.nan),
    )
