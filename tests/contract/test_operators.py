"""What every operator must keep to, whatever it computes. A new one in the registry is under it at once."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.master_data import GridBlock, PlannedWorkBlock
from schemas.quality import Quality
from schemas.results import HeardBlock, HourlyLoadBlock, PartialLoadBlock
from streams import turn
from streams.contract import Operator
from streams.outage.tree import Node
from streams.registry import OPERATORS
from streams.snapshot import freeze, thaw
from tests.fault_log import KINDS, METERS, begun, hours, with_fault
from tests.streams_log import (
    BEGIN,
    WAY,
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
    shard,
)

INTERVAL_MS = 20_000
STEPS = 130
PACE = {"anomaly": 90, "meter_fault": 180}
"""How many times slower meters report to operators that look at quarters or hours; else every 10 s."""
every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)


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


def run(operator: Operator, records: Sequence[Input]) -> dict[tuple[object, ...], tuple[object, ...]]:
    return facts(feed(begun(operator), records))


@every_operator
def test_says_something(operator: Operator) -> None:
    """Without this the other tests could compare nothing with nothing."""
    found = run(operator, log(operator, steps(1)))
    assert {key[0] for key in found} >= operator.gives
    alerts = [str(key[1]).split("/")[2] for key in found if key[0] == "Alert" and operator.name in KINDS]
    assert set(alerts) >= KINDS.get(operator.name, set())


@every_operator
def test_deterministic(operator: Operator) -> None:
    records = log(operator, steps(2))
    assert run(operator, records) == run(operator, records)


@every_operator
@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("most_rows", [1, 4, 100_000])
def test_any_split_into_blocks_and_turns(
    operator: Operator, cut: int, most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(operator, log(operator, steps(3)))
    monkeypatch.setattr(turn, "MOST_ROWS", most_rows)
    assert run(operator, log(operator, steps(3), cut)) == whole


@every_operator
def test_saved_and_loaded_between_any_two_records(operator: Operator) -> None:
    records = log(operator, steps(4))
    uninterrupted = run(operator, records)
    found: dict[tuple[object, ...], tuple[object, ...]] = {}
    now = begun(operator)
    rng = random.Random(4)
    while now.cursor < len(records):
        for record in records[now.cursor : now.cursor + rng.randint(1, 40)]:
            found |= facts(iter(now.take(record) or []))
        saved = freeze(now)
        now = shard({operator.name: operator})
        thaw(saved, now)
        assert freeze(now) == saved
    assert found == uninterrupted


@pytest.mark.parametrize(
    "operator",
    [op for op in OPERATORS.values() if "ReadingBlock" in op.takes and op.name != "presence"],
    ids=lambda operator: operator.name,
)
def test_a_backlog_that_comes_at_once_gives_what_came_as_it_happened(operator: Operator) -> None:
    """Two meters pause, one of them within a quarter of an hour; the time that passes closes nothing too early.

    Of `presence` it is not asked: that is about when rows come.
    """
    rows = [
        [row for row in found if row.meter != METERS[3] or not 50 <= step < 64] for step, found in enumerate(steps(12))
    ]
    live = log(operator, rows)
    at_once = [record for record in live if not isinstance(record, Beat)]
    after = beats(BEGIN + STEPS * INTERVAL_MS, 7_200)
    assert run(operator, at_once + after) == run(operator, live + after)


@every_operator
def test_repeated_rows_change_nothing(operator: Operator) -> None:
    rows = steps(5)
    once = run(operator, log(operator, rows))
    repeated = [list(now) + [row for row in before if row.meter != METERS[0]] for before, now in pairwise([[], *rows])]
    records = log(operator, repeated)
    news = EventBlock | PartialLoadBlock | HourlyLoadBlock | GridBlock | PlannedWorkBlock
    twice = [again for record in records for again in ([record, record] if isinstance(record, news) else [record])]
    assert run(operator, twice) == once


@every_operator
@pytest.mark.parametrize("seed", range(5))
def test_shuffled_within_the_lateness_is_as_ordered(operator: Operator, seed: int) -> None:
    """Who was heard later is known later: for operators that take that, the order within a turn is shuffled. And a
    meter's first row comes in time.
    """
    rows = steps(6)
    ordered = run(operator, log(operator, rows))
    rng = random.Random(seed)
    shuffled: list[list[Row]] = [[] for _ in rows]
    for step, found in enumerate(rows):
        for row in found:
            delayed = (
                "HeardBlock" not in operator.takes
                and row.meter not in (METERS[0], METERS[-1])
                and 0 < step < len(rows) - 4
                and rng.random() < 0.2
            )
            arrives = step + rng.randint(1, 4) * delayed
            late = replace(row, received_at=BEGIN + arrives * INTERVAL_MS)
            shuffled[arrives].insert(rng.randint(0, len(shuffled[arrives])), late)
    assert run(operator, log(operator, shuffled)) == ordered


@every_operator
def test_input_is_not_mutated(operator: Operator) -> None:
    records = log(operator, steps(7))
    for record in records:
        for name in getattr(record, "__slots__", ()):
            column = getattr(record, name)
            if isinstance(column, np.ndarray):
                column.flags.writeable = False
    assert run(operator, records)


@every_operator
def test_state_is_bounded_on_a_tenfold_stream(operator: Operator) -> None:
    def size(count: int) -> int:
        now = begun(operator)
        assert list(feed(now, log(operator, steps(8, count)))) is not None
        tables = (*now.tables.values(), now.loads.table, now.parts, now.hourly)
        columns = [table.column(name) for table in tables for name in table.columns]
        wholes = [value for whole in now.wholes.values() for value in whole.saved().values()]
        return sum(column.nbytes for column in (*columns, *wholes) if isinstance(column, np.ndarray))

    assert size(600) == size(60) > 0


@every_operator
def test_absurd_values_stay_with_their_meter(operator: Operator) -> None:
    """NaN, infinities, negative and huge values; times flagged as in the future: no crash, no word about others."""
    plain = log(operator, steps(9))
    expected = run(operator, plain)
    strange = [float("nan"), float("inf"), -float("inf"), -5.0, 1e300, -1e300, 1e15, 0.0]
    odd = [
        Row(
            "odd",
            BEGIN + step * INTERVAL_MS,
            BEGIN + step * INTERVAL_MS,
            tuple(np.roll(strange, step)),
            0,
            INTERVAL_MS,
            feeder="odd",
        )
        for step in range(60)
    ]
    future = [Row("odd", BEGIN + 10**12, BEGIN, (1.0,) * 8, int(Quality.FUTURE), INTERVAL_MS, feeder="odd")]
    polluted: list[Input] = []
    for record in plain:
        polluted.append(record)
        if isinstance(record, ReadingBlock) and odd:
            polluted += [block([odd.pop(0)]), block(future)]
        if isinstance(record, HeardBlock) and odd:
            polluted += [heard([odd.pop(0)]), heard(future)]
    got = run(operator, polluted)
    assert {key: value for key, value in got.items() if not any("odd" in str(part) for part in key)} == expected


@every_operator
def test_time_stands_still_without_the_own_source(operator: Operator) -> None:
    """Another source's beats make nobody silent, close no window and clear no alert."""
    before = log(operator, steps(10, 20))
    now = begun(operator)
    assert list(feed(now, before)) is not None
    later = [Beat("another", BEGIN + i * 1_000) for i in range(1_000)]
    assert facts(feed(now, later)) == {}
