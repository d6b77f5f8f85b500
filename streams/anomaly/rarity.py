"""How rare a deviation is, in decades: 3 = about one value in a thousand is as far out.

Two laws are asked, and their decades added, for an alarm needs both: a heavy-tailed one that holds for any series (so
that little history suffices), and the series' own. The own one is Hill's estimate of the tail (Hill, Annals of
Statistics 3, 1975): above the smallest of the `LARGEST` greatest deviations so far, their logarithms fall off
exponentially. Upward and downward deviations have tails of their own: load rises in spikes and falls to a floor.
"""

from typing import Any

import numpy as np

from schemas.arrays import Float64s
from streams.anomaly.normal import SCALES, VIEWS, Deviations
from streams.contract import State

LARGEST = 24
LEARNING = 100
"""Values before a series is judged at all."""
HEAVY_TAIL = 5.0
"""Decades of rarity per decade of deviation: a Student law of five degrees of freedom."""
LEAST_SLOPE = 0.1
"""Of log deviations: no tail is taken to be lighter, however alike the largest deviations were."""
LEAST_TAIL = 1.0
"""In root mean squares: what is no farther out is never rare, however still the series was."""
MOST_DECADES = 50.0

DTYPE = np.dtype([("largest", "f4", (len(VIEWS), 2, LARGEST))])


def decades(state: State, count: Any, deviations: Deviations) -> Float64s:
    """Rarity of each view, up and down, given `count` values so far: shape (n, 3, 2); then remember the deviations.

    Judged is what is more than rounding; remembered is how far out it was by the series' own spread, however small that
    was, so that a series that hardly ever moves has a heavy tail. `state` (n,) of DTYPE is changed in place.
    """
    far = _far(deviations.beyond_steps)
    largest = state["largest"].astype(np.float64)
    own = _own_decades(largest, np.maximum(count, 1)[:, None, None], far)
    state["largest"] = _with(largest, _far(deviations.sigmas))
    rarity = np.minimum(own + HEAVY_TAIL * np.log10(1 + far), MOST_DECADES)
    return np.where(np.asarray(count)[:, None, None] > LEARNING, rarity, 0.0)


def _far(sigmas: Float64s) -> Float64s:
    """How far out each view is, up and down, its scales taken together, (n, 3, 2)."""
    sides = np.stack([np.maximum(sigmas, 0), np.maximum(-sigmas, 0)], axis=2)
    far: Float64s = np.sqrt((sides**2).sum(axis=3) * (3 / len(SCALES)))
    return far


def _own_decades(largest: Float64s, count: Float64s, far: Float64s) -> Float64s:
    floor = np.maximum(largest.min(axis=3), LEAST_TAIL)
    excess = np.log(np.maximum(largest, LEAST_TAIL) / floor[..., None]).mean(axis=3)
    slope = np.maximum(excess * LARGEST / (LARGEST - 1), LEAST_SLOPE)
    beyond = np.log10(np.maximum(far, LEAST_TAIL) / floor) / slope
    return np.where(far > floor, np.log10(np.maximum(count / LARGEST, 1)) + beyond, 0.0)


def _with(largest: Float64s, far: Float64s) -> Float64s:
    """The greatest deviations, this one among them."""
    smallest = largest.argmin(axis=3)[..., None]
    kept = np.take_along_axis(largest, smallest, axis=3)
    np.put_along_axis(largest, smallest, np.maximum(kept, far[..., None]), axis=3)
    return largest
