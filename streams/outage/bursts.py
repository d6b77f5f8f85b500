"""Moments at which supply was lost: clusters of last gasps, and what silent meters have in common."""

from collections.abc import Iterable

import numpy as np

from schemas.arrays import Int64s
from streams.contract import Mask
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import NEVER, heard_before_return
from streams.outage.likelihood import JITTER, due, gateway_silence, heard_until, log_silence, slowest_ms
from streams.outage.state import State
from streams.outage.tree import Grid

OLDEST_GASP_MS = 600_000
"""Last gasps older than this, when they arrive, say nothing of now."""
OVERDUE = 0.05
"""Likelihood of a meter's silence under supply at which it is worth a look."""
GATEWAY_OVERDUE = 0.06
"""The same of a relay or gateway."""
TOO_LONG_MS = 2 * 86_400_000
"""Silent for longer than this: a dead meter, not a new outage."""


def free_slot(state: State, root: int) -> int:
    """A slot for another burst under a root, -1 if all are taken."""
    free = np.flatnonzero(state.burst_ms[root] == 0)
    return int(free[0]) if len(free) else -1


def begin(grid: Grid, state: State, root: int, slot: int, burst_ms: int) -> None:
    """A burst in a slot."""
    rows = grid.meters(int(grid.roots[root]))
    state.burst_ms[root, slot] = burst_ms
    state.meters["back_ms"][rows, slot] = 0


def end(grid: Grid, state: State, root: int, slot: int, assumed: Assumptions) -> None:
    """Forget a burst; what made it is not to make another."""
    rows = grid.meters(int(grid.roots[root]))
    burst = int(state.burst_ms[root, slot])
    open_ = np.zeros(len(state.meters), np.bool_)
    for outage in state.outages:
        if outage.root == root and outage.is_settled:
            open_[grid.meters(outage.top)] = True
    some = state.meters[rows]
    made = (np.abs(some["gasp_ms"] - burst) <= assumed.longest_burst_ms) & ~open_[rows]
    told = np.maximum(some["gasp_ms"], np.where(some["restored_ms"] > burst, some["restored_ms"], 0))
    some["excused_ms"] = np.where(made, np.maximum(some["excused_ms"], told), some["excused_ms"])
    state.burst_ms[root, slot] = 0
    some["back_ms"][:, slot] = 0


def news(grid: Grid, state: State, root: int, explained: Mask, now_ms: int, assumed: Assumptions) -> Int64s:
    """Event times of last gasps under a root that belong to none of its bursts, sorted.

    One within a burst's span does not belong to it either if its meter showed supply after the burst began: in a storm
    the next device opens while the gasps of the one before still come.
    """
    rows = grid.meters(int(grid.roots[root]))
    some = state.meters[rows]
    gasp = some["gasp_ms"]
    fresh = (gasp > some["excused_ms"]) & (gasp > now_ms - OLDEST_GASP_MS) & (some["excused_ms"] < now_ms)
    fresh &= ~explained[rows]
    for burst in state.burst_ms[root][state.burst_ms[root] > 0].tolist():
        alive = (some["proof_ms"] > burst + assumed.proof_margin_ms) & (some["proof_ms"] <= gasp)
        fresh &= (gasp < burst) | (gasp > burst + assumed.longest_burst_ms) | alive
    found: Int64s = np.unique(gasp[fresh])
    return found


def clusters(gasps_ms: Int64s, known_ms: Iterable[int], assumed: Assumptions) -> list[tuple[int, int]]:
    """Where bursts are to begin: pairs of the known burst to be moved (0 = a new one) and its beginning.

    >>> clusters(np.array([1_000, 1_400, 9_000, 20_000]), [9_500], Assumptions())
    [(0, 1000), (9500, 9000), (0, 20000)]
    """
    found: list[tuple[int, int]] = []
    known = sorted(known_ms)
    last, first = -NEVER, -NEVER
    moved: list[int] = []
    for gasp in gasps_ms.tolist():
        before = next((k for k in moved if k <= gasp <= k + assumed.longest_burst_ms), None)
        after = next((k for k in known if gasp < k <= gasp + assumed.linkage_ms), None)
        if before is not None:
            last = -NEVER
        elif gasp - last <= assumed.linkage_ms and gasp - first <= assumed.longest_burst_ms:
            last = gasp
        elif after is not None:
            found.append((after, gasp))
            known.remove(after)
            moved.append(gasp)
            last = -NEVER
        else:
            found.append((0, gasp))
            first = last = gasp
    return found


def quiet_burst(grid: Grid, state: State, root: int, explained: Mask, now_ms: int, assumed: Assumptions) -> int:
    """When supply was lost if silence alone is to tell it: where most silences can have begun; 0 if nowhere.

    The latest such moment, so that what other meters reported before their own silence does not contradict it. A single
    silent meter or gateway never tells an outage, so two are needed.
    """
    begins, ends = _silences(grid, state, root, explained, now_ms, assumed)
    return _latest(state, root, begins, ends, np.ones(len(begins), np.bool_), 2, assumed)


