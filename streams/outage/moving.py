"""What is known, brought over to a grid that has changed: everything goes by the names of meters and devices."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schemas.arrays import Int64s
from streams.outage.life import Outage
from streams.outage.state import State
from streams.outage.tree import Grid


def move(old: Grid, state: State, new: Grid, empty: State) -> tuple[State, list[Outage]]:
    """The state over the new grid, and the outages that have lost their place. `empty` is the new grid's state.

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
    before, after = same(_tops(old), _tops(new))
    moved.burst_ms[after], moved.due_ms[after] = state.burst_ms[before], state.due_ms[before]
    moved.quiet_due_ms[after] = state.quiet_due_ms[before]
    branch_of = _branches(old, new)
    loads = branch_of[state.load_branch]
    kept = loads >= 0
    moved.load_branch, moved.load_ms, moved.load_w = loads[kept], state.load_ms[kept], state.load_w[kept]
    root_of = dict(zip(before.tolist(), after.tolist(), strict=True))
    lost = []
    for outage in state.outages:
        if outage.root in root_of and branch_of[outage.branch] >= 0:
            moved.outages.append(_moved(outage, root_of[outage.root], branch_of))
        else:
            lost.append(outage)
    return moved, lost


def _moved(outage: Outage, root: int, branch_of: Int64s) -> Outage:
    place = branch_of.tolist()
    return replace(
        outage,
        root=root,
        branch=place[outage.branch],
        top=_top(outage, place),
        ranked=[(place[branch], chance) for branch, chance in outage.ranked if place[branch] >= 0],
        dark=[place[branch] for branch in outage.dark if place[branch] >= 0],
    )


def _top(outage: Outage, place: list[int]) -> int:
    """Where it was settled; its own branch where that is gone."""
    if outage.top < 0:
        return -1
    return place[outage.top] if place[outage.top] >= 0 else place[outage.branch]


def same(old: Sequence[str], new: Sequence[str]) -> tuple[Int64s, Int64s]:
    """Positions of the names that stand in both.

    >>> [found.tolist() for found in same(["a", "b", "c"], ["c", "a", "d"])]
    [[0, 2], [1, 0]]
    """
    place = {name: i for i, name in enumerate(new)}
    pairs = [(i, place[name]) for i, name in enumerate(old) if name in place]
    found = np.array(pairs, np.int64).reshape(len(pairs), 2)
    return found[:, 0], found[:, 1]


def _tops(grid: Grid) -> list[str]:
    return [grid.node_ids[root][0] for root in grid.roots.tolist()]


def _branches(old: Grid, new: Grid) -> Int64s:
    """The new branch of each old one: that of the first of its devices that is still there; -1 = none."""
    found = [next((new.branch_of[name] for name in names if name in new.branch_of), -1) for names in old.node_ids]
    return np.array(found, np.int64)
