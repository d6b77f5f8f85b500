"""How well faults of meters are found, beside a rolling z-score: `python -m bench.meter_faults [--seed N] [--mild]`.

Stretches of homes run as they were recorded: what is alerted there counts as a false alarm (some may be true ones that
nobody labelled); the first two weeks, in which the operators learn, do not count as watched. Each kind of fault is put
into copies, after six weeks in order, at times and of sizes drawn from the seed; it is found if its alert is raised
within its two weeks. Recorded homes: REFIT, UK-DALE, DAIAD, one Danish heat meter (bench/meter_faults_data.py). Phases,
roofs and neighbours: homes of the fleet (bench/meter_faults_fleet.py), which this project made. Neighbours are compared
among those and among DAIAD's 92 homes of one town.

All of it is repeated with stricter and laxer limits for the curves, which show each kind's recall against the false
alarms of that kind; the limits in use are those of strictness 1. The z-score has one kind of alarm only. `--mild` puts
in smaller faults than the limits were thought out for.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.meter_faults_data import CLOCKS, INJECTIONS, MILD, Home, Magnitudes, homes, stretches, sudden_drop
from bench.meter_faults_fleet import KINDS, SOURCE, District
from bench.meter_faults_run import (
    ALIKE,
    FAULTY_DAYS,
    IN_ORDER_DAYS,
    SIGMAS,
    Case,
    Loads,
    alerts,
    beside,
    hourly_loads,
    limits,
    neighbour_limits,
    z_score_alarms,
)
from bench.report import RESULTS, report
from schemas.alert import Alert
from schemas.durations import DAY_MS
from streams.anomaly import Anomaly
from streams.meter_fault import MeterFault
from streams.neighbours import Neighbours

SEED = 20240101
COPIES = {"REFIT": 6.0, "UK-DALE": 4.0, "Danish heat": 2.0, "DAIAD": 0.3, SOURCE: 0.1}
"""How often each kind of fault is put into a stretch, on average."""
UNCOUNTED_DAYS = 14
"""At the start of each stretch, for false alarms: the operators learn."""
STRICTNESS = (0.6, 1.0, 1.7)
FLEET_HOMES, FLEET_DAYS = 120, IN_ORDER_DAYS + FAULTY_DAYS
BY_YEAR = ("DAIAD", "Danish heat")
"""Sources that reach far enough to tell false alarms by the meter-year; the others by the month."""
MONTH_DAYS, YEAR_DAYS = 30.4375, 365.25
BESIDE = " beside neighbours"
IN_USE = 1.0

Raised = list[tuple[Case, list[Alert]]]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is measured on: homes in order, and those with faults."""

    clean: list[Home]
    cases: list[Case]
    groups: dict[str, list[Home]]
    """Homes that are neighbours, by source, in order ..."""
    odd: dict[str, list[tuple[int, Case]]]
    """... and (place among them, with a fault)."""

    @classmethod
    def draw(cls, data: Path, seed: int, size: Magnitudes) -> "Truth":
        """From the recordings and the fleet, all by the seed."""
        rng = np.random.default_rng(seed)
        whole = list(homes(data))
        clean = [stretch for home in whole for stretch in stretches(home)]
        district = District.draw(FLEET_HOMES, FLEET_DAYS, seed)
        fleet = district.homes()
        daiad = [replace(home, group="DAIAD") for home in whole if home.source == "DAIAD"]
        clocks = _recorded(clean, CLOCKS, np.random.default_rng([seed, 1]), size)
        cases = [
            *_recorded(clean, INJECTIONS, rng, size),
            *clocks,
            *_made(district, [kind for kind in KINDS if kind != "pv_silent"], rng),
        ]
        odd = {
            "DAIAD" + BESIDE: list(_dropped(daiad, rng, size)),
            SOURCE + BESIDE: [
                (fleet_place(fleet, case), case) for case in _made(district, ["sudden_drop", "pv_silent"], rng)
            ],
        }
        return cls([*clean, *fleet], cases, {"DAIAD" + BESIDE: daiad, SOURCE + BESIDE: fleet}, odd)


def fleet_place(fleet: Sequence[Home], case: Case) -> int:
    """Which home of the fleet a case is."""
    return next(i for i, home in enumerate(fleet) if home.name == case.home.name)


def _recorded(
    clean: Sequence[Home], kinds: Mapping[str, Any], rng: np.random.Generator, size: Magnitudes
) -> Iterator[Case]:
    """Stretches, each with a fault."""
    for home in clean:
        for kind, (inject, sources) in kinds.items():
            for _ in range(int(COPIES[home.source] + rng.random()) * (home.source in sources)):
                yield from _with_fault(home, kind, inject, rng, size)


def _with_fault(home: Home, kind: str, inject: Any, rng: np.random.Generator, size: Magnitudes) -> Iterator[Case]:
    whole = (IN_ORDER_DAYS + FAULTY_DAYS) * DAY_MS
    begin = int(rng.integers(home.at[0], max(home.at[-1] - whole, home.at[0] + 1)))
    stretch = home.between(begin, begin + whole)
    start = begin + IN_ORDER_DAYS * DAY_MS + int(rng.integers(0, DAY_MS))
    if len(stretch.at) > 0.8 * whole / home.interval_ms:
        yield Case(kind, inject(stretch, start, rng, size), start)


