"""Whether each meter still reports: silent after a number of reporting intervals without a row, resumed by the next.

Time is that of the meter's own source, so a dead bridge or gateway makes no silent meter. Any new row counts, late ones
and those with a wrong clock too: the meter speaks. One that is new is told as resumed: it may be one that was forgotten
(shard.py), of which it is still said that it is silent.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.catalogue import Quantity
from schemas.quality import Quality
from schemas.results import PresenceBlock
from streams.contract import MOST_ROWS, Elapsed, Meters, Operator, Result, Rows, State

SILENT_AFTER_INTERVALS = 6


class Presence(Operator):
    """A fact each time a meter falls silent or resumes, numbered per meter: odd = silent, even = resumed.

    Numbers begin with the second (since 1970) in which the meter was first heard: one that was forgotten and comes back
    uses none twice, and its newest fact has its highest number.
    """

    name = "presence"
    version = 2
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"PresenceBlock"})

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The number of the newest fact, and the last arrival."""
        return np.dtype([("number", "i8"), ("received_at", "i8"), ("newest_at", "i8")])

    def on_arrivals(self, state: State, meters: Meters, rows: Rows) -> list[Result]:
        """Silent meters that report again, and new ones, resume, as of their first row."""
        moved, first = np.unique(rows.meter, return_index=True)
        number, received_at = state["number"][moved], rows.received_at[first]
        number = np.where(number == 0, received_at // 2_000 * 2 + 1, number)
        resumed = number % 2 == 1
        back = moved[resumed]
        state["number"][back] = number[resumed] + 1
        np.maximum.at(state["received_at"], rows.meter, rows.received_at)
        timed = (rows.quality & Quality.FUTURE) == 0
        np.maximum.at(state["newest_at"], rows.meter[timed], rows.at[timed])
        return self._facts(state, meters, back, "resumed", received_at[resumed])

    def on_time(self, state: State, meters: Meters, elapsed: Elapsed) -> list[Result]:
        """Meters without a row for too long fall silent, as of their last one."""
        overdue = elapsed.since_arrival_ms > SILENT_AFTER_INTERVALS * meters.interval_ms
        gone = np.flatnonzero(overdue & (state["number"] % 2 == 0) & (state["number"] > 0))
        state["number"][gone] += 1
        return self._facts(state, meters, gone, "silent", state["received_at"][gone])

    def _facts(self, state: State, meters: Meters, which: Int64s, name: str, since: Int64s) -> list[Result]:
        return [
            self._pack(state, meters, which[i : i + MOST_ROWS], name, since[i : i + MOST_ROWS])
            for i in range(0, len(which), MOST_ROWS)
        ]

    def _pack(self, state: State, meters: Meters, which: Int64s, name: str, since: Int64s) -> PresenceBlock:
        return PresenceBlock(
            operator_version=self.version,
            meters=[meters.ids[i] for i in which],
            feeders=[meters.feeders[i] for i in which],
            row_meter=np.arange(len(which), dtype=np.int32),
            number=state["number"][which],
            state=[name] * len(which),
            since=since,
            last_at=state["newest_at"][which],
        )
