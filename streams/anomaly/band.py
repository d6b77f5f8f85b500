"""The band that a series is expected to keep to: about 98 of 100 of its own values lie in it, whatever their law.

The two ends are quantiles of the forecast's residuals, tracked online: each value that lies beyond an end moves it
outward by a step, each that does not moves it inward by a hundredth of that (Gibbs and Candès, NeurIPS 2021;
Angelopoulos, Candès and Tibshirani, NeurIPS 2023: quantile tracking). In the long run the shares hold for any series,
without assuming a distribution; load rises in spikes and falls to a floor, so each end has its own. The band is what is
shown; alarms rest on rarity (rarity.py).
"""

from typing import Any

import numpy as np

from schemas.arrays import Float64s
from streams.anomaly.rarity import LEARNING

BEYOND = 0.01
"""Share of the values beyond each end."""
STEP = 0.2
"""Of the root mean square residual: how far a value beyond an end moves it."""

DTYPE = np.dtype([("below", "f8"), ("above", "f8")])
"""The ends, as residuals."""


def track(state: Any, count: Any, residual: Float64s, spread: Float64s) -> tuple[Float64s, Float64s]:
    """The ends (n,) as they were before this residual, given the `count` of values with it; then learn from it.

    While the series is learned they are its extremes so far; the forecast itself is always between them.
    `state` (n,) of DTYPE is changed in place.
    """
    below, above = state["below"].copy(), state["above"].copy()
    learning, step = count <= LEARNING, STEP * spread
    lower = np.where(learning, residual, below - step * ((residual < below) - BEYOND))
    upper = np.where(learning, residual, above + step * ((residual > above) - BEYOND))
    state["below"] = np.minimum(lower, np.where(learning, below, 0))
    state["above"] = np.maximum(upper, np.where(learning, above, 0))
    return below, above
