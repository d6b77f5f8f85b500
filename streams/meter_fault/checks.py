"""What is wrong with a meter, hour by hour: each check says of n meters which are suspicious, and by which figures.

A check learns what is usual for the meter while nothing is suspicious, and says nothing while it is learning: a week,
but a day for the clock, and for a phase until it had voltage. Hours are those with readings; a fault is told only when
its check has been suspicious for some hours on end (operator.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Kind, Quantity
from schemas.durations import HOUR_MS
from streams.active_power import directed, signed_sum
from streams.contract import Mask, State
from streams.meter_fault import days
from streams.meter_fault.days import Day
from streams.meter_fault.life import Finding
from streams.periods import NONE_HIGH

DAY_HOURS = 24
LEARNING_HOURS = 168
NOMINAL_V = 230.0
"""EN 50160, 4.2.2.1: nominal voltage between phase and neutral."""
DAYS_REMEMBERED = 28
FORGETTING = 0.9997
"""Of the longest pause, an hour: half is forgotten in three months."""
ALIKE = 0.35
"""Two factors are the same if their logarithms are so close."""
SOME_STEPS = 10
"""A register is expected to have moved when at least so many of its steps were used; hours count in which at least so
many of the catalogue's were, for below its starting current a meter counts nothing (IEC 62053-21, 8.3)."""
UNKNOWN_STEP = 1_000
"""What a register counts in that has not moved yet, in steps of the catalogue: 1 kWh."""
EARLY_MS = 120_000
"""No delay makes rows come before their time; so much is left to the bridge's clock."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is suspicious: lower finds more, sooner, and is wrong more often."""

    pause_factor: float = 2.5
    """A register that rests so many times longer than ever, and at least two days."""
    still_factor: float = 4.0
    """A gauge that stays the same so many times longer than ever, and at least half a day."""
    reversed_share: float = 0.01
    """A phase feeds in that did so in at most this share of the hours before."""
    sigmas: float = 4.0
    """A day's load is so many standard deviations off the meter's days (of the logarithm); lasting shifts: twice as
    many, summed over days ..."""
    factor: float = 1.7
    """... and by at least this factor."""
    clock_intervals: float = 7.0
    """The clock is behind by so many reporting intervals, and at least two minutes: more than rows may come out of
    order (profiles.yaml), or a delay were taken for a wrong clock. Where rows come before their time, two minutes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the q quantities of a profile stand."""

    register: int | None
    steps_per_unit: Float64s
    voltages: tuple[int, ...]
    flows: Int64s
    """The active powers that have a direction of their own, phases or the whole, as signs of the quantities that make
    each, shape (k, q)."""
    gauges: Mask
    """Those that vary as long as they are alive, shape (q,)."""
    zero_counts: Mask
    """Those for which 0 is a value like any other, shape (q,)."""

    @classmethod
    def of(cls, quantities: tuple[Quantity, ...], register: int | None, steps_per_unit: Float64s) -> "Layout":
        """The layout of these quantities; `register` counts the load."""
        names = [quantity.name for quantity in quantities]
        voltages = tuple(i for i, name in enumerate(names) if name in {"voltage_l1_v", "voltage_l2_v", "voltage_l3_v"})
        alive = [
            quantity.kind is Kind.GAUGE and quantity.unit in {"W", "V", "A", "°C", "m3/h"} for quantity in quantities
        ]
        zero_counts = [quantity.unit in {"V", "°C"} for quantity in quantities]
        return cls(register, steps_per_unit, voltages, directed(quantities), np.array(alive), np.array(zero_counts))


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of each of n meters."""

    id: Int64s
    """Hours since 1970, shape (n,)."""
    delay_ms: Int64s
    interval_ms: Int64s
    means: Float64s
    """In the quantity's unit, NaN where not measured, shape (n, q)."""
    low: Int64s
    high: Int64s
    """In steps, shape (n, q)."""
    load: Float64s
    """Mean load, NaN if unknown, shape (n,)."""
    register_steps: Int64s
    """The step of the load's register in those of the catalogue, 0 if unknown, shape (n,)."""


