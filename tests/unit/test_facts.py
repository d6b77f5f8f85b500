"""What `flexmeter tail` and `flexmeter alerts` say, line by line."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from flexmeter.commands.alerts import Seen, shown, wanted
from flexmeter.commands.tail import advice, places_of
from flexmeter.facts import alert_fact, facts_about
from schemas.alert import Alert
from schemas.blocks import Beat, DeadLetter, EventBlock, ReadingBlock
from schemas.master_data import HomeRequestBlock
from schemas.partition import partition_of
from schemas.record import Record
from schemas.results import (
    AggregateBlock,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    PresenceBlock,
    RecomputeRequestBlock,
)
from schemas.topology import load_topology

T = 1_795_507_200_000
NAN = float("nan")
READINGS = ReadingBlock(
    source="mqtt_malmo",
    profile="malmo_household",
    received_at=T,
    meters=["m1", "m2"],
    feeders=[None, "f"],
    substations=[None, "s"],
    intervals_ms=np.array([10_000, 10_000]),
    row_meter=np.array([1, 0, 1], np.int32),
    at=np.array([T, T + 5, T + 10_000]),
    sequence=np.array([7, -1, 8]),
    quality=np.array([0, 0, 6], np.int32),
    columns=["active_power_l1_w", "voltage_l1_v"],
    values=np.array([120.5, 1.0, NAN, 230.1, 2.0, NAN]),
)
AGGREGATES = AggregateBlock(
    operator_version=1,
    meters=["m1", "m2"],
    quantities=["active_power_l1_w", "active_energy_import_wh"],
    windows=["15min"],
    row_meter=np.array([1, 1, 0], np.int32),
    row_quantity=np.array([0, 1, 0], np.int32),
    row_window=np.zeros(3, np.int32),
    start=np.full(3, T),
    end=np.full(3, T + 900_000),
    revision=np.array([0, 2, 0], np.int32),
    count=np.full(3, 90),
    mean=np.array([100.25, NAN, 1.0]),
    min=np.array([90.0, NAN, 1.0]),
    max=np.array([110.0, NAN, 1.0]),
    energy_trapezoid_wh=np.array([25.0625, NAN, 1.0]),
    register_difference=np.array([NAN, 25.0, NAN]),
    covered_ms=np.full(3, 890_500),
    quality=np.array([0, 32, 0], np.int32),
)
ALERT = Alert(
    "last_gasp/m2/1",
    1,
    "last_gasp",
    "critical",
    "raised",
    "m2",
    None,
    None,
    T,
    T,
    "Meter m2 lost power",
    {"events": []},
)
SAID: list[tuple[Record | Alert, list[str]]] = [
    (
        READINGS,
        [
            "2026-11-24 08:00:00.000Z  reading      active_power_l1_w 120.5 W  voltage_l1_v 230.1 V",
            "2026-11-24 08:00:10.000Z  reading      nothing measured  [time_by_bridge, future]",
        ],
    ),
    (
        EventBlock(
            source="mqtt_malmo",
            received_at=T,
            meters=["m2"],
            feeders=[None],
            substations=[None],
            row_meter=np.zeros(2, np.int32),
            at=np.array([T, T + 1]),
            quality=np.zeros(2, np.int32),
            kind=["last_gasp", "tamper"],
            detail=["", "lid\n\x1b[2Jopen"],
        ),
        [
            "2026-11-24 08:00:00.000Z  event        last_gasp",
            r"2026-11-24 08:00:00.001Z  event        tamper lid\n\x1b[2Jopen",
        ],
    ),
    (
        AGGREGATES,
        [
            "2026-11-24 08:00:00.000Z  aggregate    15min to 2026-11-24 08:15:00.000Z  active_power_l1_w: 90 samples, "
            "mean 100.25 W, min 90 W, max 110 W, energy 25.0625 Wh, covered 890.5 s",
            "2026-11-24 08:00:00.000Z  aggregate    15min to 2026-11-24 08:15:00.000Z, revision 2  "
            "active_energy_import_wh: 90 samples, counted 25 Wh, covered 890.5 s  [gap]",
        ],
    ),
    (
        PresenceBlock(
            operator_version=1,
            meters=["m2"],
            feeders=[None],
            row_meter=np.zeros(1, np.int32),
            number=np.array([3]),
            state=["silent"],
            since=np.array([T + 10_000]),
            last_at=np.array([T]),
        ),
        [
            "2026-11-24 08:00:10.000Z  presence     silent; newest reading is of 2026-11-24 08:00:00.000Z",
        ],
    ),
    (
        AnomalyScoreBlock(
            operator_version=2,
            unit="W",
            meters=["m2"],
            row_meter=np.zeros(1, np.int32),
            start=np.array([T]),
            end=np.array([T + 900_000]),
            load=np.array([5_000.0]),
            expected=np.array([512.25]),
            low=np.array([420.0]),
            high=np.array([700.0]),
            rarity_decades=np.array([12.34]),
            state=["alerted"],
        ),
        [
            "2026-11-24 08:00:00.000Z  score        alerted: 5000 W, expected 512.2 (420 to 700), rarity 12.3 decades",
        ],
    ),
    (
        ApplianceEventBlock(
            operator_version=2,
            meters=["m2", "m1"],
            row_meter=np.array([0, 1], np.int32),
            number=np.array([29925127, 1]),
            revision=np.array([1, 0], np.int32),
            state=["off", "on"],
            appliance=["kettle", "oven"],
            decided_at=np.array([T, T]),
            start=np.array([T - 90_000, T]),
            end=np.array([T, 0]),
            power_w=np.array([2_000.0, 1.0]),
            energy_wh=np.array([50.0, 1.0]),
            confidence=np.array([0.97, 1.0]),
        ),
        [
            "2026-11-24 08:00:00.000Z  appliance    kettle off, load 29925127, revision 1: 2000 W since "
            "2026-11-24 07:58:30.000Z, 50.0 Wh, 97% sure",
        ],
    ),
    (
        HomeRequestBlock(
            meters=["m2"],
            row_meter=np.zeros(2, np.int32),
            at=np.array([T, T]),
            kind=["consent", "label"],
            number=np.array([0, 29925127]),
            power_w=np.array([0.0, 2_000.0]),
            appliance=["", "oven"],
        ),
        [
            "2026-11-24 08:00:00.000Z  request      consent",
            "2026-11-24 08:00:00.000Z  request      label: what draws 2000 W is oven",
        ],
    ),
    (
        ApplianceEnergyBlock(
            operator_version=2,
            meters=["m2"],
            appliances=["remainder", "kettle"],
            windows=["15min"],
            row_meter=np.zeros(1, np.int32),
            row_appliance=np.ones(1, np.int32),
            row_window=np.zeros(1, np.int32),
            start=np.array([T]),
            end=np.array([T + 900_000]),
            revision=np.ones(1, np.int32),
            energy_wh=np.array([50.0]),
            covered_ms=np.array([900_000]),
        ),
        ["2026-11-24 08:00:00.000Z  energy       15min to 2026-11-24 08:15:00.000Z, revision 1  kettle: 50.0 Wh"],
    ),
    (
        RecomputeRequestBlock(["m2"], ["water"], np.zeros(1, np.int32), np.array([T]), np.array([T + 3_600_000])),
        [
            "2026-11-24 08:00:00.000Z  recompute    late readings: the time to 2026-11-24 09:00:00.000Z "
            "is to be computed again",
        ],
    ),
    (
        DeadLetter("mqtt_malmo", "malmo/water/m2/reading", T, "unit", "flow is in 'kg'", b"{}", 2, "ab"),
        ["2026-11-24 08:00:00.000Z  dead_letter  unit: flow is in 'kg' (2 bytes from malmo/water/m2/reading)"],
    ),
    (ALERT, ["2026-11-24 08:00:00.000Z  alert        critical  raised   last_gasp: Meter m2 lost power"]),
    (Beat("mqtt_malmo", T), []),
]


@pytest.mark.parametrize(("record", "lines"), SAID, ids=[type(record).__name__ for record, _ in SAID])
def test_what_a_record_says_of_a_meter(record: Record | Alert, lines: list[str]) -> None:
    assert [fact.line() for fact in facts_about("m2", record)] == lines
    assert list(facts_about("m", record)) == []


def test_json_has_everything_and_null_for_what_was_not_measured() -> None:
    first, second = (orjson.loads(fact.json()) for fact in facts_about("m2", READINGS))
    assert first == {
        "kind": "reading",
        "at": T,
        "meter": "m2",
        "profile": "malmo_household",
        "source": "mqtt_malmo",
        "received_at": T,
        "sequence": 7,
        "quality": [],
        "values": {"active_power_l1_w": 120.5, "voltage_l1_v": 230.1},
    }
    assert second["values"] == {"active_power_l1_w": None, "voltage_l1_v": None}
    assert second["quality"] == ["time_by_bridge", "future"]
    assert all(orjson.loads(fact.json()) for record, _ in SAID for fact in facts_about("m2", record))
    assert orjson.loads(alert_fact(ALERT).json())["alert_kind"] == "last_gasp"


def test_a_meter_is_sought_in_its_own_partition_and_wherever_others_cut() -> None:
    topology = load_topology("topology.yaml", {})
    places = {(topic.name, partition) for topic, partition in places_of("m1", topology)}
    own = partition_of("m1", 4)
    by_meter = {name for name, topic in topology.topics.items() if topic.by == "meter"}
    assert {"meter.readings", "meter.scores", "recompute.requests"} <= by_meter
    assert {place for place in places if place[0] in by_meter} == {(name, own) for name in by_meter}
    elsewhere = {(name, number) for name in ("grid.evidence", "alerts", "dead.letters") for number in range(4)}
    assert {place for place in places if place[0] not in by_meter} == elsewhere


def test_advice_names_what_is_most_likely_wrong() -> None:
    assert "not in the register" in advice("m1", 5, registered=False)
    assert "flexmeter bridge" in advice("m1", 0, registered=True)
    assert "while 5 other records passed" in advice("m1", 5, registered=True)
    assert "while 5 other records passed" in advice("m1", 5, registered=None)


def test_alerts_are_told_once_and_only_forward() -> None:
    seen, cleared = Seen(), replace(ALERT, number=2, state="cleared")
    assert [seen.take(alert) for alert in (ALERT, ALERT, cleared, ALERT, cleared)] == [ALERT, None, cleared, None, None]
    assert seen.newest == {ALERT.id: cleared}


def test_alerts_are_chosen_by_kind_area_and_at_least_a_severity() -> None:
    warning = replace(ALERT, severity="warning", substation="S1", feeder="F1")
    assert wanted(warning, None, None, None)
    assert wanted(warning, "last_gasp", "info", "S1/F1")
    assert wanted(warning, None, "warning", "S1")
    assert not wanted(warning, None, "critical", None)
    assert not wanted(warning, "outage", None, None)
    assert not wanted(warning, None, None, "S2")


def test_what_people_said_of_an_alert_stands_behind_it() -> None:
    assert shown(ALERT, "acknowledged", as_json=False) == f"{shown(ALERT, '', as_json=False)}  [acknowledged]"
    assert [orjson.loads(shown(ALERT, mark, as_json=True))["mark"] for mark in ("silenced", "")] == ["silenced", None]
