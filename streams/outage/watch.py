"""A turn: evidence in, alerts and interruptions out. Once a turn and root, never once an event.

    take evidence -> bursts -> likelihood -> messages -> findings -> life of each outage -> learn

What has settled (located, and older than any event that may still come) is followed by itself, on its own part of the
tree; to the rest its meters say nothing. So a root weighs few bursts at once, however many outages it has.
"""

from collections.abc import Sequence

import numpy as np

from schemas.alert import Alert
from schemas.arrays import Int64s
from streams.contract import Mask
from streams.outage import bursts, course, learning, planned
from streams.outage.accounts import COUNTED, finish, interruption_of
from streams.outage.arrivals import News, arrive
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import SETTLED
from streams.outage.inference import opens_of, weigh
from streams.outage.life import Ending, Outage, Phase
from streams.outage.likelihood import Scene
from streams.outage.ranking import LIKELY, Finding, findings, likelihood_at
from streams.outage.results import Interruption
from streams.outage.state import State
from streams.outage.tree import Grid

Result = Alert | Interruption

LOOKS = ((20_000, 2_000), (120_000, 5_000), (600_000, 15_000))
"""Until this age of the youngest burst, a root is looked at this often, ms; then every half minute."""
SELDOM_MS = 30_000
QUIET_EVERY_MS = 5_000
QUIET_AGAIN_MS = 15_000
"""A silence that came to nothing is weighed again after so long."""
FOLLOW_EVERY_MS = 20_000
LATEST_MS = 90_000
"""Events of a burst may arrive this much later."""
FORGET_MS = 600_000
"""A burst that came to nothing is forgotten at this age."""
SETTLED_SURE = 0.9


