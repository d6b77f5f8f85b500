"""How well meter_fault finds faults put into real load, beside a rolling z-score: `python -m bench.meter_faults`.

Stretches of homes run as they were recorded: what is alerted there counts as a false alarm (some may be true ones that
nobody labelled); the first two weeks, in which the operator learns, do not count as watched. Each kind of fault is put
into copies, after six weeks in order; it is found if an alert of its kind is raised within its two weeks. (A drop and a
wrong multiplier below 1 look alike: either's alert counts.) All of it is repeated with stricter and laxer limits for
the curve; the limits in use are those of strictness 1. The z-score is that of the hourly load in the week before, an
alarm where it is beyond k for three hours on end, with k as low as keeps its false alarms at or below ours. Sources are
in bench/meter_faults_data.py.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.meter_faults_data import DAY_MS, HOUR_MS, INJECTIONS, Home, homes, registers, stretches
from bench.report import RESULTS, report
from schemas.alert import Alert
from schemas.blocks import Float64s, Int64s
from schemas.catalogue import load_catalogue
from streams.contract import Meters, Released, Rows
from streams.meter_fault import MeterFault
from streams.meter_fault.checks import Limits

SEED = 20240101
IN_ORDER_DAYS, FAULTY_DAYS = 42, 14
COPIES = {"REFIT": 6.0, "UK-DALE": 4.0, "Danish heat": 2.0, "DAIAD": 0.3}
"""How often each kind of fault is put into a stretch, on average."""
UNCOUNTED_DAYS = 14
"""At the start of each stretch, for false alarms: the operator learns."""
STRICTNESS = (0.6, 1.0, 1.5, 2.5)
ALIKE = {"scale_change": {"scale_change", "sudden_drop"}, "sudden_drop": {"scale_change", "sudden_drop"}}
MONTH_DAYS, YEAR_DAYS = 30.4375, 365.25
SIGMAS = tuple(np.round(np.geomspace(1.5, 60, 40), 2).tolist())


@dataclass(frozen=True, slots=True)
class Case:
    """A home with a fault of a kind from `start` on."""

    kind: str
    home: Home
    start: int

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


def cases(all_homes: Sequence[Home]) -> Iterator[Case]:
    """Stretches drawn from the seed, each with a fault."""
    rng = np.random.default_rng(SEED)
    whole = (IN_ORDER_DAYS + FAULTY_DAYS) * DAY_MS
    for home in all_homes:
        for kind, (inject, sources) in INJECTIONS.items():
            for _ in range(int(COPIES[home.source] + rng.random()) * (home.source in sources)):
                begin = int(rng.integers(home.at[0], max(home.at[-1] - whole, home.at[0] + 1)))
                stretch = home.between(begin, begin + whole)
                start = begin + IN_ORDER_DAYS * DAY_MS + int(rng.integers(0, DAY_MS))
                if len(stretch.at) > 0.8 * whole / home.interval_ms:
                    yield Case(kind, inject(stretch, start, rng), start)


def alerts(operator: MeterFault, side_by_side: Sequence[Home]) -> list[list[Alert]]:
    """What is raised for each of homes of one profile, run as the meters of one shard, a day at a time."""
    catalogue = load_catalogue()
    profile = side_by_side[0].profile
    quantities = tuple(catalogue.quantities[name] for name in catalogue.profiles[profile].quantities)
    n = len(side_by_side)
    interval_ms = np.array([home.interval_ms for home in side_by_side], np.int64)
    meters = Meters(profile, quantities, [str(i) for i in range(n)], [None] * n, [None] * n, interval_ms)
    state = np.zeros(n, operator.dtype(quantities))
    begin = np.array([home.at[0] // DAY_MS for home in side_by_side], np.int64) * DAY_MS
    raised: list[list[Alert]] = [[] for _ in side_by_side]
    for day in range(int(max((home.at[-1] - b) // DAY_MS for home, b in zip(side_by_side, begin, strict=True))) + 2):
        for result in operator.on_released(state, meters, _day(side_by_side, begin + day * DAY_MS)):
            if isinstance(result, Alert) and result.state == "raised":
                raised[int(result.subject)].append(result)
    return raised


def z_score_alarms(home: Home) -> dict[float, list[int]]:
    """For each k: when the rolling z-score alarms, at most once a day."""
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


def measure(all_homes: Sequence[Home], all_cases: Sequence[Case], strictness: float) -> dict[str, Any]:
    """False alarms and recall by source and kind."""
    operator = MeterFault(limits(strictness))
    clean, faulty = _by_home(operator, all_homes), _by_home(operator, [case.home for case in all_cases])
    result: dict[str, Any] = {}
    for source in COPIES:
        watched = [(home, found) for home, found in zip(all_homes, clean, strict=True) if home.source == source]
        days = sum(home.days - UNCOUNTED_DAYS for home, _ in watched)
        kinds = [alert.kind for _, found in watched for alert in found]
        told = [(case, found) for case, found in zip(all_cases, faulty, strict=True) if case.home.source == source]
        result[source] = {
            "meter_days": round(days),
            "false_alarms": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
            "false_alarms_per_meter_year": round(len(kinds) / days * YEAR_DAYS, 2),
            "kinds": {kind: _recall(told, kind) for kind in INJECTIONS if any(case.kind == kind for case, _ in told)},
        }
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, plot, keep."""
    parser = argparse.ArgumentParser(prog="bench.meter_faults", description="Faults put into real load, found or not.")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FLEXMETER_DATA", "../shared/data")))
    data = parser.parse_args(argv).data
    if not (data / "meters").is_dir():
        print(f"no real load in {data}: nothing to put faults into; name the folder with --data", file=sys.stderr)
        return 2
    all_homes = [stretch for home in homes(data) for stretch in stretches(home)]
    all_cases = list(cases(all_homes))
    print(f"{len(all_homes)} stretches of homes, {len(all_cases)} faults, seed {SEED}")
    curve = {strictness: measure(all_homes, all_cases, strictness) for strictness in STRICTNESS}
    by_z = _z_scores(all_homes, all_cases)
    usual = curve[1.0]
    _print(usual, by_z)
    _plot(curve, by_z, RESULTS / "meter-faults.png")
    beside = {source: _z_beside(by_z[source], usual[source]["false_alarms_per_meter_year"]) for source in usual}
    whole = {"seed": SEED, "faults": len(all_cases), "by_strictness": curve, "z_score_at_no_more_false_alarms": beside}
    report("meter-faults", whole, packages=["numpy", "matplotlib"])
    return 0


