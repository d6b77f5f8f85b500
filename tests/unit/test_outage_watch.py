"""Turns of the outage operator: hand-made evenings, and what must not matter."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.outage_run import ongoing
from schemas.alert import Alert, decode_alert, encode_alert
from streams.outage import planned
from streams.outage.arrivals import Load, News
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import Evidence, Kind
from streams.outage.results import Interruption
from streams.outage.state import State
from streams.outage.tree import Grid, Node
from streams.outage.watch import OutageWatch, Result

BEGIN = 1_700_000_000_000
SECOND, MINUTE = 1_000, 60_000
Row = tuple[str, Kind, int, int]
"""Meter, kind, event time and arrival, ms after BEGIN."""


def grid(gateways: bool = False) -> Grid:
    """A feeder, two fuses, two transformers under each, four meters under each; a gateway for each fuse."""
    nodes = [Node("f", "", "feeder")]
    for fuse in "ab":
        nodes.append(Node(fuse, "f", "fuse"))
        nodes.append(Node(f"g{fuse}", "", "gateway"))
        for number in "12":
            nodes.append(Node(fuse + number, fuse, "transformer"))
            for meter in range(4):
                name = f"{fuse}{number}{meter}"
                comm = f"g{fuse}" if gateways else ""
                nodes.append(Node(name, fuse + number, "meter", "L1", name, f"up-{name}", comm))
    return Grid.of(nodes)


METERS = [f"{fuse}{number}{meter}" for fuse in "ab" for number in "12" for meter in range(4)]


def news(where: Grid, rows: Sequence[Row], loads: Sequence[Load] = ()) -> News:
    meter = np.array([where.row_of[row[0]] for row in rows], np.int64)
    kind, at, received = (np.array([row[i] for row in rows], np.int64) for i in (1, 2, 3))
    return News(Evidence(meter, kind, BEGIN + at, BEGIN + received, np.full(len(rows), np.nan)), loads)


def readings(until: int, meters: Sequence[str] = METERS, since: int = 0, every: int = 10_000) -> list[Row]:
    """Each meter reads every 10 s, one after the other."""
    phase = {name: 500 * METERS.index(name) for name in meters}
    times = [(name, at + phase[name]) for name in meters for at in range(since, until, every)]
    return [(name, Kind.READING, at, at + 100) for name, at in times if at < until]


def play(
    where: Grid,
    rows: Sequence[Row],
    until: int,
    every: int = SECOND,
    works: Sequence[tuple[int, int, int, int]] = (),
    assumed: Assumptions | None = None,
) -> tuple[list[Result], OutageWatch, State]:
    """Turns of a second, or as told, over the rows, in order of arrival; `works` as planned.plan takes them."""
    watch = OutageWatch(where, assumed)
    state = watch.empty()
    planned.plan(state, works)
    results = watch.turn(state, news(where, []), BEGIN)
    waiting = sorted(rows, key=lambda row: row[3])
    at = 0
    for now in range(every, until, every):
        ended = at
        while ended < len(waiting) and waiting[ended][3] <= now:
            ended += 1
        results += watch.turn(state, news(where, waiting[at:ended]), BEGIN + now)
        at = ended
    return results, watch, state


def alerts(results: Sequence[Result]) -> list[Alert]:
    return [result for result in results if isinstance(result, Alert)]


def story(results: Sequence[Result]) -> list[tuple[str, str, str | None]]:
    """Phase, device and ending of each version."""
    return [(a.evidence["phase"], a.subject, a.evidence["ending"]) for a in alerts(results)]


def dark(fuse: str, since: int, until: int, back: int, end: int, gasps: Sequence[str] = ()) -> list[Row]:
    """All meters under a device lose supply and get it back; those named gasp, all are restored."""
    gone = [name for name in METERS if name.startswith(fuse)]
    rows = readings(end, [name for name in METERS if name not in gone])
    rows += readings(since, gone) + [row for row in readings(end, gone) if row[2] > back]
    rows += [(name, Kind.LAST_GASP, since, since + 400) for name in gasps or gone]
    return rows + [(name, Kind.RESTORED, back, back + 600) for name in gone if back < end]


def test_a_fuse_opens_and_all_that_follows() -> None:
    rows = dark("a", 100_000, 0, 400_000, 600_000)
    results, _, state = play(grid(), rows, 600_000)
    assert [phase for phase, _, _ in story(results)] == ["provisional", "located", "sustained", "closed"]
    assert {device for _, device, _ in story(results)} == {"a"}
    last = alerts(results)[-1]
    assert (last.state, last.evidence["ending"], last.evidence["customers"]) == ("cleared", "restored", 8)
    assert last.evidence["start_ms"] == BEGIN + 100_000
    assert last.evidence["end_ms"] == BEGIN + 400_000
    assert [alert.number for alert in alerts(results)] == [1, 2, 3, 4]
    assert len({alert.id for alert in alerts(results)}) == 1
    (interruption,) = [result for result in results if isinstance(result, Interruption)]
    assert interruption.start_ms == BEGIN + 100_000
    assert set(interruption.end_ms.tolist()) == {BEGIN + 400_000}
    assert len(interruption.usage_points) == 8
    assert state.outages == []


def test_alerts_are_alerts_for_subscribers() -> None:
    results, _, _ = play(grid(), dark("a1", 100_000, 0, 900_000, 130_000), 130_000)
    for alert in alerts(results):
        assert decode_alert(encode_alert(alert)[0]) == alert


def test_three_of_eight_gasps_tell_the_fuse_because_the_others_are_silent() -> None:
    results, _, _ = play(grid(), dark("a", 100_000, 0, 900_000, 200_000, ["a10", "a21", "a23"]), 200_000)
    located = [alert for alert in alerts(results) if alert.evidence["phase"] == "located"]
    assert located[0].subject == "a"


def test_a_transformer_is_told_from_its_fuse_by_meters_that_report() -> None:
    results, _, _ = play(grid(), dark("a1", 100_000, 0, 900_000, 200_000, ["a10", "a12"]), 200_000)
    assert alerts(results)[-1].subject == "a1"


def test_silence_alone_tells_an_outage() -> None:
    rows = [row for row in dark("a", 100_000, 0, 900_000, 330_000) if row[1] == Kind.READING]
    results, _, _ = play(grid(), rows, 330_000)
    assert alerts(results)[-1].subject == "a"
    assert alerts(results)[-1].evidence["phase"] == "sustained"


def test_a_momentary_interruption_is_cleared_as_such() -> None:
    results, _, _ = play(grid(), dark("a", 100_000, 0, 108_000, 300_000), 300_000)
    assert story(results)[-1] == ("closed", "a", "momentary")
    assert not [phase for phase, _, _ in story(results) if phase == "sustained"]
    assert len([result for result in results if isinstance(result, Interruption)]) == 1


def test_a_gateway_that_fails_is_no_outage() -> None:
    behind = [name for name in METERS if name.startswith("a")]
    rows = readings(600_000, [name for name in METERS if name not in behind]) + readings(200_000, behind)
    rows += [row for row in readings(600_000, behind) if row[2] > 450_000]
    assert alerts(play(grid(gateways=True), rows, 600_000)[0]) == []


def test_everything_silent_is_no_outage() -> None:
    assert alerts(play(grid(), readings(200_000), 600_000)[0]) == []


def test_planned_work_says_nothing() -> None:
    where = grid()
    work = (where.branch_of["a"], -1, BEGIN + 90_000, BEGIN + 410_000)
    assert alerts(play(where, dark("a", 100_000, 0, 400_000, 600_000), 600_000, works=[work])[0]) == []


def test_work_that_repairs_a_known_outage_does_not_hide_it() -> None:
    where = grid()
    work = (where.branch_of["a"], -1, BEGIN + 300_000, BEGIN + 410_000)
    results, _, _ = play(where, dark("a", 100_000, 0, 400_000, 600_000), 600_000, works=[work])
    assert story(results)[-1] == ("closed", "a", "restored")


def test_a_campaign_behind_a_gateway_says_nothing_but_an_outage_elsewhere_does() -> None:
    where = grid(gateways=True)
    work = (-1, where.comms.ids.index("ga"), BEGIN + 90_000, BEGIN + 300_000)
    rows = dark("b1", 150_000, 0, 900_000, 250_000)
    rows += [(name, Kind.LAST_GASP, 150_000, 150_300) for name in ("a10", "a11", "a20", "a22")]
    results, _, _ = play(where, rows, 250_000, works=[work])
    assert {alert.subject for alert in alerts(results)} == {"b1"}


def test_a_branch_that_stays_dark_when_its_fuse_is_closed() -> None:
    rows = [row for row in dark("a", 100_000, 0, 400_000, 900_000) if not (row[0][:2] == "a1" and row[2] >= 400_000)]
    rows += [(f"a1{i}", Kind.RESTORED, 800_000, 800_500) for i in range(4)]
    rows += [row for row in readings(900_000, [f"a1{i}" for i in range(4)]) if row[2] > 800_000]
    results, _, _ = play(grid(), rows, 900_000)
    parted = [alert for alert in alerts(results) if alert.evidence["phase"] == "partly_restored"]
    assert parted[0].evidence["dark"] == ["a1"]
    assert (parted[0].evidence["customers"], parted[0].evidence["customers_dark"]) == (8, 4)
    assert story(results)[-1] == ("closed", "a", "restored")
    (interruption,) = [result for result in results if isinstance(result, Interruption)]
    assert sorted(set(interruption.end_ms.tolist())) == [BEGIN + 400_000, BEGIN + 800_000]


@pytest.mark.parametrize("lasted", [30_000, 240_000, 900_000], ids=["momentary", "sustained", "settled"])
def test_supply_that_is_lost_again_is_told_at_once(lasted: int) -> None:
    back = 100_000 + lasted
    again, end = back + 15_000, back + 100_000
    stays = [name for name in METERS if not name.startswith("a1")]
    rows = [row for row in dark("a", 100_000, 0, back, end) if row[0] in stays or row[2] < again]
    rows += [(name, Kind.LAST_GASP, again, again + 400) for name in METERS if name not in stays]
    results, _, _ = play(grid(), rows, end)
    first, second = (next(a for a in alerts(results) if a.id.endswith(number)) for number in ("/1", "/2"))
    assert (first.subject, second.subject, second.evidence["start_ms"]) == ("a", "a1", BEGIN + again)
    assert second.at - BEGIN - again <= 2 * SECOND
    ended = [a for a in alerts(results) if a.id == first.id][-1]
    assert ended.evidence["ending"] == ("momentary" if lasted < 180_000 else "restored")
    assert ended.evidence["end_ms"] == BEGIN + back
    (interruption,) = [result for result in results if isinstance(result, Interruption)]
    assert set(interruption.end_ms.tolist()) == {BEGIN + back}


def test_two_devices_at_once_are_two_outages() -> None:
    rows = dark("a1", 100_000, 0, 900_000, 150_000)
    gone = [row for row in dark("b2", 100_000, 0, 900_000, 150_000) if row[0].startswith("b2")]
    rows = [row for row in rows if not row[0].startswith("b2")] + gone
    results, _, _ = play(grid(), rows, 150_000)
    last = {alert.id: alert for alert in alerts(results)}
    assert {alert.subject for alert in last.values() if alert.state != "cleared"} == {"a1", "b2"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("in_turn", "late_ms"), [(False, 0), (True, 0), (True, 2_000)])
def test_a_storm_is_one_alert_for_each_feeder(seed: int, in_turn: bool, late_ms: int) -> None:
    """Eight of ten feeders within 8.5 s, the last gasps of one still coming when the next one is lost.

    An alert may begin as the meter whose last gasp came first, or as the whole substation when most of it is gone; and
    where transformer after transformer gasps in turn, these may be told before their feeder is.
    """
    rng = np.random.default_rng(seed)
    feeders, transformers = [f"{f}" for f in range(10)], [f"{f}-{t}" for f in range(10) for t in range(8)]
    meters = [f"{transformer}-{m}" for transformer in transformers for m in range(25)]
    nodes = [Node("s", "", "substation"), *(Node(feeder, "s", "feeder") for feeder in feeders)]
    nodes += [Node(name, name[0], "transformer") for name in transformers]
    nodes += [Node(name, name.rpartition("-")[0], "meter", "L1", name, f"up-{name}") for name in meters]
    lost = {f"{feeder}": int(at) for feeder, at in enumerate(60_000 + rng.integers(0, 8_500, 8))}
    rows: list[Row] = []
    for number, name in enumerate(meters):
        gone = lost.get(name[0], 120_000)
        rows += [(name, Kind.READING, at, at + 150 + late_ms) for at in range(500 * (number % 20), gone, 10_000)]
        gasp = gone + (number % 200 * 1_500 // 200 if in_turn else int(rng.integers(0, 1_500)))
        rows += [(name, Kind.LAST_GASP, gasp, gasp + 100)] if name[0] in lost else []
    results, _, _ = play(Grid.of(nodes), rows, 120_000, every=250)
    last = {alert.id: alert for alert in alerts(results)}
    assert sorted(alert.subject for alert in last.values() if alert.state != "cleared") == sorted(lost)
    assert in_turn or len(last) <= len(lost) + 2


def test_a_load_that_fell_by_half_tells_the_fuse_from_the_feeder() -> None:
    """One gasp, no readings at all: by the load, half of the feeder is gone."""
    where = grid()
    found = {}
    for share in (0.5, 1.0):
        watch = OutageWatch(where)
        state = watch.empty()
        for i in range(10):
            watts = 8_000.0 if i < 5 else 8_000.0 * (1 - share)
            load = Load(where.branch_of["f"], BEGIN + i * 10_000, watts)
            watch.turn(state, news(where, [], [load]), BEGIN + i * 10_000)
        rows = [("a10", Kind.LAST_GASP, 45_000, 90_250), ("a21", Kind.LAST_GASP, 45_000, 90_250)]
        found[share] = alerts(watch.turn(state, news(where, rows), BEGIN + 90_250))[0].subject
    assert found == {0.5: "a", 1.0: "f"}


def test_a_low_voltage_is_a_last_gasp_and_a_usual_one_is_proof() -> None:
    where, watch = grid(), OutageWatch(grid())
    state = watch.empty()
    meters = np.array([where.row_of[name] for name in ("a10", "a11", "a12", "a13")])

    def volts(value: float, at: int) -> News:
        kind, time = np.full(4, Kind.VOLTAGE), np.full(4, BEGIN + at)
        return News(Evidence(meters, kind, time, time, np.full(4, value)))

    assert watch.turn(state, volts(231.0, 1_000), BEGIN + 1_000) == []
    raised = alerts(watch.turn(state, volts(60.0, 11_000), BEGIN + 11_000))
    assert [alert.evidence["start_ms"] for alert in raised] == [BEGIN + 11_000]
    watch.turn(state, volts(229.0, 21_000), BEGIN + 21_000)
    cleared = [alerts(watch.turn(state, news(where, []), BEGIN + now)) for now in range(22_000, 60_000, 1_000)]
    assert [alert.state for found in cleared for alert in found][-1] == "cleared"


def test_five_minutes_by_the_other_profile() -> None:
    rows = dark("a", 100_000, 0, 340_000, 500_000)
    results, _, _ = play(grid(), rows, 500_000, assumed=Assumptions(sustained_ms=300_000))
    assert story(results)[-1] == ("closed", "a", "momentary")


def test_what_lasts_is_told_when_asked() -> None:
    where = grid()
    _, _, state = play(where, dark("a", 100_000, 0, 900_000, 400_000), 400_000)
    (going,) = ongoing(where, state, BEGIN + 400_000)
    assert (going.start_ms, set(going.end_ms.tolist())) == (BEGIN + 100_000, {BEGIN + 400_000})


event_rows = st.lists(
    st.tuples(
        st.sampled_from(METERS),
        st.sampled_from([Kind.READING, Kind.RESTORED, Kind.LAST_GASP, Kind.LAST_GASP]),
        st.integers(0, 60_000),
        st.integers(0, 20_000),
    ),
    min_size=1,
    max_size=25,
)


def turns_of(rows: Sequence[tuple[str, Kind, int, int]]) -> list[list[Row]]:
    """Rows by second of arrival."""
    arrived: list[Row] = [(name, kind, 50_000 + at, 50_000 + at + delay) for name, kind, at, delay in rows]
    return [[row for row in arrived if row[3] // SECOND in (second, second + 1)] for second in range(50, 132, 2)]


def told(turns: Sequence[Sequence[Row]], reload: bool = False) -> list[dict[str, Any]]:
    """What is said, turn by turn, after half a minute of readings."""
    where = grid(gateways=True)
    watch = OutageWatch(where)
    state = watch.empty()
    watch.turn(state, news(where, readings(50_000)), BEGIN + 50_000)
    found = []
    for i, rows in enumerate(turns):
        results = watch.turn(state, news(where, rows), BEGIN + 52_000 + 2 * i * SECOND)
        found += [vars_of(result) for result in results]
        if reload:
            state = State.loaded(state.saved())
    return found


def vars_of(result: Result) -> dict[str, Any]:
    if isinstance(result, Alert):
        return {"id": result.id, "number": result.number, "at": result.at} | result.evidence
    return {"device": result.device, "ends": result.end_ms.tolist()}


@given(event_rows, st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_order_within_a_turn_changes_nothing(rows: list[tuple[str, Kind, int, int]], rng: random.Random) -> None:
    turns = turns_of(rows)
    assert told([rng.sample(turn, len(turn)) for turn in turns]) == told(turns)


@given(event_rows)
@settings(max_examples=8, deadline=None)
def test_repeats_change_nothing(rows: list[tuple[str, Kind, int, int]]) -> None:
    turns = turns_of(rows)
    twice = [[*turn, *turn, *(turns[i - 3] if i >= 3 else [])] for i, turn in enumerate(turns)]
    assert told(twice) == told(turns)


@given(event_rows)
@settings(max_examples=8, deadline=None)
def test_saving_and_loading_changes_nothing(rows: list[tuple[str, Kind, int, int]]) -> None:
    turns = turns_of(rows)
    assert told(turns, reload=True) == told(turns)


@given(event_rows)
@settings(max_examples=5, deadline=None)
def test_input_is_not_changed(rows: list[tuple[str, Kind, int, int]]) -> None:
    where = grid()
    watch = OutageWatch(where)
    given_news = news(where, [(name, kind, at, at + delay) for name, kind, at, delay in rows])
    before = [column.copy() for column in vars(given_news.evidence).values()]
    watch.turn(watch.empty(), given_news, BEGIN + 90_000)
    for column, was in zip(vars(given_news.evidence).values(), before, strict=True):
        np.testing.assert_array_equal(column, was)


@pytest.mark.parametrize("at", [-(10**12), 10**12])
def test_absurd_times_follow_a_rule(at: int) -> None:
    """A time from the future is its arrival; one long past says nothing of now."""
    where = grid()
    watch = OutageWatch(where)
    state = watch.empty()
    gasps = news(where, [(name, Kind.LAST_GASP, at, 1_000) for name in METERS[:4]])
    raised = alerts(watch.turn(state, gasps, BEGIN + 1_000))
    assert [alert.evidence["start_ms"] for alert in raised] == ([BEGIN + 1_000] if at > 0 else [])
