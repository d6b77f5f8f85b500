"""What is normal for a series, learned online: its level, its daily and its weekly shape, and how far it strays.

Three forecasts stand beside each other: the level, the hour of the day, the hour of the week. Each counts by how well
it has done (its mean squared error to the power of -4), so a series without a shape is forecast by its level, and one
with working days by the week. What came is then seen in three views: against the forecast, against the level alone, and
as the step that the last residual does not explain. Each view is smoothed over 1, 4 and 16 values, so that spikes and
small lasting shifts both show, and measured in its own root mean square.

All arrays are over n series, one value each; everything is elementwise, so that what one series learns does not depend
on which others are in the same call.
"""

from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.durations import HOUR_MS
from streams.contract import State

HOURS, WEEK_HOURS = 24, 168
SCALES = np.array([1.0, 4.0, 16.0])
"""Over how many values a view is smoothed."""
VIEWS = ("shape", "level", "step")
MEMORY = 5_000.0
"""Values after which level and spread forget."""
DAYS, WEEKS = 7.0, 2.0
"""How many days, and weeks, a shape remembers."""
TRUST = 4
LEAST_SPREAD = 1e-3
"""Of a series' mean absolute value: less than this is no spread but rounding."""

DTYPE = np.dtype(
    [
        ("count", "i8"),
        ("last_at", "i8"),
        ("level", "f8"),
        ("size", "f8"),
        ("day", "f8", (HOURS,)),
        ("day_count", "i4", (HOURS,)),
        ("week", "f8", (WEEK_HOURS,)),
        ("week_count", "i4", (WEEK_HOURS,)),
        ("error2", "f8", (3,)),
        ("residual", "f8"),
        ("product", "f8"),
        ("square", "f8"),
        ("smooth", "f8", (len(VIEWS), len(SCALES))),
        ("smooth2", "f8", (len(VIEWS), len(SCALES))),
    ]
)


@dataclass(frozen=True, slots=True)
class Deviations:
    """How a value of each of n series differs from what was expected."""

    expected: Float64s
    """The forecast, shape (n,)."""
    spread: Float64s
    """Root mean square of the forecast's errors so far; 0 before there are any. Shape (n,)."""
    sigmas: Float64s
    """Each view at each scale in its own root mean square, signed, shape (n, 3, 3)."""
    beyond_steps: Float64s
    """The same in the step of the meter where that is more: what of it is more than rounding, shape (n, 3, 3)."""


def learn(state: State, at: Int64s, value: Float64s, step: Float64s) -> Deviations:
    """Judge one value of each series by what was known before it, then learn from it.

    `state` (n,) of DTYPE is changed in place; `at` is ms UTC and rises from call to call; values are finite. By `step`
    (n,) a value that does not change may seem to, as it is counted in steps.
    """
    new = state["count"] == 0
    state["level"] = np.where(new, value, state["level"])
    state["count"] += 1
    rate = np.maximum(1 / state["count"], 1 / MEMORY)
    rows, hour = np.arange(len(state)), at // HOUR_MS
    of_day, of_week = hour % HOURS, hour % WEEK_HOURS
    forecasts = _forecasts(state, rows, of_day, of_week)
    errors = value[:, None] - forecasts
    weights = _weights(state["error2"])
    expected = (weights * forecasts).sum(axis=1)
    spread = np.sqrt(state["smooth2"][:, 0, 0])
    residual = (weights * errors).sum(axis=1)
    views = np.stack([residual, errors[:, 0], residual - _explained(state, residual, rate)], axis=1)
    state["error2"] += rate[:, None] * (errors**2 - state["error2"])
    state["size"] += rate * (np.abs(value) - state["size"])
    sigmas, beyond_steps = _sigmas(state, views, rate, step)
    _learn_shapes(state, rows, of_day, of_week, at, value)
    state["level"] += rate * (value - state["level"])
    state["last_at"] = at
    return Deviations(expected, spread, sigmas, beyond_steps)


def _forecasts(state: State, rows: Int64s, of_day: Int64s, of_week: Int64s) -> Float64s:
    """By level, by hour of the day, by hour of the week; the simpler one where an hour is new. Shape (n, 3)."""
    level = state["level"]
    day = np.where(state["day_count"][rows, of_day] > 0, state["day"][rows, of_day], level)
    week = np.where(state["week_count"][rows, of_week] > 0, state["week"][rows, of_week], day)
    return np.stack([level, day, week], axis=1)


def _weights(error2: Float64s) -> Float64s:
    worst = error2.max(axis=1, keepdims=True)
    relative = np.divide(error2, worst, out=np.ones_like(error2), where=worst > 0)
    weights: Float64s = np.maximum(relative, 1e-9) ** -TRUST
    shares: Float64s = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _explained(state: State, residual: Float64s, rate: Float64s) -> Float64s:
    """What of the residual the last one explains: autoregression of order 1, its coefficient learned before now."""
    last, square = state["residual"].copy(), state["square"]
    coefficient = np.divide(state["product"], square, out=np.zeros_like(square), where=square > 0)
    state["product"] += rate * (residual * last - state["product"])
    state["square"] += rate * (last**2 - square)
    state["residual"] = residual
    explained: Float64s = np.clip(coefficient, 0, 1) * last
    return explained


def _sigmas(state: State, views: Float64s, rate: Float64s, step: Float64s) -> tuple[Float64s, Float64s]:
    count = state["count"][:, None, None]
    smooth = state["smooth"] + np.maximum(1 / SCALES, 1 / count) * (views[:, :, None] - state["smooth"])
    before, least = state["smooth2"], LEAST_SPREAD * state["size"][:, None, None]
    spread = np.maximum(np.sqrt(before), least)
    state["smooth"] = smooth
    state["smooth2"] = before + rate[:, None, None] * (smooth**2 - before)
    sigmas: Float64s = np.divide(smooth, spread, out=np.zeros_like(smooth), where=(spread > 0) & (count > 1))
    coarse = spread < step[:, None, None]
    return sigmas, np.divide(smooth, step[:, None, None], out=sigmas.copy(), where=coarse & (count > 1))


def _learn_shapes(state: State, rows: Int64s, of_day: Int64s, of_week: Int64s, at: Int64s, value: Float64s) -> None:
    """Each value counts by the time it stands for, at most an hour."""
    hours = np.clip(at - state["last_at"], 0, HOUR_MS) / HOUR_MS
    for name, slot, memory in (("day", of_day, DAYS), ("week", of_week, WEEKS)):
        shape, count = state[name], state[name + "_count"]
        count[rows, slot] = np.minimum(count[rows, slot] + 1, 1 << 30)
        rate = np.maximum(1 / count[rows, slot], hours / memory)
        shape[rows, slot] += np.minimum(rate, 1.0) * (value - shape[rows, slot])
