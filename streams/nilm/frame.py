"""The rows of a turn, each beside the one of its meter before it, and what lies between: nothing, a change, a gap."""

from dataclasses import dataclass

import numpy as np

from schemas.blocks import Int64s
from streams.contract import Mask, Rows, State
from streams.nilm.energy import STEPS_PER_WATT
from streams.nilm.loads import LEAST_STEP, LEAST_STEP_W

MOST_INTERVALS = 3
LONGEST_INTERVAL_MS = 300_000
MOST_W = 1e6
"""Beyond this it is no home's mains."""
STUCK_MS = 3_600_000
"""A meter that says exactly the same for so long is stuck."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The r usable rows of a turn, each beside the row of its meter before it. Shape (r,) each."""

    meter: Int64s
    at: Int64s
    steps: Int64s
    before_at: Int64s
    before_steps: Int64s
    broken: Mask
    """No data lies between the two: a gap, a stuck meter, or it is the first."""
    stuck: Mask
    same_since: Int64s
    changed: Mask
    """The mains changed by more than its noise."""

    def power_w(self, row: int) -> float:
        """Mains of a row."""
        return float(self.steps[row] / STEPS_PER_WATT)


def frame_of(state: State, rows: Rows, signs: Int64s, interval_ms: Int64s) -> Frame:
    """The rows beside those before them; what is no mains of a home, or comes too seldom, is left out."""
    rows = rows.take(_is_usable(rows, signs) & (interval_ms[rows.meter] <= LONGEST_INTERVAL_MS))
    mains_w = np.nan_to_num(rows.values[:, signs != 0]) @ signs[signs != 0]
    steps = np.rint(mains_w * STEPS_PER_WATT).astype(np.int64)
    first = np.append(True, rows.meter[1:] != rows.meter[:-1])[: len(steps)]
    known = ~first | state["known"][rows.meter]
    before_at = np.where(first, state["last_at"][rows.meter], np.roll(rows.at, 1))
    before_steps = np.where(first, state["last_steps"][rows.meter], np.roll(steps, 1))
    near = known & (rows.at - before_at <= MOST_INTERVALS * interval_ms[rows.meter])
    same = near & (steps == before_steps)
    same_since = _same_since(state, rows, first, same)
    stuck = rows.at - same_since >= STUCK_MS
    was_stuck = near & (before_at - np.where(same, same_since, _before(state, rows, first, same_since)) >= STUCK_MS)
    noise = np.maximum(LEAST_STEP_W, LEAST_STEP * np.maximum(steps, before_steps) / STEPS_PER_WATT)
    changed = np.abs(steps - before_steps) / STEPS_PER_WATT > noise
    return Frame(
        rows.meter, rows.at, steps, before_at, before_steps, ~near | stuck | was_stuck, stuck, same_since, changed
    )


def _is_usable(rows: Rows, signs: Int64s) -> Mask:
    values = rows.values[:, signs != 0]
    measured = ~np.isnan(values)
    absurd = measured & ~(np.abs(values) <= MOST_W)
    usable: Mask = np.any(measured, axis=1) & ~np.any(absurd, axis=1)
    return usable


def _same_since(state: State, rows: Rows, first: Mask, same: Mask) -> Int64s:
    """Since when each row's meter has said exactly what it says."""
    place = np.arange(len(first))
    starts = np.where(same, np.where(first, place, -1), place)
    start = np.maximum.accumulate(starts) if len(first) else starts
    carried = same[start] if len(first) else same
    since: Int64s = np.where(carried, state["same_since"][rows.meter], rows.at[start])
    return since


def _before(state: State, rows: Rows, first: Mask, same_since: Int64s) -> Int64s:
    """For each row: `same_since` of the row before."""
    before: Int64s = np.where(first, state["same_since"][rows.meter], np.roll(same_since, 1))
    return before
