"""A turn: evidence in, alerts and interruptions out. Once a turn and root, never once an event.

    take evidence -> bursts -> likelihood -> messages -> findings -> life of each outage -> learn

What has settled (located, and older than any event that may still come) is followed by itself, on its own part of the
tree; to the rest its meters say nothing. So a root weighs few bursts at once, however many outages it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.alert import Alert
from schemas.blocks import Int64s
from streams.contract import Mask
from streams.outage import bursts, learning, planned
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import SETTLED, Evidence, Kind, is_new, note_proofs, settled_times, take
from streams.outage.life import Ending, Outage, Signal, hear, is_calm, signals
from streams.outage.likelihood import NEVER, Scene, evidence_at, messages_due, restoration_ms, slowest_ms
from streams.outage.loads import load_evidence, note_load
from streams.outage.messages import Marginals, Priors, infer
from streams.outage.ranking import LIKELY, Finding, findings, likelihood_at
from streams.outage.results import Interruption, alert_of, outage_id
from streams.outage.state import State
from streams.outage.tree import Grid, Span

Result = Alert | Interruption

LOOKS = ((20_000, 2_000), (120_000, 5_000), (600_000, 15_000))
"""Until this age of the youngest burst, a root is looked at this often, ms; then every half minute."""
SELDOM_MS = 30_000
QUIET_EVERY_MS = 5_000
FOLLOW_EVERY_MS = 20_000
LATEST_MS = 90_000
"""Events of a burst may arrive this much later."""
FORGET_MS = 600_000
"""A burst that came to nothing is forgotten at this age."""
SETTLED_SURE = 0.9
SHORT_GAP_MS = 5_000
SURELY_LOST = 9.0
"""Nats of silence after which a relay or gateway has failed: by chance once in 10,000 times."""


@dataclass(frozen=True)
class Load:
    """Power measured over all that hangs under a branch."""

    branch: int
    at: int
    watts: float


@dataclass(frozen=True)
class Window:
    """Planned work: a branch, or a gateway, and when; -1 = not that."""

    branch: int
    comm: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True)
class News:
    """All that a turn brings."""

    evidence: Evidence
    loads: Sequence[Load] = field(default_factory=tuple)
    planned: Sequence[Window] = field(default_factory=tuple)


class OutageWatch:
    """The outages of a grid. Everything that changes is in `state`; this object only keeps what never does."""

    def __init__(self, grid: Grid, assumed: Assumptions | None = None) -> None:
        self.grid = grid
        self.assumed = assumed or Assumptions()
        self.opens = np.array([sum(self.assumed.opens[kind] for kind in kinds) for kinds in grid.kinds])

    def empty(self) -> State:
        """Nothing is known yet."""
        return State.empty(self.grid, learning.first_regimes(self.assumed), learning.first_counts(self.assumed))

    def turn(self, state: State, news: News, now_ms: int) -> list[Result]:
        """Take what came, and say what changed. `now_ms`: the newest beat, ms UTC."""
        changed = self._take(state, news)
        if state.turned_ms:
            learning.forget(state, max(0, now_ms - state.turned_ms))
        state.turned_ms = now_ms
        planned.excuse(self.grid, state, now_ms)
        touched = frozenset(self.grid.root_of[self.grid.meter_branch[changed]].tolist())
        results: list[Result] = []
        for root in range(len(self.grid.roots)):
            if root in touched or now_ms >= state.due_ms[root]:
                results += self._look(state, root, changed, now_ms)
        return results

    def ongoing(self, state: State, now_ms: int) -> list[Interruption]:
        """Interruptions that are not over, as if they ended now."""
        lasting = [outage for outage in state.outages if outage.happened >= LIKELY]
        return [self._interruption(state, outage, now_ms) for outage in lasting]

    def _take(self, state: State, news: News) -> Int64s:
        """Keep what came; the meters whose supply it says something new of."""
        evidence = news.evidence
        delay, events = evidence.received_at - settled_times(evidence), evidence.kind >= Kind.RESTORED
        new = is_new(state.meters, evidence)
        learning.note_delays(state.event_delays, delay[events & new])
        learning.note_delays(state.reading_delays, delay[~events & new])
        changed = take(state.meters, evidence)
        self._note_alive(state, evidence)
        for load in news.loads:
            note_load(state, load.branch, load.at, load.watts)
        for window in news.planned:
            planned.plan(state, window.branch, window.comm, window.from_ms, window.to_ms)
        return changed

    def _note_alive(self, state: State, evidence: Evidence) -> None:
        comms = self.grid.comms
        if len(evidence.meter):
            heard = np.zeros(len(comms.ids), np.int64)
            np.maximum.at(heard, comms.of_meter[evidence.meter], evidence.received_at)
            for comm in range(len(heard) - 1, 0, -1):
                heard[comms.parent[comm]] = max(heard[comms.parent[comm]], heard[comm])
            self._excuse_gaps(state, heard)
            np.maximum(state.alive_ms, heard, out=state.alive_ms)

    def _excuse_gaps(self, state: State, heard_ms: Int64s) -> None:
        """A relay or gateway that is back after a failure: what it did not bring meanwhile is nobody's silence."""
        back = np.flatnonzero((state.alive_ms > 0) & (heard_ms > state.alive_ms + SHORT_GAP_MS))
        if not len(back):
            return
        lost = messages_due(self.grid, state, int(heard_ms.max()) - slowest_ms(state.reading_delays))
        for comm in back[lost[back] > SURELY_LOST].tolist():
            rows = planned.under(self.grid, comm)[self.grid.comms.of_meter]
            rows &= state.meters["counted_ms"] <= state.alive_ms[comm]
            state.meters["counted_ms"][rows] += heard_ms[comm] - state.alive_ms[comm]

    def _look(self, state: State, root: int, changed: Int64s, now_ms: int) -> list[Result]:
        results: list[Result] = []
        for outage in [one for one in state.outages if one.root == root and one.slot < 0]:
            under = self.grid.meters(outage.top)
            news = np.searchsorted(changed, under.start) < np.searchsorted(changed, under.stop)
            if news or now_ms - outage.followed_ms >= FOLLOW_EVERY_MS:
                results += self._follow(state, outage, now_ms)
        settled = self._settled(state, root)
        quiet = self._begin_bursts(state, root, settled, now_ms)
        if len(bursts.taken(state, root)):
            results += self._weigh(state, root, settled, now_ms)
            results += self._retire(state, root, now_ms)
        state.due_ms[root] = now_ms + _wait_ms(int(state.burst_ms[root].max()), quiet, now_ms)
        return results

    def _settled(self, state: State, root: int) -> Mask:
        """Meters whose outage is followed by itself."""
        found = np.zeros(len(state.meters), np.bool_)
        for outage in state.outages:
            if outage.root == root and outage.slot < 0 and not outage.closed:
                found[self.grid.meters(outage.top)] = True
        return found

    def _begin_bursts(self, state: State, root: int, settled: Mask, now_ms: int) -> bool:
        """Open bursts for what no burst explains; whether silence alone made one."""
        known = state.burst_ms[root]
        gasps = bursts.news(self.grid, state, root, settled, now_ms)
        for moved, begin in bursts.clusters(gasps, known[known > 0].tolist(), self.assumed):
            if moved:
                known[int(np.flatnonzero(known == moved)[0])] = begin
            else:
                self._begin(state, root, begin)
        quiet = 0
        if bursts.free_slot(state, root) >= 0:
            quiet = bursts.quiet_burst(self.grid, state, root, settled, now_ms, self.assumed)
        if quiet:
            self._begin(state, root, quiet)
        return quiet > 0

    def _begin(self, state: State, root: int, burst_ms: int) -> None:
        slot = bursts.free_slot(state, root)
        if slot < 0:
            slots = bursts.taken(state, root).tolist()
            attached = {outage.slot for outage in state.outages if outage.root == root and not outage.closed}
            slot = next((one for one in slots if one not in attached), slots[0])
            self._settle(state, root, slot)
        bursts.begin(self.grid, state, root, slot, burst_ms)

    def _marginals(self, state: State, scene: Scene) -> Marginals:
        rows = self.grid.meters(scene.span.first)
        for slot, burst in zip(scene.slots.tolist(), scene.bursts_ms.tolist(), strict=True):
            note_proofs(state.meters, rows, slot, burst, self.assumed.proof_margin_ms)
        local = evidence_at(self.grid, state, self.assumed, scene)
        return infer(scene.span, self._priors(state, scene), local)

    def _priors(self, state: State, scene: Scene) -> Priors:
        """Of each device and burst: that it opened, split by how likely it is to be closed again by now."""
        assumed, bursts_ms = self.assumed, scene.bursts_ms
        age_ms = np.maximum(scene.now_ms - bursts_ms, 0)[:, None]
        momentary = state.counts[learning.MOMENTARY] / state.counts[learning.INTERRUPTIONS]
        lasts = momentary * np.exp(-age_ms / assumed.momentary_ms)
        lasts = lasts + (1 - momentary) * np.exp(-age_ms / assumed.repair_ms)
        loads = load_evidence(self.grid, state, scene.span, bursts_ms.tolist())
        opens = np.minimum(self.opens[scene.span.slice] * np.exp(loads), 0.4 / len(bursts_ms))
        regimes = state.regimes / state.regimes.sum()
        return Priors(opens * lasts, opens * (1 - lasts), assumed.nested, regimes, assumed.regime_switching)

    def _weigh(self, state: State, root: int, settled: Mask, now_ms: int) -> list[Result]:
        """All bursts of a root together."""
        slots = bursts.taken(state, root)
        span = self.grid.span(int(self.grid.roots[root]))
        scene = Scene(span, slots, state.burst_ms[root][slots], now_ms, settled)
        marginals = self._marginals(state, scene)
        results: list[Result] = []
        heard: set[int] = set()
        for finding in findings(self.grid, span, marginals, self.assumed):
            results += self._hear_finding(state, root, scene, finding, heard, now_ms)
        for outage in state.outages:
            if outage.root == root and outage.slot >= 0 and outage.number not in heard and not outage.closed:
                burst = int(np.flatnonzero(slots == outage.slot)[0])
                results += self._hear_nothing(state, outage, span, marginals, burst, now_ms)
        return results

    def _hear_finding(
        self, state: State, root: int, scene: Scene, finding: Finding, heard: set[int], now_ms: int
    ) -> list[Result]:
        """Tell the outage that a finding is about, the nearest first; others that are part of it end."""
        slot = int(scene.slots[finding.burst])
        related = [
            outage
            for outage in state.outages
            if outage.root == root and outage.slot == slot and outage.number not in heard
            if self.grid.related(outage.branch, finding.branch)
        ]
        if not related and self._known(state, root, finding):
            return []
        related.sort(key=lambda outage: (outage.closed, outage.branch != finding.branch, outage.number))
        if not related or (related[0].closed and finding.still >= LIKELY):
            return self._new(state, root, slot, scene, finding, heard, now_ms)
        heard.update(outage.number for outage in related)
        results = [] if related[0].closed else self._hear(state, related[0], finding, now_ms)
        for other in related[1:]:
            if not other.closed:
                results += self._close(state, other, Ending.MERGED, now_ms)
        return results

    def _known(self, state: State, root: int, finding: Finding) -> bool:
        """Whether an outage of another burst has the branch dark already."""
        return any(
            outage.root == root and not outage.closed and outage.branch <= finding.branch < self.grid.end[outage.branch]
            for outage in state.outages
        )

    def _new(
        self, state: State, root: int, slot: int, scene: Scene, finding: Finding, heard: set[int], now_ms: int
    ) -> list[Result]:
        """Raise an outage. One that is over before it was told is counted only; by silence alone nothing is."""
        burst_ms = int(scene.bursts_ms[finding.burst])
        over = finding.still < self.assumed.gone
        if over and self._quiet(state, root, slot):
            return []
        state.number += 1
        outage = Outage(state.number, root, slot, burst_ms, finding.branch, 0, now_ms)
        state.outages.append(outage)
        heard.add(outage.number)
        self._keep(state, outage, finding)
        if over:
            self._over(state, outage, now_ms)
            return []
        for signal in signals(outage, finding, now_ms, self.assumed):
            hear(outage, signal)
        return [alert_of(self.grid, outage, now_ms)]

    def _quiet(self, state: State, root: int, slot: int) -> bool:
        """Whether no last gasp belongs to a burst: silence alone made it."""
        gasps = state.meters["gasp_ms"][self.grid.meters(int(self.grid.roots[root]))]
        return not (np.abs(gasps - state.burst_ms[root, slot]) <= self.assumed.longest_burst_ms).any()

    def _hear(self, state: State, outage: Outage, finding: Finding, now_ms: int) -> list[Result]:
        """Follow its life; all that a turn changes is one version."""
        said = list(signals(outage, finding, now_ms, self.assumed))
        self._keep(state, outage, finding)
        if Signal.ALL_BACK in said:
            return self._over(state, outage, now_ms)
        if not sum(hear(outage, signal) for signal in said):
            return []
        outage.version += 1
        return [alert_of(self.grid, outage, now_ms)]

    def _keep(self, state: State, outage: Outage, finding: Finding) -> None:
        outage.branch, outage.confidence = finding.branch, finding.confidence
        outage.happened, outage.still = finding.happened, finding.still
        outage.ranked, outage.dark = list(finding.ranked), list(finding.dark)
        some = state.meters[self.grid.meters(outage.branch)]
        own = some["gasp_ms"][np.abs(some["gasp_ms"] - outage.burst_ms) <= self.assumed.longest_burst_ms]
        heard = some["proof_ms"][some["proof_ms"] <= outage.burst_ms]
        if len(own):
            outage.start_ms = int(own.min())
        elif not outage.start_ms or finding.branch in finding.dark:
            outage.start_ms = int(heard.max(initial=0)) or outage.burst_ms

    def _hear_nothing(
        self, state: State, outage: Outage, span: Span, marginals: Marginals, burst: int, now_ms: int
    ) -> list[Result]:
        """No finding is about an outage any more: it is over, or there was none."""
        outage.happened, outage.still = likelihood_at(self.grid, span, marginals, burst, outage.branch)
        return self._over(state, outage, now_ms) if is_calm(outage, outage.still, now_ms, self.assumed) else []

    def _follow(self, state: State, outage: Outage, now_ms: int) -> list[Result]:
        """A settled outage, on its own part of the tree."""
        outage.followed_ms = now_ms
        span = self.grid.span(outage.top)
        marginals = self._marginals(state, Scene(span, np.array([SETTLED]), np.array([outage.burst_ms]), now_ms))
        finding = next(findings(self.grid, span, marginals, self.assumed), None)
        if finding is None:
            results = self._hear_nothing(state, outage, span, marginals, 0, now_ms)
        else:
            results = self._hear(state, outage, finding, now_ms)
        if outage.closed:
            results += self._finish(state, outage)
        return results

    def _over(self, state: State, outage: Outage, now_ms: int) -> list[Result]:
        """Close it, as what it turned out to be."""
        if outage.happened < LIKELY and not self._was_dark(state, outage):
            return self._close(state, outage, Ending.WITHDRAWN, now_ms)
        outage.happened = max(outage.happened, LIKELY)
        ends = self._ends(state, outage, now_ms)
        last = int(ends.max())
        lasted = last - outage.start_ms > self.assumed.sustained_ms
        return self._close(state, outage, Ending.RESTORED if lasted else Ending.MOMENTARY, last)

    def _was_dark(self, state: State, outage: Outage) -> bool:
        """Whether a meter told that its supply came back after longer than a restart takes."""
        some = state.meters[self.grid.meters(outage.branch)]
        gasped = np.abs(some["gasp_ms"] - outage.burst_ms) <= self.assumed.longest_burst_ms
        return bool((gasped & (some["restored_ms"] - some["gasp_ms"] > self.assumed.sustained_ms)).any())

    def _close(self, state: State, outage: Outage, ending: Ending, end_ms: int) -> list[Result]:
        hear(outage, Signal.MERGED if ending == Ending.MERGED else Signal.ALL_BACK)
        outage.ending, outage.end_ms = ending, end_ms
        outage.version += 1
        return [alert_of(self.grid, outage, state.turned_ms)]

    def _ends(self, state: State, outage: Outage, now_ms: int) -> Int64s:
        """When supply came back to each meter under the outage: by its restoration, else by those nearest to it."""
        rows, span = self.grid.meters(outage.branch), self.grid.span(outage.branch)
        meters = state.meters[rows]
        slot = outage.slot if outage.slot >= 0 else SETTLED
        told = np.where(meters["restored_ms"] > outage.start_ms, meters["restored_ms"], 0)
        by_told = restoration_ms(self.grid, span, told)
        by_proof = restoration_ms(self.grid, span, meters["back_ms"][:, slot])
        own = meters["back_ms"][:, slot]
        ends = np.where(told > 0, told, np.where(by_told < NEVER, by_told, by_proof))
        ends = np.where(own > 0, np.minimum(ends, own), ends)
        return np.clip(ends, outage.start_ms, now_ms)

    def _interruption(self, state: State, outage: Outage, now_ms: int) -> Interruption:
        rows = self.grid.meters(outage.branch)
        points, first = np.unique(self.grid.usage_point_of[rows], return_index=True)
        ends = self._ends(state, outage, now_ms)[first]
        if not outage.closed:
            dark = np.zeros(len(state.meters), np.bool_)
            for branch in outage.dark or [outage.branch]:
                dark[self.grid.meters(branch)] = True
            ends = np.where(dark[rows][first], now_ms, ends)
        return Interruption(
            outage=outage_id(self.grid, outage),
            device=self.grid.device(outage.branch),
            feeder=self.grid.feeder_of[outage.branch],
            start_ms=outage.start_ms,
            usage_points=[self.grid.usage_points[point] for point in points.tolist()],
            end_ms=ends,
        )

    def _retire(self, state: State, root: int, now_ms: int) -> list[Result]:
        """Settle or forget bursts whose time is over."""
        results: list[Result] = []
        for slot in bursts.taken(state, root).tolist():
            attached = [outage for outage in state.outages if outage.root == root and outage.slot == slot]
            lasting = [outage for outage in attached if not outage.closed]
            age_ms = now_ms - int(state.burst_ms[root, slot])
            sure = all(outage.confidence >= SETTLED_SURE for outage in lasting)
            patience = LATEST_MS if attached or self._answered(state, root, slot) else FORGET_MS
            if lasting:
                patience = self.assumed.settle_ms if sure else 4 * self.assumed.settle_ms
            if age_ms >= patience or (not attached and self._quiet(state, root, slot)):
                results += self._settle(state, root, slot)
        return results

    def _answered(self, state: State, root: int, slot: int) -> bool:
        """Whether every meter that gasped in a burst has shown since that it has supply."""
        some = state.meters[self.grid.meters(int(self.grid.roots[root]))]
        near = np.abs(some["gasp_ms"] - state.burst_ms[root, slot]) <= self.assumed.longest_burst_ms
        return bool((some["proof_ms"] > some["gasp_ms"])[near].all())

    def _settle(self, state: State, root: int, slot: int) -> list[Result]:
        """Give a burst's slot back: what lasts is followed by itself, what is over is accounted for."""
        results: list[Result] = []
        burst_ms = int(state.burst_ms[root, slot])
        real = np.zeros(len(state.meters), np.bool_)
        for outage in [one for one in state.outages if one.root == root and one.slot == slot]:
            rows = self.grid.meters(outage.branch)
            real[rows] |= not outage.closed or outage.happened >= LIKELY
            if outage.closed:
                results += self._finish(state, outage)
            else:
                outage.slot, outage.top = -1, outage.branch
                state.meters["back_ms"][rows, SETTLED] = state.meters["back_ms"][rows, slot]
        near = np.abs(state.meters["gasp_ms"] - burst_ms) <= self.assumed.longest_burst_ms
        here = self.grid.root_of[self.grid.meter_branch] == root
        refuted = state.meters["proof_ms"] > state.meters["gasp_ms"]
        learning.from_lies(state, np.flatnonzero(here & near & refuted & ~real))
        bursts.end(self.grid, state, root, slot, self.assumed)
        return results

    def _finish(self, state: State, outage: Outage) -> list[Result]:
        """Account for an outage that is over, learn from it, and forget it."""
        state.outages.remove(outage)
        if outage.ending not in (Ending.MOMENTARY, Ending.RESTORED):
            return []
        rows = self.grid.meters(outage.branch)
        interruption = self._interruption(state, outage, outage.end_ms)
        learning.from_outage(state, rows, outage.burst_ms, outage.ending == Ending.MOMENTARY, self.assumed)
        some = state.meters[rows]
        told = np.where(some["gasp_ms"] <= outage.end_ms, some["gasp_ms"], 0)
        told = np.maximum(told, np.where(some["gasp_ms"] < some["restored_ms"], some["restored_ms"], 0))
        some["excused_ms"] = np.maximum(some["excused_ms"], np.maximum(told, outage.start_ms))
        some["counted_ms"] = np.maximum(some["counted_ms"], outage.end_ms)
        return [interruption]


def _wait_ms(burst_ms: int, quiet: bool, now_ms: int) -> int:
    """Until a root is looked at again, if nothing comes."""
    if not burst_ms:
        return SELDOM_MS if quiet else QUIET_EVERY_MS
    return next((every for age, every in LOOKS if now_ms - burst_ms < age), QUIET_EVERY_MS)
