"""Location of outages on the project's own scenarios, against its goals; figures and a plot.

    python -m bench.accuracy outage [--scenarios N] [--seed S] [--parts FOLDER] [SCENARIO ...]

Every scenario is drawn from a seed: N of them for each delivery and grid, and one for each other question. With
--parts, what a scenario gave is kept in the folder and not computed again: so the whole can be done piece by piece on
a busy machine. With names, only these are run. A result is written only of the reported seeds, whole: what is tried out
on others is not what is told.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench.outage import figures
from bench.outage_scenarios import Plan, scenario
from bench.outage_score import calibration, percentiles
from bench.report import RESULTS, report
from streams.outage.tree import Grid

DELIVERIES = (0.1, 0.3, 0.5, 0.8, 0.9)
BOTH = (0.3, 0.8)
"""Those of the goals: on both grids."""
GRIDS = ("ieee8500", "european")
SCENARIOS, SEED = 2, 100
"""What is reported."""
NOTHING = Plan(outages=0, momentaries=0, gateway_failures=0, lies_a_meter_day=0.0, nested=0.0)


def plans(scenarios: int = SCENARIOS, seed: int = SEED) -> dict[str, Plan]:
    """All scenarios by name."""
    cells = [(grid, delivery) for grid in GRIDS for delivery in DELIVERIES if grid == "ieee8500" or delivery in BOTH]
    found = {
        f"{grid}-{delivery}-{draw}": Plan(
            grid=grid, delivery=delivery, hours=2.0, outages=14, momentaries=14, seed=seed + 100 * draw + cell
        )
        for draw in range(scenarios)
        for cell, (grid, delivery) in enumerate(cells)
    }
    for number, grid in enumerate(GRIDS):
        found |= {
            f"{grid}-gateways": replace(NOTHING, grid=grid, gateway_failures=12, hours=2.0, seed=seed + 70 + number),
            f"{grid}-campaigns": replace(
                NOTHING, grid=grid, momentaries=10, campaigns=3, hours=2.0, seed=seed + 80 + number
            ),
            f"{grid}-perfect": Plan(
                grid=grid, perfect=True, gateway_failures=0, outages=10, momentaries=10, hours=2.0, seed=seed + 90
            ),
        }
    return found | {
        "ieee8500-campaign-unplanned": replace(
            NOTHING, campaigns=1, campaigns_planned=False, hours=2.0, seed=seed + 92
        ),
        "ieee8500-storm": Plan(hours=2.0, outages=60, momentaries=10, delivery=0.6, interval_s=60, seed=seed + 94),
        "ieee8500-works": Plan(planned_works=4, outages=4, momentaries=4, hours=2.0, seed=seed + 96),
    }


def measured(name: str, plan: Plan, folder: Path | None) -> dict[str, Any]:
    """The figures of one scenario."""
    kept = folder / f"{name}.json" if folder else None
    if kept is not None and kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return found
    drawn = scenario(plan)
    result = figures(Grid.of(drawn.nodes), drawn.events, drawn.truth, "en50160")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result), "utf-8")
    return result


def summary(found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """All scenarios together: by delivery, against the goals, and each by itself."""
    whole = {name: one for name, one in found.items() if name.split("-")[1] in map(str, DELIVERIES)}
    calm = [one for name, one in found.items() if "campaign" not in name]
    by_delivery = {
        str(delivery): {part: _shares(_with(whole, delivery), part) for part in ("outage", "usual_rule")}
        for delivery in DELIVERIES
    }
    waits = [wait for one in whole.values() for wait in one["outage"]["raw"]["waits_s"]["provisional"]]
    located = [wait for one in whole.values() for wait in one["outage"]["raw"]["waits_s"]["located"]]
    beliefs = [(sure, right) for one in whole.values() for sure, right in one["outage"]["raw"]["beliefs"]]
    momentaries = sum(one["outage"]["momentaries"] for one in calm)
    return {
        "by_delivery": by_delivery,
        "calibration": calibration(beliefs),
        "first_event_to_provisional_s": percentiles(waits),
        "first_event_to_located_s": percentiles(located),
        "momentaries": momentaries,
        "false_per_100_momentaries": {
            kind: {
                part: 100 * sum(one[part][f"false_{kind}"]["count"] for one in calm) / momentaries
                for part in ("outage", "usual_rule")
            }
            for kind in ("provisional", "sustained")
        },
        "alerts_from_gateway_failures": sum(
            one["outage"]["alerts"] for name, one in found.items() if name.endswith("gateways")
        ),
        "false_in_planned_campaigns": sum(
            one["outage"]["false_provisional"]["count"] for name, one in found.items() if name.endswith("campaigns")
        ),
        "indices_when_all_is_seen": {
            name: one["outage"]["indices"]["total"] for name, one in found.items() if name.endswith("perfect")
        },
        "scenarios": {name: _brief(one) for name, one in found.items()},
    }


def _with(found: Mapping[str, dict[str, Any]], delivery: float) -> list[dict[str, Any]]:
    return [one for name, one in found.items() if name.split("-")[1] == str(delivery)]


def _shares(found: Iterable[dict[str, Any]], part: str) -> dict[str, Any]:
    parts = [one[part] for one in found]
    total = {key: sum(one[key] for one in parts) for key in _COUNTS}
    share = total["located_exactly"] / total["outages"] if total["outages"] else None
    heard = total["heard_located_exactly"] / total["outages_heard"] if total["outages_heard"] else None
    return total | {
        "exact_share": share,
        "exact_share_95": wilson(total["located_exactly"], total["outages"]),
        "exact_share_of_heard": heard,
    }


def wilson(count: int, total: int) -> list[float]:
    """Interval that holds a share with 95 % (Wilson 1927), of `count` in `total`.

    >>> wilson(90, 100)
    [0.8256, 0.9448]
    """
    if not total:
        return [0.0, 1.0]
    share, z2 = count / total, 1.96**2
    middle, width = share + z2 / (2 * total), 1.96 * sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return [round((middle + side * width) / (1 + z2 / total), 4) for side in (-1, 1)]


_COUNTS = (
    "outages",
    "located_exactly",
    "located_within_one_level",
    "located_elsewhere",
    "missed",
    "missed_without_a_word",
    "outages_heard",
    "heard_located_exactly",
)


def _brief(one: Mapping[str, Any]) -> dict[str, Any]:
    mine = one["outage"]
    return {key: mine[key] for key in (*_COUNTS, "momentaries", "momentaries_published", "alerts", "extra_alerts")} | {
        "false_provisional": mine["false_provisional"]["count"],
        "false_sustained": mine["false_sustained"]["count"],
        "customer_minutes_error": mine["customer_minutes"]["error"],
        "meters": one["meters"],
        "events": one["events"],
    }


def goals(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each goal, what was measured, and whether it is met."""
    high, low = (found["by_delivery"][d]["outage"]["exact_share"] for d in ("0.8", "0.3"))
    false = found["false_per_100_momentaries"]
    p95 = found["first_event_to_provisional_s"]["p95"]
    apart = [abs(p["told"] - p["true"]) for one in found["indices_when_all_is_seen"].values() for p in one.values()]
    return {
        "exact device >= 95 % at delivery 0.8": {"measured": high, "met": high >= 0.95},
        "exact device >= 85 % at delivery 0.3": {"measured": low, "met": low >= 0.85},
        "false sustained < 1 per 100 momentaries": _below(false["sustained"]["outage"], 1),
        "false provisional < 5 per 100 momentaries": _below(false["provisional"]["outage"], 5),
        "no outage from gateway failures": _below(found["alerts_from_gateway_failures"], 1),
        "provisional p95 < 10 s": _below(p95, 10),
        "indices exact when all is seen": {"measured": max(apart), "met": max(apart) < 1e-9},
    }


