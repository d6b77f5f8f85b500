"""Faults as alerts: raised once a check has been suspicious for some hours on end, cleared when it no longer is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.blocks import Int64s
from schemas.catalogue import Quantity
from streams import loads, periods
from streams.contract import Meters, Operator, Released, Result, State
from streams.loads import Load
from streams.meter_fault import checks
from streams.meter_fault.checks import Check, Finding, Hour, Layout, Limits
from streams.periods import Periods
from streams.samples import Scale

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: who finds it, after how many hours it is told and taken back, and in which words."""

    kind: str
    check: Check
    hours: int
    calm_hours: int
    words: str


FAULTS = (
    Fault("stuck_register", checks.stuck_register, 2, 1, "register has rested for {measured:.0f} h"),
    Fault("phase_loss", checks.phase_loss, 1, 1, "a phase has {measured:.0f} V instead of {expected:.0f} V"),
    Fault("reversed_phase", checks.reversed_phase, 3, 6, "a phase that never fed in shows {measured:.0f} W"),
    Fault("dead_sensor", checks.dead_sensor, 1, 1, "a gauge has shown the same value for {measured:.0f} h"),
    Fault("clock", checks.clock, 3, 3, "rows come {measured:.0f} s after their time instead of {expected:.0f} s"),
    Fault("scale_change", checks.scale_change, 6, 12, "a day's mean load of {measured:.4g} instead of {expected:.4g}"),
    Fault("sudden_drop", checks.sudden_drop, 12, 12, "a day's mean load of {measured:.4g} instead of {expected:.4g}"),
)


class MeterFault(Operator):
    """One alert a meter, kind of fault and occurrence: raised and cleared. A new meter is learning for a week."""

    name = "meter_fault"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"Alert"})

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The open hour, what the checks have learned, and for each fault how long it has been suspicious."""
        q, kinds = len(quantities), len(FAULTS)
        life = [(name, "i4", (kinds,)) for name in ("suspicious_hours", "calm_hours")]
        times = [(name, "i8", (kinds,)) for name in ("since", "raised_at")]
        return np.dtype([("hour", periods.dtype(q)), ("load", loads.DTYPE), ("checks", checks.dtype(q)), *life, *times])

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Check the hours that close, a meter's one after the other."""
        closed = periods.fold(state["hour"], released, meters.quantities, HOUR_MS)
        scale, load = Scale.of(meters.quantities), Load.of(meters.quantities)
        layout = Layout.of(meters.quantities, load.register if load else None, scale.steps_per_unit)
        rank = periods.ranked(closed.meter)
        results: list[Result] = []
        for nth in range(int(rank.max(initial=-1)) + 1):
            hours = closed.take(rank == nth)
            results += self._check(state, meters, _hour(state, meters, hours, load, scale), hours.meter, layout)
        return results

    def _check(self, state: State, meters: Meters, hour: Hour, meter: Int64s, layout: Layout) -> list[Result]:
        """One hour of each of these meters."""
        known = state[meter]
        known["checks"]["hours"] += 1
        results: list[Result] = []
        for place, fault in enumerate(FAULTS):
            finding = fault.check(known["checks"], hour, layout, self.limits)
            told = _live(known, place, fault, hour, finding)
            results += [_alert(known, meters, fault, place, finding, i, int(meter[i]), int(hour.id[i])) for i in told]
        state[meter] = known
        return results


def _hour(state: State, meters: Meters, hours: Periods, load: Load | None, scale: Scale) -> Hour:
    mean = np.full(len(hours.meter), np.nan)
    if load is not None:
        mean = loads.mean_load(state["load"], hours, load, scale, HOUR_MS)
    interval_ms = meters.interval_ms[hours.meter]
    return Hour(hours.id, hours.delay_ms, interval_ms, hours.means(scale), hours.low, hours.high, mean)


def _live(known: State, place: int, fault: Fault, hour: Hour, finding: Finding) -> list[int]:
    """Count suspicious and calm hours; which meters' fault is to be raised or cleared."""
    suspicious = finding.suspicious
    run = np.where(suspicious, known["suspicious_hours"][:, place] + 1, 0)
    calm = np.where(suspicious, 0, known["calm_hours"][:, place] + 1)
    known["since"][:, place] = np.where(run == 1, hour.id * HOUR_MS, known["since"][:, place])
    known["suspicious_hours"][:, place], known["calm_hours"][:, place] = run, calm
    is_open = known["raised_at"][:, place] > 0
    told: list[int] = np.flatnonzero(np.where(is_open, calm >= fault.calm_hours, run >= fault.hours)).tolist()
    return told


def _alert(
    known: State, meters: Meters, fault: Fault, place: int, finding: Finding, i: int, meter: int, hour: int
) -> Alert:
    at, subject = (hour + 1) * HOUR_MS, meters.ids[meter]
    raised_at = int(known["raised_at"][i, place])
    known["raised_at"][i, place] = 0 if raised_at else at
    figures = {"measured": float(finding.measured[i]), "expected": float(finding.expected[i])}
    name = fault.kind.replace("_", " ") + (" is over" if raised_at else "")
    return Alert(
        id=f"meter_fault/{subject}/{fault.kind}/{raised_at or at}",
        number=2 if raised_at else 1,
        kind=fault.kind,
        severity="info" if raised_at else "warning",
        state="cleared" if raised_at else "raised",
        subject=subject,
        feeder=meters.feeders[meter],
        substation=meters.substations[meter],
        at=at,
        raised_at=raised_at or at,
        summary=f"{subject}: {name}: {fault.words.format(**figures)}",
        evidence={
            **{name: round(value, 3) for name, value in figures.items() if np.isfinite(value)},
            "since": int(known["since"][i, place]),
            "hours_learned": int(known["checks"]["hours"][i]),
        },
    )
