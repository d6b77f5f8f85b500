"""What a fall of the mains ends: a load, a pair, or a part of one. And which load went off unnoticed."""

from streams.nilm.home import Home, Load
from streams.nilm.library import UNKNOWN, Library
from streams.nilm.life import CLOUDED_MS, close, end_run
from streams.nilm.told import Told, count_energy, tell

LEAST_LOAD_W = 35.0
MATCH_W = 15.0
MATCH = 0.06
WORST_MATCH = 3.0
INRUSH_MS = 6_000


def fall(home: Home, library: Library, told: Told, at: int, step_w: float) -> None:
    """The mains fell, alone or after another fall: what has their sum is off."""
    now = home.now
    if home.is_fast and _fall_of_opening(home, library, told, at, step_w):
        return
    if now.direction != -1:
        end_run(home, library, told, at)
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
            close(home, library, told, load, at, learnt=True)
        return
    _dip(home, library, told, at, now.fallen_w)


def _fall_of_opening(home: Home, library: Library, told: Told, at: int, step_w: float) -> bool:
    """At fast rates a fall right after a rise is the end of an inrush, or of a short pulse."""
    now, load = home.now, home.opening
    if load is None:
        load = next((o for o in home.loads if at - o.start <= INRUSH_MS and step_w < 0.95 * o.power_w), None)
        if load is None:
            return False
        end_run(home, library, told, at)
    elif now.direction != 1 or step_w >= 1.15 * load.power_w + 15:
        return False
    left_w = load.power_w - step_w
    if left_w < max(LEAST_LOAD_W, 0.12 * load.power_w):
        closed_w = load.power_w
        close(home, library, told, load, at, learnt=True)
        end_run(home, library, told, at)
        now.direction, now.closed_w = -1, closed_w
    else:
        load.power_w = left_w
        end_run(home, library, told, at)
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
    """The likeliest load that draws less now: one of those that are short anyway, else the smallest that can.

    None where the home may as well generate more.
    """
    if home.feeds_in and at - home.now.clouded_at < CLOUDED_MS:
        home.now.clouded_at = at
        return
    short = [library.position(name) for name in ("kettle", "microwave", "toaster")]
    able = [load for load in home.loads if load.drawn_w > 1.05 * fallen_w and fallen_w > 0.15 * load.power_w]
    if able:
        load = min(able, key=lambda load: (load.appliance not in short, load.power_w))
        load.dip_before_w, load.dip_at, load.falling = load.dip_w, at, True
        set_dip(home, told, load, load.dip_w + fallen_w, at)
    elif home.feeds_in:
        home.now.clouded_at = at


def set_dip(home: Home, told: Told, load: Load, dip_w: float, at: int) -> None:
    """The load draws so much less than its power from now on."""
    count_energy(load, home.before_at)
    load.dip_w = dip_w
    if load.appliance != UNKNOWN:
        tell(home, told, load, "on", at)


def fit_under(home: Home, library: Library, told: Told, at: int, power_w: float) -> None:
    """Open loads cannot draw more than the mains: one has fallen off slowly, or has ended."""
    while any(load.start < at for load in home.loads):
        over_w = sum(load.drawn_w for load in home.loads) - power_w
        if over_w <= max(30.0, 0.04 * power_w):
            return
        load = max(home.loads, key=lambda load: load.power_w)
        newest = max(home.loads, key=lambda load: load.start)
        if newest.drawn_w > 1.6 * over_w:
            load = newest
        if home.is_fast and over_w < 0.35 * load.drawn_w:
            count_energy(load, home.before_at)
            load.power_w -= over_w + 1
            load.drift_w = 0.0
            if load.appliance != UNKNOWN:
                tell(home, told, load, "on", at)
            continue
        earlier = [load for load in home.loads if load.start < at]
        gone = min(earlier, key=lambda load: abs(load.drawn_w - over_w))
        close(home, library, told, gone, at, learnt=False)
