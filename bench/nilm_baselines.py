"""What a home's appliances would be by simpler means, to compare with.

All three know more than `nilm`: which appliances the home has. `mean` and `combinatorial` are also given what these
draw, from the home's own sub-meters, over the very samples they are scored on.
"""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from bench.nilm_score import threshold_w
from schemas.arrays import Float64s

Estimate = dict[str, Float64s]
_MOST_APPLIANCES = 10


def all_zero(mains_w: Float64s, truth_w: Mapping[str, Float64s]) -> Estimate:
    """Nothing ever runs."""
    return {name: np.zeros(len(mains_w)) for name in truth_w}


def mean(mains_w: Float64s, truth_w: Mapping[str, Float64s]) -> Estimate:
    """Everything always draws its mean."""
    return {name: np.full(len(mains_w), _mean(values)) for name, values in truth_w.items()}


def combinatorial(mains_w: Float64s, truth_w: Mapping[str, Float64s]) -> Estimate:
    """Each sample by itself: the set of appliances whose powers come nearest to the mains.

    G. Hart, "Nonintrusive Appliance Load Monitoring", Proc. IEEE 80 (1992), section IV. An appliance is off or draws
    the median of what it draws while on; of more than ten appliances the ten with the most energy are searched.
    """
    energy = {name: float(np.nansum(values)) for name, values in truth_w.items()}
    names = sorted(energy, key=lambda name: -energy[name])[:_MOST_APPLIANCES]
    on_w = np.array([_on_power(name, truth_w[name]) for name in names])
    combinations = np.array(list(product((0, 1), repeat=len(names))), np.float64) * on_w
    totals = combinations.sum(axis=1)
    order = np.argsort(totals, kind="stable")
    between = (totals[order][1:] + totals[order][:-1]) / 2
    chosen = combinations[order][np.searchsorted(between, mains_w)]
    found = all_zero(mains_w, truth_w)
    return found | {name: chosen[:, i] for i, name in enumerate(names)}


def _mean(values: Float64s) -> float:
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else 0.0


def _on_power(name: str, values: Float64s) -> float:
    on = values[values > threshold_w(name)]
    return float(np.median(on)) if len(on) else 0.0


BASELINES: dict[str, Callable[[Float64s, Mapping[str, Float64s]], Estimate]] = {
    "all_zero": all_zero,
    "mean": mean,
    "combinatorial": combinatorial,
}
