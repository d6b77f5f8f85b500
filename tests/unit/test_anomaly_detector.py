"""Properties of the anomaly detector, and that river's interface gives what the operator's gives."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.durations import QUARTER_MS
from streams.anomaly import detector
from streams.anomaly.detector import ALARM_DECADES, DTYPE
from streams.anomaly.estimator import UnusualLoad
from streams.anomaly.operator import ALERT_DECADES
from streams.anomaly.rarity import LEARNING

BEGIN = 1_700_000_100_000 // QUARTER_MS * QUARTER_MS


def run(
    values: np.ndarray[Any, Any], state: np.ndarray[Any, Any] | None = None, first: int = 0
) -> np.ndarray[Any, Any]:
    """Rarity of each value, shape (t, n), given values of that shape."""
    state = np.zeros(values.shape[1], DTYPE) if state is None else state
    at = [np.full(values.shape[1], BEGIN + (first + t) * QUARTER_MS) for t in range(len(values))]
    return np.array([detector.judge(state, at[t], row).decades for t, row in enumerate(values)])


def households(t: int, n: int, seed: int) -> np.ndarray[Any, Any]:
    """Loads with a daily shape, and noise that grows with them."""
    rng = np.random.default_rng(seed)
    hour = np.arange(t)[:, None] / 4 + rng.uniform(0, 24, n)
    return np.asarray((300 + 200 * np.sin(hour * np.pi / 12)) * rng.gamma(8, 1 / 8, (t, n)))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 250))
def test_a_series_is_judged_alike_alone_and_among_others_and_after_a_restart(seed: int, n: int, cut: int) -> None:
    values = households(300, n, seed)
    together = run(values)
    alone = run(values[:, :1])
    assert np.array_equal(together[:, :1], alone)
    state = np.zeros(n, DTYPE)
    before = run(values[:cut], state)
    restored = np.frombuffer(state.tobytes(), DTYPE).copy()
    assert np.array_equal(np.concatenate((before, run(values[cut:], restored, cut))), together)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_look_ahead(seed: int) -> None:
    values = households(260, 2, seed)
    changed = values.copy()
    changed[250:] *= 50
    assert np.array_equal(run(values)[:250], run(changed)[:250])


@settings(max_examples=10, deadline=None)
@given(st.floats(-1e12, 1e12), st.integers(0, 2**32 - 1))
def test_a_constant_series_never_alarms_by_rounding(level: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = level * (1 + rng.integers(-4, 5, (400, 1)) * np.finfo(np.float64).eps)
    late = np.concatenate((np.full((300, 1), level), noise))
    assert run(late).max() < ALARM_DECADES


def test_a_constant_series_alarms_when_it_moves() -> None:
    values = np.full((300, 1), 500.0)
    values[250:] = 900.0
    assert run(values)[250, 0] >= ALARM_DECADES


@settings(max_examples=6, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=LEARNING, max_size=LEARNING))
def test_learning_says_nothing_whatever_comes(values: list[float]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        assert run(np.array(values)[:, None]).max() == 0


def test_what_is_told_is_not_told_again_at_once() -> None:
    values = households(500, 1, 3)
    values[400:420] = 5_000
    state, told = np.zeros(1, DTYPE), []
    for t, row in enumerate(values):
        if detector.judge(state, np.array([BEGIN + t * QUARTER_MS]), row).told[0]:
            told.append(t)
    assert next(t for t in told if 400 <= t < 420) == 400
    assert len([t for t in told if 400 <= t < 420]) <= 2


def test_usual_days_say_nothing_and_a_night_like_a_day_does() -> None:
    assert run(households(96 * 28, 10, 5)).max() < ALERT_DECADES
    hour = np.arange(96 * 28) / 4
    still = np.asarray(300 + 200 * np.sin(hour * np.pi / 12) + np.random.default_rng(1).normal(0, 5, len(hour)))
    still[96 * 27 + 60 : 96 * 27 + 76] = 490
    rarity = run(still[:, None])[:, 0]
    assert rarity[96 * 20 : 96 * 27].max() < ALARM_DECADES < rarity[96 * 27 + 60 : 96 * 27 + 76].max()


def test_river_scores_as_the_operator_does() -> None:
    values = households(300, 1, 7)
    model, scores = UnusualLoad(), []
    for t, row in enumerate(values[:, 0]):
        x: dict[Hashable, Any] = {"at": BEGIN + t * QUARTER_MS, "value": row}
        scores.append(model.score_one(x))
        model.learn_one(x)
        model.learn_one({"at": BEGIN + t * QUARTER_MS + 1, "value": float("nan")})
    assert np.array_equal(np.array(scores), run(values)[:, 0])
    assert max(scores[LEARNING:]) > 0


def test_river_clones_it_untaught() -> None:
    model = UnusualLoad(value="w")
    model.learn_one({"at": BEGIN, "w": 5.0})
    assert model.clone()._state["normal"]["count"] == 0
    assert model.clone().value == "w"


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e150, -1e150])
def test_extreme_levels_do_not_break_it(value: float) -> None:
    assert np.isfinite(run(np.full((150, 1), value))).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_band_holds_98_of_100_values_whatever_their_law(seed: int) -> None:
    values = households(96 * 40, 8, seed)
    values[:, 4:] = np.random.default_rng(seed).gamma(0.3, 400, (96 * 40, 4))
    state, inside = np.zeros(8, DTYPE), []
    for t, row in enumerate(values):
        judged = detector.judge(state, np.full(8, BEGIN + t * QUARTER_MS), row)
        assert (judged.low <= judged.expected).all() and (judged.expected <= judged.high).all()
        inside.append((judged.low <= row) & (row <= judged.high))
    share = np.mean(inside[LEARNING:], axis=0)
    assert share.mean() == pytest.approx(0.98, abs=0.01)
    assert ((share > 0.965) & (share < 0.995)).all()
