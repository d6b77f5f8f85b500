"""One hour of the meters of one kind under one substation: what is odd beside the others.

Two comparisons. A load that falls while the neighbours' do not: each meter's last day is set against its days before
(meter_fault/days.py), and the median of all meters' deviations, which is season, weather and holidays, is taken off. A
roof that gives nothing in the sun: of each meter that feeds in, the hour's yield is set against its own best; where the
median of these shares is high it is bright, and a meter that gives next to nothing then is silent.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.contract import State
from streams.meter_fault import days
from streams.meter_fault.days import Day
from streams.meter_fault.life import Finding

LEAST_NEIGHBOURS = 5
"""Meters that are known, without which nothing is compared."""
LEAST_ROOFS = 4
LEAST_YIELD_W = 200.0
"""A meter that never fed in more is no roof."""
YIELD_HOURS = 20
"""Hours in which it must have fed in before it is compared."""
FORGETTING = 0.9997
"""Of the best yield, an hour: half is forgotten in three months."""

DTYPE = np.dtype([("days", days.DTYPE), ("best_yield", "f8"), ("yield_hours", "i4")])


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is odd: lower finds more, sooner, and is wrong more often."""

    sigmas: float = 4.0
    """A day's load is so many standard deviations below what the neighbours' days let expect; lasting shifts: twice as
    many, summed over days ..."""
    factor: float = 1.7
    """... and by at least this factor."""
    bright_share: float = 0.5
    """It is bright where half of the roofs give at least this share of their best."""
    silent_share: float = 0.1
    """A roof is silent that gives less than this share of what the others' median lets expect."""


def drop(state: State, hour: Int64s, load: Float64s, limits: Limits) -> Finding:
    """The load fell, against its own days and against the neighbours'.

    `state` (n,) of DTYPE is all meters of the group with a load in the hour, and is changed in place.
    """
    day = days.look(state["days"], hour, load)
    beside = _beside(day)
    told = beside or day
    far, below = told.far(limits.sigmas, limits.factor), told.off < 0
    at_once = (far & below).all(axis=1) & told.has_base
    lasting = state["days"]["sums"][:, days.BELOW] > 2 * limits.sigmas
    strange = far.any(axis=1) | (state["days"]["sums"] > 2 * limits.sigmas).any(axis=1)
    days.settle(state["days"], hour, told, np.asarray(strange))
    suspicious = (at_once | lasting) & (beside is not None)
    return Finding(suspicious, np.exp(day.logs[:, 0]), np.exp(day.logs[:, 0] - told.off[:, 0]))


def silent_roof(state: State, load: Float64s, limits: Limits) -> tuple[Finding, Any]:
    """A roof gives nothing while the others do; and in which hours that could be told, (n,)."""
    given = np.maximum(-load, 0.0)
    best = np.maximum(state["best_yield"] * FORGETTING, given)
    state["best_yield"] = best
    state["yield_hours"] = np.minimum(state["yield_hours"] + (given > 0), YIELD_HOURS)
    roof = (best >= LEAST_YIELD_W) & (state["yield_hours"] >= YIELD_HOURS)
    share = given / np.maximum(best, LEAST_YIELD_W)
    usual = float(np.median(share[roof])) if roof.sum() >= LEAST_ROOFS else 0.0
    bright = roof & (usual >= limits.bright_share)
    return Finding(bright & (share < limits.silent_share * usual), given, usual * best), bright


def _beside(day: Day) -> Day | None:
    """The day less what the neighbours' days have in common; None where too few are known."""
    judged = day.known & ~np.isnan(day.logs[:, 0])
    if judged.sum() <= LEAST_NEIGHBOURS:
        return None
    return replace(day, logs=day.logs - np.median(day.off[judged], axis=0))
