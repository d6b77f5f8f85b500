"""The account of an outage: who was without supply how long, and what is learned from it when it is over."""

import numpy as np

from schemas.arrays import Int64s
from streams.outage import learning
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import NEVER, SETTLED
from streams.outage.life import Ending, Outage, Phase
from streams.outage.likelihood import restoration_ms
from streams.outage.results import Interruption, outage_id
from streams.outage.state import State
from streams.outage.tree import Grid

COUNTED = (Ending.MOMENTARY, Ending.RESTORED)
"""Endings of interruptions that were ones."""


def was_dark(grid: Grid, state: State, outage: Outage, assumed: Assumptions) -> bool:
    """Whether a meter told that its supply came back after longer than a restart takes; or, where meters tell nothing,
    the outage was called sustained and most of those heard since were not heard before that."""
    some = state.meters[grid.meters(outage.branch)]
    gasped = np.abs(some["gasp_ms"] - outage.burst_ms) <= assumed.longest_burst_ms
    if (gasped & (some["restored_ms"] - some["gasp_ms"] > assumed.sustained_ms)).any():
        return True
    first = some["back_ms"][:, _slot(outage)]
    lasted = first[first > 0] - outage.start_ms > assumed.sustained_ms
    return outage.phase in (Phase.SUSTAINED, Phase.PARTLY_RESTORED) and bool(2 * lasted.sum() > len(lasted))


def _slot(outage: Outage) -> int:
    return SETTLED if outage.is_settled else outage.slot


def ends_of(grid: Grid, state: State, outage: Outage, now_ms: int) -> Int64s:
    """When supply came back to each meter under the outage: by its restoration, else by those nearest to it.

    A reading only shows that it was back by then. Of n meters that report at any time of their interval, the first one
    does so an (n + 1)th of it after the return; so much is taken off, though not more than there is.
    """
    rows, span = grid.meters(outage.branch), grid.span(outage.branch)
    meters = state.meters[rows]
    told = np.where(meters["restored_ms"] > outage.start_ms, meters["restored_ms"], 0)
    by_told = restoration_ms(grid, span, told)
    own = meters["back_ms"][:, _slot(outage)]
    by_proof = restoration_ms(grid, span, own)
    known = by_proof < NEVER
    late = (meters["interval_ms"][known] / (1 + (own > 0).sum())).astype(np.int64)
    by_proof[known] = np.maximum(by_proof[known] - late, outage.start_ms)
    ends = np.where(told > 0, told, np.where(by_told < NEVER, by_told, by_proof))
    ends = np.where(own > 0, np.minimum(ends, own), ends)
    return np.clip(ends, outage.start_ms, now_ms)


def interruption_of(grid: Grid, state: State, outage: Outage, now_ms: int) -> Interruption:
    """Each customer's loss of supply, until the last of its meters is back; of an outage that lasts, as if it ended
    now."""
    rows = grid.meters(outage.branch)
    ends = ends_of(grid, state, outage, now_ms)
    if not outage.closed:
        dark = np.zeros(len(state.meters), np.bool_)
        for branch in outage.dark or [outage.branch]:
            dark[grid.meters(branch)] = True
        ends = np.where(dark[rows], now_ms, ends)
    points, point_of = np.unique(grid.usage_point_of[rows], return_inverse=True)
    last = np.zeros(len(points), np.int64)
    np.maximum.at(last, point_of, ends)
    serves = points >= 0
    return Interruption(
        outage=outage_id(grid, outage),
        device=grid.device(outage.branch),
        start_ms=outage.start_ms,
        usage_points=[grid.usage_points[point] for point in points[serves].tolist()],
        end_ms=last[serves],
    )


def finish(grid: Grid, state: State, outage: Outage, assumed: Assumptions) -> list[Interruption]:
    """Account for an outage that is over, learn from it, and forget it."""
    state.outages.remove(outage)
    if outage.ending not in COUNTED:
        return []
    rows = grid.meters(outage.branch)
    interruption = interruption_of(grid, state, outage, outage.end_ms)
    momentary = outage.ending == Ending.MOMENTARY
    learning.from_outage(state, rows, grid.comms.of_meter[rows], outage.burst_ms, momentary, assumed)
    _excuse(grid, state, outage, assumed)
    return [interruption]


def _excuse(grid: Grid, state: State, outage: Outage, assumed: Assumptions) -> None:
    """What meters told of an outage that is over is told; but not those that are dark by another one."""
    rows = grid.meters(outage.branch)
    some = state.meters[rows]
    dark = (some["gasp_ms"] > some["proof_ms"]) & (some["gasp_ms"] < outage.burst_ms - assumed.longest_burst_ms)
    elsewhere = np.zeros(len(state.meters), np.bool_)
    elsewhere[rows] = dark
    for other in state.outages:
        if not other.closed:
            elsewhere[grid.meters(other.branch)] = True
    told = np.where(some["gasp_ms"] <= outage.end_ms, some["gasp_ms"], 0)
    told = np.maximum(told, np.where(some["gasp_ms"] < some["restored_ms"], some["restored_ms"], 0))
    excused = np.maximum(some["excused_ms"], np.maximum(told, outage.start_ms))
    some["excused_ms"] = np.where(elsewhere[rows], some["excused_ms"], excused)
    counted = np.maximum(some["counted_ms"], outage.end_ms)
    some["counted_ms"] = np.where(elsewhere[rows], some["counted_ms"], counted)
