"""Properties of the operator anomaly over whole logs: what is no data, what a new meter says, and what is the same."""

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert import Alert
from schemas.durations import QUARTER_MS
from schemas.results import AnomalyScoreBlock
from streams.anomaly import Anomaly
from streams.anomaly.rarity import LEARNING
from streams.contract import Result
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, Input, Row, beats, block, feed, shard

NAN = float("nan")


def row(quarter: int, watts: float, volts: float = 230.0) -> Row:
    at = BEGIN + quarter * QUARTER_MS
    return Row("m1", at, at, (NAN, NAN, watts, 0.0, 0.0, volts, volts, volts), 0, QUARTER_MS)


def log(rows: Sequence[Row]) -> list[Input]:
    return [record for one in rows for record in (block([one]), *beats(one.received_at, 2, 450_000))]


def scores(results: Sequence[Result]) -> dict[int, tuple[float, ...]]:
    """start -> (expected, low, high, rarity)"""
    return {
        int(start): figures
        for result in results
        if isinstance(result, AnomalyScoreBlock)
        for start, *figures in zip(
            result.start, result.expected, result.low, result.high, result.rarity_decades, strict=True
        )
    }  # type: ignore[misc]


def judged(rows: Sequence[Row]) -> list[Result]:
    return list(feed(shard({"anomaly": Anomaly()}), log(rows)))


def watts(seed: int, quarters: int) -> list[float]:
    rng = random.Random(seed)
    return [
        300 + 200 * (quarter % 96 > 60) + rng.randint(0, 2_000) * (rng.random() < 0.05) for quarter in range(quarters)
    ]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 179), max_size=60))
def test_a_quarter_not_measured_is_as_if_it_had_not_been(seed: int, absent: set[int]) -> None:
    """NaN in all powers, or no row: neither is judged, is learned, or changes what the others are thought of."""
    load = watts(seed, 180)
    with_nan = [row(i, NAN if i in absent else w) for i, w in enumerate(load)]
    with_gaps = [with_nan[i] for i in range(180) if i not in absent or i == 179]
    found = scores(judged(with_nan))
    assert found == scores(judged(with_gaps))
    assert not {(start - BEGIN) // QUARTER_MS for start in found} & absent


@settings(max_examples=5, deadline=None)
@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(NAN)), min_size=60, max_size=LEARNING))
def test_a_new_meter_is_learning_whatever_it_shows(load: list[float]) -> None:
    results = judged([row(i, w) for i, w in enumerate(load)])
    assert not [result for result in results if isinstance(result, Alert)]
    states = {state for result in results if isinstance(result, AnomalyScoreBlock) for state in result.state}
    assert states <= {"learning"}


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_scores_are_the_same_after_a_restart(seed: int, cut: int) -> None:
    records = log([row(i, w) for i, w in enumerate(watts(seed, 200))])
    whole = list(feed(shard({"anomaly": Anomaly()}), records))
    first, second = shard({"anomaly": Anomaly()}), shard({"anomaly": Anomaly()})
    before = list(feed(first, records[:cut]))
    thaw(freeze(first), second)
    after = list(feed(second, records[second.next_offset :]))
    assert scores([*before, *after]) == scores(whole)
    assert [result for result in [*before, *after] if isinstance(result, Alert)] == [
        result for result in whole if isinstance(result, Alert)
    ]


def test_a_register_that_never_moves_and_a_level_that_never_changes_say_nothing() -> None:
    """Three weeks of the same power, told in tenths of a watt with noise below them."""
    rng = random.Random(1)
    results = judged([row(i, 500 + rng.uniform(-0.04, 0.04)) for i in range(96 * 21)])
    assert not [result for result in results if isinstance(result, Alert)]
    assert {state for r in results if isinstance(r, AnomalyScoreBlock) for state in r.state} == {"learning", "usual"}