def _made(district: District, kinds: Sequence[str], rng: np.random.Generator) -> Iterator[Case]:
    """Homes of the fleet, each with a fault from the last two weeks on."""
    for kind in kinds:
        fitting = district.fits(kind)
        for home in rng.permutation(fitting)[: max(round(COPIES[SOURCE] * len(fitting)), 8)].tolist():
            start = int(district.moments[0].at) + IN_ORDER_DAYS * DAY_MS + int(rng.integers(0, DAY_MS))
            yield Case(kind, district.faulty(kind, home, start), start)


def _dropped(daiad: Sequence[Home], rng: np.random.Generator, size: Magnitudes) -> Iterator[tuple[int, Case]]:
    """Every fourth home with part of its water passing the meter by, at any time after six weeks."""
    for place, home in list(enumerate(daiad))[::4]:
        start = int(rng.integers(home.at[0] + IN_ORDER_DAYS * DAY_MS, home.at[-1] - FAULTY_DAYS * DAY_MS))
        faulty = sudden_drop(home, start, rng, size)
        yield place, Case("sudden_drop", faulty.between(0, start + FAULTY_DAYS * DAY_MS), start)


def measure(
    truth: Truth, loads: Mapping[str, list[Loads]], odd_loads: Mapping[str, list[Loads]], strictness: float
) -> Any:
    """By source: false alarms and recall of each kind."""
    operator = MeterFault(limits(strictness))
    clean, faulty = alerts(operator, truth.clean), alerts(operator, [case.home for case in truth.cases])
    found = {}
    for source in COPIES:
        watched = [(home, told) for home, told in zip(truth.clean, clean, strict=True) if home.source == source]
        raised = [(case, told) for case, told in zip(truth.cases, faulty, strict=True) if case.home.source == source]
        found[source] = _figures(watched, raised, ALIKE)
    for source, group in truth.groups.items():
        compared = Neighbours(neighbour_limits(strictness))
        watched = list(zip(group, beside(compared, group, loads[source]), strict=True))
        raised = list(_beside(compared, group, loads[source], truth.odd[source], odd_loads[source]))
        found[source] = _figures(watched, raised, {"sudden_drop": {"tamper_pattern"}})
    return found


