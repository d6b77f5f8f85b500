"""How likely what is known of each meter is, for each state of its supply.

For a meter m, with T the burst, R when supply came back nearest to it, now, n(a, b) the readings due from a to b:

    supplied      lie if it gasped or was restored, times s(n(read, now))
    dark since T  r_j shape(gasp - T) if it gasped, else 1 - r_j F(now - T); times `contradicted` if it gave proof of
                  supply since; times s(n(read, T))
    back by now   the same of the gasp; r' if it was restored, else 1 - r' F(now - R); times
                  s(n(read, now) less n(T, R))

with s(n) = mute + (1 - mute)(1 - q)^n, q its delivery of readings, r_j its delivery of last gasps in regime j, r' that
of restorations, F the share of events that arrive within a time. Readings are due only while the way to the meter is
known to work: until something else last came through its gateway. What is silent as a whole after that counts once, for
the gateway, at the branch over all that it serves.
"""

from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.contract import Mask
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import NEVER, Meters, heard_before_return
from streams.outage.state import DELAY_EDGES_MS, State
from streams.outage.tree import Grid, Span

JITTER = 0.25
"""Share of a reporting interval by which a reading may come later than due."""
YOUNG_MS = 3_000
RESTARTS_TELL, MOST_RESTARTS = 3.0, 6
"""So much likelier is a lie with each lone last gasp behind the same gateway that was just taken back: one is usual in
an hour, three are a campaign that the calendar does not have."""
WAY_KNOWN_MS = 15_000
"""By then something else should have come through the gateway of a silent meter, to show that the way works."""
ANOTHERS = 0.05
"""What it costs, in nats, to explain a last gasp by a burst before the one that it came with: it only breaks ties."""
_FACTOR_PRIOR = 3.0
_LONE_PRIOR = 3.0


@dataclass(frozen=True)
class Scene:
    """A branch and all under it, at one moment, with the bursts to weigh, in order of time."""

    span: Span
    slots: Int64s
    bursts_ms: Int64s
    now_ms: int
    mute: Mask | None = None
    """Meters of the grid that say nothing here, shape (M,); None = all speak."""


def evidence_at(grid: Grid, state: State, assumed: Assumptions, scene: Scene) -> Float64s:
    """Log likelihood at each branch of the span, shape (1 + 2 K J, n)."""
    rows = grid.meters(scene.span.first)
    per_meter = meter_evidence(grid, state, assumed, scene)
    branch = grid.meter_branch[rows] - scene.span.first
    found = np.zeros((len(per_meter), scene.span.size))
    if len(branch):
        starts = np.flatnonzero(np.append(True, np.diff(branch) != 0))
        found[:, branch[starts]] = np.add.reduceat(per_meter, starts, axis=1)
    _add_gateways(found, grid, state, assumed, scene)
    return found


def meter_evidence(grid: Grid, state: State, assumed: Assumptions, scene: Scene) -> Float64s:
    """Log likelihood of each meter under the span's first branch, shape (1 + 2 K J, meters)."""
    known = _known(grid, state, assumed, scene)
    regimes = len(assumed.delivery)
    found = np.empty((1 + 2 * len(scene.slots) * regimes, len(known.read)))
    found[0] = np.where(known.gasped | known.returned, known.lie, 0.0) + known.silence(known.due_by(known.until))
    found[0] += known.gap(known.meters["restored_ms"])
    dark, back = found[1:].reshape(2, len(scene.slots), regimes, len(known.read))
    next_ms = np.append(scene.bursts_ms[1:], NEVER)
    for k, (slot, burst) in enumerate(zip(scene.slots.tolist(), scene.bursts_ms.tolist(), strict=True)):
        proof = known.meters["back_ms"][:, slot]
        gasp = _gasp(known, state, assumed, burst, scene.now_ms)
        gasp += np.where(known.gasped & (known.meters["gasp_ms"] >= next_ms[k] - assumed.early_ms), -ANOTHERS, 0.0)
        gasp += known.gap(np.minimum(known.meters["restored_ms"], burst))
        dark[k] = gasp + np.where(proof > 0, np.log(assumed.contradicted), 0.0) + _silent_before(known, burst)
        back[k] = gasp + _back(known, state, burst, scene.now_ms, restoration_ms(grid, scene.span, proof))
    found[:, known.meters["excused_ms"] >= scene.now_ms] = 0.0
    if scene.mute is not None:
        found[:, scene.mute[grid.meters(scene.span.first)]] = 0.0
    return found


