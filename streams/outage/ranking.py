"""From marginals to interruptions: which device, how sure, and what of it is still dark."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s
from streams.outage.assumptions import Assumptions
from streams.outage.messages import Marginals
from streams.outage.tree import Grid, Span

RANKED = 5
LIKELY = 0.5
_WORTH_A_LOOK = 0.02


@dataclass(frozen=True)
class Finding:
    """One interruption, as one turn sees it; branches are the grid's."""

    burst: int
    """Position of its burst in the scene."""
    branch: int
    confidence: float
    """Probability that it was this device."""
    happened: float
    """Probability that supply was lost here at all, by whichever device."""
    still: float
    """Probability that something of it is still dark."""
    ranked: tuple[tuple[int, float], ...]
    """Devices that may have been it, likeliest first."""
    dark: tuple[int, ...]
    """Branches that are likely still dark, each for itself: the device's own, or some below it."""


def findings(grid: Grid, span: Span, marginals: Marginals, assumed: Assumptions) -> Iterator[Finding]:
    """The interruptions of each burst that are likely enough to be told, likeliest first."""
    for burst in range(len(marginals.stays)):
        stays, happened = marginals.stays[burst], marginals.stays[burst] + marginals.recloses[burst]
        left = np.where(happened >= _WORTH_A_LOOK, happened, 0.0)
        while left.max(initial=0.0) >= _WORTH_A_LOOK:
            chosen = _topmost(grid, span, left, int(np.argmax(left)))
            related = _related(grid, span, chosen)
            finding = _finding(grid, span, burst, chosen, np.where(related, left, 0.0), stays)
            if finding.happened >= assumed.provisional:
                yield finding
            left[related] = 0.0


def likelihood_at(grid: Grid, span: Span, marginals: Marginals, burst: int, branch: int) -> tuple[float, float]:
    """Probability that supply was lost at a branch or right over or under it, and that something of it is dark."""
    related = _related(grid, span, branch - span.first)
    lost = np.where(related, marginals.stays[burst] + marginals.recloses[burst], 0.0)
    return _at_worst(grid, span, lost), _at_worst(grid, span, np.where(related, marginals.stays[burst], 0.0))


def _topmost(grid: Grid, span: Span, weights: Float64s, branch: int) -> int:
    """The topmost likely device over a branch, else the branch itself: what is dark below may be nested."""
    above = [up - span.first for up in grid.above(branch + span.first) if up >= span.first]
    return next((up for up in reversed(above) if weights[up] >= LIKELY), branch)


def _related(grid: Grid, span: Span, branch: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The branch, what supplies it and what it supplies."""
    found = np.zeros(span.size, np.bool_)
    found[branch : int(grid.end[branch + span.first]) - span.first] = True
    found[[up - span.first for up in grid.above(branch + span.first) if up >= span.first]] = True
    return found


def _finding(grid: Grid, span: Span, burst: int, branch: int, weights: Float64s, stays: Float64s) -> Finding:
    best = [int(i) for i in np.argsort(-weights, kind="stable")[:RANKED] if weights[i] >= _WORTH_A_LOOK]
    under = slice(branch, int(grid.end[branch + span.first]) - span.first)
    dark = np.flatnonzero(stays[under] >= LIKELY) + branch
    return Finding(
        burst=burst,
        branch=branch + span.first,
        confidence=float(weights[branch]),
        happened=_at_worst(grid, span, weights),
        still=_at_worst(grid, span, np.where(weights > 0, stays, 0.0)),
        ranked=tuple((i + span.first, float(weights[i])) for i in best),
        dark=tuple(int(i) + span.first for i in dark),
    )


def _at_worst(grid: Grid, span: Span, weights: Float64s) -> float:
    """The highest sum along a way down the tree: the causes on one way exclude each other."""
    total = weights.copy()
    above = grid.parent[span.slice] - span.first
    for at in span.levels[1:]:
        total[at] += total[above[at]]
    return min(1.0, float(total.max(initial=0.0)))
