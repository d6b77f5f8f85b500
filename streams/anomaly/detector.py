"""The detector: one value of each of n series in, what was expected and how rare what came is out.

The operator, the river estimator and the benchmark on NAB's corpus run this very code.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s, Int64s
from streams.anomaly import band, normal, rarity
from streams.anomaly.normal import VIEWS
from streams.contract import State

ALARM_DECADES = 7.6
"""Rarity from which a value is told, if nothing else is asked for: for NAB, where ten false alarms cost a miss."""
REST_MS = 120_000_000
"""After telling, a series is left alone for 33 h 20 min ..."""
RARER_DECADES = 2.0
"""... unless something comes that is a hundred times rarer."""

DTYPE = np.dtype(
    [
        ("normal", normal.DTYPE),
        ("rarity", rarity.DTYPE),
        ("band", band.DTYPE),
        ("told_at", "i8"),
        ("told_decades", "f8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a value of each of n series; all of shape (n,)."""

    expected: Float64s
    spread: Float64s
    """Root mean square of the errors of earlier expectations."""
    low: Float64s
    high: Float64s
    """The ends of the band that about 98 of 100 values lie in."""
    decades: Float64s
    """Rarity of the rarest view; 0 while the series is still learning."""
    view: Int64s
    """Which of VIEWS that is."""
    learning: npt.NDArray[np.bool_]
    resting: npt.NDArray[np.bool_]
    """Already told, and this is not so much rarer that it were worth telling again."""
    told: npt.NDArray[np.bool_]
    """Worth telling."""


def judge(
    state: State, at: Int64s, value: Float64s, alarm_decades: float = ALARM_DECADES, step: Float64s | None = None
) -> Judgement:
    """Judge one finite value of each series by what came before it, then learn from it.

    `state` (n,) of DTYPE is changed in place, zeros are a new series; `at` is ms UTC, rising from call to call. A value
    that is missing is no call at all. `step` (n,): by so much a value that does not change may seem to, as it is
    counted in steps: no less is spread. Cost: some 100 numpy operations, whatever n.
    """
    deviations = normal.learn(state["normal"], at, value, np.zeros(len(state)) if step is None else step)
    count = state["normal"]["count"]
    rare = rarity.decades(state["rarity"], count, deviations).reshape(len(state), 2 * len(VIEWS))
    decades = rare.max(axis=1)
    recent = (state["told_at"] > 0) & (at - state["told_at"] <= REST_MS)
    resting = recent & (decades < state["told_decades"] + RARER_DECADES)
    told = (decades >= alarm_decades) & ~resting
    state["told_at"] = np.where(told, at, state["told_at"])
    state["told_decades"] = np.where(told, decades, state["told_decades"])
    learning = count <= rarity.LEARNING
    view = rare.argmax(axis=1) // 2
    expected, spread = deviations.expected, deviations.spread
    below, above = band.track(state["band"], count, value - expected, spread)
    return Judgement(expected, spread, expected + below, expected + above, decades, view, learning, resting, told)
