"""All that is known, as arrays that can be saved; time is what the caller's beats say."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.outage.evidence import MOST_BURSTS, TIMES, Meters, new_meters
from streams.outage.life import Outage
from streams.outage.tree import Grid

DELAY_EDGES_MS = np.array([0, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 120_000, 600_000])
_EXPECTED_DELAYS = np.array([3.0, 2, 2, 2, 3, 3, 2, 2, 1, 0.5, 0.2])
"""Events between the edges, as if seen before: most within seconds, some after a minute."""
LOADS_KEPT = 64
ALWAYS_MS = np.iinfo(np.int64).max // 2
"""Nothing is on its way but what the caller brings."""


@dataclass
class State:
    """What is known under a grid's roots; R roots, M meters, L branches with a load."""

    meters: Meters
    alive_ms: Int64s
    """Event time of the newest that came through each relay and gateway, shape (comms,)."""
    known_until_ms: Int64s
    """Up to when all that each meter sent is known, shape (M,): silence beyond it is that of whoever brings it."""
    burst_ms: Int64s
    """When each burst began, 0 = none, shape (R, MOST_BURSTS)."""
    due_ms: Int64s
    """When each root is looked at again, shape (R,)."""
    quiet_due_ms: Int64s
    """Before this none of each root's silences is weighed again: one came to nothing, shape (R,)."""
    event_delays: Float64s
    """Last gasps and restorations by their delay, shape (edges - 1,)."""
    reading_delays: Float64s
    load_branch: Int64s
    load_ms: Int64s
    """Newest loads of each branch, in a ring, shape (L, LOADS_KEPT)."""
    load_w: Float64s
    planned: Int64s
    """Windows of the calendar: branch or -1, comm or -1, from and to (ms UTC), shape (windows, 4)."""
    regimes: Float64s
    """Outages closed by regime of delivery, those assumed before any included, shape (J,)."""
    counts: Float64s
    """restorations: came, expected; lone last gasps: lies, true; interruptions: momentary, all. Shape (6,)."""
    restarts: Float64s
    """Lone last gasps behind each relay and gateway that were soon taken back, of late; those that were not count
    against them. Shape (comms,)."""
    number: int
    """Outages so far."""
    turned_ms: int
    """The last turn's time."""
    outages: list[Outage]

    @classmethod
    def empty(cls, grid: Grid, regimes: Float64s, counts: Float64s) -> "State":
        """Nothing is known yet."""
        roots = len(grid.roots)
        return cls(
            meters=new_meters(len(grid.meter_ids)),
            alive_ms=np.zeros(len(grid.comms.ids), np.int64),
            known_until_ms=np.full(len(grid.meter_ids), ALWAYS_MS),
            burst_ms=np.zeros((roots, MOST_BURSTS), np.int64),
            due_ms=np.zeros(roots, np.int64),
            quiet_due_ms=np.zeros(roots, np.int64),
            event_delays=_EXPECTED_DELAYS.copy(),
            reading_delays=_EXPECTED_DELAYS.copy(),
            load_branch=np.zeros(0, np.int64),
            load_ms=np.zeros((0, LOADS_KEPT), np.int64),
            load_w=np.zeros((0, LOADS_KEPT)),
            planned=np.zeros((0, 4), np.int64),
            regimes=regimes.copy(),
            counts=counts.copy(),
            restarts=np.zeros(len(grid.comms.ids)),
            number=0,
            turned_ms=0,
            outages=[],
        )

    def step_back(self, now_ms: int) -> None:
        """The last turn's time was ahead: nothing waits for it, and what was timed by it happened before now."""
        self.turned_ms = now_ms
        for times in (self.due_ms, self.quiet_due_ms, self.alive_ms, self.burst_ms, self.load_ms):
            np.minimum(times, now_ms, out=times)
        for name in TIMES:
            np.minimum(self.meters[name], now_ms, out=self.meters[name])
        for outage in self.outages:
            outage.calm_ms, outage.parted_ms = min(outage.calm_ms, now_ms), min(outage.parted_ms, now_ms)
            outage.followed_ms = min(outage.followed_ms, now_ms)

    def saved(self) -> dict[str, Any]:
        """The state as arrays, and outages as plain dictionaries."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "outages"}
        copied = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in found.items()}
        return copied | {"outages": [outage.saved() for outage in self.outages]}

    @classmethod
    def loaded(cls, saved: dict[str, Any]) -> "State":
        """The state that `saved` gave."""
        copied: dict[str, Any] = {
            name: value.copy() if isinstance(value, np.ndarray) else value for name, value in saved.items()
        }
        return cls(**copied | {"outages": [Outage(**outage) for outage in saved["outages"]]})
