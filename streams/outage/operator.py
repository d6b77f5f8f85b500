"""Outages of the grid of a partition, as they are heard of: alerts with numbered versions, and reliability by day.

Nothing is decided before a beat ends a turn: what comes in between waits. So how records are cut, and in which order
they come within a turn, changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from schemas.alert import Alert
from schemas.blocks import EventBlock
from schemas.master_data import GridBlock, PlannedWorkBlock
from schemas.record import Record
from schemas.results import HeardBlock
from streams.contract import Operator, Result
from streams.outage import planned
from streams.outage.assumptions import PROFILES, Assumptions
from streams.outage.days import customers_of
from streams.outage.intake import news_of
from streams.outage.known import Known
from streams.outage.likelihood import slowest_ms
from streams.outage.moving import lost, move, same
from streams.outage.results import Interruption, alert_of
from streams.outage.state import State
from streams.outage.tree import Grid
from streams.outage.watch import OutageWatch
from streams.readable import time


class Outage(Operator):
    """Located outages over the grid that the register publishes; see docs/outage.md.

    Assumes blocks of the substations of its partition. Time is the newest beat of any source that brought evidence.
    Meters that the grid does not have say nothing. State: about 200 B a meter, and the grid's nodes.
    Cost: a few numpy passes over a turn's rows; inference for substations of which there is news, or that are due.
    """

    name = "outage"
    version = 2
    takes = frozenset({"EventBlock", "HeardBlock", "GridBlock", "PlannedWorkBlock"})
    gives = frozenset({"Alert", "ReliabilityBlock"})
    options: ClassVar[Mapping[str, Sequence[str]]] = {"profile": tuple(PROFILES)}

    def __init__(self, assumed: Assumptions | None = None) -> None:
        self.assumed = assumed or Assumptions()

    def chosen(self, options: Mapping[str, str]) -> "Outage":
        """With another threshold of sustained outages."""
        return Outage(replace(self.assumed, sustained_ms=PROFILES[options["profile"]])) if options else self

    def whole(self, saved: Mapping[str, Any] | None = None) -> Known:
        """Nothing known, or what was saved."""
        if saved is None:
            return Known()
        known = Known.loaded(saved)
        grid = known.trees.grid()
        if grid is not None:
            known.watch, known.customers = OutageWatch(grid, self.assumed), customers_of(grid)
        return known

    def on_turn(self, whole: Any, records: Sequence[Record], beats: Mapping[str, int] | None) -> list[Result]:
        """Keep what came; once a beat has ended the turn, look at it."""
        known: Known = whole
        known.waiting += [
            record for record in records if isinstance(record, EventBlock | HeardBlock | GridBlock | PlannedWorkBlock)
        ]
        if beats is None:
            return []
        came, known.waiting = known.waiting, []
        results, is_new = self._register(known, came)
        if known.watch is None or known.state is None:
            return results
        evidence = [record for record in came if isinstance(record, EventBlock | HeardBlock)]
        known.tell_time(evidence, beats)
        known.ways.move(beats, known.way_of, known.state.meters)
        places = known.days.begin(known.customers, known.now_ms, is_new) if known.now_ms else set()
        if known.now_ms and (evidence or (known.state.due_ms <= known.now_ms).any()):
            for result in self._look(known, known.watch, known.state, evidence):
                if isinstance(result, Alert):
                    results.append(result)
                else:
                    places |= known.days.add(known.watch.grid.place_of, result)
        return [*results, *known.days.told(known.customers, places, self.assumed.sustained_ms, self.version)]

    def describe_in(self, whole: Any, meter: str) -> dict[str, Any] | None:
        """When it was last heard, and the outages over it."""
        known: Known = whole
        if known.watch is None or known.state is None or meter not in known.watch.grid.row_of:
            return None
        grid, row = known.watch.grid, known.watch.grid.row_of[meter]
        own, branch = known.state.meters[row], int(grid.meter_branch[row])
        over = [o for o in known.state.outages if not o.closed and o.branch <= branch < grid.end[o.branch]]
        return {
            "heard_at": time(int(own["read_ms"])),
            "last_gasp_at": time(int(own["gasp_ms"])),
            "restored_at": time(int(own["restored_ms"])),
            "interval_ms": float(own["interval_ms"]),
            "outages": [alert_of(grid, outage, known.now_ms).id for outage in over],
        }

    def _register(self, known: Known, came: Sequence[Record]) -> tuple[list[Result], bool]:
        """The grid and the calendar, as far as they are published anew; whether the grid is another now."""
        grids = [record for record in came if isinstance(record, GridBlock)]
        works = [record for record in came if isinstance(record, PlannedWorkBlock)]
        grid = known.trees.take(grids)
        results = self._take_over(known, grid) if grid is not None else []
        for block in sorted(works, key=lambda one: one.at):
            if block.at >= known.calendars.get(block.substation, (0, []))[0]:
                rows = zip(block.node, block.start.tolist(), block.end.tolist(), strict=True)
                known.calendars[block.substation] = (block.at, list(rows))
        if known.watch is not None and known.state is not None and (works or grid is not None):
            _plan(known.watch.grid, known.state, known)
        return results, grid is not None

    def _take_over(self, known: Known, grid: Grid) -> list[Result]:
        """Go on with another grid. Outages that have no place in it end."""
        watch = OutageWatch(grid, self.assumed)
        state, way_of = watch.empty(), np.full(len(grid.meter_ids), -1, np.int64)
        state.known_until_ms[:] = 0
        results: list[Result] = []
        if known.watch is not None and known.state is not None:
            old = known.watch.grid
            for outage in lost(old, known.state.outages, grid):
                for result in known.watch.lose(known.state, outage, known.now_ms):
                    if isinstance(result, Alert):
                        results.append(result)
                    else:
                        known.days.add({**old.place_of, **grid.place_of}, result)
            state = move(old, known.state, grid, state)
            before, after = same(old.meter_ids, grid.meter_ids)
            way_of[after] = known.way_of[before]
        known.watch, known.state, known.way_of = watch, state, way_of
        known.customers = customers_of(grid)
        return results

    def _look(
        self, known: Known, watch: OutageWatch, state: State, evidence: Sequence[EventBlock | HeardBlock]
    ) -> list[Alert | Interruption]:
        news = news_of(watch.grid, evidence, known.ways, known.way_of)
        state.known_until_ms = known.ways.known_until(known.way_of, slowest_ms(state.reading_delays))
        return watch.turn(state, news, known.now_ms)


def _plan(grid: Grid, state: State, known: Known) -> None:
    """The calendar as it is published now."""
    comms = {name: comm for comm, name in enumerate(grid.comms.ids) if name}
    works = [work for _, rows in known.calendars.values() for work in rows]
    windows = [(grid.branch_of.get(node, -1), comms.get(node, -1), start, end) for node, start, end in works]
    state.planned = state.planned[:0]
    planned.plan(state, [window for window in windows if max(window[:2]) >= 0])
