"""A recorded scenario through the product: a metering shard with `presence` and `heard`, a grid shard with `outage`.

Beats are made from the times of arrival: every 250 ms on the evidence, every second on the readings, as bridges do.
Where nothing comes and nothing is due, only those every 2 s are made: the others would change nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from bench.outage_files import Event
from schemas.alert import Alert
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.master_data import PlannedWorkBlock
from schemas.record import Record
from schemas.results import ReliabilityBlock
from streams.contract import Result
from streams.heard import Heard
from streams.outage.accounts import interruption_of
from streams.outage.assumptions import Assumptions
from streams.outage.known import Known
from streams.outage.life import Ending
from streams.outage.operator import Outage
from streams.outage.ranking import LIKELY
from streams.outage.results import Interruption
from streams.outage.state import State
from streams.outage.tree import Grid
from streams.outage.trees import blocks_of, by_substation
from streams.presence import Presence
from streams.shard import Shard
from streams.turn import Block

TURN_MS = 250
READINGS_TURN_MS = 1_000
IDLE_MS = 2_000
AFTER_MS = 120_000
"""Beats go on for this long after the last event."""
BRIDGE = "bench"
HOME, STATION = "malmo_household", "malmo_substation"
VALUES = {
    "reading": (HOME, ""),
    "voltage": (HOME, "voltage_l1_v"),
    "substation_load": (STATION, "active_power_import_w"),
}
"""Events that are readings: of which profile, and what their value is of."""
EVENTS = {"last_gasp": "last_gasp", "restored": "power_restored"}


@dataclass
class Published:
    """What came out: alerts and reliability in order, and when all ended."""

    alerts: list[Alert] = field(default_factory=list)
    reliability: list[ReliabilityBlock] = field(default_factory=list)
    """In the end also what would be told of outages that last, if they ended then."""
    end_ms: int = 0
    unknown: int = 0
    """Events of unknown types, or about meters or nodes that the grid does not have."""


class Line:
    """The two shards, the results of the first handed to the second, as the streams do it over Kafka."""

    def __init__(self, grid: Grid, assumed: Assumptions | None) -> None:
        catalogue = load_catalogue()
        self.root_of = {name: grid.node_ids[root][0] for name, root in _roots(grid)}
        self.known = {*grid.row_of, *grid.branch_of, *grid.comms.ids} - {""}
        self.metering = Shard("metering", 0, {"presence": Presence(), "heard": Heard()}, catalogue, READINGS_TURN_MS)
        self.operator = Outage(assumed)
        self.grid = Shard("grid", 0, {"outage": self.operator}, catalogue, TURN_MS)
        self.columns = {name: list(catalogue.profiles[name].quantities) for name in (HOME, STATION)}
        self.works: dict[str, list[tuple[str, int, int]]] = {}
        self.out = Published()
        self.has_arrived = False

    def register(self, grid: Grid, at_ms: int) -> None:
        """Publish the grid."""
        for substation, nodes in by_substation(grid.nodes).items():
            for block in blocks_of(substation, nodes, at_ms):
                self._evidence(block)

    def arrive(self, events: Sequence[Event]) -> None:
        """What came within a turn, in blocks of what came at once. A voltage goes before a reading of the same time."""
        used = [event for event in events if self._is_known(event)]
        self.has_arrived |= bool(used)
        self.out.unknown += len(events) - len(used)
        for received_at, some in groupby(used, lambda event: event.received_at_ms):
            together = list(some)
            for profile, names in ((HOME, ("voltage", "reading")), (STATION, ("substation_load",))):
                rows = [event for name in names for event in together if event.type == name]
                if rows:
                    self._take(self.metering, self._readings(profile, rows, received_at))
            told = [event for event in together if event.type in EVENTS]
            if told:
                self._evidence(_events(told, received_at))
            for event in together:
                if event.type == "planned":
                    self._plan(event)

    def beat(self, now_ms: int) -> None:
        """Time moves on."""
        if now_ms % (READINGS_TURN_MS if self.has_arrived else IDLE_MS) == 0:
            self._take(self.metering, Beat(BRIDGE, now_ms))
            self.has_arrived = False
        self._evidence(Beat(BRIDGE, now_ms))

    def idle(self, now_ms: int, until_ms: int) -> None:
        """Time moves on from one turn to another; nothing comes before the latter."""
        while (now_ms := now_ms + TURN_MS) < until_ms:
            if now_ms % IDLE_MS == 0 or (self.has_arrived and now_ms % READINGS_TURN_MS == 0) or self._is_due(now_ms):
                self.beat(now_ms)

    def as_if_over(self, now_ms: int) -> list[ReliabilityBlock]:
        """What would be told if the outages that last ended now."""
        known = self.grid.wholes["outage"]
        if not isinstance(known, Known) or known.watch is None or known.state is None:
            return []
        grid, places = known.watch.grid, set()
        for going in ongoing(grid, known.state, now_ms):
            places |= known.days.add(grid.place_of, going)
        return list(known.days.told(known.customers, places, self.operator.assumed.sustained_ms, Outage.version))

    def _is_due(self, now_ms: int) -> bool:
        known = self.grid.wholes["outage"]
        return isinstance(known, Known) and known.state is not None and bool((known.state.due_ms <= now_ms).any())

    def _take(self, shard: Shard, record: Record) -> None:
        for result in shard.take(record) or []:
            self._hand_on(result)

    def _hand_on(self, result: Result) -> None:
        if isinstance(result, Alert):
            self.out.alerts.append(result)
        elif isinstance(result, ReliabilityBlock):
            self.out.reliability.append(result)
        elif isinstance(result, Block | Beat):
            self._evidence(result)

    def _evidence(self, record: Record) -> None:
        self._take(self.grid, record)

    def _is_known(self, event: Event) -> bool:
        subject = event.meter_id if event.type in ("reading", "voltage", *EVENTS) else event.node_id
        return event.type in (*VALUES, *EVENTS, "planned") and subject in self.known

    def _readings(self, profile: str, rows: Sequence[Event], received_at: int) -> ReadingBlock:
        ids = [event.node_id or event.meter_id for event in rows]
        meters = list(dict.fromkeys(ids))
        place = {meter: i for i, meter in enumerate(meters)}
        columns = self.columns[profile]
        values = np.full((len(columns), len(rows)), np.nan)
        for i, event in enumerate(rows):
            if VALUES[event.type][1]:
                values[columns.index(VALUES[event.type][1]), i] = event.value
        return ReadingBlock(
            source=BRIDGE,
            profile=profile,
            received_at=received_at,
            meters=meters,
            feeders=[None] * len(meters),
            substations=[self.root_of[meter] for meter in meters],
            intervals_ms=np.full(len(meters), 10_000),
            row_meter=np.array([place[meter] for meter in ids], np.int32),
            at=np.array([event.at_ms for event in rows], np.int64),
            sequence=np.full(len(rows), -1),
            quality=np.zeros(len(rows), np.int32),
            columns=columns,
            values=values.ravel(),
        )

    def _plan(self, event: Event) -> None:
        """The calendars with one more work: of its substation, or of all that a gateway may serve."""
        roots = [self.root_of[event.node_id]] if event.node_id in self.root_of else sorted(set(self.root_of.values()))
        for root in roots:
            works = self.works.setdefault(root, [])
            works.append((event.node_id, event.from_ms, event.to_ms))
            nodes, starts, ends = (list(column) for column in zip(*works, strict=True))
            self._evidence(
                PlannedWorkBlock(
                    root, event.received_at_ms, nodes, np.array(starts, np.int64), np.array(ends, np.int64)
                )
            )


def run(grid: Grid, events: Iterable[Event], assumed: Assumptions | None = None) -> Published:
    """Everything that the operators say about the events."""
    line, now_ms = Line(grid, assumed), 0
    for beat_ms, arrived in turns(events):
        if not now_ms:
            line.register(grid, beat_ms)
            now_ms = beat_ms - TURN_MS
        line.idle(now_ms, beat_ms)
        line.arrive(arrived)
        now_ms = beat_ms
        line.beat(now_ms)
    if now_ms:
        line.idle(now_ms, now_ms + AFTER_MS)
        now_ms += AFTER_MS - TURN_MS
    line.out.end_ms = now_ms
    line.out.reliability += line.as_if_over(now_ms)
    return line.out


def ongoing(grid: Grid, state: State, now_ms: int) -> list[Interruption]:
    """Interruptions that are not accounted for yet, as if they ended now."""
    return [
        interruption_of(grid, state, outage, now_ms)
        for outage in state.outages
        if outage.happened >= LIKELY and outage.ending not in (Ending.MERGED, Ending.WITHDRAWN)
    ]


def turns(events: Iterable[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Beats at which something has come, and what came since the last."""
    beat_ms, arrived = 0, list[Event]()
    for event in events:
        due = -(-event.received_at_ms // TURN_MS) * TURN_MS
        if due > beat_ms:
            if arrived:
                yield beat_ms, arrived
            beat_ms, arrived = due, []
        arrived.append(event)
    if arrived:
        yield beat_ms, arrived


def _roots(grid: Grid) -> Iterator[tuple[str, int]]:
    """The root over each meter and node."""
    for branch, names in enumerate(grid.node_ids):
        root = int(grid.roots[grid.root_of[branch]])
        yield from ((name, root) for name in names)
    for meter, branch in zip(grid.meter_ids, grid.meter_branch.tolist(), strict=True):
        yield meter, int(grid.roots[grid.root_of[branch]])


def _events(told: Sequence[Event], received_at: int) -> EventBlock:
    meters = list(dict.fromkeys(event.meter_id for event in told))
    return EventBlock(
        source=BRIDGE,
        received_at=received_at,
        meters=meters,
        feeders=[None] * len(meters),
        substations=[None] * len(meters),
        row_meter=np.array([meters.index(event.meter_id) for event in told], np.int32),
        at=np.array([event.at_ms for event in told], np.int64),
        quality=np.zeros(len(told), np.int32),
        kind=[EVENTS[event.type] for event in told],
        detail=[""] * len(told),
    )
