"""What is known of a partition's meters: where they are, when each was heard, and how often it should be.

A meter is heard by a way (a partition of metering and a bridge), whose beats are its clock: while they stop, nobody's
silence grows. How often a meter reports is learned from when its readings reached the bridge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int64s
from schemas.master_data import GridBlock
from schemas.results import HeardBlock
from streams.beats import Beats, Source
from streams.contract import Mask
from streams.outage.trees import Trees
from streams.presence import SILENT_AFTER_INTERVALS

SILENT_AFTER_MS = 60_000
"""Silent is who was not heard for some reporting intervals, and for so long."""
LEARNED = 3
"""Hearings after which a meter's interval is known."""

METER = np.dtype(
    [
        ("way", "i4"),
        ("heard_ms", "i8"),
        ("received_at", "i8"),
        ("interval_ms", "f8"),
        ("times", "i4"),
        ("coming", "?"),
        ("coming_way", "i4"),
        ("coming_at", "i8"),
        ("told_at", "i8"),
        ("left", "?"),
    ]
)
"""By which way a meter was heard last, when by that way's clock and by the bridge's; its interval, and how often it was
heard; what has come of it since the last beat; since when an alert of its own is open; and whether it left the grid."""

Area = tuple[str, str]
"""A substation and a feeder of it; an empty feeder where the grid does not know the meter."""


@dataclass
class Open:
    """The open alert of a substation."""

    raised_at: int
    number: int
    at: int
    feeders: list[str]
    silent: int


