"""How right appliance powers are: measures of one home, sample by sample, and of its activations.

Kolter accuracy: 1 - sum |estimate - truth| / (2 sum truth) over the listed appliances; all-zero is 0.5 (J. Kolter and
M. Johnson, "REDD", SustKDD 2011). F1, precision and recall: of the samples above a threshold. SAE: difference of the
whole energies over the true one. An activation is a run above the threshold, pauses of `PAUSE_S` included; it is
matched when one of the estimate overlaps it. Of a home they are taken over its appliances together: samples, watts and
activations are summed first (micro averages), SAE sums the differences of energies without regard to their sign.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.contract import Mask

THRESHOLD_W = {"kettle": 500, "dishwasher": 300, "washing_machine": 300, "microwave": 200, "fridge": 50}
USUAL_THRESHOLD_W = 100
PAUSE_S = 120


@dataclass(frozen=True, slots=True)
class Counted:
    """What a score is made of. Of several appliances: the sums of all fields."""

    samples: int = 0
    error_w: float = 0.0
    true_w: float = 0.0
    energy_error_w: float = 0.0
    """By how much the whole energies differ, without regard to the sign."""
    true_on: int = 0
    found_on: int = 0
    both_on: int = 0
    activations_true: int = 0
    activations_found: int = 0
    activations_matched: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """Of one appliance, or of several together."""

    kolter: float | None
    """None where nothing was drawn."""
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


def counted(appliance: str, at: Int64s, truth_w: Float64s, estimate_w: Float64s) -> Counted:
    """Of the samples in which the truth was measured."""
    there = ~np.isnan(truth_w)
    at, truth_w, estimate_w = at[there], truth_w[there], estimate_w[there]
    true_on, found_on = truth_w > threshold_w(appliance), estimate_w > threshold_w(appliance)
    true, found = activations(at, true_on), activations(at, found_on)
    return Counted(
        samples=len(at),
        error_w=float(np.abs(estimate_w - truth_w).sum()),
        true_w=float(truth_w.sum()),
        energy_error_w=abs(float(estimate_w.sum() - truth_w.sum())),
        true_on=int(true_on.sum()),
        found_on=int(found_on.sum()),
        both_on=int((true_on & found_on).sum()),
        activations_true=len(true),
        activations_found=len(found),
        activations_matched=sum(bool(((found[:, 0] <= end) & (found[:, 1] >= begin)).any()) for begin, end in true),
    )


def together(parts: Iterable[Counted]) -> Counted:
    """The sums over appliances: what is scored of them is scored by sample and watt, whichever appliance it is."""
    columns = zip(*map(astuple, parts), strict=True)
    return Counted(*(sum(column) for column in columns))


def score(found: Counted) -> Score:
    """The measures.

    >>> at, y = np.array([0, 60]), np.array([0.0, 900.0])
    >>> [score(counted("kettle", at, y, estimate)).kolter for estimate in (y, 0 * y)]
    [1.0, 0.5]
    """
    return Score(
        kolter=round(1 - found.error_w / (2 * found.true_w), 4) if found.true_w > 0 else None,
        f1=_ratio(2 * found.both_on, found.true_on + found.found_on),
        precision=_ratio(found.both_on, found.found_on),
        recall=_ratio(found.both_on, found.true_on),
        mae_w=_ratio(found.error_w, found.samples),
        sae=_ratio(found.energy_error_w, found.true_w),
        activations_true=found.activations_true,
        activations_found=found.activations_found,
        activations_matched=found.activations_matched,
    )


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


def _ratio(above: float, below: float) -> float:
    return round(float(above) / float(below), 4) if below else 0.0
