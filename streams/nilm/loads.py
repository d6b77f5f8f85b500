"""From changes of the mains to loads: what comes on with a rise, and which load a fall ends.

One hypothesis is kept, which is revised: a rise opens a load, further rises of the same run belong to it. A fall ends
the load, or the pair of loads, whose power it has; a fall that fits none is a dip of a load, from which it recovers or
goes on lower. When the open loads together draw more than the mains, one of them has gone unnoticed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

import numpy as np

from streams.nilm import energy
from streams.nilm.beliefs import HEATER_W, belief, choice, cluster_of, fading, join_chain, learn, note_end
from streams.nilm.energy import Window
from streams.nilm.home import LOADS, NEVER, Home, Load
from streams.nilm.library import UNKNOWN, Library

LEAST_STEP_W = 20.0
LEAST_STEP = 0.015
LEAST_LOAD_W = 35.0
MATCH_W = 15.0
MATCH = 0.06
WORST_MATCH = 3.0
DIP_MS = 400_000
SETTLE_MS = 4_000
RAMP_MS = 8_000
INRUSH_MS = 6_000
LONGEST_MS = 8 * 3_600_000


@dataclass(frozen=True, slots=True)
class Fact:
    """What is told about one load or cycle of a home."""

    number: int
    revision: int
    state: str
    appliance: int
    at: int
    start: int
    end: int
    power_w: float
    energy_ws: float
    confidence: float


@dataclass(slots=True)
class Told:
    """What rows of one home gave."""

    facts: list[Fact] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)


def look(home: Home, library: Library, told: Told, at: int, power_w: float, before_w: float) -> None:
    """One row of the mains, after the row before it."""
    drift = before_w - home.now.power_w
    step = power_w - before_w
    calm = abs(step) <= max(LEAST_STEP_W, LEAST_STEP * max(power_w, before_w))
    if calm and not (home.is_fast and at - home.now.changed_at < SETTLE_MS):
        _end_run(home, library, told, at)
    _drift(home, at, drift + step if calm else drift)
    if not calm:
        home.now.changed_at = at
        (_rise if step > 0 else _fall)(home, library, told, at, abs(step))
    _fit_under(home, library, told, at, power_w)
    for load in list(home.loads):
        if load.number != home.now.opening and at >= load.review_at:
            _review(home, library, told, load, at)
    _finish_cycles(home, library, told, at)
    home.now.power_w = power_w


def begin(home: Home, library: Library, told: Told, at: int, power_w: float | None) -> None:
    """No data until now: what was on has an unknown end. `power_w` is where the mains goes on, if it does."""
    for load in list(home.loads):
        _close(home, library, told, load, at, learnt=False)
    now = home.now
    now.direction, now.changes, now.opening, now.fallen_w, now.closed_w, now.changed_at = 0, 0, 0, 0.0, 0.0, NEVER
    if power_w is not None:
        now.power_w = power_w


def wake_at(home: Home, library: Library) -> int:
    """From when on a row must be looked at, whatever it says."""
    if home.now.direction or home.now.opening:
        return home.now.changed_at + SETTLE_MS if home.is_fast else 0
    reviews = [load.review_at for load in home.loads]
    cycles = [
        int(home.last_on[k] + library.within_ms[k]) + 1
        for place, k in enumerate(library.finishing)
        if home.cycle_start[place]
    ]
    return min([*reviews, *cycles], default=2**62)


def floor_w(home: Home) -> float:
    """Below which mains the open loads cannot all be on."""
    drawn_w = sum(load.drawn_w for load in home.loads)
    return min(drawn_w - 30, drawn_w / 1.04) if home.loads else -inf


def _drift(home: Home, at: int, by_w: float) -> None:
    """Slow change is put down to the newest small load for a while, else to the largest."""
    if not home.loads or not by_w:
        return
    load = max(home.loads, key=lambda load: load.power_w)
    newest = max(home.loads, key=lambda load: load.start)
    if home.is_fast and newest.power_w < 600 and at - newest.start < 900_000:
        load = newest
    if at > load.settled_at:
        load.drift_w += by_w


def _end_run(home: Home, library: Library, told: Told, at: int) -> None:
    load = home.opening
    if load is not None:
        _settle(home, library, told, load, at)
        _decide(home, library, told, load, at)
    now = home.now
    now.direction, now.changes, now.opening, now.fallen_w, now.closed_w = 0, 0, 0, 0.0, 0.0


def _rise(home: Home, library: Library, told: Told, at: int, step_w: float) -> None:
    now, load = home.now, home.opening
    if now.direction == 1 and load is not None and (now.changes < 2 or at - load.start <= RAMP_MS):
        load.power_w += step_w
        now.changes += 1
        _guess(home, library, told, load, at)
        return
    _end_run(home, library, told, at)
    now.direction, now.changes = 1, 1
    for dipped in home.loads:
        if dipped.dip_w and abs(step_w - dipped.dip_w) < max(30.0, 0.25 * dipped.dip_w):
            _set_dip(home, told, dipped, 0.0, at)
            return
    for dipped in home.loads:
        if dipped.dip_w > step_w:
            _set_dip(home, told, dipped, dipped.dip_w - step_w, at)
            return
    if step_w > LEAST_LOAD_W:
        now.opening = _open(home, library, told, at, step_w).number
        load = home.opening
        assert load is not None
        _guess(home, library, told, load, at)


def _open(home: Home, library: Library, told: Told, at: int, power_w: float) -> Load:
    if len(home.loads) >= LOADS:
        _close(home, library, told, min(home.loads, key=lambda load: load.power_w), at, learnt=False)
    now = home.now
    pulses = fading(now.pulses, now.pulses_at, at, home.weights.train_s) - 1
    load = Load(
        number=home.new_number(),
        start=at,
        chain_start=at,
        settled_at=at,
        review_at=at,
        since=home.before_at,
        power_w=power_w,
        pulses=min(max(pulses, 0.0), 4.0),
    )
    home.loads.append(load)
    return load


def _fall(home: Home, library: Library, told: Told, at: int, step_w: float) -> None:
    now = home.now
    if home.is_fast and _fall_of_opening(home, library, told, at, step_w):
        return
    if now.direction != -1:
        _end_run(home, library, told, at)
        now.direction = -1
    if step_w < 0.25 * now.closed_w:
        return
    now.fallen_w += step_w
    for load in home.loads:
        if load.falling:
            load.dip_w, load.falling = load.dip_before_w, False
    gone = _match(home, now.fallen_w)
    if gone:
        now.closed_w, now.fallen_w = sum(load.power_w for load in gone), 0.0
        for load in gone:
            _close(home, library, told, load, at, learnt=True)
        return
    _dip(home, library, told, at, now.fallen_w)


def _fall_of_opening(home: Home, library: Library, told: Told, at: int, step_w: float) -> bool:
    """At fast rates a fall right after a rise is the end of an inrush, or of a short pulse."""
    now, load = home.now, home.opening
    if load is None:
        load = next((o for o in home.loads if at - o.start <= INRUSH_MS and step_w < 0.95 * o.power_w), None)
        if load is None:
            return False
        _end_run(home, library, told, at)
    elif now.direction != 1 or step_w >= 1.15 * load.power_w + 15:
        return False
    left_w = load.power_w - step_w
    if left_w < max(LEAST_LOAD_W, 0.12 * load.power_w):
        closed_w = load.power_w
        _close(home, library, told, load, at, learnt=True)
        _end_run(home, library, told, at)
        now.direction, now.closed_w = -1, closed_w
    else:
        load.power_w = left_w
        _end_run(home, library, told, at)
    return True


def _match(home: Home, fallen_w: float) -> list[Load]:
    """The load or pair of loads that a fall ends; none if it fits none."""
    best, best_z = list[Load](), WORST_MATCH
    for load in home.loads:
        for power_w in (load.power_w, load.drawn_w, load.drawn_w + load.drift_w):
            z = abs(fallen_w - power_w) / max(MATCH_W, MATCH * power_w)
            if z < best_z:
                best, best_z = [load], z
    for i, one in enumerate(home.loads):
        for other in home.loads[:i]:
            power_w = one.drawn_w + other.drawn_w
            z = abs(fallen_w - power_w) / max(MATCH_W, MATCH * power_w) + 1.0
            if z < best_z:
                best, best_z = [one, other], z
    return best


def _dip(home: Home, library: Library, told: Told, at: int, fallen_w: float) -> None:
    """The likeliest load that draws less now: one of those that are short anyway, else the smallest that can."""
    short = [library.position(name) for name in ("kettle", "microwave", "toaster")]
    able = [load for load in home.loads if load.drawn_w > 1.05 * fallen_w and fallen_w > 0.15 * load.power_w]
    if able:
        load = min(able, key=lambda load: (load.appliance not in short, load.power_w))
        load.dip_before_w, load.dip_at, load.falling = load.dip_w, at, True
        _set_dip(home, told, load, load.dip_w + fallen_w, at)


def _set_dip(home: Home, told: Told, load: Load, dip_w: float, at: int) -> None:
    _count(load, home.before_at)
    load.dip_w = dip_w
    if load.appliance != UNKNOWN:
        _tell(home, told, load, "on", at)


def _fit_under(home: Home, library: Library, told: Told, at: int, power_w: float) -> None:
    """Open loads cannot draw more than the mains: one has fallen off slowly, or has ended."""
    while home.loads:
        over_w = sum(load.drawn_w for load in home.loads) - power_w
        if over_w <= max(30.0, 0.04 * power_w):
            return
        load = max(home.loads, key=lambda load: load.power_w)
        newest = max(home.loads, key=lambda load: load.start)
        if newest.drawn_w > 1.6 * over_w:
            load = newest
        if home.is_fast and over_w < 0.35 * load.drawn_w:
            _count(load, home.before_at)
            load.power_w -= over_w + 1
            load.drift_w = 0.0
            if load.appliance != UNKNOWN:
                _tell(home, told, load, "on", at)
            continue
        gone = min(home.loads, key=lambda load: abs(load.drawn_w - over_w))
        _close(home, library, told, gone, at, learnt=False)


def _settle(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    """The load's power is known now: find its cluster and chain; two that came on together are told apart."""
    if load.settled:
        return
    load.settled, load.settled_at, load.review_at = True, at, at
    load.cluster = cluster_of(home, load.power_w)
    join_chain(home, load)
    if not home.is_fast and load.power_w > 2_500:
        _split(home, library, told, load, at)


