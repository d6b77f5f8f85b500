"""Faults as alerts, hour by hour, and each hour's load for the comparison with the neighbours (streams/neighbours)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.arrays import Int64s
from schemas.catalogue import Quantity
from schemas.durations import HOUR_MS
from schemas.quality import Quality
from schemas.results import HourlyLoadBlock
from streams import loads, periods
from streams.contract import MOST_ROWS, Elapsed, Meters, Operator, Released, Result, Rows, State
from streams.gone import GONE_AFTER_MS
from streams.loads import Load
from streams.meter_fault import checks, life
from streams.meter_fault.checks import Check, Hour, Layout, Limits
from streams.meter_fault.life import Fault, Finding, Place
from streams.periods import Periods
from streams.samples import Scale

_LESS_LOAD = ("stuck_register", "phase_loss", "reversed_phase")
_ENDED = "is over, or usual by now"
_OFF = "a day's mean load of {measured:.4g} instead of {expected:.4g}"
FAULTS = (
    Fault("stuck_register", 2, 1, "register has rested for {measured:.0f} h", ("reversed_phase",)),
    Fault("phase_loss", 1, 1, "a phase has {measured:.0f} V instead of {expected:.0f} V"),
    Fault("reversed_phase", 3, 72, "power that was never fed in shows {measured:.0f} W", ended=_ENDED),
    Fault("dead_sensor", 1, 1, "a gauge has shown the same value for {measured:.0f} h", ("phase_loss",)),
    Fault("clock", 3, 3, "rows come {measured:.0f} s after their time instead of {expected:.0f} s"),
    Fault("scale_change", 6, 12, _OFF, (*_LESS_LOAD, "sudden_drop"), _ENDED),
    Fault("sudden_drop", 12, 12, _OFF, (*_LESS_LOAD, "scale_change"), _ENDED),
)
_CLOCK = next(place for place, fault in enumerate(FAULTS) if fault.kind == "clock")
CHECKS: dict[str, Check] = {
    "stuck_register": checks.stuck_register,
    "phase_loss": checks.phase_loss,
    "reversed_phase": checks.reversed_phase,
    "dead_sensor": checks.dead_sensor,
    "clock": checks.clock,
    "scale_change": checks.scale_change,
    "sudden_drop": checks.sudden_drop,
}


class MeterFault(Operator):
    """One alert a meter, kind of fault and occurrence: raised and cleared. Most are learned for a week (checks.py)."""

    name = "meter_fault"
    version = 3
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"Alert", "HourlyLoadBlock"})

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The open hour, what the checks have learned, and for each fault how long it has been suspicious."""
        q, layout = len(quantities), Layout.of(tuple(quantities), None, np.zeros(len(quantities)))
        known: list[tuple[Any, ...]] = [
            ("ahead_since", "i8"),
            ("hour", periods.dtype(q)),
            ("load", loads.DTYPE),
            ("checks", checks.dtype(q, len(layout.flows))),
        ]
        return np.dtype([*known, *life.fields(len(FAULTS))])

    def on_arrivals(self, state: State, meters: Meters, rows: Rows) -> list[Result]:
        """A clock that is so far ahead that its rows count for nothing (Quality.FUTURE), for an hour on end."""
        future = (rows.quality & Quality.FUTURE) != 0
        concerned = np.isin(rows.meter, rows.meter[future]) | (state["ahead_since"][rows.meter] > 0)
        results: list[Result] = []
        for i in np.flatnonzero(concerned).tolist():
            meter, now = int(rows.meter[i]), int(rows.received_at[i])
            since = int(state["ahead_since"][meter]) or now
            state["ahead_since"][meter] = since if future[i] else 0
            if future[i] and now - since >= HOUR_MS and not state["raised_at"][meter, _CLOCK]:
                state["raised_at"][meter, _CLOCK], state["calm_hours"][meter, _CLOCK] = now, 0
                delays = (now - int(rows.at[i])) / 1000, float(state["checks"]["delay_ms"][meter]) / 1000
                figures, evidence = dict(zip(("measured", "expected"), delays, strict=True)), {"since": since}
                results.append(life.alert(self.name, FAULTS[_CLOCK], _place(meters, meter), 0, now, figures, evidence))
        return results

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Check the hours that close, a meter's one after the other."""
        closed = periods.fold(state["hour"], released, meters.quantities, HOUR_MS)
        scale, load = Scale.of(meters.quantities), Load.of(meters.quantities)
        layout = Layout.of(meters.quantities, load.register if load else None, scale.steps_per_unit)
        rank = periods.ranked(closed.meter)
        results: list[Result] = []
        for nth in range(int(rank.max(initial=-1)) + 1):
            hours = closed.take(rank == nth)
            hour = _hour(state, meters, hours, load, scale)
            results += self._check(state, meters, hour, hours.meter, layout)
            results += _loads(meters, hours.meter, hour, self.version)
        return results

    def on_time(self, state: State, meters: Meters, elapsed: Elapsed) -> list[Result]:
        """Close what is open of meters that no longer report."""
        gone = np.flatnonzero(elapsed.since_arrival_ms > GONE_AFTER_MS)
        closed: list[Result] = []
        for meter in gone[state["raised_at"][gone].any(axis=1)].tolist():
            last = int(state["checks"]["arrived"][meter])
            closed += life.close(self.name, FAULTS, state[meter], _place(meters, meter), last)
        return closed

    def _check(self, state: State, meters: Meters, hour: Hour, meter: Int64s, layout: Layout) -> list[Alert]:
        """One hour of each of these meters."""
        known = state[meter]
        known["checks"]["hours"] += 1
        results: list[Alert] = []
        for place, fault in enumerate(FAULTS):
            finding = CHECKS[fault.kind](known["checks"], hour, layout, self.limits)
            told = life.follow(known, FAULTS, place, finding.suspicious, hour.id)
            results += [_alert(known[i], meters, place, finding, i, int(meter[i]), int(hour.id[i])) for i in told]
        state[meter] = known
        return results