class OutageWatch:
    """The outages of a grid. Everything that changes is in `state`; this object only keeps what never does."""

    def __init__(self, grid: Grid, assumed: Assumptions | None = None) -> None:
        self.grid = grid
        self.assumed = assumed or Assumptions()
        self.opens = opens_of(grid, self.assumed)

    def empty(self) -> State:
        """Nothing is known yet."""
        return State.empty(self.grid, learning.first_regimes(self.assumed), learning.first_counts(self.assumed))

    def turn(self, state: State, news: News, now_ms: int) -> list[Result]:
        """Take what came, and say what changed. `now_ms`: the newest beat, ms UTC."""
        planned.excuse(self.grid, state, now_ms)
        changed = arrive(self.grid, state, news)
        if state.turned_ms:
            learning.forget(state, max(0, now_ms - state.turned_ms))
        state.turned_ms = now_ms
        touched = frozenset(self.grid.root_of[self.grid.meter_branch[changed]].tolist())
        results: list[Result] = []
        for root in range(len(self.grid.roots)):
            if root in touched or now_ms >= state.due_ms[root]:
                results += self._look(state, root, changed, now_ms)
        return results

    def lose(self, state: State, outage: Outage, now_ms: int) -> list[Result]:
        """End an outage that has no place in a grid that comes. It counts until now; what its meters said is kept, so
        that what of it goes on is told as another."""
        if outage.closed:
            return [*finish(self.grid, state, outage, self.assumed)]
        interruption = interruption_of(self.grid, state, outage, now_ms)
        alerts = course.end(self.grid, state, outage, now_ms, self.assumed)
        state.outages.remove(outage)
        return [*alerts, interruption] if outage.ending in COUNTED else [*alerts]

    def _look(self, state: State, root: int, changed: Int64s, now_ms: int) -> list[Result]:
        results = self._lost_again(state, root, now_ms)
        for outage in [one for one in state.outages if one.root == root and one.is_settled]:
            under = self.grid.meters(outage.top)
            news = np.searchsorted(changed, under.start) < np.searchsorted(changed, under.stop)
            if news or now_ms - outage.followed_ms >= FOLLOW_EVERY_MS:
                results += self._follow(state, outage, now_ms)
        settled = self._settled(state, root)
        quiet, made = self._begin_bursts(state, root, settled, now_ms)
        results += made
        settled = self._settled(state, root)
        if len(bursts.taken(state, root)):
            results += self._weigh(state, root, settled, now_ms)
            results += self._retire(state, root, now_ms)
        state.due_ms[root] = now_ms + _wait_ms(int(state.burst_ms[root].max()), quiet, now_ms)
        return results

    def _lost_again(self, state: State, root: int, now_ms: int) -> list[Result]:
        """Close at once what only waited to be sure that all is back, where a last gasp came since it seemed so: later
        than those that may be of one loss of supply, of which another device may turn out to be the cause."""
        results: list[Result] = []
        for outage in [one for one in state.outages if one.root == root and not one.closed and one.calm_ms]:
            anew = (
                state.meters["gasp_ms"][self.grid.meters(outage.branch)]
                > outage.calm_ms + self.assumed.longest_burst_ms
            )
            if anew.any():
                results += course.end(self.grid, state, outage, now_ms, self.assumed)
                results += finish(self.grid, state, outage, self.assumed) if outage.is_settled else []
        return results

    def _settled(self, state: State, root: int) -> Mask:
        """Meters whose outage is followed by itself."""
        found = np.zeros(len(state.meters), np.bool_)
        for outage in state.outages:
            if outage.root == root and outage.is_settled:
                found[self.grid.meters(outage.top)] = True
        return found

    def _begin_bursts(self, state: State, root: int, settled: Mask, now_ms: int) -> tuple[bool, list[Result]]:
        """Open bursts for what none explains; whether silence alone made one, and what making room for them said."""
        results: list[Result] = []
        known = state.burst_ms[root]
        gasps = bursts.news(self.grid, state, root, settled, now_ms, self.assumed)
        for moved, begin in bursts.clusters(gasps, known[known > 0].tolist(), self.assumed):
            if moved and moved in known:
                known[int(np.flatnonzero(known == moved)[0])] = begin
            else:
                results += self._begin(state, root, begin)
        quiet = 0
        if bursts.free_slot(state, root) >= 0 and now_ms >= state.quiet_due_ms[root]:
            quiet = bursts.returned_burst(self.grid, state, root, settled, now_ms, self.assumed)
            quiet = quiet or bursts.quiet_burst(self.grid, state, root, settled, now_ms, self.assumed)
        if quiet:
            results += self._begin(state, root, quiet)
        return quiet > 0, results

    def _begin(self, state: State, root: int, burst_ms: int) -> list[Result]:
        """A burst in a free slot, else in that of the oldest burst that came to nothing, else of the oldest."""
        results: list[Result] = []
        slot = bursts.free_slot(state, root)
        if slot < 0:
            slots = bursts.taken(state, root).tolist()
            attached = {outage.slot for outage in state.outages if outage.root == root and not outage.closed}
            slot = next((one for one in slots if one not in attached), slots[0])
            results = self._settle(state, root, slot)
        bursts.begin(self.grid, state, root, slot, burst_ms)
        return results

    def _weigh(self, state: State, root: int, settled: Mask, now_ms: int) -> list[Result]:
        """All bursts of a root together."""
        slots = bursts.taken(state, root)
        span = self.grid.span(int(self.grid.roots[root]))
        scene = Scene(span, slots, state.burst_ms[root][slots], now_ms, settled)
        marginals = weigh(self.grid, state, self.assumed, self.opens, scene)
        results: list[Result] = []
        heard: set[int] = set()
        for finding in findings(self.grid, span, marginals, self.assumed):
            results += self._hear_finding(state, root, scene, finding, heard, now_ms)
        for outage in state.outages:
            if outage.root == root and not outage.is_settled and outage.number not in heard and not outage.closed:
                burst = int(np.flatnonzero(slots == outage.slot)[0])
                if self._is_told(state, root, outage.branch, outage.start_ms, outage.number, [outage]):
                    results += self._merge(state, [outage], now_ms)
                else:
                    chances = likelihood_at(self.grid, span, marginals, burst, outage.branch)
                    results += course.fade(self.grid, state, outage, chances, now_ms, self.assumed)
        return results

    def _hear_finding(
        self, state: State, root: int, scene: Scene, finding: Finding, heard: set[int], now_ms: int
    ) -> list[Result]:
        """Tell the outage that a finding is about, the nearest first; others that are part of it end.

        One of the same device may have been raised by another burst, of the same loss of supply: it moves to this one.
        """
        slot = int(scene.slots[finding.burst])
        burst_ms = int(scene.bursts_ms[finding.burst])
        related = [
            outage
            for outage in state.outages
            if outage.root == root and outage.number not in heard
            if (outage.slot == slot and self.grid.related(outage.branch, finding.branch))
            or (self._is_near(outage, burst_ms) and not outage.closed and outage.branch == finding.branch)
        ]
        first = min((outage.number for outage in related), default=state.number + 1)
        if self._is_told(state, root, finding.branch, burst_ms, first, related):
            heard.update(outage.number for outage in related)
            return self._merge(state, related, now_ms)
        related.sort(key=lambda outage: (outage.closed, outage.branch != finding.branch, outage.number))
        if not related or (related[0].closed and finding.still >= LIKELY):
            return self._new(state, root, slot, scene, finding, heard, now_ms)
        heard.update(outage.number for outage in related)
        related[0].slot = slot
        alerts: list[Alert] = []
        if not related[0].closed:
            alerts = course.go_on(self.grid, state, related[0], finding, now_ms, self.assumed)
        return [*alerts, *self._merge(state, related[1:], now_ms)]

    def _merge(self, state: State, outages: Sequence[Outage], now_ms: int) -> list[Result]:
        """End those that another one tells already."""
        return [course.close(self.grid, state, one, Ending.MERGED, now_ms) for one in outages if not one.closed]

    def _is_told(self, state: State, root: int, branch: int, lost_ms: int, number: int, but: Sequence[Outage]) -> bool:
        """Whether another outage has a branch dark already that lost its supply at a moment: one that was raised
        before, by its number; or, of the same loss of supply, one that is located."""
        return any(
            outage.number < number or (outage.phase != Phase.PROVISIONAL and self._is_near(outage, lost_ms))
            for outage in state.outages
            if outage.root == root and not outage.closed and outage not in but
            if outage.branch <= branch < self.grid.end[outage.branch]
        )

    def _is_near(self, outage: Outage, burst_ms: int) -> bool:
        """Whether an outage that is not settled began so close to a burst that both may be of one loss of supply."""
        return not outage.is_settled and abs(outage.start_ms - burst_ms) <= self.assumed.longest_burst_ms

    def _new(
        self, state: State, root: int, slot: int, scene: Scene, finding: Finding, heard: set[int], now_ms: int
    ) -> list[Result]:
        """Raise an outage; not by silence alone, if it is over."""
        burst_ms = int(scene.bursts_ms[finding.burst])
        returned = state.meters["restored_ms"][self.grid.meters(finding.branch)] > burst_ms
        quiet = bursts.is_quiet(self.grid, state, root, slot, self.assumed) and not returned.any()
        if quiet and finding.still < self.assumed.gone:
            return []
        state.number += 1
        outage = Outage(state.number, root, slot, burst_ms, finding.branch, 0, now_ms)
        state.outages.append(outage)
        heard.add(outage.number)
        return [*course.begin(self.grid, state, outage, finding, now_ms, self.assumed)]

    def _follow(self, state: State, outage: Outage, now_ms: int) -> list[Result]:
        """A settled outage, on its own part of the tree."""
        outage.followed_ms = now_ms
        span = self.grid.span(outage.top)
        scene = Scene(span, np.array([SETTLED]), np.array([outage.burst_ms]), now_ms)
        marginals = weigh(self.grid, state, self.assumed, self.opens, scene)
        finding = next(findings(self.grid, span, marginals, self.assumed), None)
        if finding is None:
            chances = likelihood_at(self.grid, span, marginals, 0, outage.branch)
            alerts = course.fade(self.grid, state, outage, chances, now_ms, self.assumed)
        else:
            alerts = course.go_on(self.grid, state, outage, finding, now_ms, self.assumed)
        return [*alerts, *finish(self.grid, state, outage, self.assumed)] if outage.closed else [*alerts]

    def _retire(self, state: State, root: int, now_ms: int) -> list[Result]:
        """Settle or forget bursts whose time is over."""
        results: list[Result] = []
        for slot in bursts.taken(state, root).tolist():
            attached = [outage for outage in state.outages if outage.root == root and outage.slot == slot]
            lasting = [outage for outage in attached if not outage.closed]
            age_ms = now_ms - int(state.burst_ms[root, slot])
            sure = all(outage.confidence >= SETTLED_SURE for outage in lasting)
            answered = bursts.is_answered(self.grid, state, root, slot, self.assumed)
            patience = LATEST_MS if attached or answered else FORGET_MS
            if lasting:
                patience = self.assumed.settle_ms if sure else 4 * self.assumed.settle_ms
            for_nothing = not attached and bursts.is_quiet(self.grid, state, root, slot, self.assumed)
            if for_nothing:
                state.quiet_due_ms[root] = now_ms + QUIET_AGAIN_MS
            if for_nothing or age_ms >= patience:
                results += self._settle(state, root, slot)
        return results

    def _settle(self, state: State, root: int, slot: int) -> list[Result]:
        """Give a burst's slot back: what lasts is followed by itself, what is over is accounted for."""
        results: list[Result] = []
        burst_ms = int(state.burst_ms[root, slot])
        real = np.zeros(len(state.meters), np.bool_)
        for outage in [one for one in state.outages if one.root == root and one.slot == slot]:
            rows = self.grid.meters(outage.branch)
            real[rows] |= not outage.closed or outage.happened >= LIKELY
            if outage.closed:
                results += finish(self.grid, state, outage, self.assumed)
            else:
                outage.slot, outage.top = -1, outage.branch
                state.meters["back_ms"][rows, SETTLED] = state.meters["back_ms"][rows, slot]
        gasp = state.meters["gasp_ms"]
        near = np.abs(gasp - burst_ms) <= self.assumed.longest_burst_ms
        here = self.grid.root_of[self.grid.meter_branch] == root
        refuted = (state.meters["proof_ms"] > gasp) & (gasp > state.meters["excused_ms"])
        lied = np.flatnonzero(here & near & refuted & ~real)
        learning.from_lies(state, lied, self.grid.comms.of_meter[lied])
        bursts.end(self.grid, state, root, slot, self.assumed)
        return results


def _wait_ms(burst_ms: int, quiet: bool, now_ms: int) -> int:
    """Until a root is looked at again, if nothing comes."""
    if not burst_ms:
        return SELDOM_MS if quiet else QUIET_EVERY_MS
    return next((every for age, every in LOOKS if now_ms - burst_ms < age), QUIET_EVERY_MS)
