"""The load of each feeder and substation by the minute, and what the substation's own meters say beside it.

The parts come from the metering partitions (load.py). The difference between what a substation feeds in and what its
customers' meters measured is losses, unmetered use, theft, and readings that did not arrive.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.blocks import Int64s, LoadBlock
from streams.contract import MOST_ROWS, Mask, Operator, PartialLoads, State
from streams.load import MINUTES, SUMS
from streams.samples import MINUTE_MS

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
        """The newest sums of a part, a minute at its number modulo MINUTES."""
        return np.dtype([(name, "i8", (MINUTES,)) for name in ("minute", *SUMS)])

    def on_partial_loads(self, state: State, loads: PartialLoads) -> list[LoadBlock]:
        """Put the parts in their places, and add up where one has changed."""
        changed_part, changed_minute = _put(state, loads)
        found = []
        for minute in np.unique(changed_minute).tolist():
            of_minute = np.unique(changed_part[changed_minute == minute])
            substations = sorted({loads.substations[part] for part in of_minute.tolist()})
            feeders = {(loads.substations[part], loads.feeders[part]) for part in of_minute.tolist()}
            for substation in substations:
                changed = sorted(f for s, f in feeders if s == substation and f is not None)
                found += self._balance(state, loads, substation, changed, minute)
        return found

    def _balance(
        self, state: State, loads: PartialLoads, substation: str, changed: Sequence[str], minute: int
    ) -> list[LoadBlock]:
        """Rows of the changed feeders of a substation, and of the substation as a whole."""
        slot = minute % MINUTES
        parts = np.flatnonzero(
            np.array([s == substation for s in loads.substations]) & (state["minute"][:, slot] == minute)
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
                start=np.full(len(rows), minute * MINUTE_MS)[i : i + MOST_ROWS],
                revision=revision.astype(np.int32)[i : i + MOST_ROWS],
                counted=counted[i : i + MOST_ROWS],
                energy_wh=(energy / STEPS_PER_WATT_HOUR)[i : i + MOST_ROWS],
                covered_ms=covered[i : i + MOST_ROWS],
                infeed_wh=infeed_wh[i : i + MOST_ROWS],
            )
            for i in range(0, len(rows), MOST_ROWS)
        ]


def _put(state: State, loads: PartialLoads) -> tuple[Int64s, Int64s]:
    """Keep what is newer than what is there: the parts and minutes that changed. Of one that came twice, the fuller."""
    order = np.lexsort((loads.counted, loads.minute, loads.part))
    part, minute, counted = loads.part[order], loads.minute[order], loads.counted[order]
    last = np.append((part[1:] != part[:-1]) | (minute[1:] != minute[:-1]), True)[: len(part)]
    slot = minute % MINUTES
    there = state["minute"][part, slot]
    newer: Mask = last & ((minute > there) | ((minute == there) & (counted > state["counted"][part, slot])))
    at = (part[newer], slot[newer])
    state["minute"][at] = minute[newer]
    for name in SUMS:
        state[name][at] = getattr(loads, name)[order][newer]
    return part[newer], minute[newer]
