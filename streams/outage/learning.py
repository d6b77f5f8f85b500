"""What a closed outage teaches: how well last gasps and restorations get through, and how often they lie."""

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.outage.assumptions import Assumptions
from streams.outage.state import DELAY_EDGES_MS, State

MOST_DELAYS = 5_000.0
MOST_OUTAGES = 200.0
PERHAPS = 0.25
"""How much of a lie a momentary interruption of a single meter is."""
FORGET_MS = 3_600_000
"""Lies count for about as long ..."""
CAMPAIGN_MS = 900_000
"""... and restarts behind one gateway half as much after this: a campaign ends."""

RESTORED_CAME, RESTORED_DUE, LIES, TRUE_ONES, MOMENTARY, INTERRUPTIONS = range(6)


def first_counts(assumed: Assumptions) -> Float64s:
    """Counts of state.State, as if a few outages had been seen that were as assumed."""
    return np.array([10 * assumed.restored_delivery, 10, 0, 0, 5 * assumed.momentary_share, 5])


def first_regimes(assumed: Assumptions) -> Float64s:
    """Weights of the regimes, as if six outages had been seen."""
    return 6 * np.array(assumed.delivery_weight)


def note_delays(delays: Float64s, delay_ms: Int64s) -> None:
    """Count delays; old ones fade."""
    if not len(delay_ms):
        return
    which = np.clip(np.searchsorted(DELAY_EDGES_MS, delay_ms, "right") - 1, 0, len(delays) - 1)
    delays += np.bincount(which, minlength=len(delays))
    if delays.sum() > MOST_DELAYS:
        delays *= 0.5


def from_outage(state: State, rows: slice, comms: Int64s, burst_ms: int, momentary: bool, assumed: Assumptions) -> None:
    """From an interruption that was one, and is over; `rows` are the meters that it concerned, heard through `comms`.

    A last gasp that nobody shared and that was soon taken back counts as a lie, in part: it may have been a restart.
    """
    meters = state.meters[rows]
    gasped = np.abs(meters["gasp_ms"] - burst_ms) <= assumed.longest_burst_ms
    came, count = int(gasped.sum()), len(gasped)
    if came == 1:
        state.counts[LIES if momentary else TRUE_ONES] += PERHAPS if momentary else 1
        _note_restarts(state, comms[gasped], 1 if momentary else -1)
    if came == 1 and momentary:
        return
    restored = meters["restored_ms"] > burst_ms
    meters["gasps"] += gasped
    meters["gasps_expected"] += gasped.mean()
    levels = np.array(assumed.delivery)
    likely = came * np.log(levels) + (count - came) * np.log1p(-levels) + np.log(state.regimes / state.regimes.sum())
    weights = np.exp(likely - likely.max())
    state.regimes += weights / weights.sum()
    state.counts[RESTORED_CAME : RESTORED_DUE + 1] += restored.mean(), 1
    state.counts[MOMENTARY : INTERRUPTIONS + 1] += momentary, 1
    for counts in (state.regimes, state.counts[: RESTORED_DUE + 1], state.counts[MOMENTARY:]):
        if counts.sum() > MOST_OUTAGES:
            counts *= 0.5


def from_lies(state: State, meters: Int64s, comms: Int64s) -> None:
    """From last gasps of meters whose supply had not failed, heard through `comms`."""
    state.meters["lies"][meters] += 1
    state.counts[LIES] += len(meters)
    _note_restarts(state, np.unique(comms), 1)


def _note_restarts(state: State, comms: Int64s, change: int) -> None:
    """Behind relays and gateways that are known: nothing is in common to meters behind the head end."""
    known = comms[comms > 0]
    state.restarts[known] = np.maximum(state.restarts[known] + change, 0)


def forget(state: State, passed_ms: int) -> None:
    """Lies and true lone gasps fade with time."""
    state.counts[LIES : TRUE_ONES + 1] *= 0.5 ** (passed_ms / FORGET_MS)
    state.restarts *= 0.5 ** (passed_ms / CAMPAIGN_MS)
