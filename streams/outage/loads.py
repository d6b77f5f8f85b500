"""What a load measured over many meters says: how much of it was lost in a burst, against what each device carries."""

import numpy as np

from schemas.arrays import Float64s
from streams.outage.state import LOADS_KEPT, State
from streams.outage.tree import Grid, Span

SPACING_MS = 5_000
BEFORE_MS = 600_000
LEAST_NOISE = 0.03
"""Standard deviation of a load over moments, as a share of it, at least."""
UNKNOWN_NOISE = 0.12
"""The same before enough was measured."""
UNEQUAL = 1.0
"""Standard deviation of one meter's load over its mean: meters under a device carry their share give or take this over
the root of their number."""
MOST_NATS = 6.0


def note_load(state: State, branch: int, at_ms: int, watts: float) -> None:
    """Keep a load, unless it is too near the last one."""
    where = np.flatnonzero(state.load_branch == branch)
    if not len(where):
        state.load_branch = np.append(state.load_branch, branch)
        state.load_ms = np.vstack((state.load_ms, np.zeros((1, LOADS_KEPT), np.int64)))
        state.load_w = np.vstack((state.load_w, np.zeros((1, LOADS_KEPT))))
        where = np.array([len(state.load_branch) - 1])
    times, watts_kept = state.load_ms[where[0]], state.load_w[where[0]]
    if np.isfinite(watts) and at_ms >= times.max() + SPACING_MS:
        oldest = int(np.argmin(times))
        times[oldest], watts_kept[oldest] = at_ms, watts


def load_evidence(grid: Grid, state: State, span: Span, bursts_ms: list[int]) -> Float64s:
    """Log likelihood ratio that each branch was lost in each burst, from the loads over it, shape (K, n)."""
    found = np.zeros((len(bursts_ms), span.size))
    carried = grid.meters_under(span.slice)
    for row, over in enumerate(state.load_branch.tolist()):
        for k, burst in enumerate(bursts_ms):
            lost = lost_share(state, row, burst)
            if lost is None or not 0 <= over - span.first < span.size:
                continue
            under = slice(over - span.first, int(grid.end[over]) - span.first)
            share = carried[under] / carried[over - span.first]
            noise = noise_of(state, row)
            found[k, under] += _ratio(lost, share, noise, UNEQUAL / np.sqrt(np.maximum(carried[under], 1)))
            above = [up - span.first for up in grid.above(over) if up >= span.first]
            found[k, above] += _ratio(lost, np.ones(1), noise, np.zeros(1))
    return found


def _ratio(lost: float, share: Float64s, noise: float, unequal: Float64s) -> Float64s:
    """Of the normal densities of the share lost, about the share carried and about none, both with a floor."""
    spread = np.sqrt(noise**2 + (share * unequal) ** 2)
    lost_it = -0.5 * ((lost - share) / spread) ** 2 - np.log(spread / noise)
    found: Float64s = np.maximum(lost_it, -MOST_NATS) - max(-0.5 * (lost / noise) ** 2, -MOST_NATS)
    return found


def noise_of(state: State, row: int) -> float:
    """How much a load changes from one value to the next by itself, as a share of it: by the middle of such changes."""
    order = np.argsort(state.load_ms[row], kind="stable")
    watts = state.load_w[row][order][state.load_ms[row][order] > 0]
    changes = np.abs(np.diff(watts)) / np.maximum(watts[:-1], 1e-9)
    return max(LEAST_NOISE, 1.5 * float(np.median(changes))) if len(changes) >= 8 else UNKNOWN_NOISE


def lost_share(state: State, row: int, burst_ms: int) -> float | None:
    """Share of a load that was lost at a burst, 0 to 1; None where it was not measured on both sides."""
    times, watts = state.load_ms[row], state.load_w[row]
    order = np.argsort(times, kind="stable")
    times, watts = times[order], watts[order]
    before = np.flatnonzero((times > burst_ms - BEFORE_MS) & (times <= burst_ms) & (times > 0))[-3:]
    after = np.flatnonzero(times > burst_ms + 1_000)[:3]
    if not len(before) or not len(after) or watts[before].mean() <= 0:
        return None
    return float(np.clip(1 - watts[after].mean() / watts[before].mean(), 0, 1))
