"""From changes of the mains to loads: what comes on with a rise, and which load a fall ends.

One hypothesis is kept, which is revised. A rise opens a load, further rises of the same run belong to it: that is here;
how a load goes on stands in life.py. A fall ends the load, or the pair of loads, whose power it has; one that fits none
is a dip of a load, from which it recovers or goes on lower. When the open loads together draw more than the mains, one
of them has gone unnoticed: falls.py.
"""

from math import inf

from streams.nilm.beliefs import MOST_RECOVERIES
from streams.nilm.falls import LEAST_LOAD_W, fall, fit_under, set_dip
from streams.nilm.home import NEVER, Home
from streams.nilm.library import Library
from streams.nilm.life import close, end_run, finish_cycles, guess, open_load, review
from streams.nilm.told import Told

LEAST_STEP_W = 20.0
LEAST_STEP = 0.015
SETTLE_MS = 4_000
RAMP_MS = 8_000


def look(home: Home, library: Library, told: Told, at: int, power_w: float, before_w: float) -> None:
    """One row of the mains, after the row before it."""
    drift = before_w - home.now.power_w
    step = power_w - before_w
    calm = abs(step) <= max(LEAST_STEP_W, LEAST_STEP * max(power_w, before_w))
    if calm and not (home.is_fast and at - home.now.changed_at < SETTLE_MS):
        end_run(home, library, told, at)
    if not home.feeds_in:
        _drift(home, at, drift + step if calm else drift)
    if not calm:
        home.now.changed_at = at
        (_rise if step > 0 else fall)(home, library, told, at, abs(step))
    if not home.feeds_in:
        fit_under(home, library, told, at, power_w)
    for load in list(home.loads):
        if load.number != home.now.opening and at >= load.review_at:
            review(home, library, told, load, at)
    finish_cycles(home, library, told, at)
    home.now.power_w = power_w


def begin(home: Home, library: Library, told: Told, known_at: int, power_w: float | None) -> None:
    """No data since the row before: what was on has an unknown end. The mains goes on at `power_w`, if it does."""
    for load in list(home.loads):
        close(home, library, told, load, home.before_at, learnt=False, known_at=known_at)
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


def _rise(home: Home, library: Library, told: Told, at: int, step_w: float) -> None:
    now, load = home.now, home.opening
    if now.direction == 1 and load is not None and (now.changes < 2 or at - load.start <= RAMP_MS):
        load.power_w += step_w
        now.changes += 1
        guess(home, library, told, load, at)
        return
    end_run(home, library, told, at)
    now.direction, now.changes = 1, 1
    for dipped in home.loads:
        if dipped.dip_w and abs(step_w - dipped.dip_w) < max(30.0, 0.25 * dipped.dip_w):
            dipped.recoveries = min(dipped.recoveries + 1, MOST_RECOVERIES)
            set_dip(home, told, dipped, 0.0, at)
            return
    for dipped in home.loads:
        if dipped.dip_w > step_w:
            dipped.recoveries = min(dipped.recoveries + 1, MOST_RECOVERIES)
            set_dip(home, told, dipped, dipped.dip_w - step_w, at)
            return
    if step_w > LEAST_LOAD_W:
        now.opening = open_load(home, library, told, at, step_w).number
        load = home.opening
        assert load is not None
        guess(home, library, told, load, at)
