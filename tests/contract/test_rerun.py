"""An operator that says how far around an hour rows bear on its results gives the same from these rows alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from schemas.catalogue import load_catalogue
from schemas.results import AggregateBlock
from streams import rerun
from streams.contract import Operator, Rows
from streams.registry import OPERATORS
from streams.rerun import Stored, lacking, margin_ms, meters_of
from tests.fault_log import METERS
from tests.operator_log import log, run, steps
from tests.streams_log import BEGIN, INTERVAL_MS, PROFILE, Row, facts

HOUR = 3_600_000
CATALOGUE = load_catalogue()
PROFILED = CATALOGUE.profiles[PROFILE]
QUANTITIES = [CATALOGUE.quantities[name] for name in PROFILED.quantities]
AGGREGATES = [op for op in OPERATORS.values() if op.reach_ms is not None and "AggregateBlock" in op.gives]


def stored(operators: Sequence[Operator], rows: Sequence[Row], interval_ms: int) -> Stored:
    rows = sorted(rows, key=lambda row: (METERS.index(row.meter), row.at))
    n = len(METERS)
    table = meters_of(
        PROFILED, QUANTITIES, operators, METERS, ["F1"] * n, ["S1"] * n, np.full(n, interval_ms, np.int64)
    )
    found = Rows(
        np.array([METERS.index(row.meter) for row in rows], np.int64),
        np.array([row.at for row in rows], np.int64),
        np.array([row.received_at for row in rows], np.int64),
        np.array([row.quality for row in rows], np.int32),
        np.array([row.values for row in rows], np.float64).reshape(-1, len(QUANTITIES)),
    )
    return Stored(table, found, np.full(len(rows), -1, np.int64))


@pytest.mark.parametrize("operator", AGGREGATES, ids=lambda operator: operator.name)
def test_an_hour_follows_from_the_rows_around_it(operator: Operator) -> None:
    all_steps = steps(8, 600)
    rows = [row for found in all_steps for row in found]
    begin, end = BEGIN + HOUR, BEGIN + 2 * HOUR
    interval_ms = rows[0].interval_ms
    margin = int(margin_ms([operator], np.array([interval_ms]))[0])
    around = [row for row in rows if begin - margin <= row.at < end + margin]
    assert 0 < len(around) < len(rows)
    given = rerun.rerun(PROFILED, [operator], stored([operator], around, interval_ms))
    blocks = [rerun.touching(block, begin, end) for block in given if isinstance(block, AggregateBlock)]
    again = facts(block for block in blocks if block is not None)
    whole = run(operator, log(operator, all_steps))
    assert len(again) > 1_000
    assert again == {key: value for key, value in whole.items() if key in again}
    inside = {key for key in whole if key[3] != "rolling_15min" and begin <= int(str(key[4])) < end}
    assert inside <= again.keys()


def plain_rows(meter: str, times: Sequence[int], register: float) -> list[Row]:
    return [Row(meter, BEGIN + at, BEGIN + at, (register, 0.0, *[1.0] * 6)) for at in times]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (range(-60_000, HOUR + 60_000, INTERVAL_MS), (False, False)),
        (range(0, HOUR + 60_000, INTERVAL_MS), (True, False)),
        ([*range(-60_000, HOUR // 2, INTERVAL_MS), HOUR + 20_000], (False, True)),
        (range(-60_000, HOUR // 2, INTERVAL_MS), (False, True)),
        ([-60_000], (False, False)),
    ],
)
def test_what_lies_beyond_a_gap_is_missed(times: Sequence[int], expected: tuple[bool, bool]) -> None:
    before, after = lacking(stored([], plain_rows(METERS[0], times, 5.0), INTERVAL_MS), BEGIN, BEGIN + HOUR)
    assert (before[0], after[0]) == expected
    assert not before[1:].any() and not after[1:].any()


def test_a_register_that_is_never_measured_is_not_missed() -> None:
    rows = plain_rows(METERS[0], range(-60_000, HOUR, INTERVAL_MS), float("nan"))
    rows = [Row(row.meter, row.at, row.at, (float("nan"), float("nan"), *row.values[2:])) for row in rows]
    before, after = lacking(stored([], rows, INTERVAL_MS), BEGIN, BEGIN + HOUR)
    assert not before.any() and not after.any()
