"""What is odd beside the neighbours, as alerts.

A group is the meters of one profile under one substation. Its hour is compared when the first row of a later one comes;
what comes for an hour that is over is not compared any more. That rests on the order of the log alone, not on turns.
"""

from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.arrays import Int64s
from schemas.durations import HOUR_MS
from streams.contract import Elapsed, HourlyLoads, Mask, Meters, Operator, State
from streams.gone import GONE_AFTER_MS
from streams.meter_fault import life
from streams.meter_fault.life import Fault, Finding, Place
from streams.neighbours import compare
from streams.neighbours.compare import Limits

FAULTS = (
    Fault("tamper_pattern", 12, 12, "a day's mean load of {measured:.4g}, {expected:.4g} by own days and neighbours"),
    Fault("pv_silent", 3, 2, "{measured:.0f} W fed in where the neighbours' roofs let expect {expected:.0f} W"),
)
_TAMPER, _PV = range(len(FAULTS))


class Neighbours(Operator):
    """One alert a meter, kind and occurrence: raised and cleared. A meter's first week is only learned."""

    name = "neighbours"
    version = 2
    takes = frozenset({"HourlyLoadBlock"})
    gives = frozenset({"Alert"})

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def hourly_dtype(self) -> np.dtype[Any]:
        """The hour that is still open and its load, what was learned, and for each kind how long it has been odd."""
        known: list[tuple[Any, ...]] = [("hour", "i8"), ("load", "f8"), ("known", compare.DTYPE)]
        return np.dtype([*known, *life.fields(len(FAULTS))])

    def on_hourly_loads(self, state: State, loads: HourlyLoads) -> list[Alert]:
        """Put the loads in their places, hour by hour; compare a group's hour when it is over."""
        told = dict.fromkeys(loads.groups.of(row) for row in loads.meter.tolist())
        groups = {key: loads.groups.members(key) for key in told}
        open_hour = {key: int(state["hour"][rows].max()) for key, rows in groups.items()}
        by_hour: dict[int, list[int]] = {}
        for i, (meter, hour) in enumerate(zip(loads.meter.tolist(), loads.hour.tolist(), strict=True)):
            key = loads.groups.of(meter)
            if hour >= open_hour[key]:
                open_hour[key] = hour
                by_hour.setdefault(hour, []).append(i)
        alerts: list[Alert] = []
        for hour, which in sorted(by_hour.items()):
            meter = loads.meter[which]
            for key in dict.fromkeys(loads.groups.of(row) for row in meter.tolist()):
                before = int(state["hour"][groups[key]].max())
                if 0 < before < hour:
                    alerts += self._compare(state, loads, groups[key], before)
            state["hour"][meter], state["load"][meter] = hour, loads.load[which]
        return alerts

    def on_hourly_time(self, state: State, meters: Meters, elapsed: Elapsed) -> list[Alert]:
        """Close what is open of meters that no longer report, be they one or the whole group."""
        gone = np.flatnonzero(elapsed.since_arrival_ms > GONE_AFTER_MS)
        closed: list[Alert] = []
        for row in gone[state["raised_at"][gone].any(axis=1)].tolist():
            of = Place(meters.ids[row].partition("\x1f")[2], meters.feeders[row], meters.substations[row])
            closed += life.close(self.name, FAULTS, state[row], of, (int(state["hour"][row]) + 1) * HOUR_MS)
        return closed

    def _compare(self, state: State, loads: HourlyLoads, group: Int64s, hour: int) -> list[Alert]:
        """The hour of those meters of the group that have told it."""
        meter = group[state["hour"][group] == hour]
        known, hours = state[meter], np.full(len(meter), hour)
        dropped = compare.drop(known["known"], hours, known["load"], self.limits)
        silent, bright = compare.silent_roof(known["known"], known["load"], self.limits)
        alerts = self._tell(known, loads, meter, _TAMPER, dropped, np.ones(len(meter), np.bool_), hour)
        alerts += self._tell(known, loads, meter, _PV, silent, bright, hour)
        state[meter] = known
        return alerts

    def _tell(
        self, known: State, loads: HourlyLoads, meter: Int64s, place: int, finding: Finding, judged: Mask, hour: int
    ) -> list[Alert]:
        """Of those meters whose hour could be judged."""
        which = np.flatnonzero(judged)
        some, alerts = known[which], []
        for i in life.follow(some, FAULTS, place, finding.suspicious[which], np.full(len(which), hour)):
            of, figures = _place(loads, int(meter[which[i]])), finding.figures(int(which[i]))
            evidence = {"neighbours": len(meter) - 1}
            alerts.append(life.tell(self.name, FAULTS, place, some[i], of, hour, figures, evidence))
        known[which] = some
        return alerts


def _place(loads: HourlyLoads, row: int) -> Place:
    return Place(loads.id(row), loads.feeders[row], loads.substations[row])
