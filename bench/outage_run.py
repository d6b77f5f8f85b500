"""A recorded scenario through the outage operator: beats from the times of arrival, a turn a quarter of a second."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bench.outage_files import Event
from schemas.alert import Alert
from streams.outage.arrivals import Load, News, Window
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import Evidence, Kind
from streams.outage.results import Interruption
from streams.outage.tree import Grid
from streams.outage.watch import OutageWatch

TURN_MS = 250
AFTER_MS = 120_000
"""Beats go on for this long after the last event."""
KINDS = {
    "reading": Kind.READING,
    "voltage": Kind.VOLTAGE,
    "restored": Kind.RESTORED,
    "last_gasp": Kind.LAST_GASP,
}


@dataclass
class Published:
    """What came out: alerts in order, interruptions, and when all ended."""

    alerts: list[Alert] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    end_ms: int = 0
    turns: int = 0
    unknown: int = 0
    """Events of unknown types, or about meters or nodes that the grid does not have."""


def run(grid: Grid, events: Iterable[Event], assumed: Assumptions | None = None) -> Published:
    """Everything that the operator says about the events."""
    watch = OutageWatch(grid, assumed)
    state, out, now_ms = watch.empty(), Published(), 0
    for beat_ms, arrived in turns(events):
        if not now_ms:
            now_ms = beat_ms
        while now_ms < beat_ms:
            now_ms = min(beat_ms, max(now_ms + TURN_MS, _on_beat(int(state.due_ms.min(initial=beat_ms)))))
            if now_ms < beat_ms:
                _keep(out, watch.turn(state, news_of(grid, [], out), now_ms))
        _keep(out, watch.turn(state, news_of(grid, arrived, out), beat_ms))
    for beat_ms in range(now_ms + TURN_MS, now_ms + AFTER_MS, TURN_MS):
        if beat_ms >= state.due_ms.min(initial=beat_ms):
            _keep(out, watch.turn(state, news_of(grid, [], out), beat_ms))
    out.interruptions += watch.ongoing(state, now_ms)
    out.end_ms = now_ms
    return out


def _on_beat(ms: int) -> int:
    return -(-ms // TURN_MS) * TURN_MS


def turns(events: Iterable[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Beats at which something has come, and what came since the last."""
    beat_ms, arrived = 0, list[Event]()
    for event in events:
        due = _on_beat(event.received_at_ms)
        if due > beat_ms:
            if arrived:
                yield beat_ms, arrived
            beat_ms, arrived = due, []
        arrived.append(event)
    if arrived:
        yield beat_ms, arrived


def _keep(out: Published, results: Iterable[Alert | Interruption]) -> None:
    out.turns += 1
    for result in results:
        if isinstance(result, Alert):
            out.alerts.append(result)
        else:
            out.interruptions.append(result)


def news_of(grid: Grid, events: Iterable[Event], out: Published) -> News:
    """The events of a turn as the operator takes them."""
    rows: list[tuple[int, int, int, int, float]] = []
    loads: list[Load] = []
    windows: list[Window] = []
    comms = {comm_id: comm for comm, comm_id in enumerate(grid.comms.ids)}
    for event in events:
        branch = grid.branch_of.get(event.node_id, -1)
        if event.type in KINDS and event.meter_id in grid.row_of:
            row = grid.row_of[event.meter_id]
            volts = event.value if event.type == "voltage" else np.nan
            rows.append((row, KINDS[event.type], event.at_ms, event.received_at_ms, volts))
        elif event.type == "substation_load" and branch >= 0:
            loads.append(Load(branch, event.at_ms, event.value))
        elif event.type == "planned" and (branch >= 0 or event.node_id in comms):
            windows.append(Window(branch, comms.get(event.node_id, -1), event.from_ms, event.to_ms))
        else:
            out.unknown += 1
    whole = np.array([row[:4] for row in rows], np.int64).reshape(len(rows), 4)
    volts_of = np.array([row[4] for row in rows], np.float64)
    return News(Evidence(whole[:, 0], whole[:, 1], whole[:, 2], whole[:, 3], volts_of), loads, windows)