def _beside(
    operator: Neighbours, group: list[Home], loads: list[Loads], odd: list[tuple[int, Case]], odd_loads: list[Loads]
) -> Iterator[tuple[Case, list[Alert]]]:
    """The cases in rounds: no more than a tenth of the homes are at fault at once, none twice, and one roof a group."""
    left = list(range(len(odd)))
    while left:
        now: dict[int, int] = {}
        for i in left:
            place, case = odd[i]
            others = [odd[j][1] for j in now.values() if odd[j][1].kind == case.kind == "pv_silent"]
            roof_too = group[place].group in {other.home.group for other in others}
            if place not in now and not roof_too and len(now) < max(len(group) // 10, 1):
                now[place] = i
        left = [i for i in left if i not in now.values()]
        told = beside(operator, group, [odd_loads[now[j]] if j in now else loads[j] for j in range(len(group))])
        yield from ((odd[i][1], told[place]) for place, i in now.items())


def _figures(watched: list[tuple[Home, list[Alert]]], raised: Raised, alike: Mapping[str, set[str]]) -> dict[str, Any]:
    days = sum(home.days - UNCOUNTED_DAYS for home, _ in watched)
    kinds = [alert.kind for home, told in watched for alert in told if alert.at >= home.at[0] + UNCOUNTED_DAYS * DAY_MS]
    return {
        "meter_days": round(days),
        "false_alarms": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "false_alarms_per_meter_year": round(len(kinds) / days * YEAR_DAYS, 2),
        "kinds": {
            kind: _recall(raised, kind, alike.get(kind, {kind}), kinds, days)
            for kind in dict.fromkeys(case.kind for case, _ in raised)
        },
    }


def _recall(raised: Raised, kind: str, right: set[str], false: Sequence[str], days: float) -> dict[str, Any]:
    after = [
        case.found_after_h([case.told_at(alert) for alert in told if alert.kind in right])
        for case, told in raised
        if case.kind == kind
    ]
    hours = [hour for hour in after if hour is not None]
    return {
        "faults": len(after),
        "recall": round(len(hours) / len(after), 3),
        "median_hours_to_alert": round(float(np.median(hours)), 1) if hours else None,
        "false_alarms_per_meter_year": round(sum(one in right for one in false) / days * YEAR_DAYS, 2),
    }


def z_scores(truth: Truth) -> dict[str, list[dict[str, float]]]:
    """By source: for each k, false alarms a meter and year, and recall of each kind."""
    found: dict[str, list[dict[str, float]]] = {}
    clean = [(home, z_score_alarms(home)) for home in truth.clean]
    faulty = [(case.home.source, case, z_score_alarms(case.home)) for case in truth.cases]
    faulty += [(source, case, z_score_alarms(case.home)) for source, odd in truth.odd.items() for _, case in odd]
    for source in (*COPIES, *truth.groups):
        watched = [(home, alarms) for home, alarms in clean if home.source == source.removesuffix(BESIDE)]
        days = sum(home.days - UNCOUNTED_DAYS for home, _ in watched)
        told = [(case, alarms) for of, case, alarms in faulty if of == source]
        for k in SIGMAS:
            false = sum(len(alarms[k]) for _, alarms in watched) / days * YEAR_DAYS
            by_kind = {
                kind: float(np.mean([c.found_after_h(a[k]) is not None for c, a in told if c.kind == kind]))
                for kind in dict.fromkeys(case.kind for case, _ in told)
            }
            row = {"k": k, "false_alarms_per_meter_year": round(false, 2), **by_kind}
            found.setdefault(source, []).append({key: round(value, 3) for key, value in row.items()})
    return found


def unusual(clean: Sequence[Home]) -> dict[str, Any]:
    """False alarms of the operator `anomaly` on the same load in order, by source, without its 25 h of learning."""
    told = alerts(Anomaly(), clean)
    found = {}
    for source in COPIES:
        of = [(home, raised) for home, raised in zip(clean, told, strict=True) if home.source == source]
        days, alarms = sum(home.days - 1 for home, _ in of), sum(len(raised) for _, raised in of)
        found[source] = {
            "meter_days": round(days),
            "alarms": alarms,
            "per_meter_year": round(alarms / days * YEAR_DAYS, 2),
        }
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, plot, keep."""
    parser = argparse.ArgumentParser(prog="bench.meter_faults", description="Faults put into load, found or not.")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FLEXMETER_DATA", "../shared/data")))
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--mild", action="store_true", help="smaller faults")
    given = parser.parse_args(argv)
    if not (given.data / "meters").is_dir():
        print(f"no real load in {given.data}: nothing to put faults into; name the folder with --data", file=sys.stderr)
        return 2
    truth = Truth.draw(given.data, given.seed, MILD if given.mild else Magnitudes())
    put_in = len(truth.cases) + sum(len(odd) for odd in truth.odd.values())
    print(f"{len(truth.clean)} stretches of homes, {put_in} faults, seed {given.seed}{', mild' if given.mild else ''}")
    loads = {source: hourly_loads(group) for source, group in truth.groups.items()}
    odd_loads = {source: hourly_loads([case.home for _, case in odd]) for source, odd in truth.odd.items()}
    steps = (IN_USE,) if given.mild else STRICTNESS
    curve = {}
    for strictness in steps:
        print(f"strictness {strictness:g}", file=sys.stderr)
        curve[strictness] = measure(truth, loads, odd_loads, strictness)
    by_z = z_scores(truth)
    usual, anomalies = curve[IN_USE], unusual(truth.clean)
    _print(usual, by_z)
    for source, row in anomalies.items():
        print(f"anomaly on {source}: {row['alarms']} alarms in {row['meter_days']} meter-days in order")
    other = "-mild" if given.mild else "" if given.seed == SEED else f"-{given.seed}"
    if len(curve) > 1:
        from bench.meter_faults_plot import plot

        plot(curve, by_z, RESULTS / f"meter-faults{other}.png")
    beside_us = {source: _z_beside(by_z[source], usual[source]["false_alarms_per_meter_year"]) for source in usual}
    whole = {
        "seed": given.seed,
        "mild": given.mild,
        "faults": put_in,
        "by_strictness": curve,
        "z_score_at_no_more_false_alarms": beside_us,
        "anomaly_on_load_in_order": anomalies,
    }
    report(f"meter-faults{other}", whole, packages=["numpy", "matplotlib"])
    return 0


def _z_beside(rows: Sequence[dict[str, float]], false_alarms: float) -> dict[str, float]:
    """The lowest k with no more false alarms."""
    return next((row for row in rows if row["false_alarms_per_meter_year"] <= false_alarms), rows[-1])


def _rate(source: str, per_year: float) -> str:
    if source.removesuffix(BESIDE) in BY_YEAR:
        return f"{per_year:.2f} a meter-year"
    return f"{per_year * MONTH_DAYS / YEAR_DAYS:.2f} a meter-month"


def _print(usual: Mapping[str, Any], by_z: Mapping[str, list[dict[str, float]]]) -> None:
    for source, found in usual.items():
        per_year = found["false_alarms_per_meter_year"]
        z = _z_beside(by_z[source], per_year)
        beside_us = f"z-score k {z['k']:g}: {_rate(source, z['false_alarms_per_meter_year'])}"
        print(f"{source}: false alarms {_rate(source, per_year)} over {found['meter_days']} meter-days ({beside_us})")
        for kind, row in found["kinds"].items():
            hours = row["median_hours_to_alert"]
            after = f"after {hours:.0f} h (median)" if hours is not None else ""
            false = f"false {_rate(source, row['false_alarms_per_meter_year'])}"
            print(f"  {kind:16}{row['recall']:6.0%} of {row['faults']:3} {after:24} {false:26} z-score {z[kind]:.0%}")


if __name__ == "__main__":
    sys.exit(main())