@dataclass(frozen=True)
class _Known:
    """What is known of the meters of a scene, whatever the burst."""

    meters: Meters
    read: Int64s
    """From when a meter's silence counts."""
    until: Int64s
    """Until when."""
    gasped: Mask
    """It gasped in or after the first burst ..."""
    returned: Mask
    """... and was restored after it."""
    before: Int64s
    """What was last heard before it was restored, if it was without a last gasp; else NEVER."""
    lie: Float64s
    mute: float

    def due_by(self, until_ms: Int64s) -> Float64s:
        """Readings due by then."""
        return due(self.read, until_ms, self.meters["interval_ms"])

    def gap(self, until_ms: Int64s) -> Float64s:
        """Log likelihood of the readings that were missed before it was restored, if supply was there until then."""
        return self.silence(due(self.before, until_ms, self.meters["interval_ms"]))

    def silence(self, missed: Float64s) -> Float64s:
        """Log of s(n)."""
        return log_silence(missed, self.meters["reading_delivery"], self.mute)


def _known(grid: Grid, state: State, assumed: Assumptions, scene: Scene) -> _Known:
    rows = grid.meters(scene.span.first)
    meters = state.meters[rows]
    oldest = np.maximum(_oldest(scene, assumed), meters["excused_ms"] + 1)
    gasped, returned = meters["gasp_ms"] >= oldest, meters["restored_ms"] > oldest - 1
    before = heard_before_return(meters)
    campaign = RESTARTS_TELL ** np.minimum(state.restarts, MOST_RESTARTS)[grid.comms.of_meter]
    return _Known(
        meters=meters,
        read=np.maximum(meters["counted_ms"], meters["excused_ms"]),
        until=heard_until(grid, state, rows, scene.now_ms),
        gasped=gasped,
        returned=returned,
        before=np.where(returned & ~gasped & (before > meters["excused_ms"]), before, NEVER),
        lie=np.log(np.minimum(lie_of(state, assumed) * (1 + 3 * meters["lies"]) * campaign[rows], 0.3)),
        mute=assumed.mute,
    )


def _gasp(known: _Known, state: State, assumed: Assumptions, burst_ms: int, now_ms: int) -> Float64s:
    """Of a last gasp, or of none, if supply was lost at the burst, shape (J, meters)."""
    meters = known.meters
    delivery = delivery_of(meters, assumed)
    answered = known.gasped & (meters["proof_ms"] > meters["gasp_ms"]) & (meters["proof_ms"] <= burst_ms)
    came = np.log(delivery) + _shape(meters["gasp_ms"] - burst_ms, assumed)
    none = np.log1p(-delivery * arrived_by(state.event_delays, now_ms - burst_ms))
    before = answered | (known.returned & ~known.gasped & (meters["restored_ms"] <= burst_ms))
    found: Float64s = np.where(known.gasped & ~answered, came, none) + np.where(before, known.lie, 0.0)
    return found


def _silent_before(known: _Known, burst_ms: int) -> Float64s:
    """Of the readings that were missing before the burst already."""
    return known.silence(known.due_by(np.minimum(burst_ms, known.until)))


def _back(known: _Known, state: State, burst_ms: int, now_ms: int, began_ms: Int64s) -> Float64s:
    """Of restoration and readings if supply was lost at the burst, and came back when it is known to have begun.

    Where nothing tells that it came back, it would have done so long ago, as most interruptions are momentary.
    """
    chance, came = restored_delivery(state), known.returned & (known.meters["restored_ms"] > burst_ms)
    began_ms = np.where(began_ms < NEVER, began_ms, burst_ms)
    waited = arrived_by(state.event_delays, now_ms - began_ms)
    restored = np.where(came, np.log(chance), np.log1p(-chance * waited))
    dark_until = np.maximum(np.minimum(began_ms, known.until), burst_ms)
    excused = known.due_by(dark_until) - known.due_by(np.minimum(burst_ms, known.until))
    found: Float64s = restored + known.silence(np.maximum(known.due_by(known.until) - excused, 0))
    return found