def _day(side_by_side: Sequence[Home], begin: Int64s) -> Released:
    meter, parts = [], []
    for i, home in enumerate(side_by_side):
        a, b = np.searchsorted(home.at, [begin[i], begin[i] + DAY_MS])
        meter.append(np.full(b - a, i, np.int64))
        parts.append((home.at[a:b], home.received_at[a:b], home.values[a:b]))
    at, received_at, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    rows = Rows(np.concatenate(meter), at, received_at, np.zeros(len(at), np.int32), values)
    return Released(rows, np.arange(len(side_by_side)), begin + DAY_MS - 1)


def _by_home(operator: MeterFault, listed: Sequence[Home]) -> list[list[Alert]]:
    """Alerts of homes of any profile, in their order; those of like length run side by side."""
    found: dict[int, list[Alert]] = {}
    for profile in sorted({home.profile for home in listed}):
        places = [i for i, home in enumerate(listed) if home.profile == profile]
        for place, raised in zip(places, alerts(operator, [listed[i] for i in places]), strict=True):
            found[place] = raised
    return [found[i] for i in range(len(listed))]


def _recall(told: Sequence[tuple[Case, list[Alert]]], kind: str) -> dict[str, Any]:
    right = ALIKE.get(kind, {kind})
    after = [
        case.found_after_h([alert.at for alert in found if alert.kind in right])
        for case, found in told
        if case.kind == kind
    ]
    hours = [hour for hour in after if hour is not None]
    median = round(float(np.median(hours)), 1) if hours else None
    return {"faults": len(after), "recall": round(len(hours) / len(after), 3), "median_hours_to_alert": median}


