"""Homes through the product's operators, and through a rolling z-score: what alarms, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.meter_faults_data import CLOCKS, Home, registers
from connectors.decode.trust import FUTURE_TOLERANCE_MS
from schemas.alert import Alert
from schemas.arrays import Float64s, Int64s
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS, HOUR_MS
from schemas.quality import Quality
from schemas.results import HourlyLoadBlock
from streams.contract import HourlyLoads, Meters, Operator, Released, Result, Rows
from streams.groups import Groups
from streams.meter_fault import MeterFault
from streams.meter_fault.checks import Limits
from streams.neighbours import Neighbours
from streams.neighbours.compare import Limits as NeighbourLimits

IN_ORDER_DAYS, FAULTY_DAYS = 42, 14
ALIKE = {
    "scale_change": {"scale_change", "sudden_drop"},
    "sudden_drop": {"scale_change", "sudden_drop"},
    "swapped_phases": {"reversed_phase"},
    **{kind: {"clock"} for kind in CLOCKS},
}
"""What finds a kind of fault, where not the alert of its own name alone: a drop and a wrong multiplier below 1 look
alike, and exchanged current transformers may feed in."""
SIGMAS = tuple(np.round(np.geomspace(1.5, 60, 40), 2).tolist())

Loads = tuple[Int64s, Float64s]
"""Hours since 1970, rising, and the mean load of each."""


@dataclass(frozen=True, slots=True)
class Case:
    """A home with a fault of a kind from `start` on."""

    kind: str
    home: Home
    start: int

    def told_at(self, alert: Alert) -> int:
        """When it was told by a clock that is right: with the row that ended the hour, which may have come later."""
        row = min(int(np.searchsorted(self.home.at, alert.at)), len(self.home.at) - 1)
        return max(alert.at, int(self.home.received_at[row]))

    def found_after_h(self, raised: Sequence[int]) -> float | None:
        """Hours until the first alarm while the fault lasts."""
        inside = [at for at in raised if self.start <= at <= self.start + FAULTY_DAYS * DAY_MS]
        return (min(inside) - self.start) / HOUR_MS if inside else None


def limits(strictness: float) -> Limits:
    """The limits in use, made stricter (above 1) or laxer all at once."""
    usual = Limits()
    return Limits(
        pause_factor=usual.pause_factor * strictness,
        still_factor=usual.still_factor * strictness,
        reversed_share=usual.reversed_share / strictness,
        sigmas=usual.sigmas * strictness,
        factor=1 + (usual.factor - 1) * strictness,
        clock_intervals=usual.clock_intervals * strictness,
    )


def neighbour_limits(strictness: float) -> NeighbourLimits:
    """The same for the comparison with the neighbours."""
    usual = NeighbourLimits()
    return NeighbourLimits(
        sigmas=usual.sigmas * strictness,
        factor=1 + (usual.factor - 1) * strictness,
        bright_share=min(usual.bright_share * strictness, 0.95),
        silent_share=usual.silent_share / strictness,
    )


def alerts(operator: Operator, listed: Sequence[Home]) -> list[list[Alert]]:
    """What is raised for each home."""
    raised: list[list[Alert]] = [[] for _ in listed]
    for result in results(operator, listed):
        if isinstance(result, Alert) and result.state == "raised":
            raised[int(result.subject)].append(result)
    return raised


def hourly_loads(listed: Sequence[Home]) -> list[Loads]:
    """The hourly loads that meter_fault tells of each home, which must be in a group."""
    told: list[tuple[list[int], list[float]]] = [([], []) for _ in listed]
    for result in results(MeterFault(), listed):
        if isinstance(result, HourlyLoadBlock):
            for row, start, load in zip(result.row_meter.tolist(), result.start, result.load, strict=True):
                hours, loads = told[int(result.meters[row])]
                hours.append(int(start) // HOUR_MS)
                loads.append(float(load))
    return [(np.array(hours, np.int64), np.array(loads)) for hours, loads in told]


def results(operator: Operator, listed: Sequence[Home]) -> Iterator[Result]:
    """Of homes of any profile, each a meter named by its place; those of a profile run side by side, day by day."""
    for profile in sorted({home.profile for home in listed}):
        yield from _side_by_side(
            operator, profile, [i for i, home in enumerate(listed) if home.profile == profile], listed
        )


def beside(operator: Neighbours, homes: Sequence[Home], loads: Sequence[Loads]) -> list[list[Alert]]:
    """What is raised for each of these homes when the hours of all are compared."""
    ids = [f"{home.profile}\x1f{i}" for i, home in enumerate(homes)]
    state = np.zeros(len(homes), operator.hourly_dtype())
    meter = np.repeat(np.arange(len(homes)), [len(hours) for hours, _ in loads])
    hour, load = (np.concatenate(column) for column in zip(*loads, strict=True))
    order = np.lexsort((meter, hour))
    raised: list[list[Alert]] = [[] for _ in homes]
    places, groups = [home.group for home in homes], Groups()
    groups.follow(ids, places, [])
    for which in np.split(order, np.flatnonzero(np.diff(hour[order])) + 1):
        told = HourlyLoads(ids, places, places, meter[which], hour[which], load[which], groups)
        for alert in operator.on_hourly_loads(state, told):
            if alert.state == "raised":
                raised[int(alert.subject)].append(alert)
    return raised


def z_score_alarms(home: Home) -> dict[float, list[int]]:
    """For each k: when the rolling z-score of the hourly load is beyond k for three hours, at most once a day."""
    hour, load = _hourly(home)
    week = 168
    sums, squares = (np.append(0, np.cumsum(np.nan_to_num(load) ** power)) for power in (1, 2))
    index = np.arange(week, len(load))
    mean = (sums[index] - sums[index - week]) / week
    spread = np.sqrt(np.maximum((squares[index] - squares[index - week]) / week - mean**2, 1e-12))
    z = np.concatenate((np.zeros(min(week, len(load))), np.abs(np.nan_to_num(load[week:]) - mean) / spread))
    lasting = np.minimum(np.minimum(z, np.roll(z, 1)), np.roll(z, 2))
    found: dict[float, list[int]] = {}
    for k in SIGMAS:
        times: list[int] = []
        for at in ((hour[lasting > k] + 1) * HOUR_MS).tolist():
            if not times or at - times[-1] >= DAY_MS:
                times.append(at)
        found[k] = times
    return found


def _side_by_side(operator: Operator, profile: str, places: Sequence[int], listed: Sequence[Home]) -> Iterator[Result]:
    homes = [listed[i] for i in places]
    catalogue = load_catalogue()
    quantities = tuple(catalogue.quantities[name] for name in catalogue.profiles[profile].quantities)
    interval_ms = np.array([home.interval_ms for home in homes], np.int64)
    groups = [home.group for home in homes]
    meters = Meters(profile, quantities, [str(i) for i in places], groups, groups, interval_ms)
    state = np.zeros(len(homes), operator.dtype(quantities))
    begin = np.array([home.at[0] // DAY_MS for home in homes], np.int64) * DAY_MS
    for day in range(int(max((home.at[-1] - b) // DAY_MS for home, b in zip(homes, begin, strict=True))) + 2):
        rows, until = _day(homes, begin + day * DAY_MS), begin + (day + 1) * DAY_MS - 1
        in_time = rows.take((rows.quality & Quality.FUTURE) == 0)
        told = [*operator.on_arrivals(state, meters, rows)]
        for result in (*told, *operator.on_released(state, meters, Released(in_time, np.arange(len(homes)), until))):
            if isinstance(result, Alert | HourlyLoadBlock):
                yield result


def _day(homes: Sequence[Home], begin: Int64s) -> Rows:
    """The rows of a day of each home; those from the future are marked as a bridge does it."""
    meter, parts = [], []
    for i, home in enumerate(homes):
        a, b = np.searchsorted(home.at, [begin[i], begin[i] + DAY_MS])
        meter.append(np.full(b - a, i, np.int64))
        parts.append((home.at[a:b], home.received_at[a:b], home.values[a:b]))
    at, received_at, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    quality = np.where(at > received_at + FUTURE_TOLERANCE_MS, int(Quality.FUTURE), 0).astype(np.int32)
    return Rows(np.concatenate(meter), at, received_at, quality, values)


def _hourly(home: Home) -> tuple[Int64s, Float64s]:
    """Hours since 1970 and what the first register rose in each, NaN where it is not known."""
    register = home.values[:, registers(home)[0]]
    hour = home.at // HOUR_MS
    last = np.flatnonzero(np.append(hour[1:] != hour[:-1], True))
    hours = np.arange(hour[0], hour[-1] + 1)
    level = np.full(len(hours), np.nan)
    level[hour[last] - hour[0]] = register[last]
    return hours, np.diff(level, prepend=np.nan)