def heard_until(grid: Grid, state: State, rows: slice, now_ms: int) -> Int64s:
    """Up to when the silence of meters counts: while their way is known to work, and who brings it goes on."""
    way = np.minimum(state.alive_ms[grid.comms.of_meter[rows]], state.known_until_ms[rows])
    until: Int64s = np.minimum(now_ms, way) - slowest_ms(state.reading_delays)
    return until


def log_silence(missed: Float64s, delivery: Float64s, mute: float) -> Float64s:
    """Log of s(n): that none of the readings that were due came, from a meter with this delivery that is supplied."""
    lost = np.minimum(missed, 200) * np.log1p(-np.minimum(delivery, 0.98))
    found: Float64s = np.log(mute + (1 - mute) * np.exp(lost))
    return found


def due(read_ms: Int64s, until_ms: Int64s, interval_ms: Float64s) -> Float64s:
    """How many readings were due after one, in whole; none where the interval or the last reading is unknown."""
    known = (interval_ms > 0) & (read_ms > 0)
    ratio = np.divide(until_ms - read_ms, interval_ms, out=np.zeros(len(interval_ms)), where=known)
    found: Float64s = np.maximum(np.floor(ratio - JITTER), 0)
    return found


def heard_out_ms(grid: Grid, state: State, branch: int, since_ms: int) -> int:
    """When every meter under a branch should have reported since a moment, if it has supply; 0 where all have."""
    meters = state.meters[grid.meters(branch)]
    known = meters[(meters["interval_ms"] > 0) & (meters["counted_ms"] > 0) & (meters["counted_ms"] <= since_ms)]
    whole = np.floor((since_ms - known["counted_ms"]) / known["interval_ms"]) + 1 + JITTER
    by = known["counted_ms"] + whole * known["interval_ms"]
    return int(by.max()) + slowest_ms(state.reading_delays) + WAY_KNOWN_MS if len(by) else 0


def delivery_of(meters: Meters, assumed: Assumptions) -> Float64s:
    """Delivery of each meter's last gasp by regime, shape (J, meters): the regime's, times how it does among others."""
    factor = (meters["gasps"] + _FACTOR_PRIOR) / (meters["gasps_expected"] + _FACTOR_PRIOR)
    found: Float64s = np.clip(np.array(assumed.delivery)[:, None] * factor, 0.01, 0.97)
    return found


def restored_delivery(state: State) -> float:
    """Share of restorations that come through."""
    return float(np.clip(state.counts[0] / state.counts[1], 0.05, 0.97))


def lie_of(state: State, assumed: Assumptions) -> float:
    """How often a meter's event is a lie: the assumption, corrected by what became of lone last gasps."""
    lies, true = state.counts[2] + _LONE_PRIOR, state.counts[3] + _LONE_PRIOR
    return float(np.clip(assumed.lie * lies / true, assumed.lie / 5, 0.1))


def share_within(delays: Float64s, age_ms: Int64s | int) -> Float64s:
    """Share of events that arrive within an age, by what was seen."""
    edges = np.append(0.0, np.cumsum(delays) / delays.sum())
    found: Float64s = np.interp(np.maximum(age_ms, 0), DELAY_EDGES_MS, edges)
    return found


def arrived_by(delays: Float64s, age_ms: Int64s | int) -> Float64s:
    """The same as far as absence may be counted on: less in the first seconds, in which whole areas come one by one."""
    found: Float64s = share_within(delays, age_ms) * np.clip(np.divide(age_ms, YOUNG_MS), 0, 1)
    return found


def slowest_ms(delays: Float64s, share: float = 0.97) -> int:
    """Delay that all but a few stay under."""
    edges = np.append(0.0, np.cumsum(delays) / delays.sum())
    return int(np.interp(share, edges, DELAY_EDGES_MS))