def returned_burst(grid: Grid, state: State, root: int, explained: Mask, now_ms: int, assumed: Assumptions) -> int:
    """When supply was lost if a restoration tells it of which no last gasp came; 0 if none does.

    Only of what may have lasted: of a momentary interruption that nobody told there is nothing to tell.
    """
    meters = state.meters[grid.meters(int(grid.roots[root]))]
    before, restored = heard_before_return(meters), meters["restored_ms"]
    first_missed = np.minimum(before + ((1 + JITTER) * meters["interval_ms"]).astype(np.int64), restored - 1)
    told = (restored > meters["excused_ms"]) & (restored > now_ms - OLDEST_GASP_MS) & (meters["gasp_ms"] <= before)
    told &= (before > meters["excused_ms"]) & (meters["interval_ms"] > 0) & (meters["excused_ms"] < now_ms)
    told &= (restored - before > assumed.sustained_ms) & ~explained[grid.meters(int(grid.roots[root]))]
    if not told.any():
        return 0
    silent = _silences(grid, state, root, explained, now_ms, assumed)
    begins, ends = np.append(before[told], silent[0]), np.append(first_missed[told], silent[1])
    return _latest(state, root, begins, ends, np.arange(len(begins)) < told.sum(), 1, assumed)


def _silences(
    grid: Grid, state: State, root: int, explained: Mask, now_ms: int, assumed: Assumptions
) -> tuple[Int64s, Int64s]:
    """From when to when the supply of each silent meter and gateway can have been lost."""
    rows = grid.meters(int(grid.roots[root]))
    meters = state.meters[rows]
    until = heard_until(grid, state, rows, now_ms)
    read = np.maximum(meters["counted_ms"], meters["excused_ms"])
    missed = due(read, until, meters["interval_ms"])
    silent = log_silence(missed, meters["reading_delivery"], assumed.mute) < np.log(OVERDUE)
    silent &= ~explained[rows] & (read > now_ms - TOO_LONG_MS) & (meters["excused_ms"] < now_ms)
    begins, ends = read[silent], read[silent] + meters["interval_ms"][silent].astype(np.int64)
    gone = _silent_gateways(grid, state, root, explained, now_ms, assumed)
    return np.append(begins, gone), np.append(ends, gone + slowest_ms(state.reading_delays))


def _latest(
    state: State, root: int, begins: Int64s, ends: Int64s, telling: Mask, least: int, assumed: Assumptions
) -> int:
    """The end of one of those that tell, in as many of the others as can be; 0 if a burst explains it already."""
    for burst in state.burst_ms[root][state.burst_ms[root] > 0].tolist():
        left = (burst < begins) | (ends < burst)
        begins, ends, telling = begins[left], ends[left], telling[left]
    if len(begins) < least or not telling.any():
        return 0
    inside = (begins[telling, None] <= ends) & (ends <= ends[telling, None])
    cover = np.searchsorted(np.sort(begins), ends, "right") - np.searchsorted(np.sort(ends), ends, "left")
    cover = np.where(inside.any(axis=0), cover, 0)
    best = int(ends[np.argmax(cover)])
    near = (np.abs(state.burst_ms[root] - best) <= assumed.longest_burst_ms).any()
    return best if cover.max() >= least and not near else 0


def _silent_gateways(grid: Grid, state: State, root: int, explained: Mask, now_ms: int, assumed: Assumptions) -> Int64s:
    """When each silent relay or gateway under a root was last heard."""
    top = int(grid.roots[root])
    at = grid.comms.supplied_at
    silent = (gateway_silence(grid, state, assumed, now_ms) < np.log(GATEWAY_OVERDUE)) & (state.alive_ms > 0)
    silent &= (at >= top) & (at < grid.end[top]) & (state.alive_ms > now_ms - TOO_LONG_MS)
    for comm in np.flatnonzero(silent).tolist():
        silent[comm] = not explained[grid.meters(int(at[comm]))].all()
    found: Int64s = state.alive_ms[silent]
    return found


def is_quiet(grid: Grid, state: State, root: int, slot: int, assumed: Assumptions) -> bool:
    """Whether no last gasp belongs to a burst: silence alone made it."""
    gasps = state.meters["gasp_ms"][grid.meters(int(grid.roots[root]))]
    return not (np.abs(gasps - state.burst_ms[root, slot]) <= assumed.longest_burst_ms).any()


def is_answered(grid: Grid, state: State, root: int, slot: int, assumed: Assumptions) -> bool:
    """Whether every meter that gasped in a burst has shown since that it has supply."""
    some = state.meters[grid.meters(int(grid.roots[root]))]
    near = np.abs(some["gasp_ms"] - state.burst_ms[root, slot]) <= assumed.longest_burst_ms
    return bool((some["proof_ms"] > some["gasp_ms"])[near].all())


def taken(state: State, root: int) -> Int64s:
    """Slots of a root's bursts, in order of time."""
    order = np.argsort(state.burst_ms[root], kind="stable")
    found: Int64s = order[state.burst_ms[root][order] > 0]
    return found
