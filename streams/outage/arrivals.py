"""What a turn brings, put where the rest looks for it: meters, delays, ways of communication, loads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.arrays import Int64s
from streams.outage import learning, planned
from streams.outage.evidence import Evidence, Kind, is_new, settled_times, take
from streams.outage.likelihood import messages_due, slowest_ms
from streams.outage.loads import note_load
from streams.outage.state import State
from streams.outage.tree import Grid

SHORT_GAP_MS = 5_000
SURELY_LOST = 9.0
"""Nats of silence after which a relay or gateway has failed: by chance once in 10,000 times."""


@dataclass(frozen=True)
class Load:
    """Power measured over all that hangs under a branch."""

    branch: int
    at: int
    watts: float


@dataclass(frozen=True)
class News:
    """All that a turn brings."""

    evidence: Evidence
    loads: Sequence[Load] = ()


def arrive(grid: Grid, state: State, news: News) -> Int64s:
    """Keep what came; the meters whose supply it says something new of."""
    evidence = news.evidence
    at, events = settled_times(evidence.at, evidence.received_at), evidence.kind >= Kind.RESTORED
    delay = evidence.received_at - at
    new = is_new(state.meters, evidence)
    learning.note_delays(state.event_delays, delay[events & new])
    learning.note_delays(state.reading_delays, delay[~events & new])
    changed = take(state.meters, evidence)
    _note_alive(grid, state, evidence)
    for load in news.loads:
        note_load(state, load.branch, load.at, load.watts)
    return changed


def _note_alive(grid: Grid, state: State, evidence: Evidence) -> None:
    """Until when each way worked: by event times, as what comes late or twice says nothing of now."""
    comms = grid.comms
    if len(evidence.meter):
        heard = np.zeros(len(comms.ids), np.int64)
        np.maximum.at(heard, comms.of_meter[evidence.meter], settled_times(evidence.at, evidence.received_at))
        for comm in range(len(heard) - 1, 0, -1):
            heard[comms.parent[comm]] = max(heard[comms.parent[comm]], heard[comm])
        _excuse_gaps(grid, state, heard)
        np.maximum(state.alive_ms, heard, out=state.alive_ms)


def _excuse_gaps(grid: Grid, state: State, heard_ms: Int64s) -> None:
    """A relay or gateway that is back after a failure: what it did not bring meanwhile is nobody's silence."""
    back = np.flatnonzero((state.alive_ms > 0) & (heard_ms > state.alive_ms + SHORT_GAP_MS))
    if not len(back):
        return
    lost = messages_due(grid, state, int(heard_ms.max()) - slowest_ms(state.reading_delays))
    for comm in back[lost[back] > SURELY_LOST].tolist():
        rows = planned.under(grid, comm)[grid.comms.of_meter]
        counted = state.meters["counted_ms"]
        state.meters["counted_ms"] = np.where(rows, np.maximum(counted, heard_ms[comm]), counted)