def _split(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    """One load of no cluster's power, but of two clusters' together, is two."""
    counts, power_w = home.clusters.counts.sum(axis=1), home.clusters.power_w
    if (load.cluster >= 0 and counts[load.cluster] > 2) or len(home.loads) >= LOADS:
        return
    usual = np.flatnonzero((counts > 2) & (power_w > 500))
    pairs = [(int(a), int(b)) for i, a in enumerate(usual) for b in usual[: i + 1]]
    misfit = [
        (
            abs(power_w[a] + power_w[b] - load.power_w) / (0.04 * load.power_w) - 0.02 * np.log(counts[a] * counts[b]),
            a,
            b,
        )
        for a, b in pairs
    ]
    best, a, b = min(misfit, default=(1.0, 0, 0))
    if best >= 1.0:
        return
    larger, smaller = max(power_w[a], power_w[b]), min(power_w[a], power_w[b])
    whole_w = load.power_w
    load.power_w = float(whole_w * larger / (larger + smaller))
    other = _open(home, library, told, at, whole_w - load.power_w)
    other.start, other.chain_start, other.settled = load.start, load.start, True
    for part in (load, other):
        part.cluster = cluster_of(home, part.power_w)
    _decide(home, library, told, other, at)


def _guess(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    """Where a row is a minute, a load is told before its power is known; else there is time."""
    if not home.is_fast:
        _decide(home, library, told, load, at)


def _review(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    load.review_at = at + max(int(home.interval_s * 1_000), 15 * (at - load.chain_start) // 100)
    if load.dip_w and at - load.dip_at > DIP_MS:
        _count(load, home.before_at)
        load.power_w, load.dip_w = load.drawn_w, 0.0
        load.cluster = cluster_of(home, load.power_w)
    appliance = choice(home, load, belief(home, load, library, at, ended=False))
    if appliance != load.appliance:
        _relabel(home, told, load, appliance)
        _tell(home, told, load, "on", at)
    if at - load.start > LONGEST_MS:
        _close(home, library, told, load, at, learnt=False)


def _decide(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    _relabel(home, told, load, choice(home, load, belief(home, load, library, at, ended=False)))
    _tell(home, told, load, "on", at)


def _relabel(home: Home, told: Told, load: Load, appliance: int) -> None:
    """Its energy so far goes with it."""
    if appliance != load.appliance:
        begin = load.start - int(home.interval_s * 1_000)  # a reading stands for the stretch before it
        told.windows += energy.move(home.quarters, load.appliance, appliance, begin, home.before_at, load.power_w)
        load.appliance = appliance


def _close(home: Home, library: Library, told: Told, load: Load, at: int, learnt: bool) -> None:
    """The load is off: `learnt` where its end was seen."""
    home.loads.remove(load)
    if home.now.opening == load.number:
        home.now.opening = 0
    _count(load, home.before_at)
    found = belief(home, load, library, at, ended=True)
    appliance = choice(home, load, found)
    if learnt and load.settled:
        learn(home, load, found, library, at)
    _relabel(home, told, load, appliance)
    note_end(home, load, appliance, at, learnt)
    if appliance in library.finishing:
        _add_to_cycle(home, library.finishing.index(appliance), load)
    _tell(home, told, load, "off" if learnt else "lost", at)


def _add_to_cycle(home: Home, place: int, load: Load) -> None:
    """A cycle begins with a heater; what a motor draws before it is too uncertain."""
    if home.cycle_start[place] or load.power_w > HEATER_W:
        home.cycle_start[place] = home.cycle_start[place] or load.start
        home.cycle_ws[place] += load.energy_ws


def _finish_cycles(home: Home, library: Library, told: Told, at: int) -> None:
    """A cycle is finished when its appliance has been off for longer than it ever rests."""
    for place, k in enumerate(library.finishing):
        over = at - home.last_on[k] > library.within_ms[k] and all(load.appliance != k for load in home.loads)
        if home.cycle_start[place] and over:
            start, end, spent = int(home.cycle_start[place]), int(home.last_on[k]), float(home.cycle_ws[place])
            mean_w = spent / max((end - start) / 1_000, 1.0)
            told.facts.append(Fact(home.new_number(), 0, "cycle_finished", k, at, start, end, mean_w, spent, 1.0))
            home.cycle_start[place], home.cycle_ws[place] = 0, 0.0


def _count(load: Load, until: int) -> None:
    load.energy_ws += load.drawn_w * max(until - load.since, 0) / 1_000
    load.since = max(until, load.since)


def _tell(home: Home, told: Told, load: Load, state: str, at: int) -> None:
    """Only what is, or was told as, an appliance is told."""
    if load.appliance == UNKNOWN and load.revision < 0:
        return
    load.revision += 1
    if load.appliance == UNKNOWN:
        state = "withdrawn"
    end = 0 if state == "on" or (state == "withdrawn" and load in home.loads) else home.before_at
    told.facts.append(
        Fact(
            load.number,
            load.revision,
            state,
            load.appliance,
            at,
            load.start,
            end,
            load.drawn_w if not end else load.power_w,
            load.energy_ws,
            load.confidence,
        )
    )


def level(home: Home) -> Iterator[tuple[int, float]]:
    """What each load of a known appliance draws, W."""
    return ((load.appliance, load.drawn_w) for load in home.loads if load.appliance != UNKNOWN)
