"""The account of an outage: who was without supply how long, and what is learned from it when it is over."""

import numpy as np

from schemas.blocks import Int64s
from streams.outage import learning
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import SETTLED
from streams.outage.life import Ending, Outage
from streams.outage.likelihood import NEVER, restoration_ms
from streams.outage.results import Interruption, outage_id
from streams.outage.state import State
from streams.outage.tree import Grid


def was_dark(grid: Grid, state: State, outage: Outage, assumed: Assumptions) -> bool:
    """Whether a meter told that its supply came back after longer than a restart takes."""
    some = state.meters[grid.meters(outage.branch)]
    gasped = np.abs(some["gasp_ms"] - outage.burst_ms) <= assumed.longest_burst_ms
    return bool((gasped & (some["restored_ms"] - some["gasp_ms"] > assumed.sustained_ms)).any())


def ends_of(grid: Grid, state: State, outage: Outage, now_ms: int) -> Int64s:
    """When supply came back to each meter under the outage: by its restoration, else by those nearest to it."""
    rows, span = grid.meters(outage.branch), grid.span(outage.branch)
    meters = state.meters[rows]
    slot = outage.slot if outage.slot >= 0 else SETTLED
    told = np.where(meters["restored_ms"] > outage.start_ms, meters["restored_ms"], 0)
    by_told = restoration_ms(grid, span, told)
    by_proof = restoration_ms(grid, span, meters["back_ms"][:, slot])
    own = meters["back_ms"][:, slot]
    ends = np.where(told > 0, told, np.where(by_told < NEVER, by_told, by_proof))
    ends = np.where(own > 0, np.minimum(ends, own), ends)
    return np.clip(ends, outage.start_ms, now_ms)


def interruption_of(grid: Grid, state: State, outage: Outage, now_ms: int) -> Interruption:
    """Each customer's loss of supply; of an outage that lasts, as if it ended now."""
    rows = grid.meters(outage.branch)
    points, first = np.unique(grid.usage_point_of[rows], return_index=True)
    points, first = points[points >= 0], first[points >= 0]
    ends = ends_of(grid, state, outage, now_ms)[first]
    if not outage.closed:
        dark = np.zeros(len(state.meters), np.bool_)
        for branch in outage.dark or [outage.branch]:
            dark[grid.meters(branch)] = True
        ends = np.where(dark[rows][first], now_ms, ends)
    return Interruption(
        outage=outage_id(grid, outage),
        device=grid.device(outage.branch),
        feeder=grid.feeder_of[outage.branch],
        start_ms=outage.start_ms,
        usage_points=[grid.usage_points[point] for point in points.tolist()],
        end_ms=ends,
    )


def finish(grid: Grid, state: State, outage: Outage, assumed: Assumptions) -> list[Interruption]:
    """Account for an outage that is over, learn from it, and forget it."""
    state.outages.remove(outage)
    if outage.ending not in (Ending.MOMENTARY, Ending.RESTORED):
        return []
    rows = grid.meters(outage.branch)
    interruption = interruption_of(grid, state, outage, outage.end_ms)
    learning.from_outage(state, rows, outage.burst_ms, outage.ending == Ending.MOMENTARY, assumed)
    some = state.meters[rows]
    told = np.where(some["gasp_ms"] <= outage.end_ms, some["gasp_ms"], 0)
    told = np.maximum(told, np.where(some["gasp_ms"] < some["restored_ms"], some["restored_ms"], 0))
    some["excused_ms"] = np.maximum(some["excused_ms"], np.maximum(told, outage.start_ms))
    some["counted_ms"] = np.maximum(some["counted_ms"], outage.end_ms)
    return [interruption]