def restoration_ms(grid: Grid, span: Span, back_ms: Int64s) -> Int64s:
    """When supply came back to each meter, by the nearest branch over it that knows; NEVER where none does."""
    rows = grid.meters(span.first)
    first = np.full(span.size, NEVER)
    branch = grid.meter_branch[rows] - span.first
    np.minimum.at(first, branch, np.where(back_ms > 0, back_ms, NEVER))
    for level in range(len(span.levels) - 1, 0, -1):
        earliest = np.minimum.reduceat(first[span.levels[level]], span.starts[level - 1])
        first[span.parents[level - 1]] = np.minimum(first[span.parents[level - 1]], earliest)
    own = first.copy()
    above = grid.parent[span.slice] - span.first
    for at in span.levels[1:]:
        first[at] = np.where(own[at] < NEVER, own[at], first[above[at]])
    return first[branch]


def _oldest(scene: Scene, assumed: Assumptions) -> int:
    """Last gasps before this have nothing to do with the bursts."""
    return int(scene.bursts_ms.min()) - assumed.longest_burst_ms if len(scene.bursts_ms) else NEVER


def _shape(distance_ms: Int64s, assumed: Assumptions) -> Float64s:
    """What a last gasp's distance from the burst takes off, in nats."""
    reach_ms = np.where(distance_ms < 0, assumed.early_ms, assumed.sharpness_ms)
    beyond = np.maximum(np.abs(distance_ms) / reach_ms - 1, 0)
    found: Float64s = np.maximum(-2 * beyond**2, np.log(assumed.stray_gasp))
    return found


def gateway_silence(grid: Grid, state: State, assumed: Assumptions, until_ms: int) -> Float64s:
    """Log likelihood that each relay and gateway is silent since it was last heard, if all behind it is supplied."""
    lost = messages_due(grid, state, until_ms - slowest_ms(state.reading_delays))
    found: Float64s = np.log(assumed.mute_gateway + (1 - assumed.mute_gateway) * np.exp(-lost))
    return found


def messages_due(grid: Grid, state: State, until_ms: int) -> Float64s:
    """How surely something would have come through each relay and gateway since it was last heard, in nats.

    By when each meter's next readings are due, as meters may all report at once; those that were silent before say
    nothing, and neither does what was due when it was last heard, give or take JITTER.
    """
    meters, comms = state.meters, grid.comms
    read = np.maximum(meters["counted_ms"], meters["excused_ms"])
    lost_each = -np.log1p(-np.minimum(meters["reading_delivery"], 0.98))
    known = state.known_until_ms - slowest_ms(state.reading_delays)
    due_all = due(read, np.minimum(until_ms, known), meters["interval_ms"])
    found = np.zeros(len(comms.ids))
    over, some = comms.of_meter.copy(), np.arange(len(read))
    while len(some):
        early_ms = (2 * JITTER * meters["interval_ms"][some]).astype(np.int64)
        before = due(read[some], state.alive_ms[over] + early_ms, meters["interval_ms"][some])
        counts = np.where(before < 2, np.maximum(due_all[some] - before, 0), 0)
        found += np.bincount(over, counts * lost_each[some], len(found))
        over = comms.parent[over]
        some, over = some[over >= 0], over[over >= 0]
    return found


def _add_gateways(found: Float64s, grid: Grid, state: State, assumed: Assumptions, scene: Scene) -> None:
    """What is silent as a whole, once for the topmost silent relay or gateway."""
    half = len(scene.slots) * len(assumed.delivery)
    supplied = gateway_silence(grid, state, assumed, scene.now_ms)
    parent, at = grid.comms.parent, grid.comms.supplied_at
    silent = supplied < np.log(0.5)
    for comm in np.flatnonzero(silent).tolist():
        branch = int(at[comm]) - scene.span.first
        if not 0 <= branch < scene.span.size or _silent_above(comm, parent, silent):
            continue
        if scene.mute is not None and scene.mute[grid.meters(int(at[comm]))].all():
            continue
        found[0, branch] += supplied[comm]
        found[1 + half :, branch] += supplied[comm]
        for k, burst in enumerate(scene.bursts_ms.tolist()):
            before = gateway_silence(grid, state, assumed, burst)[comm]
            found[1 + k * len(assumed.delivery) :][: len(assumed.delivery), branch] += before


def _silent_above(comm: int, parent: Int64s, silent: Mask) -> bool:
    while (comm := int(parent[comm])) >= 0:
        if silent[comm]:
            return True
    return False
