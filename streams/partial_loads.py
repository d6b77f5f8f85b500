"""The load of feeders and of substations' infeed, as far as the meters of one partition make it up.

A feeder's meters are spread over all partitions. Each shard adds up its own by the quarter of an hour, and gives the
sums as facts that are put, not added: (partition, feeder, quarter), of which the one over more meters holds. The
meters' clocks differ, so a quarter is given when its feeder's next one begins to close, and again as far as meters are
behind.
"""

from collections.abc import Sequence

import numpy as np

from schemas.arrays import Int64s
from schemas.durations import QUARTER_MS
from schemas.results import PartialLoadBlock
from streams.contract import MOST_ROWS, Contributions, State
from streams.meters import MeterTable

QUARTERS = 96
"""How many of a feeder are kept: a day. What comes for an older one is to be computed again."""

SUMS = ("counted", "energy_steps", "covered_ms")

LOAD = np.dtype(
    [
        ("quarter", "i8", (QUARTERS,)),
        *((name, "i8", (QUARTERS,)) for name in SUMS),
        ("changed", "?", (QUARTERS,)),
        ("newest", "i8"),
        ("source", "i8"),
        ("changed_ms", "i8"),
    ]
)
"""State of one feeder, or one substation's infeed. A quarter stands at its number modulo QUARTERS."""


class FeederLoads:
    """The loads that the shard of one partition adds up. `table` has a row a feeder, and one an infeed."""

    def __init__(self, partition: int, operator_version: int) -> None:
        self.partition = partition
        self.operator_version = operator_version
        self.table = MeterTable.empty("feeders", (), {"load": LOAD})

    def add(
        self, meters: MeterTable, infeed: bool, more: Contributions, passed_ms: Int64s
    ) -> tuple[Sequence[PartialLoadBlock], Contributions]:
        """Add to the loads of the meters' feeders, or of their substations' infeed if that is what they measure.

        Meters whose feeder is not known add to none. `passed_ms` is the time of each source, shape (s,). Returns the
        sums of quarters whose slots new ones took before they were given, and what came too late.
        """
        places = meters.substations if infeed else meters.feeders
        more = more.take(np.array([places[i] is not None for i in more.meter.tolist()], np.bool_))
        feeder = self._feeders_of(meters, more.meter, infeed)
        state = self.table.column("load")
        np.maximum.at(state["newest"], feeder, more.quarter)
        late = more.quarter <= state["newest"][feeder] - QUARTERS
        pushed_out = self._make_room(state, feeder[~late], more.quarter[~late])
        at = (feeder[~late], more.quarter[~late] % QUARTERS)
        np.add.at(state["counted"], at, 1)
        np.add.at(state["energy_steps"], at, more.energy_steps[~late])
        np.add.at(state["covered_ms"], at, more.covered_ms[~late])
        state["changed"][at] = True
        source = meters.column("own")["source"][more.meter[~late]]
        state["source"][at[0]] = source
        state["changed_ms"][at[0]] = passed_ms[source]
        return pushed_out, more.take(late)

    def due(self, passed_ms: Int64s) -> Sequence[PartialLoadBlock]:
        """What is to be given at the end of a turn that a beat ended, when each source's time is `passed_ms`.

        The newest quarter too, when a quarter of an hour has passed and no next one has begun to close.
        """
        state = self.table.column("load")
        over = state["quarter"] < state["newest"][:, None]
        over |= (passed_ms[state["source"]] - state["changed_ms"] >= QUARTER_MS)[:, None]
        return self._given(state, *np.nonzero(state["changed"] & over))

    def _feeders_of(self, meters: MeterTable, meter: Int64s, infeed: bool) -> Int64s:
        feeders = [None if infeed else meters.feeders[i] for i in meter.tolist()]
        substations = [meters.substations[i] for i in meter.tolist()]
        ids = ["\x1f".join((s or "", feeder or "")) for s, feeder in zip(substations, feeders, strict=True)]
        return self.table.find(ids, feeders, substations)

    def _make_room(self, state: State, feeder: Int64s, quarter: Int64s) -> Sequence[PartialLoadBlock]:
        """Begin quarters that are new; what stood in their slots and was not given yet."""
        new = state["quarter"][feeder, quarter % QUARTERS] != quarter
        slots = np.zeros(state["changed"].shape, np.bool_)
        slots[feeder[new], quarter[new] % QUARTERS] = True
        pushed_out = list(self._given(state, *np.nonzero(slots & state["changed"])))
        for name in SUMS:
            state[name][slots] = 0
        state["quarter"][feeder[new], quarter[new] % QUARTERS] = quarter[new]
        return pushed_out

    def _given(self, state: State, feeder: Int64s, slot: Int64s) -> Sequence[PartialLoadBlock]:
        """The sums in these slots as facts, a block a substation."""
        state["changed"][feeder, slot] = False
        by_substation: dict[str, list[int]] = {}
        for i, row in enumerate(feeder.tolist()):
            by_substation.setdefault(self.table.substations[row] or "", []).append(i)
        return [
            self._block(state, substation, feeder[which[i : i + MOST_ROWS]], slot[which[i : i + MOST_ROWS]])
            for substation, which in by_substation.items()
            for i in range(0, len(which), MOST_ROWS)
        ]

    def _block(self, state: State, substation: str, feeder: Int64s, slot: Int64s) -> PartialLoadBlock:
        return PartialLoadBlock(
            operator_version=self.operator_version,
            partition=self.partition,
            substation=substation,
            feeder=[self.table.feeders[row] for row in feeder.tolist()],
            start=state["quarter"][feeder, slot] * QUARTER_MS,
            **{name: state[name][feeder, slot] for name in SUMS},
        )
