"""The course of one outage: what a turn's finding, or none, makes of it; all that a turn changes is one version."""

import numpy as np

from schemas.alert import Alert
from streams.outage.accounts import ends_of, was_dark
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import heard_before_return
from streams.outage.life import Ending, Outage, Signal, hear, is_calm, signals
from streams.outage.likelihood import heard_out_ms
from streams.outage.ranking import LIKELY, Finding
from streams.outage.results import alert_of
from streams.outage.state import State
from streams.outage.tree import Grid


def begin(grid: Grid, state: State, outage: Outage, finding: Finding, now_ms: int, assumed: Assumptions) -> list[Alert]:
    """Raise it. One that is over before it was told says so if it lasted, else it is only counted."""
    _keep(grid, state, outage, finding, assumed)
    if finding.still < assumed.gone:
        hear(outage, Signal.LOCATED)
        raised = alert_of(grid, outage, now_ms)
        closed = end(grid, state, outage, now_ms, assumed)
        return [raised, *closed] if outage.ending == Ending.RESTORED else []
    for signal in signals(outage, finding, now_ms, assumed):
        hear(outage, signal)
    return [alert_of(grid, outage, now_ms)]


def go_on(grid: Grid, state: State, outage: Outage, finding: Finding, now_ms: int, assumed: Assumptions) -> list[Alert]:
    """Follow its life by a finding that is about it."""
    said = list(signals(outage, finding, now_ms, assumed))
    _keep(grid, state, outage, finding, assumed)
    if Signal.ALL_BACK in said:
        return end(grid, state, outage, now_ms, assumed)
    if not sum(hear(outage, signal) for signal in said):
        return []
    outage.version += 1
    return [alert_of(grid, outage, now_ms)]


def fade(
    grid: Grid, state: State, outage: Outage, chances: tuple[float, float], now_ms: int, assumed: Assumptions
) -> list[Alert]:
    """No finding is about it any more: it is over, or there was none. `chances`: as ranking.likelihood_at has them."""
    outage.happened, outage.still = chances
    outage.confidence = min(outage.confidence, outage.happened)
    return end(grid, state, outage, now_ms, assumed) if is_calm(outage, outage.still, now_ms, assumed) else []


def end(grid: Grid, state: State, outage: Outage, now_ms: int, assumed: Assumptions) -> list[Alert]:
    """Close it, as what it turned out to be; one that lasted is located before, as sure as one ever will be."""
    if outage.happened < LIKELY and not was_dark(grid, state, outage, assumed):
        return [close(grid, state, outage, Ending.WITHDRAWN, now_ms)]
    outage.happened = max(outage.happened, LIKELY)
    last = int(ends_of(grid, state, outage, now_ms).max())
    if last - outage.start_ms <= assumed.sustained_ms:
        return [close(grid, state, outage, Ending.MOMENTARY, last)]
    located: list[Alert] = []
    if hear(outage, Signal.LOCATED):
        outage.version += 1
        located = [alert_of(grid, outage, now_ms)]
    return [*located, close(grid, state, outage, Ending.RESTORED, last)]


def close(grid: Grid, state: State, outage: Outage, ending: Ending, end_ms: int) -> Alert:
    """Its last version."""
    hear(outage, Signal.MERGED if ending == Ending.MERGED else Signal.ALL_BACK)
    outage.ending, outage.end_ms = ending, end_ms
    outage.version += 1
    return alert_of(grid, outage, state.turned_ms)


def _keep(grid: Grid, state: State, outage: Outage, finding: Finding, assumed: Assumptions) -> None:
    outage.branch, outage.confidence = finding.branch, finding.confidence
    outage.happened, outage.still = finding.happened, finding.still
    outage.ranked, outage.dark = list(finding.ranked), list(finding.dark)
    top = min((branch for branch, _ in finding.ranked), default=finding.branch)
    outage.awaits_ms = heard_out_ms(grid, state, top, outage.calm_ms or outage.burst_ms)
    some = state.meters[grid.meters(outage.branch)]
    own = some["gasp_ms"][np.abs(some["gasp_ms"] - outage.burst_ms) <= assumed.longest_burst_ms]
    heard = np.where(some["restored_ms"] > outage.burst_ms, heard_before_return(some), some["proof_ms"])
    last = int(heard[heard <= outage.burst_ms].max(initial=0))
    if len(own):
        outage.start_ms = int(own.min())
    elif not outage.start_ms or finding.branch in finding.dark:
        outage.start_ms = (last + outage.burst_ms) // 2 if last else outage.burst_ms
