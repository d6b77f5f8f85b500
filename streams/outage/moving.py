"""What is known, brought over to a grid that has changed: everything goes by the names of meters and devices."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schemas.arrays import Int64s
from streams.outage.life import Outage
from streams.outage.state import State
from streams.outage.tree import Grid


def lost(old: Grid, outages: Sequence[Outage], new: Grid) -> list[Outage]:
    """Outages that have no place in the new grid: their device is gone, or hangs under another root."""
    branch_of, root_of = _branches(old, new).tolist(), dict(zip(*_roots(old, new), strict=True))
    return [
        outage
        for outage in outages
        if (branch := branch_of[outage.branch]) < 0 or root_of.get(outage.root) != new.root_of[branch]
    ]


def move(old: Grid, state: State, new: Grid, empty: State) -> State:
    """The state over the new grid, in which all of its outages have a place. `empty` is the new grid's state.

    The calendar is left out: it is planned again.
    """
    moved = replace(
        empty,
        event_delays=state.event_delays,
        reading_delays=state.reading_delays,
        regimes=state.regimes,
        counts=state.counts,
        number=state.number,
        turned_ms=state.turned_ms,
    )
    before, after = same(old.meter_ids, new.meter_ids)
    moved.meters[after], moved.known_until_ms[after] = state.meters[before], state.known_until_ms[before]
    before, after = same(old.comms.ids, new.comms.ids)
    moved.alive_ms[after], moved.restarts[after] = state.alive_ms[before], state.restarts[before]
    before, after = _roots(old, new)
    moved.burst_ms[after], moved.due_ms[after] = state.burst_ms[before], state.due_ms[before]
    moved.quiet_due_ms[after] = state.quiet_due_ms[before]
    branch_of = _branches(old, new)
    loads = branch_of[state.load_branch]
    kept = loads >= 0
    moved.load_branch, moved.load_ms, moved.load_w = loads[kept], state.load_ms[kept], state.load_w[kept]
    moved.outages = [_moved(outage, new, branch_of.tolist()) for outage in state.outages]
    return moved


def _moved(outage: Outage, new: Grid, place: Sequence[int]) -> Outage:
    branch = place[outage.branch]
    return replace(
        outage,
        root=int(new.root_of[branch]),
        branch=branch,
        top=_top(outage, new, place),
        ranked=[(place[branch], chance) for branch, chance in outage.ranked if place[branch] >= 0],
        dark=[place[branch] for branch in outage.dark if place[branch] >= 0],
    )


def _top(outage: Outage, new: Grid, place: Sequence[int]) -> int:
    """Where it was settled; its own branch where that no longer hangs under it."""
    if not outage.is_settled:
        return -1
    top, branch = place[outage.top], place[outage.branch]
    return top if 0 <= top <= branch < new.end[top] else branch


def same(old: Sequence[str], new: Sequence[str]) -> tuple[Int64s, Int64s]:
    """Positions of the names that stand in both.

    >>> [found.tolist() for found in same(["a", "b", "c"], ["c", "a", "d"])]
    [[0, 2], [1, 0]]
    """
    place = {name: i for i, name in enumerate(new)}
    pairs = [(i, place[name]) for i, name in enumerate(old) if name in place]
    found = np.array(pairs, np.int64).reshape(len(pairs), 2)
    return found[:, 0], found[:, 1]


def _roots(old: Grid, new: Grid) -> tuple[Int64s, Int64s]:
    """Positions of the roots that stand in both."""
    tops = [[grid.node_ids[root][0] for root in grid.roots.tolist()] for grid in (old, new)]
    return same(*tops)


def _branches(old: Grid, new: Grid) -> Int64s:
    """The new branch of each old one: that of the first of its devices that is still there; -1 = none."""
    found = [next((new.branch_of[name] for name in names if name in new.branch_of), -1) for names in old.node_ids]
    return np.array(found, np.int64)
