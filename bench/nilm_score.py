"""How right appliance powers are: measures of one home, sample by sample, and of its activations.

Kolter accuracy: 1 - sum |estimate - truth| / (2 sum truth) over the listed appliances; all-zero is 0.5 (J. Kolter and
M. Johnson, "REDD", SustKDD 2011). F1, precision and recall: of the samples above a threshold. SAE: difference of the
whole energies over the true one. An activation is a run above the threshold, pauses of `PAUSE_S` included; it is
matched when one of the estimate overlaps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schemas.blocks import Float64s, Int64s
from streams.contract import Mask

THRESHOLD_W = {"kettle": 500, "dishwasher": 300, "washing_machine": 300, "microwave": 200, "fridge": 50}
USUAL_THRESHOLD_W = 100
PAUSE_S = 120


@dataclass(frozen=True, slots=True)
class Score:
    """Of one appliance."""

    kolter: float | None
    """None where the appliance drew nothing."""
    f1: float
    precision: float
    recall: float
    mae_w: float
    sae: float
    activations_true: int
    activations_found: int
    activations_matched: int


def threshold_w(appliance: str) -> int:
    """From which power on an appliance counts as on."""
    return THRESHOLD_W.get(appliance, USUAL_THRESHOLD_W)


def score(appliance: str, at: Int64s, truth_w: Float64s, estimate_w: Float64s) -> Score:
    """Of the samples in which the truth was measured."""
    there = ~np.isnan(truth_w)
    at, truth_w, estimate_w = at[there], truth_w[there], estimate_w[there]
    error_w = np.abs(estimate_w - truth_w)
    true_on, found_on = truth_w > threshold_w(appliance), estimate_w > threshold_w(appliance)
    both = int((true_on & found_on).sum())
    true, found = activations(at, true_on), activations(at, found_on)
    return Score(
        kolter=_kolter(float(error_w.sum()), float(truth_w.sum())),
        f1=_ratio(2 * both, int(true_on.sum()) + int(found_on.sum())),
        precision=_ratio(both, int(found_on.sum())),
        recall=_ratio(both, int(true_on.sum())),
        mae_w=float(error_w.mean()) if len(error_w) else 0.0,
        sae=_ratio(abs(estimate_w.sum() - truth_w.sum()), truth_w.sum()),
        activations_true=len(true),
        activations_found=len(found),
        activations_matched=sum(bool(((found[:, 0] <= end) & (found[:, 1] >= begin)).any()) for begin, end in true),
    )


def home_kolter(truth_w: Mapping[str, Float64s], estimate_w: Mapping[str, Float64s]) -> float | None:
    """Kolter accuracy over all appliances together; None where they drew nothing.

    >>> y = np.array([0.0, 100.0])
    >>> home_kolter({"kettle": y}, {"kettle": y}), home_kolter({"kettle": y}, {"kettle": 0 * y})
    (1.0, 0.5)
    """
    error = sum(float(np.nansum(np.abs(estimate_w[name] - truth_w[name]))) for name in truth_w)
    return _kolter(error, sum(float(np.nansum(values)) for values in truth_w.values()))


def activations(at: Int64s, on: Mask) -> Int64s:
    """Begin and end of each run of `on`, shape (n, 2), epoch seconds.

    >>> activations(np.arange(0, 600, 60), np.array([0, 1, 1, 0, 1, 0, 0, 0, 0, 1], bool)).tolist()
    [[60, 240], [540, 540]]
    """
    times = at[on]
    if not len(times):
        return np.empty((0, 2), np.int64)
    apart = np.flatnonzero(np.diff(times) > PAUSE_S)
    return np.stack([times[np.append(0, apart + 1)], times[np.append(apart, len(times) - 1)]], axis=1)


def _kolter(error: float, energy: float) -> float | None:
    return round(1 - error / (2 * energy), 4) if energy > 0 else None


def _ratio(above: float, below: float) -> float:
    return round(float(above) / float(below), 4) if below else 0.0
