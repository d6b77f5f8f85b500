"""The life of a load: it comes on, its power is settled, it is looked at again, it goes off; a cycle finishes."""

import numpy as np

from streams.nilm.beliefs import HEATER_W, belief, choice, cluster_of, fading, join_chain, learn, note_end
from streams.nilm.home import LOADS, Home, Load
from streams.nilm.library import Library
from streams.nilm.told import Fact, Told, count_energy, relabel, tell

DIP_MS = 400_000
CLOUDED_MS = 1_800_000
"""So long after a home generated more all at once, it may generate less all at once."""
LONGEST_MS = 8 * 3_600_000


def open_load(home: Home, library: Library, told: Told, at: int, power_w: float) -> Load:
    """Something came on. With too many open, the smallest makes room."""
    if len(home.loads) >= LOADS:
        close(home, library, told, min(home.loads, key=lambda load: load.power_w), at, learnt=False)
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
        clouded=home.feeds_in and at - now.clouded_at < CLOUDED_MS,
        pulses=min(max(pulses, 0.0), 4.0),
    )
    home.loads.append(load)
    return load


def end_run(home: Home, library: Library, told: Told, at: int) -> None:
    """The mains is calm again: what was coming on is on."""
    load = home.opening
    if load is not None:
        settle(home, library, told, load, at)
        decide(home, library, told, load, at)
    now = home.now
    now.direction, now.changes, now.opening, now.fallen_w, now.closed_w = 0, 0, 0, 0.0, 0.0


def settle(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
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
    pairs = [(int(a), int(b)) for i, a in enumerate(usual) for b in usual[:i]]
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
    other = open_load(home, library, told, at, whole_w - load.power_w)
    other.start, other.chain_start, other.settled = load.start, load.start, True
    for part in (load, other):
        part.cluster = cluster_of(home, part.power_w)
    decide(home, library, told, other, at)


def guess(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    """Where a row is a minute, a load is told before its power is known; else there is time."""
    if not home.is_fast:
        decide(home, library, told, load, at)


def decide(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    """Tell what the load is, as far as is known."""
    relabel(home, told, load, choice(home, load, belief(home, load, library, at, ended=False)))
    tell(home, told, load, "on", at)


def review(home: Home, library: Library, told: Told, load: Load, at: int) -> None:
    """It is still on: is it still the same? Less often, the longer it is."""
    load.review_at = at + max(int(home.interval_s * 1_000), 15 * (at - load.chain_start) // 100)
    if load.dip_w and at - load.dip_at > DIP_MS:
        count_energy(load, home.before_at)
        load.power_w, load.dip_w = load.drawn_w, 0.0
        load.cluster = cluster_of(home, load.power_w)
    appliance = choice(home, load, belief(home, load, library, at, ended=False))
    if appliance != load.appliance:
        relabel(home, told, load, appliance)
        tell(home, told, load, "on", at)
    if at - load.start > LONGEST_MS:
        close(home, library, told, load, at, learnt=False)


def call(home: Home, told: Told, number: int, appliance: int, at: int) -> None:
    """Someone in the home says what this load is: if it is still on, it is told so, and stays so."""
    for load in home.loads:
        if load.number == number:
            load.labelled, load.confidence = True, 1.0
            relabel(home, told, load, appliance)
            tell(home, told, load, "on", at)


def close(
    home: Home, library: Library, told: Told, load: Load, at: int, learnt: bool, known_at: int | None = None
) -> None:
    """The load is off: `learnt` where its end was seen, `known_at` where that was known later only."""
    home.loads.remove(load)
    if home.now.opening == load.number:
        home.now.opening = 0
    count_energy(load, home.before_at)
    found = belief(home, load, library, at, ended=True)
    if load.labelled:
        found = np.eye(len(found))[load.appliance]
    appliance = choice(home, load, found)
    if learnt and load.settled and not load.clouded:
        learn(home, load, found, library, at)
    relabel(home, told, load, appliance)
    note_end(home, load, appliance, at, learnt)
    if appliance in library.finishing:
        _add_to_cycle(home, library.finishing.index(appliance), load)
    tell(home, told, load, "off" if learnt else "lost", at if known_at is None else known_at)


def _add_to_cycle(home: Home, place: int, load: Load) -> None:
    """A cycle begins with a heater; what a motor draws before it is too uncertain."""
    if home.cycle_start[place] or load.power_w > HEATER_W:
        home.cycle_start[place] = home.cycle_start[place] or load.start
        home.cycle_ws[place] += load.energy_ws


def finish_cycles(home: Home, library: Library, told: Told, at: int) -> None:
    """A cycle is finished when its appliance has been off for longer than it ever rests."""
    for place, k in enumerate(library.finishing):
        over = at - home.last_on[k] > library.within_ms[k] and all(load.appliance != k for load in home.loads)
        if home.cycle_start[place] and over:
            start, end, spent = int(home.cycle_start[place]), int(home.last_on[k]), float(home.cycle_ws[place])
            mean_w = spent / max((end - start) / 1_000, 1.0)
            told.facts.append(Fact(home.new_number(), 0, "cycle_finished", k, at, start, end, mean_w, spent, 1.0))
            home.cycle_start[place], home.cycle_ws[place] = 0, 0.0
