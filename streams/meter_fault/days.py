"""How a meter's days compare with its days before, as logarithms, so that a factor is a difference.

Two figures stand for a day: its mean load and, where the load never rests, that of its quietest six hours: an absence
lowers the mean, a wrong multiplier or a bypass both. A single day is judged at once; small lasting shifts by cumulative
sums of the daily deviations (Page, Biometrika 41, 1954), one below and one above.
"""

from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.contract import Mask, State

DAY_HOURS, QUIET_HOURS, ENOUGH_HOURS = 24, 6, 20
LEARNING_DAYS, DAYS_REMEMBERED = 7, 28
ABSENT = 0.05
"""Below this share of the usual mean nobody is there, if the load rests at times: such a day says nothing."""
BASE = 0.05
"""A load whose quiet hours have at least this share of the mean never rests."""
LEAST_SIGMA = 0.1
SLACK, MOST_SIGMAS = 0.75, 4.0
"""In standard deviations a day: what the cumulative sums forgive, and the most that one day can add."""
LEAST_SHIFT = np.log(1.3)
"""A day that is off by less adds nothing, however steady the meter is."""
BELOW, ABOVE = 0, 1

DTYPE = np.dtype(
    [
        ("load", "f8", (DAY_HOURS,)),
        ("id", "i8", (DAY_HOURS,)),
        ("judged", "i8"),
        ("count", "i4"),
        ("strange", "i4"),
        ("log_mean", "f8", (2,)),
        ("log_variance", "f8", (2,)),
        ("sums", "f8", (2,)),
    ]
)


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of each of n meters: (mean load, load of the quietest hours)."""

    logs: Float64s
    """NaN where too few hours are known or nobody is there, shape (n, 2)."""
    usual: Float64s
    sigma: Float64s
    """Of the logarithms of days before, shape (n, 2)."""
    has_base: Mask
    """Whether the load never rests, shape (n,)."""
    known: Mask
    """Whether enough days are known to judge by, shape (n,)."""

    @property
    def off(self) -> Float64s:
        """By how much the day is off, as a logarithm; 0 where it cannot be told. Shape (n, 2)."""
        return np.nan_to_num(self.logs - self.usual)

    def far(self, sigmas: float, factor: float) -> Mask:
        """What is off by so many standard deviations, and by the factor; shape (n, 2)."""
        limit = np.maximum(sigmas * np.maximum(self.sigma, LEAST_SIGMA / 2), np.log(factor))
        far: Mask = (np.abs(self.off) > limit) & self.known[:, None]
        return far


def look(state: State, hour: Int64s, load: Float64s) -> Day:
    """Take in the hour's mean load (NaN = unknown), and compare the 24 hours that end with it."""
    rows, slot, known = np.arange(len(state)), hour % DAY_HOURS, ~np.isnan(load)
    state["load"][rows, slot] = np.where(known, np.maximum(load, 0), state["load"][rows, slot])
    state["id"][rows, slot] = np.where(known, hour, state["id"][rows, slot])
    inside = state["id"] > hour[:, None] - DAY_HOURS
    count = inside.sum(axis=1)
    loads = np.where(inside, state["load"], np.nan)
    mean = np.where(inside, loads, 0).sum(axis=1) / np.maximum(count, 1)
    quiet = np.sort(loads, axis=1)[:, :QUIET_HOURS].mean(axis=1)
    usual, learned = state["log_mean"].copy(), state["count"] >= LEARNING_DAYS
    has_base = usual[:, 1] > usual[:, 0] + np.log(BASE)
    here = (mean > 0) & (~learned | has_base | (mean > ABSENT * np.exp(usual[:, 0])))
    usable = (count >= ENOUGH_HOURS) & here
    floor = np.where(mean > 0, BASE / 5 * mean, 1)
    both = np.where(usable[:, None], np.maximum(np.stack([mean, quiet], axis=1), floor[:, None]), np.nan)
    return Day(np.log(both), usual, np.sqrt(state["log_variance"]), has_base, learned)


def settle(state: State, hour: Int64s, day: Day, strange: Mask) -> None:
    """Once a day: add it to the cumulative sums and, unless it is `strange`, learn from it.

    What has been strange for four weeks is learned all the same: it is the new usual.
    """
    whole = (hour // DAY_HOURS > state["judged"]) & ~np.isnan(day.logs[:, 0])
    state["judged"] = np.where(hour // DAY_HOURS > state["judged"], hour // DAY_HOURS, state["judged"])
    _add(state, day, whole & day.known)
    strange = day.known & strange
    state["strange"] = np.where(whole, (state["strange"] + 1) * strange, state["strange"])
    learns = whole & (~strange | (state["strange"] > DAYS_REMEMBERED))
    state["count"] += learns
    rate = np.maximum(1 / np.maximum(state["count"], 1), 1 / DAYS_REMEMBERED)[:, None]
    off = np.where(learns[:, None], np.nan_to_num(day.logs - state["log_mean"]), 0)
    state["log_mean"] += rate * off
    grown = state["log_variance"] + rate * (off**2 * (1 - rate) - state["log_variance"])
    state["log_variance"] = np.where((learns & (state["count"] > 1))[:, None], grown, state["log_variance"])


def _add(state: State, day: Day, counts: Mask) -> None:
    """The less suspicious of the day's two figures counts, where the load has a base."""
    sigmas = np.where(np.abs(day.off) < LEAST_SHIFT, 0, day.off / np.maximum(day.sigma, LEAST_SIGMA))
    below, above = np.max(sigmas, axis=1), np.min(sigmas, axis=1)
    mean = sigmas[:, 0]
    by_side = np.stack([-np.where(day.has_base, below, mean), np.where(day.has_base, above, mean)], axis=1)
    grown = np.maximum(state["sums"] + np.clip(by_side, -MOST_SIGMAS, MOST_SIGMAS) - SLACK, 0)
    state["sums"] = np.where(counts[:, None], np.minimum(grown, 10 * MOST_SIGMAS), state["sums"])
