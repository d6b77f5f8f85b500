"""Planned work and firmware campaigns: what meters say under a planned node, while it is planned, says nothing."""

from collections.abc import Sequence

import numpy as np

from streams.outage.life import Phase
from streams.outage.state import State
from streams.outage.tree import Grid

EARLY_MS, LATE_MS = 60_000, 120_000
"""Work begins and ends not to the second."""


def plan(state: State, windows: Sequence[tuple[int, int, int, int]]) -> None:
    """Add windows of the calendar: a branch, or what is heard through a gateway (-1 = not that), from, to (ms UTC)."""
    state.planned = np.unique(np.vstack((state.planned, np.array(windows, np.int64).reshape(-1, 4))), axis=0)


def excuse(grid: Grid, state: State, now_ms: int) -> None:
    """Excuse the meters of the windows that were open since the last turn: up to now, as their end may still change.

    But not those of an outage that was known before the work: that may repair it.
    """
    is_open = (state.planned[:, 2] - EARLY_MS <= now_ms) & (state.turned_ms <= state.planned[:, 3] + LATE_MS)
    if not is_open.any():
        return
    known = np.zeros(len(state.meters), np.bool_)
    for outage in state.outages:
        known[grid.meters(outage.branch)] |= outage.phase not in (Phase.PROVISIONAL, Phase.CLOSED)
    excused = state.meters["excused_ms"]
    for branch, comm, _, to_ms in state.planned[is_open].tolist():
        rows = np.zeros(len(excused), np.bool_)
        if branch >= 0:
            rows[grid.meters(branch)] = True
        if comm >= 0:
            rows |= under(grid, comm)[grid.comms.of_meter]
        rows &= ~known | (excused >= state.turned_ms)
        excused[rows] = np.maximum(excused[rows], min(to_ms + LATE_MS, now_ms))


def under(grid: Grid, comm: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which relays and gateways are a given one or behind it."""
    found = np.zeros(len(grid.comms.ids), np.bool_)
    found[comm] = True
    for other in range(comm + 1, len(found)):
        found[other] |= found[grid.comms.parent[other]]
    return found