def _hour(state: State, meters: Meters, hours: Periods, load: Load | None, scale: Scale) -> Hour:
    mean, steps = np.full(len(hours.meter), np.nan), np.zeros(len(hours.meter), np.int64)
    if load is not None:
        known = loads.mean_load(state["load"], hours, load, scale, HOUR_MS)
        mean, steps = known.load, known.register_steps
    interval_ms = meters.interval_ms[hours.meter]
    return Hour(hours.id, hours.delay_ms, interval_ms, hours.means(scale), hours.low, hours.high, mean, steps)


def _alert(known: State, meters: Meters, place: int, finding: Finding, i: int, meter: int, hour: int) -> Alert:
    evidence: dict[str, Any] = {"hours_learned": int(known["checks"]["hours"])}
    if finding.quantity is not None:
        evidence["quantity"] = meters.quantities[finding.quantity[i]].name
    of = _place(meters, meter)
    return life.tell(MeterFault.name, FAULTS, place, known, of, hour, finding.figures(i), evidence)


def _place(meters: Meters, meter: int) -> Place:
    return Place(meters.ids[meter], meters.feeders[meter], meters.substations[meter])


def _loads(meters: Meters, meter: Int64s, hour: Hour, version: int) -> list[HourlyLoadBlock]:
    """The known loads of meters whose substation is known, a block a substation."""
    by_substation: dict[str, list[int]] = {}
    for i in np.flatnonzero(~np.isnan(hour.load)).tolist():
        substation = meters.substations[meter[i]]
        if substation is not None:
            by_substation.setdefault(substation, []).append(i)
    return [
        _block(meters, meter, hour, substation, which[i : i + MOST_ROWS], version)
        for substation, which in by_substation.items()
        for i in range(0, len(which), MOST_ROWS)
    ]


def _block(
    meters: Meters, meter: Int64s, hour: Hour, substation: str, which: list[int], version: int
) -> HourlyLoadBlock:
    rows = meter[which].tolist()
    return HourlyLoadBlock(
        operator_version=version,
        substation=substation,
        profile=meters.profile,
        meters=[meters.ids[row] for row in rows],
        feeders=[meters.feeders[row] for row in rows],
        row_meter=np.arange(len(rows), dtype=np.int32),
        start=hour.id[which] * HOUR_MS,
        load=hour.load[which],
    )
