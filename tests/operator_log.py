"""Five meters for a while, with gaps, faults and outages, as every operator takes them; and what it says of them."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schemas.master_data import PlannedWorkBlock
from streams.contract import Operator
from streams.outage.tree import Node
from tests.fault_log import METERS, begun, hours, with_fault
from tests.streams_log import (
    BEGIN,
    WAY,
    Facts,
    Input,
    PartialLoad,
    Row,
    beats,
    block,
    events,
    facts,
    feed,
    grid_blocks,
    heard,
    hourly_loads,
    partial_loads,
    requests,
)

INTERVAL_MS = 20_000
STEPS = 130
PACE = {"anomaly": 90, "meter_fault": 180}
"""How many times slower meters report to operators that look at quarters or hours; else every 10 s."""


def steps(seed: int, count: int = STEPS) -> list[list[Row]]:
    """Rows by reporting interval. Meter 0 pauses for a while, the last one leaves gaps and NaN.

    The register of meter 1 stands still once, meter 2 goes wild towards the end.
    """
    rng = random.Random(seed)
    register = {meter: 1_000.0 * i for i, meter in enumerate(METERS)}
    found = []
    for step in range(count):
        rows = []
        for i, meter in enumerate(METERS):
            register[meter] += rng.randint(0, 9) if (i, step // 10) != (1, 6) else 0
            if (i == 0 and 30 <= step < 50) or (meter == METERS[-1] and rng.random() < 0.3):
                continue
            powers = [rng.randint(0, 30_000) / 10 for _ in range(3)]
            if meter == METERS[-1] and rng.random() < 0.2:
                powers[0] = float("nan")
            if i == 2 and 105 <= step < 115:
                powers[1] += 90_000.0
            volts = 231.25 if rng.random() < 0.9 else rng.choice([180.5, 262.0])
            values = (register[meter], 0.0, *powers, 230.1, 229.9, volts)
            at = BEGIN + step * INTERVAL_MS + rng.randint(0, 900)
            rows.append(Row(meter, at, BEGIN + step * INTERVAL_MS, values, interval_ms=INTERVAL_MS))
        found.append(rows)
    return found


def gasps(count: int) -> dict[int, list[tuple[str, int, str]]]:
    """Events by step: each meter loses power once and gets it back."""
    by_step: dict[int, list[tuple[str, int, str]]] = {}
    for i, meter in enumerate(METERS):
        gone = BEGIN + (10 + i) * INTERVAL_MS
        by_step.setdefault(10 + i, []).append((meter, gone, "last_gasp"))
        by_step.setdefault(15 + i, []).append((meter, gone + 50_000, "power_restored"))
    return {step: found for step, found in by_step.items() if step < count}


GRID = [
    Node("S1", "", "substation"),
    Node("F1", "S1", "feeder"),
    Node("T1", "F1", "transformer"),
    Node("T2", "F1", "transformer"),
    Node("F2", "S1", "feeder"),
    *(Node(f"n{i}", up, "meter", "", METERS[i]) for i, up in enumerate(("T1", "T1", "T2", "T2", "F2"))),
]
DARK = (
    (METERS[0], 12, 30),
    (METERS[1], 12, 30),
    (METERS[2], 40, 41),
    (METERS[3], 40, 41),
    (METERS[4], 50, 51),
)
"""Meters without supply, from one step to another: a lasting outage, a momentary one, and planned work."""
WORK_STEPS = (46, 52)


def outages(step: int) -> list[tuple[str, int, str]]:
    """What the meters say of their supply at a step."""
    at = BEGIN + step * INTERVAL_MS
    gone = [(meter, at + 100 * i, "last_gasp") for i, (meter, gone, _) in enumerate(DARK) if gone == step]
    return gone + [(meter, at + 50 * i, "power_restored") for i, (meter, _, back) in enumerate(DARK) if back == step]


def evidence(operator: Operator, step: int, rows: Sequence[Row], cut: int) -> list[Input]:
    """A step on the evidence of outages: the grid, the calendar, events, and who was heard."""
    records: list[Input] = []
    if step == 0:
        records += grid_blocks(GRID, cut)
    if step == WORK_STEPS[0]:
        start, end = (np.array([BEGIN + step * INTERVAL_MS]) for step in WORK_STEPS)
        records.append(PlannedWorkBlock("S1", BEGIN, ["F2"], start, end))
    happened = outages(step)
    records += [events(happened[i : i + cut]) for i in range(0, len(happened), cut)]
    lit = [row for row in rows if not any(row.meter == meter and a <= step < b for meter, a, b in DARK)]
    return records + [heard(lit[i : i + cut]) for i in range(0, len(lit), cut)]


def loads(count: int) -> dict[int, list[PartialLoad]]:
    """Parts of loads by step: three partitions' sums of two feeders and an infeed, some of them growing."""
    by_step: dict[int, list[PartialLoad]] = {}
    rng = random.Random(11)
    for step in range(6, count):
        quarter = (step // 6 - 1) * 900_000
        for partition in range(3):
            for feeder in ("F1", "F2", None):
                if step % 6 == partition or (step % 6 == 4 and feeder == "F1"):
                    part = PartialLoad(
                        partition, "S1", feeder, BEGIN + quarter, 1 + step % 6, rng.randint(-(10**9), 10**9)
                    )
                    by_step.setdefault(step, []).append(part)
    return by_step


def paced(operator: Operator, row: Row) -> Row:
    """The row as slow as the operator needs it."""
    pace = PACE.get(operator.name, 1)
    at, received_at = (BEGIN + (time - BEGIN) * pace for time in (row.at, row.received_at))
    row = replace(row, at=at, received_at=received_at, interval_ms=row.interval_ms * pace)
    return with_fault(row) if operator.name == "meter_fault" else row


def log(operator: Operator, rows: Sequence[Sequence[Row]], cut: int = 10_000) -> list[Input]:
    """The input partition: each step's rows in blocks of `cut`, or its events, then ten beats of a second."""
    records: list[Input] = []
    rows = [[paced(operator, row) for row in found] for found in rows]
    lost_power, grown = gasps(len(rows)), loads(len(rows))
    if "HomeRequestBlock" in operator.takes:
        records.append(requests([(meter, 0, "consent") for meter in (*METERS, "odd")]))
    for step, found in enumerate(rows):
        if "HeardBlock" in operator.takes:
            records += evidence(operator, step, found, cut)
            records += beats(BEGIN + step * INTERVAL_MS, 10, INTERVAL_MS // 10, WAY)
        elif "EventBlock" in operator.takes:
            happened = lost_power.get(step, [])
            records += [events(happened[i : i + cut]) for i in range(0, len(happened), cut)]
        elif "PartialLoadBlock" in operator.takes:
            parts = grown.get(step, [])
            records += [piece for i in range(0, len(parts), cut) for piece in partial_loads(parts[i : i + cut])]
        elif "HourlyLoadBlock" in operator.takes:
            told = hours(step)
            records += [hourly_loads(told[i : i + cut]) for i in range(0, len(told), cut)]
        else:
            records += [block(found[i : i + cut]) for i in range(0, len(found), cut)]
        records += beats(BEGIN + step * INTERVAL_MS, 10, INTERVAL_MS // 10)
    return records


def run(operator: Operator, records: Sequence[Input]) -> Facts:
    """All that it says."""
    return facts(feed(begun(operator), records))
