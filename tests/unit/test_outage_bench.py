"""The bench of outages: formats, scoring by hand, and one small scenario through all of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import outage
from bench.outage_accuracy import plans
from bench.outage_files import Event, Fact, read_events, read_truth, write_scenario
from bench.outage_rule import UsualRule
from bench.outage_run import run
from bench.outage_scenarios import GRIDS, Plan, scenario
from bench.outage_score import Said, by_id, calibration, score, what_happened
from flexmeter.grid_file import read_grid
from schemas.alert import Alert
from streams.outage.tree import Grid, Node

MINUTE = 60_000
NODES = [
    Node("f", "", "feeder"),
    Node("a", "f", "fuse"),
    Node("a1", "a", "transformer"),
    Node("a2", "a", "transformer"),
    Node("b", "f", "fuse"),
    *(Node(f"{up}m{i}", up, "meter", "L1", f"{up}m{i}", f"{up}u{i}") for up in ("a1", "a2", "b") for i in (1, 2)),
]
GRID = Grid.of(NODES)


def alert(name: str, number: int, at: int, device: str, phase: str, ending: str | None = None, **more: object) -> Alert:
    evidence = {"phase": phase, "ending": ending, "start_ms": MINUTE, "end_ms": None, "confidence": 0.9, "dark": []}
    state = "cleared" if ending else "raised"
    return Alert(
        name, number, "outage", "warning", state, device, None, None, at, at, "", evidence | more
    )  # fmt: skip


def scored(facts: list[Fact], alerts: list[Alert], events: list[Event] | None = None) -> dict[str, object]:
    happened, unseen = what_happened(GRID, facts, events or [], 100 * MINUTE)
    return score(GRID, happened, unseen, by_id(alerts), 24.0, 3 * MINUTE)


def test_exactly_one_level_and_missed() -> None:
    facts = [Fact("a1", MINUTE, 20 * MINUTE), Fact("b", MINUTE, 20 * MINUTE), Fact("a2", 50 * MINUTE, 60 * MINUTE)]
    alerts = [
        alert("1", 1, MINUTE + 500, "a", "located", end_ms=20 * MINUTE),
        alert("2", 1, MINUTE + 900, "b", "located", end_ms=20 * MINUTE),
    ]
    found = scored(facts, alerts)
    assert [found[key] for key in ("located_exactly", "located_within_one_level", "located_elsewhere", "missed")] == [
        1, 1, 0, 1,
    ]  # fmt: skip


def test_the_first_located_version_counts() -> None:
    alerts = [
        alert("1", 1, MINUTE, "b", "provisional"),
        alert("1", 2, MINUTE + 9_000, "a1", "located"),
        alert("1", 3, MINUTE + 20_000, "a", "located"),
    ]
    assert scored([Fact("a1", MINUTE, 20 * MINUTE)], alerts)["located_exactly"] == 1
    assert scored([Fact("a", MINUTE, 20 * MINUTE)], alerts)["located_within_one_level"] == 1


def test_false_alerts_by_momentaries_and_day() -> None:
    facts = [Fact("a1", MINUTE, MINUTE + 5_000), Fact("a2", MINUTE, MINUTE + 5_000)]
    alerts = [alert("1", 1, MINUTE, "b", "provisional"), alert("2", 1, MINUTE, "a1", "sustained")]
    found = scored(facts, alerts)
    assert found["momentaries"] == 2
    assert found["momentaries_published"] == 1
    assert found["false_provisional"] == {"count": 1, "per_100_momentaries": 50, "per_day": 1}
    assert found["false_sustained"] == {"count": 1, "per_100_momentaries": 50, "per_day": 1}


def test_a_nested_fault_is_found_in_what_stays_dark() -> None:
    facts = [Fact("a", MINUTE, 20 * MINUTE), Fact("a2", 5 * MINUTE, 40 * MINUTE)]
    parted = alert("1", 2, 21 * MINUTE, "a", "partly_restored", dark=["a2"])
    found = scored(facts, [alert("1", 1, MINUTE, "a", "located"), parted])
    assert (found["outages"], found["located_exactly"]) == (2, 2)


def test_hidden_planned_and_meterless_facts_are_set_aside() -> None:
    facts = [
        Fact("a", MINUTE, 20 * MINUTE),
        Fact("a2", 5 * MINUTE, 10 * MINUTE),
        Fact("b", 30 * MINUTE, 40 * MINUTE),
        Fact("nowhere", MINUTE, 9 * MINUTE),
    ]
    plan = Event(0, 0, "planned", node_id="b", from_ms=29 * MINUTE, to_ms=41 * MINUTE)
    found = scored(facts, [], [plan])
    assert found["outages"] == 1
    assert found["set_aside"] == {"hidden_under_another": 1, "planned": 1, "without_meters": 1}


def test_waits_count_from_the_first_event_that_arrived() -> None:
    gasps = [Event(at, MINUTE, "last_gasp", "a1m1") for at in (MINUTE + 2_000, MINUTE + 7_000)]
    alerts = [alert("1", 1, MINUTE + 2_250, "a1", "provisional"), alert("1", 2, MINUTE + 8_000, "a1", "located")]
    found = scored([Fact("a1", MINUTE, 20 * MINUTE)], alerts, gasps)
    assert found["first_event_to_provisional_s"] == {"p50": 0.25, "p95": 0.25, "count": 1}
    assert found["first_event_to_located_s"] == {"p50": 6.0, "p95": 6.0, "count": 1}


def test_missed_without_a_word_is_what_no_event_told() -> None:
    facts = [Fact("a1", MINUTE, 20 * MINUTE), Fact("a2", 30 * MINUTE, 50 * MINUTE), Fact("b", MINUTE, 20 * MINUTE)]
    events = [Event(2 * MINUTE, 2 * MINUTE, "last_gasp", "bm1"), Event(51 * MINUTE, 50 * MINUTE, "restored", "a2m1")]
    found = scored(facts, [], events)
    assert (found["missed"], found["missed_without_a_word"]) == (3, 1)


def test_overlapping_facts_of_devices_that_no_meter_can_tell_apart_are_one() -> None:
    grid = Grid.of([Node("f", "", "fuse"), Node("t", "f", "transformer"), Node("m", "t", "meter", "", "m")])
    facts = [Fact("f", MINUTE, 9 * MINUTE), Fact("t", 5 * MINUTE, 20 * MINUTE), Fact("f", 40 * MINUTE, None)]
    happened, _ = what_happened(grid, facts, [], 60 * MINUTE)
    assert [(one.fact.open_ms, one.close_ms) for one in happened] == [
        (MINUTE, 20 * MINUTE), (40 * MINUTE, 60 * MINUTE),
    ]  # fmt: skip


def test_the_calibration_of_someone_who_is_always_right() -> None:
    assert calibration([(1.0, True)] * 5) == {
        "curve": [{"alerts": 5, "said": 1.0, "was": 1.0}],
        "expected_error": 0.0,
        "alerts": 5,
    }
    assert calibration([])["curve"] == []


def test_versions_of_an_alert_are_one() -> None:
    found = by_id([alert("1", 1, 0, "a", "provisional"), alert("2", 1, 0, "b", "provisional"),
                   alert("1", 2, 9, "a", "closed", "merged")])  # fmt: skip
    assert [len(said.versions) for said in found] == [2, 1]
    assert found[0].merged
    assert not Said(found[1].versions).sustained


def test_the_usual_rule_escalates_to_the_common_ancestor() -> None:
    gasps = [Event(MINUTE + i, MINUTE, "last_gasp", meter) for i, meter in enumerate(("a1m1", "a1m2", "a2m1", "a2m2"))]
    others = [Node(f"c{i}", "f", "transformer") for i in range(3)]
    others += [Node(f"c{i}m", f"c{i}", "meter", "", f"c{i}m") for i in range(3)]
    found = UsualRule(Grid.of([*NODES, *others]), 3 * MINUTE).run(
        [*gasps, Event(3 * MINUTE, 3 * MINUTE, "reading", "bm1")]
    )
    assert [(one.subject, one.evidence["phase"]) for one in found] == [
        ("a1", "provisional"), ("a", "provisional"), ("a", "located"),
    ]  # fmt: skip


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    drawn = scenario(Plan(hours=1.0, outages=1, momentaries=1, planned_works=1, interval_s=900))
    write_scenario(tmp_path, drawn.nodes, drawn.events, drawn.truth)
    assert read_grid(tmp_path / "grid.csv") == list(drawn.nodes)
    assert list(read_events(tmp_path / "events.jsonl")) == list(drawn.events)
    assert read_truth(tmp_path / "truth.jsonl") == list(drawn.truth)


@pytest.mark.parametrize("line", ["{}", "[]", '{"type": "reading"}', '{"type": 7, "received_at_ms": 1}', "{"])
def test_a_line_that_is_no_event_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"type": "reading", "received_at_ms": 1, "at_ms": 1, "meter_id": "m"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"events.jsonl:2: not an event"):
        list(read_events(path))


@pytest.mark.parametrize("line", ["{}", "[]", '{"device_id": "a", "open_ms": "soon"}', "{"])
def test_a_line_that_is_no_fact_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text('{"device_id": "a", "open_ms": 1, "close_ms": null}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"truth.jsonl:2: not a fact"):
        read_truth(path)


def test_ids_that_are_numbers_and_measurements_without_a_value(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(
        '{"received_at_ms": 1, "meter_id": 17, "type": "voltage", "volts": null}\n'
        '{"received_at_ms": 2, "meter_id": 17, "type": "voltage", "volts": 0}\n'
        '{"received_at_ms": 3, "node_id": 5, "type": "substation_load"}\n'
    )
    (tmp_path / "truth.jsonl").write_text('{"device_id": 5, "open_ms": 1}\n')
    events = list(read_events(tmp_path / "events.jsonl"))
    assert [(event.meter_id, event.node_id) for event in events] == [("17", ""), ("17", ""), ("", "5")]
    assert np.isnan([event.value for event in events]).tolist() == [True, False, True]
    assert read_truth(tmp_path / "truth.jsonl") == [Fact("5", 1, None)]


def test_a_meter_without_an_id_has_its_nodes(tmp_path: Path) -> None:
    lines = [
        "node_id,parent_id,kind,phase,meter_id,usage_point_id,comm_parent_id",
        "s,,substation,,,,",
        "m,s,meter,,,,",
    ]
    (tmp_path / "grid.csv").write_text("\n".join(lines))
    assert Grid.of(read_grid(tmp_path / "grid.csv")).meter_ids == ["m"]


def test_without_events_nothing_is_reckoned() -> None:
    happened, _ = what_happened(GRID, [Fact("a1", MINUTE, 20 * MINUTE)], [], 0)
    assert [(one.close_ms - one.fact.open_ms, one.visible_ms) for one in happened] == [(0, 0)]


def test_kinds_of_others_are_switches_or_gateways(tmp_path: Path) -> None:
    lines = ["node_id,kind,parent_id,meter_id,comm_parent_id", "s,Substation,,,", "r,recloser,s,,", "h,head end,,,"]
    (tmp_path / "grid.csv").write_text("\n".join([*lines, "n,meter,r,m,h"]))
    assert [node.kind for node in read_grid(tmp_path / "grid.csv")] == ["substation", "switch", "gateway", "meter"]


def test_events_of_unknown_types_are_counted() -> None:
    out = run(GRID, [Event(MINUTE, MINUTE, "wink", "a1m1"), Event(MINUTE, MINUTE, "reading", "nobody")])
    assert (out.unknown, out.alerts) == (2, [])


@pytest.mark.parametrize("grid", GRIDS)
def test_scenarios_are_drawn_from_their_seed_alone(grid: str) -> None:
    plan = Plan(grid=grid, hours=1.0, outages=1, momentaries=2, interval_s=1_800)
    one, again = scenario(plan), scenario(plan)
    assert (one.events, one.truth) == (again.events, again.truth)
    assert scenario(replace(plan, seed=9)).truth != one.truth
    arrivals = [event.received_at_ms for event in one.events]
    assert arrivals == sorted(arrivals)
    assert len(Grid.of(one.nodes).meter_ids) >= 1_000


def test_a_storm_is_of_50_outages_an_hour() -> None:
    plan = plans()["ieee8500-storm"]
    drawn = scenario(replace(plan, interval_s=3_600, loads=False))
    opened = [
        fact.open_ms for fact in drawn.truth if (fact.close_ms or fact.open_ms + 9 * MINUTE) - fact.open_ms > 3 * MINUTE
    ]
    assert len(opened) * 3_600_000 / (max(opened) - min(opened)) >= 50


def test_the_command_on_a_perfect_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fuse opens for ten minutes, everything is heard: located exactly, indices equal, the last line is JSON."""
    opened, closed = 400_000, 1_000_000
    meters = [node.meter_id for node in NODES if node.meter_id]
    events = [
        Event(at, at, "reading", meter)
        for i, meter in enumerate(meters)
        for at in range(1_000 + 1_500 * i, 1_300_000, 30_000)
        if not (meter.startswith("a") and opened <= at <= closed)
    ]
    events += [Event(opened, opened, "last_gasp", meter) for meter in meters if meter.startswith("a")]
    events += [Event(closed, closed, "restored", meter) for meter in meters if meter.startswith("a")]
    write_scenario(tmp_path, NODES, sorted(events, key=lambda e: e.received_at_ms), [Fact("a", opened, closed)])
    paths = {"grid": "grid.csv", "events": "events.jsonl", "truth": "truth.jsonl"}
    assert outage.main([part for name, file in paths.items() for part in (f"--{name}", str(tmp_path / file))]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["outage"]["located_exactly"], found["outage"]["missed"], found["outage"]["alerts"]) == (1, 0, 1)
    assert found["outage"]["customer_minutes"]["error"] == 0
    for index in found["outage"]["indices"]["total"].values():
        assert np.isclose(index["told"], index["true"], rtol=0, atol=1e-12)
    assert found["major_event_days"] == "not computable"


def test_the_command_tells_what_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none")
    assert outage.main(["--grid", missing, "--events", missing, "--truth", missing]) == 1
    assert "cannot be read" in capsys.readouterr().err