def dtype(q: int, flows: int) -> np.dtype[Any]:
    """What the checks know of a meter of q quantities, by which so many flows of power are told."""
    return np.dtype(
        [
            ("hours", "i8"),
            ("register", "i8"),
            ("pause", "i4"),
            ("longest_pause", "f8"),
            ("uncounted", "f8"),
            ("last", "i8", (q,)),
            ("still", "i4", (q,)),
            ("longest_still", "f8", (q,)),
            ("fed_in", "f4", (DAY_HOURS, flows)),
            ("strange_days", "i4", (flows,)),
            ("strange_day", "i8", (flows,)),
            ("lit", "?", (q,)),
            ("delay_ms", "f8"),
            ("arrived", "i8"),
            ("live_hours", "i4"),
            ("days", days.DTYPE),
        ]
    )


def stuck_register(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """The register stands still although power flows; or, without a power, longer than it ever did."""
    nothing = np.zeros(len(state))
    if layout.register is None:
        return Finding(nothing > 0, nothing, nothing)
    high = hour.high[:, layout.register]
    known = high != NONE_HIGH
    before = state["register"]
    rests = known & (before == high) & (state["hours"] > 1)
    moves = known & ~rests
    pause, longest = state["pause"], state["longest_pause"]
    state["longest_pause"] = np.where(moves, np.maximum(longest * FORGETTING, pause), longest)
    state["pause"] = pause = np.where(moves, 0, pause + rests)
    state["register"] = np.where(known, high, before)
    used = np.where(np.isnan(hour.load), 0, hour.load) * layout.steps_per_unit[layout.register]
    counts = rests & (used >= SOME_STEPS) & bool(len(layout.flows))
    state["uncounted"] = np.where(moves, 0, state["uncounted"] + np.where(counts, used, 0))
    step = np.where(hour.register_steps > 0, hour.register_steps, UNKNOWN_STEP)
    by_power = counts & (state["uncounted"] >= SOME_STEPS * step) & _learned(state)
    limit = np.maximum(limits.pause_factor * longest, 2 * DAY_HOURS)
    by_pause = (pause > limit) & (state["hours"] > 2 * LEARNING_HOURS)
    return Finding(by_power | by_pause, pause.astype(np.float64), np.where(by_power, 0, limit))


def phase_loss(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """A phase has lost the voltage that it had, while another has it; what is not connected may show 0 V."""
    nothing = np.zeros(len(state))
    if len(layout.voltages) < 2:
        return Finding(nothing > 0, nothing, nothing)
    volts = hour.means[:, list(layout.voltages)]
    lit = state["lit"][:, list(layout.voltages)] | (volts > 0.8 * NOMINAL_V)
    state["lit"][:, list(layout.voltages)] = lit
    of, (lowest,) = _most(-np.where(lit, volts, np.nan), volts)
    lost: Mask = np.asarray((lowest < 0.5 * NOMINAL_V) & (np.fmax.reduce(volts, axis=1) > 0.8 * NOMINAL_V))
    return Finding(lost, lowest, np.full(len(state), NOMINAL_V), np.array(layout.voltages)[of])


def reversed_phase(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """A phase feeds in that never did at this time of day: its current transformer is reversed, or two are exchanged.

    By the hour, so that a roof's sun does not hide it; the hours beside it count too, for days grow longer. What feeds
    in on more than 28 days is a new roof, and usual from then on.
    """
    nothing = np.zeros(len(state))
    if not len(layout.flows):
        return Finding(nothing > 0, nothing, nothing)
    watts = np.stack([signed_sum(hour.means, signs) for signs in layout.flows], axis=1)
    feeds_in = np.where(np.isnan(watts), False, watts < -1.0)
    rows, of_day = np.arange(len(state)), hour.id % DAY_HOURS
    by_hour = state["fed_in"]
    about = [by_hour[rows, (of_day + beside) % DAY_HOURS] for beside in (-1, 0, 1)]
    strange = feeds_in & (np.maximum.reduce(about) <= limits.reversed_share) & _learned(state)[:, None]
    strange &= ~_usual_by_now(state, strange, hour.id // DAY_HOURS)
    days_known = np.clip(state["hours"] // DAY_HOURS + 1, 1, DAYS_REMEMBERED)[:, None]
    by_hour[rows, of_day] += np.where(strange, 0, (feeds_in - about[1]) / days_known)
    of, (lowest,) = _most(np.where(strange, -watts, np.nan), watts)
    return Finding(np.asarray(strange.any(axis=1)), lowest, nothing, (layout.flows != 0).argmax(axis=1)[of])


def _usual_by_now(state: State, strange: Mask, day: Int64s) -> Mask:
    """Flows that were strange on more days than are remembered, with no pause as long; of `strange`, shape (n, k)."""
    last = state["strange_day"]
    days_strange = np.where(day[:, None] - last > DAYS_REMEMBERED, 0, state["strange_days"])
    state["strange_days"] = days_strange + (strange & (day[:, None] > last))
    state["strange_day"] = np.where(strange, day[:, None], last)
    usual: Mask = state["strange_days"] > DAYS_REMEMBERED
    return usual


def dead_sensor(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """A gauge shows the same value, to the last digit, for longer than it ever did."""
    measured = layout.gauges & (hour.high != NONE_HIGH)
    same = measured & (hour.low == hour.high) & (hour.low == state["last"]) & (layout.zero_counts | (hour.low != 0))
    moves = measured & ~same
    still, longest = state["still"], state["longest_still"]
    state["longest_still"] = np.where(moves, np.maximum(longest * FORGETTING, still), longest)
    state["still"] = still = np.where(moves, 0, still + same)
    state["last"] = np.where(measured, hour.high, state["last"])
    limit = np.maximum(limits.still_factor * longest, DAY_HOURS // 2)
    dead = (still > limit) & _learned(state)[:, None]
    of, (hours, most) = _most(np.where(layout.gauges, still / limit, np.nan), still.astype(np.float64), limit)
    return Finding(np.asarray(dead.any(axis=1)), hours, most, of)


def clock(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """The meter's time is off: rows come later, or earlier, after their event time than on its first day.

    Hours that came faster than time goes are a backlog that a gateway delivers: late, but not by the meter's clock.
    """
    arrived = hour.id * HOUR_MS + hour.delay_ms
    live = (arrived - state["arrived"] > HOUR_MS // 2) & (state["hours"] > 1)
    state["arrived"] = arrived
    first = state["live_hours"] < DAY_HOURS
    state["live_hours"] += live & first
    rate = 1 / np.maximum(state["live_hours"], 1)
    state["delay_ms"] += np.where(live & first, rate * (hour.delay_ms - state["delay_ms"]), 0)
    off = hour.delay_ms - state["delay_ms"]
    limit = np.maximum(limits.clock_intervals * hour.interval_ms, 120_000)
    early = (hour.delay_ms < -EARLY_MS) & (off < -EARLY_MS)
    wrong = ((np.abs(off) > limit) | early) & live & ~first
    return Finding(wrong, hour.delay_ms / 1000, state["delay_ms"] / 1000)


def scale_change(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """The last day and its quietest hours are off by the same factor, as by a wrong multiplier."""
    day = days.look(state["days"], hour.id, hour.load)
    off = day.off
    alike = (np.abs(off[:, 0] - off[:, 1]) < ALIKE) & (off[:, 0] * off[:, 1] > 0)
    at_once = day.far(limits.sigmas, limits.factor).all(axis=1) & alike & day.has_base
    lasting = ~day.has_base & (state["days"]["sums"][:, days.ABOVE] > 2 * limits.sigmas)
    return Finding(np.asarray(at_once | lasting), *_means(day))


def sudden_drop(state: State, hour: Hour, layout: Layout, limits: Limits) -> Finding:
    """The days are far below those before, their quietest hours too: part of the load passes the meter by.

    What lasts goes on through days that say nothing: an absence does not end it, or each return would tell it anew.
    """
    day = days.look(state["days"], hour.id, hour.load)
    far, below = day.far(limits.sigmas, limits.factor), day.off < 0
    at_once = (far & below).all(axis=1) & day.has_base
    lasting = state["days"]["sums"][:, days.BELOW] > 2 * limits.sigmas
    strange = far.any(axis=1) | (state["days"]["sums"] > 2 * limits.sigmas).any(axis=1)
    days.settle(state["days"], hour.id, day, np.asarray(strange))
    return Finding(np.asarray(at_once | lasting), *_means(day))


Check = Callable[[State, Hour, Layout, Limits], Finding]


def _means(day: Day) -> tuple[Float64s, Float64s]:
    """The day's mean load and the usual one."""
    return np.exp(day.logs[:, 0]), np.exp(day.usual[:, 0])


def _most(by: Float64s, *figures: Float64s) -> tuple[Int64s, tuple[Float64s, ...]]:
    """Of each row: where `by` (n, m) is greatest, NaN being none, and the figures there."""
    of = np.where(np.isnan(by), -np.inf, by).argmax(axis=1)
    rows = np.arange(len(of))
    return of, tuple(figure[rows, of] for figure in figures)


def _learned(state: State) -> Mask:
    learned: Mask = state["hours"] > LEARNING_HOURS
    return learned