@dataclass
class Known:
    """Meters by row, ways by position, and open alerts by substation."""

    trees: Trees = field(default_factory=Trees)
    ids: list[str] = field(default_factory=list)
    substations: list[str] = field(default_factory=list)
    meters: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, METER))
    ways: Beats = field(default_factory=Beats)
    open: dict[str, Open] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    _feeders: dict[str, Area] = field(default_factory=dict)
    _areas: tuple[list[Area], Int64s] | None = None

    def place(self, blocks: Sequence[GridBlock]) -> None:
        """Learn where meters are, as the register publishes it. Those that have left are heard elsewhere, if at all."""
        grid = self.trees.take(blocks)
        if grid is None:
            return
        roots = [grid.node_ids[root][0] for root in grid.roots.tolist()]
        branches = grid.meter_branch.tolist()
        before, self._feeders = (
            self._feeders,
            {
                meter: (roots[int(grid.root_of[branch])], grid.feeder_of[branch])
                for meter, branch in zip(grid.meter_ids, branches, strict=True)
            },
        )
        was, stays = (np.array([meter in grid for meter in self.ids], np.bool_) for grid in (before, self._feeders))
        self.meters["left"] = (self.meters["left"] | was) & ~stays
        self._areas = None

    def hear(self, block: HeardBlock) -> None:
        """Note who was heard; it counts at the next beat, so how blocks are cut changes nothing."""
        way = self.ways.index(block.source)
        self._add({meter: place or "" for meter, place in zip(block.meters, block.substations, strict=True)})
        rows = np.array([self._rows[meter] for meter in block.meters], np.int64)[block.row_meter]
        self.meters["coming"][rows] = True
        self.meters["coming_way"][rows] = way
        np.maximum.at(self.meters["coming_at"], rows, block.received_at)

    def move(self, beats: Mapping[str, int]) -> None:
        """Hear the beats: time passes, by each way's own clock; and take what has come before them."""
        for name in self.ways.names:
            if name in beats:
                self.ways.beat(name, beats[name])
        rows = np.flatnonzero(self.meters["coming"])
        some = self.meters[rows]
        some["interval_ms"] = _learned(some)
        some["times"] = np.minimum(some["times"] + 1, LEARNED)
        some["way"], some["received_at"] = some["coming_way"], np.maximum(some["coming_at"], some["received_at"])
        some["heard_ms"] = self.ways.passed_ms[some["way"]]
        some["coming"] = False
        self.meters[rows] = some

    def elapsed_ms(self) -> Int64s:
        """How long each meter has not been heard, by its way's clock."""
        found: Int64s = self.ways.passed_ms[self.meters["way"]] - self.meters["heard_ms"]
        return found

    def overdue_ms(self) -> Int64s:
        """For how long each meter has been silent; 0 = it is not. First hearings only teach how often to expect it."""
        patience = np.maximum(SILENT_AFTER_INTERVALS * self.meters["interval_ms"], SILENT_AFTER_MS).astype(np.int64)
        overdue = np.maximum(self.elapsed_ms() - patience, 0)
        found: Int64s = np.where(self.meters["times"] >= LEARNED, overdue, 0)
        return found

    def areas(self) -> tuple[list[Area], Int64s]:
        """The areas that there are, and the position of each meter's."""
        if self._areas is None:
            of_meter = [
                self._feeders.get(meter, (place, "")) for meter, place in zip(self.ids, self.substations, strict=True)
            ]
            names = sorted(set(of_meter))
            index = {name: i for i, name in enumerate(names)}
            self._areas = names, np.array([index[area] for area in of_meter], np.int64)
        return self._areas

    def forget(self, gone: Mask) -> None:
        """Drop these meters."""
        kept = np.flatnonzero(~gone)
        self.meters = self.meters[kept]
        self.ids = [self.ids[row] for row in kept]
        self.substations = [self.substations[row] for row in kept]
        self._rows = {meter: row for row, meter in enumerate(self.ids)}
        self._areas = None

    def saved(self) -> dict[str, Any]:
        """See streams.contract.Whole."""
        alerts = {name: vars(one) for name, one in self.open.items()}
        return {
            "trees": self.trees.saved(),
            "ids": self.ids,
            "substations": self.substations,
            "meters": self.meters,
            "open": alerts,
            "feeders": self._feeders,
            "ways": {name: asdict(way) for name, way in zip(self.ways.names, self.ways.sources, strict=True)},
        }

    @classmethod
    def loaded(cls, saved: Mapping[str, Any]) -> "Known":
        """What `saved` gave."""
        found = cls(
            trees=Trees.loaded(saved["trees"]),
            ids=saved["ids"],
            substations=saved["substations"],
            meters=saved["meters"],
            ways=Beats([*saved["ways"]], [Source(**way) for way in saved["ways"].values()]),
            open={name: Open(**one) for name, one in saved["open"].items()},
        )
        found._rows = {meter: row for row, meter in enumerate(found.ids)}
        found._feeders = {meter: (place, feeder) for meter, (place, feeder) in saved["feeders"].items()}
        return found

    def row(self, meter: str) -> int | None:
        """The row of a meter that was heard."""
        return self._rows.get(meter)

    def _add(self, places: Mapping[str, str]) -> None:
        """Meters that are new, and the substation of each."""
        new = [meter for meter in places if meter not in self._rows]
        if new:
            self._rows |= {meter: len(self.ids) + i for i, meter in enumerate(new)}
            self.ids += new
            self.substations += [places[meter] for meter in new]
            self.meters = np.append(self.meters, np.zeros(len(new), METER))
            self._areas = None
        for meter, place in places.items():
            row = self._rows[meter]
            if self.substations[row] != place:
                self.substations[row], self._areas = place, None


def _learned(some: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The interval of each, after one more hearing. One that came back from silence is waited for longer next time."""
    interval = some["interval_ms"]
    gap = np.where(some["times"] > 0, some["coming_at"] - some["received_at"], 0)
    late = (gap > np.maximum(SILENT_AFTER_INTERVALS * interval, SILENT_AFTER_MS)) & (some["times"] >= LEARNED)
    closer = np.where(late, 1.5 * interval, interval + 0.2 * (gap - interval))
    new = np.where(interval > 0, closer, gap)
    found: npt.NDArray[np.float64] = np.where(gap > 0, new, interval)
    return found
