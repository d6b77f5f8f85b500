"""The load of each feeder and substation by the quarter of an hour, and what the substation's own meters say beside it.

The parts come from the metering partitions (partial_loads.py). What a substation feeds in beyond what its
customers' meters measured is losses, unmetered use, theft, and readings that did not arrive.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.durations import QUARTER_MS
from schemas.results import LoadBlock
from streams.contract import MOST_ROWS, Operator, PartialLoads, State
from streams.partial_loads import QUARTERS, SUMS

STEPS_PER_WATT_HOUR = 36_000_000.0
"""Steps of 0.1 W ms in a Wh."""


class SubstationBalance(Operator):
    """Sums over all parts of a feeder or substation, again each time a part has grown.

    The revision is the number of meters summed, so it grows with what is known. Exact: the parts are integers.
    """

    name = "substation_balance"
    version = 1
    takes = frozenset({"PartialLoadBlock"})
    gives = frozenset({"LoadBlock"})

    def part_dtype(self) -> np.dtype[Any]:
        """The newest sums of a part, a quarter at its number modulo QUARTERS."""
        return np.dtype([(name, "i8", (QUARTERS,)) for name in ("quarter", *SUMS)])

    def on_partial_loads(self, state: State, loads: PartialLoads) -> list[LoadBlock]:
        """Put the parts in their places, the oldest first, and add up where one has changed."""
        found = []
        for quarter in np.unique(loads.quarter).tolist():
            changed = _put(state, loads, np.flatnonzero(loads.quarter == quarter), quarter).tolist()
            feeders = {(loads.substations[part], loads.feeders[part]) for part in changed}
            for substation in sorted({substation for substation, _ in feeders}):
                of_it = sorted(feeder for s, feeder in feeders if s == substation and feeder is not None)
                found += self._balance(state, loads, substation, of_it, quarter)
        return found

    def _balance(
        self, state: State, loads: PartialLoads, substation: str, changed: Sequence[str], quarter: int
    ) -> list[LoadBlock]:
        """Rows of the changed feeders of a substation, and of the substation as a whole."""
        slot = quarter % QUARTERS
        parts = np.flatnonzero(
            np.array([s == substation for s in loads.substations]) & (state["quarter"][:, slot] == quarter)
        )
        sums = np.stack([state[name][parts, slot] for name in SUMS], axis=1)
        names = np.array([loads.feeders[part] or "" for part in parts.tolist()])
        is_infeed = np.array([loads.feeders[part] is None for part in parts.tolist()])
        rows = [sums[~is_infeed & (names == feeder)].sum(axis=0) for feeder in changed]
        rows.append(sums[~is_infeed].sum(axis=0))
        infeed = sums[is_infeed].sum(axis=0)
        infeed_wh = np.full(len(rows), np.nan)
        if infeed[0]:
            infeed_wh[-1] = infeed[1] / STEPS_PER_WATT_HOUR
        counted, energy, covered = np.stack(rows, axis=1)
        revision = counted.copy()
        revision[-1] += infeed[0]
        feeder: list[str | None] = [*changed, None]
        return [
            LoadBlock(
                operator_version=self.version,
                substation=substation,
                feeder=feeder[i : i + MOST_ROWS],
                start=np.full(len(rows), quarter * QUARTER_MS)[i : i + MOST_ROWS],
                revision=revision.astype(np.int32)[i : i + MOST_ROWS],
                counted=counted[i : i + MOST_ROWS],
                energy_wh=(energy / STEPS_PER_WATT_HOUR)[i : i + MOST_ROWS],
                covered_ms=covered[i : i + MOST_ROWS],
                infeed_wh=infeed_wh[i : i + MOST_ROWS],
            )
            for i in range(0, len(rows), MOST_ROWS)
        ]


def _put(state: State, loads: PartialLoads, rows: Int64s, quarter: int) -> Int64s:
    """Keep of these rows, all of one quarter, those that are newer than what is there; the parts that changed."""
    rows = rows[np.lexsort((loads.counted[rows], loads.part[rows]))]
    part: Int64s = loads.part[rows]
    counted, slot = loads.counted[rows], quarter % QUARTERS
    fullest = np.append(part[1:] != part[:-1], True)
    there = state["quarter"][part, slot]
    newer = fullest & ((quarter > there) | ((quarter == there) & (counted > state["counted"][part, slot])))
    state["quarter"][part[newer], slot] = quarter
    for name in SUMS:
        state[name][part[newer], slot] = getattr(loads, name)[rows[newer]]
    changed: Int64s = part[newer]
    return changed
