"""What every operator must keep to, whatever it computes. A new one in the registry is under it at once."""

import random
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.master_data import GridBlock, PlannedWorkBlock
from schemas.quality import Quality
from schemas.results import HeardBlock, HourlyLoadBlock, PartialLoadBlock
from streams import turn
from streams.contract import Operator
from streams.registry import OPERATORS
from streams.snapshot import freeze, thaw
from tests.fault_log import KINDS, METERS, begun
from tests.operator_log import INTERVAL_MS, STEPS, log, run, steps
from tests.streams_log import BEGIN, Facts, Input, Row, beats, block, facts, feed, heard, shard

every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)


@cache
def undisturbed(name: str, seed: int) -> Facts:
    """What the operator says of these steps in order, in blocks as large as they come."""
    return run(OPERATORS[name], log(OPERATORS[name], steps(seed)))


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
@pytest.mark.parametrize(("cut", "most_rows"), [(1, 1), (1, 100_000), (2, 4), (3, 1), (3, 4)])
def test_any_split_into_blocks_and_turns(
    operator: Operator, cut: int, most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = undisturbed(operator.name, 3)
    monkeypatch.setattr(turn, "MOST_ROWS", most_rows)
    assert run(operator, log(operator, steps(3), cut)) == whole


@every_operator
def test_saved_and_loaded_between_any_two_records(operator: Operator) -> None:
    records = log(operator, steps(4))
    uninterrupted = run(operator, records)
    found: Facts = {}
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
    ordered = undisturbed(operator.name, 6)
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
        list(feed(now, log(operator, steps(8, count))))
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
    list(feed(now, before))
    later = [Beat("another", BEGIN + i * 1_000) for i in range(1_000)]
    assert facts(feed(now, later)) == {}
