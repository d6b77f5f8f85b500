"""Planned work and firmware campaigns: what meters say under a planned node, while it is planned, says nothing."""

import numpy as np

from schemas.blocks import Int64s
from streams.outage.state import State
from streams.outage.tree import Grid

EARLY_MS, LATE_MS = 60_000, 120_000
"""Work begins and ends not to the second."""
MOST_WINDOWS = 1_000


def plan(state: State, branch: int, comm: int, from_ms: int, to_ms: int) -> None:
    """A window of the calendar for a branch, or for what is heard through a gateway; -1 = not that."""
    known = np.vstack((state.planned, [[branch, comm, from_ms, to_ms]]))
    state.planned = np.unique(known, axis=0)[-MOST_WINDOWS:]


def excuse(grid: Grid, state: State, now_ms: int) -> Int64s:
    """Excuse the meters of the windows that are open; those that were not before. Windows that are over are dropped."""
    if not len(state.planned):
        return np.zeros(0, np.int64)
    begun = state.planned[:, 2] - EARLY_MS <= now_ms
    over = state.planned[:, 3] + LATE_MS < now_ms
    excused = state.meters["excused_ms"].copy()
    for branch, comm, _, to_ms in state.planned[begun & ~over].tolist():
        rows = np.zeros(len(excused), np.bool_)
        if branch >= 0:
            rows[grid.meters(branch)] = True
        if comm >= 0:
            rows |= under(grid, comm)[grid.comms.of_meter]
        excused[rows] = np.maximum(excused[rows], to_ms + LATE_MS)
    state.planned = state.planned[~over]
    new = np.flatnonzero(excused > state.meters["excused_ms"])
    state.meters["excused_ms"] = excused
    return new


def under(grid: Grid, comm: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which relays and gateways are a given one or behind it."""
    found = np.zeros(len(grid.comms.ids), np.bool_)
    found[comm] = True
    for other in range(comm + 1, len(found)):
        found[other] |= found[grid.comms.parent[other]]
    return found
