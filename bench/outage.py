"""How well outages are located in a recorded scenario, beside the usual rule.

    python -m bench.outage --grid grid.csv --events events.jsonl --truth truth.jsonl

Formats, scoring and figures: docs/outage.md. The last line printed is one line of JSON.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import outage_score as scoring
from bench.outage_files import Event, Fact, read_events, read_truth
from bench.outage_indices import compare_indices, major_days, rows_of, true_interruptions
from bench.outage_rule import UsualRule
from bench.outage_run import Published, run
from flexmeter.grid_file import read_grid
from schemas.faults import Faults
from streams.outage.assumptions import PROFILES, Assumptions
from streams.outage.tree import Grid


def figures(grid: Grid, events: Sequence[Event], truth: Sequence[Fact], profile: str) -> dict[str, Any]:
    """All figures of one scenario."""
    out = run(grid, events, Assumptions(sustained_ms=PROFILES[profile]))
    return figures_of(grid, events, truth, out, profile)


def figures_of(
    grid: Grid, events: Sequence[Event], truth: Sequence[Fact], out: Published, profile: str
) -> dict[str, Any]:
    """All figures of what was published of one scenario."""
    sustained_ms = PROFILES[profile]
    happened, unseen = scoring.what_happened(grid, truth, events, out.end_ms)
    hours = (out.end_ms - events[0].received_at_ms) / 3_600_000 if events else 0.0
    mine = scoring.score(grid, happened, unseen, scoring.by_id(out.alerts), hours, sustained_ms)
    rows = rows_of(out.reliability)
    mine |= compare_indices(grid, true_interruptions(grid, happened), rows, sustained_ms)
    rule = UsualRule(grid, sustained_ms).run(events)
    usual = scoring.score(grid, happened, unseen, scoring.by_id(rule), hours, sustained_ms)
    return {
        "profile": profile,
        "meters": len(grid.meter_ids),
        "customers": len(grid.usage_points),
        "distinguishable_devices": len(grid.parent),
        "events": len(events),
        "events_not_used": out.unknown,
        "hours": hours,
        "outage": mine,
        "usual_rule": usual,
        "major_event_days": major_days(rows),
    }


def show(found: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [
        f"{found['meters']:,} meters, {found['distinguishable_devices']:,} devices that meters can tell apart, "
        f"{found['events']:,} events in {found['hours']:.1f} h ({found['profile']})",
        f"{'':44}{'outage':>12}{'usual rule':>12}",
    ]
    for name, value in _rows(found["outage"]):
        usual = dict(_rows(found["usual_rule"])).get(name)
        lines.append(f"{name:44}{_text(value):>12}{_text(usual):>12}")
    lines += ["", "how sure -> how often right, by alert at its location:"]
    lines += [
        f"  {one['said']:.3f} -> {one['was']:.3f}  ({one['alerts']})" for one in found["outage"]["calibration"]["curve"]
    ]
    minutes = found["outage"]["customer_minutes"]
    lines += ["", f"customer-minutes {minutes['told']:,.1f} of {minutes['true']:,.1f}, error {_text(minutes['error'])}"]
    for feeder, values in found["outage"]["indices"].items():
        pairs = [f"{name} {_text(pair['told'])} of {_text(pair['true'])}" for name, pair in values.items()]
        lines.append(f"{feeder}: " + ", ".join(pairs))
    major = found["major_event_days"]
    lines.append(f"major event days: {major if isinstance(major, str) else ', '.join(major) or 'none'}")
    return "\n".join(lines)


def _rows(part: dict[str, Any]) -> list[tuple[str, Any]]:
    rows = [(name, part[name]) for name in part if isinstance(part[name], int | float | None)]
    for name in ("false_provisional", "false_sustained", "first_event_to_provisional_s", "first_event_to_located_s"):
        rows += [(f"{name} {key}", value) for key, value in part[name].items()]
    rows.append(("calibration expected_error", part["calibration"]["expected_error"]))
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the three files, run, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=(__doc__ or "").splitlines()[0])
    for name in ("grid", "events", "truth"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="en50160")
    given = parser.parse_args(arguments)
    try:
        grid = Grid.of(read_grid(given.grid))
        found = figures(grid, list(read_events(given.events)), read_truth(given.truth), given.profile)
    except (Faults, OSError, ValueError, KeyError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 1
    for part in ("outage", "usual_rule"):
        del found[part]["raw"]
    print(show(found))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