def _hourly(home: Home) -> tuple[Int64s, Float64s]:
    """Hours since 1970 and what the first register rose in each, NaN where it is not known."""
    register = home.values[:, registers(home)[0]]
    hour = home.at // HOUR_MS
    last = np.flatnonzero(np.append(hour[1:] != hour[:-1], True))
    hours = np.arange(hour[0], hour[-1] + 1)
    level = np.full(len(hours), np.nan)
    level[hour[last] - hour[0]] = register[last]
    return hours, np.diff(level, prepend=np.nan)


def _z_scores(all_homes: Sequence[Home], all_cases: Sequence[Case]) -> dict[str, list[dict[str, float]]]:
    """By source: for each k, false alarms a meter and year, and recall over all kinds."""
    clean = [(home, z_score_alarms(home)) for home in all_homes]
    faulty = [(case, z_score_alarms(case.home)) for case in all_cases]
    found: dict[str, list[dict[str, float]]] = {}
    for source in COPIES:
        watched = [(home, alarms) for home, alarms in clean if home.source == source]
        days = sum(home.days - UNCOUNTED_DAYS for home, _ in watched)
        told = [(case, alarms) for case, alarms in faulty if case.home.source == source]
        for k in SIGMAS:
            false = sum(len(alarms[k]) for _, alarms in watched) / days * YEAR_DAYS
            by_kind = {
                kind: float(np.mean([c.found_after_h(a[k]) is not None for c, a in told if c.kind == kind]))
                for kind in INJECTIONS
                if any(c.kind == kind for c, _ in told)
            }
            row = {"k": k, "false_alarms_per_meter_year": round(false, 2), **by_kind}
            found.setdefault(source, []).append({key: round(value, 3) for key, value in row.items()})
    return found


def _z_beside(rows: Sequence[dict[str, float]], false_alarms: float) -> dict[str, float]:
    """The lowest k with no more false alarms."""
    return next((row for row in rows if row["false_alarms_per_meter_year"] <= false_alarms), rows[-1])


def _print(usual: Mapping[str, Any], by_z: Mapping[str, list[dict[str, float]]]) -> None:
    for source, found in usual.items():
        per_year = found["false_alarms_per_meter_year"]
        beside = _z_beside(by_z[source], per_year)
        rate = f"{per_year:.2f} a meter-year"
        if source not in ("DAIAD", "Danish heat"):
            rate = f"{per_year * MONTH_DAYS / YEAR_DAYS:.2f} a meter-month"
        z = f"z-score k {beside['k']:g}, {beside['false_alarms_per_meter_year']:.2f} a meter-year"
        print(f"{source}: false alarms {rate} over {found['meter_days']} meter-days {found['false_alarms']} ({z})")
        for kind, row in found["kinds"].items():
            hours = row["median_hours_to_alert"]
            after = f"after {hours:.0f} h (median)" if hours is not None else ""
            print(f"  {kind:16}{row['recall']:7.0%} of {row['faults']:3} {after:26} z-score {beside[kind]:.0%}")


def _plot(curve: Mapping[float, Any], by_z: Mapping[str, list[dict[str, float]]], path: Path) -> None:
    """Recall over all kinds against false alarms, one panel a source."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    for axes, source in zip(figure.subplots(2, 2).flat, COPIES, strict=True):
        ours = [
            (row[source]["false_alarms_per_meter_year"], np.mean([k["recall"] for k in row[source]["kinds"].values()]))
            for row in curve.values()
        ]
        theirs = [
            (row["false_alarms_per_meter_year"], np.mean([row[kind] for kind in INJECTIONS if kind in row]))
            for row in by_z[source]
        ]
        axes.plot(*zip(*sorted(ours), strict=True), marker="o", label="meter_fault")
        axes.plot(*zip(*theirs, strict=True), marker=".", color="grey", label="rolling z-score")
        axes.set(title=source, xlabel="false alarms a meter and year", ylabel="recall, mean over kinds", ylim=(0, 1.02))
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xlim(left=-0.02)
        axes.legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    sys.exit(main())