def _below(value: float, limit: float) -> dict[str, Any]:
    return {"measured": value, "met": value < limit}


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Accuracy against delivery, and how sure against how right."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for part, label in (("outage", "outage"), ("usual_rule", "usual rule")):
        shares = [found["by_delivery"][str(delivery)][part]["exact_share"] for delivery in DELIVERIES]
        left.plot(DELIVERIES, shares, marker="o", label=label)
    left.set(xlabel="delivery of last gasps", ylabel="located exactly", ylim=(0, 1.02), title="Accuracy")
    left.legend()
    curve = found["calibration"]["curve"]
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    right.plot([one["said"] for one in curve], [one["was"] for one in curve], marker="o")
    for one in curve:
        right.annotate(str(one["alerts"]), (one["said"], one["was"]), textcoords="offset points", xytext=(4, -12))
    right.set(xlabel="probability said", ylabel="share that was right", xlim=(0, 1.02), ylim=(0, 1.02))
    right.set_title("Calibration, alerts at their location")
    figure.savefig(path, metadata={"Date": None})


def main(arguments: Sequence[str]) -> int:
    """Run, print, write bench/results/outage.json and outage.svg."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy outage")
    parser.add_argument("--scenarios", type=int, default=SCENARIOS, help="for each delivery and grid")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--parts", type=Path)
    parser.add_argument("scenario", nargs="*")
    given = parser.parse_args(arguments)
    wanted = plans(given.scenarios, given.seed)
    if unknown := set(given.scenario) - set(wanted):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(wanted)}")
    found = {}
    for name, plan in wanted.items():
        if not given.scenario or name in given.scenario:
            found[name] = measured(name, plan, given.parts)
            print(name, json.dumps(_brief(found[name])), flush=True)
    if given.scenario:
        return 0
    result = summary(found)
    reached = goals(result)
    for goal, how in reached.items():
        print(f"{'met   ' if how['met'] else 'MISSED'} {goal}: {how['measured']}")
    if (given.scenarios, given.seed) != (SCENARIOS, SEED):
        print(json.dumps(reached))
        return 0
    RESULTS.mkdir(exist_ok=True)
    plot(result, RESULTS / "outage.svg")
    report("outage", {"goals": reached, **result}, ["numpy"])
    return 0
