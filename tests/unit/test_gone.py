"""What is open of a meter that no longer reports is cleared before the meter is forgotten."""

import re
from collections.abc import Sequence

import numpy as np

from schemas.alert import Alert
from schemas.blocks import Beat
from schemas.durations import DAY_MS, HOUR_MS, QUARTER_MS
from streams.anomaly import Anomaly
from streams.contract import Elapsed, HourlyLoads, Operator
from streams.gone import GONE_AFTER_MS
from streams.groups import Groups
from streams.last_gasp import LastGasp
from streams.meter_fault import MeterFault
from streams.neighbours import Neighbours
from streams.shard import EVENTS, FORGOTTEN_AFTER_MS, Shard
from tests.streams_log import BEGIN, SOURCE, Row, beats, block, events, feed, hourly_loads, shard

NAN = float("nan")


def reported(operator: Operator, rows: Sequence[Row]) -> tuple[Shard, list[Alert]]:
    """A shard after these rows, and what it told."""
    now = shard({operator.name: operator})
    told = [result for row in rows for result in feed(now, [block([row]), *beats(row.received_at, 2)])]
    return now, [result for result in told if isinstance(result, Alert)]


def silent(now: Shard, operator: Operator, since_arrival_ms: int, profile: str) -> list[Alert]:
    """What the operator says once the meters have been silent for so long."""
    table = now.table(profile)
    elapsed = Elapsed(np.full(len(table.ids), since_arrival_ms, np.int64))
    given = operator.on_time(table.column(operator.name), table.view(), elapsed)
    return [result for result in given if isinstance(result, Alert)]


def checked(now: Shard, operator: Operator, raised: Alert, last: int, profile: str = "malmo_household") -> None:
    """Nothing until the time has come, then one version that clears, then nothing any more."""
    assert silent(now, operator, GONE_AFTER_MS, profile) == []
    (cleared,) = silent(now, operator, GONE_AFTER_MS + 1, profile)
    assert (cleared.id, cleared.number, cleared.state) == (raised.id, raised.number + 1, "cleared")
    assert (cleared.raised_at, cleared.at) == (raised.raised_at, last + GONE_AFTER_MS)
    assert re.search("no (row|event) of the meter for 30 days", cleared.summary)
    assert silent(now, operator, 2 * GONE_AFTER_MS, profile) == []


def test_time_is_left_to_clear_what_is_open() -> None:
    assert 2 * DAY_MS < FORGOTTEN_AFTER_MS - GONE_AFTER_MS


def test_a_lost_phase_of_a_meter_that_is_gone() -> None:
    at = [BEGIN + i * HOUR_MS for i in range(30)]
    rows = [Row("m1", t, t, (NAN,) * 5 + (230.0, 5.0 if t > at[15] else 231.0, 229.0), 0, HOUR_MS) for t in at]
    now, (raised,) = reported(MeterFault(), rows)
    assert raised.kind == "phase_loss"
    last = int(now.table("malmo_household").column("meter_fault")["checks"]["arrived"][0])
    checked(now, MeterFault(), raised, last)


def test_a_last_gasp_of_a_meter_that_is_gone() -> None:
    operator = LastGasp()
    now = shard({operator.name: operator})
    said = [events([("m1", BEGIN, "last_gasp")]), events([("m1", BEGIN + HOUR_MS, "tamper")])]
    told = feed(now, [*said, *beats(BEGIN, 2)])
    (raised,) = [result for result in told if isinstance(result, Alert)]
    checked(now, operator, raised, BEGIN + HOUR_MS, EVENTS)


def test_an_unusual_load_of_a_meter_that_is_gone() -> None:
    at = [BEGIN + i * QUARTER_MS for i in range(140)]
    rows = [
        Row("m1", t, t, (NAN, NAN, 9_000.0 if t > at[128] else 300.0 + i % 7, 0, 0) + (230.0,) * 3, 0, QUARTER_MS)
        for i, t in enumerate(at)
    ]
    now, told = reported(Anomaly(), rows)
    assert told[-1].state in {"raised", "updated"}
    last = int(now.table("malmo_household").column("anomaly")["detector"]["normal"]["last_at"][0])
    checked(now, Anomaly(), told[-1], last + QUARTER_MS)


def compared(now: Shard, loads: list[tuple[str, int, float]]) -> list[Alert]:
    """What is told of an hour's loads."""
    given = feed(now, [hourly_loads(loads), *beats(now.beats.newest or BEGIN, 2)])
    return [result for result in given if isinstance(result, Alert)]


def roofs(hours: int) -> tuple[Shard, list[Alert]]:
    """Six roofs of a group, the first of which gives nothing after four days; what was told of it."""
    now, told = shard({"neighbours": Neighbours()}), list[Alert]()
    for hour in range(hours):
        sun = 3_000 * max(0.0, 1 - abs(hour % 24 - 12) / 5)
        gives = [sun if i or hour < 96 else 0.0 for i in range(6)]
        loads = [(f"m{i}", BEGIN + hour * HOUR_MS, 400 - given) for i, given in enumerate(gives)]
        told += compared(now, loads)
    return now, told


def pass_time(now: Shard, ms: int) -> list[Alert]:
    """What is told when so much time passes, in the last two seconds of an hour: beats are only so many."""
    (source,) = now.beats.sources
    source.passed_ms += ms - 2_000
    now.begin()
    log = [Beat(SOURCE, source.last_beat // HOUR_MS * HOUR_MS + HOUR_MS)]
    return [result for result in feed(now, log) if isinstance(result, Alert)]


def test_a_roof_that_was_silent_is_cleared_when_its_whole_group_is_gone() -> None:
    now, (raised,) = roofs(131)
    assert (raised.kind, raised.subject) == ("pv_silent", "m0")
    assert pass_time(now, GONE_AFTER_MS - HOUR_MS) == []
    (cleared,) = pass_time(now, HOUR_MS)
    assert (cleared.id, cleared.number, cleared.state) == (raised.id, 2, "cleared")
    assert (cleared.at, cleared.feeder, cleared.substation) == (
        BEGIN + 131 * HOUR_MS + GONE_AFTER_MS, raised.feeder, raised.substation,
    )  # fmt: skip
    assert pass_time(now, HOUR_MS) == []


def test_a_roof_that_is_gone_alone_is_cleared_while_its_neighbours_go_on() -> None:
    now, (raised,) = roofs(131)
    assert pass_time(now, GONE_AFTER_MS - HOUR_MS) == []
    others = [(f"m{i}", BEGIN + 131 * HOUR_MS, 400.0) for i in range(1, 6)]
    assert compared(now, others) == []
    (cleared,) = pass_time(now, HOUR_MS)
    assert (cleared.id, cleared.subject) == (raised.id, "m0")


def test_meters_whose_hourly_loads_no_longer_come_are_forgotten() -> None:
    now, _ = roofs(131)
    pass_time(now, FORGOTTEN_AFTER_MS - HOUR_MS)
    stayed = [(f"m{i}", BEGIN + 131 * HOUR_MS, 400.0) for i in (1, 3)]
    compared(now, stayed)
    pass_time(now, 2 * HOUR_MS)
    assert now.hourly.ids == ["malmo_household\x1fm1", "malmo_household\x1fm3"]
    compared(now, [("m0", BEGIN + 132 * HOUR_MS, 400.0)])
    assert now.groups.members(now.groups.of(2)).tolist() == [0, 1, 2]
    assert not now.hourly.column("neighbours")["known"]["yield_hours"][2]


def test_a_state_that_was_saved_before_the_time_of_hourly_loads_was_kept_begins_it() -> None:
    now, _ = roofs(131)
    now.hourly.column("own")[:] = 0
    assert pass_time(now, FORGOTTEN_AFTER_MS) == []
    assert len(now.hourly.ids) == 6
    (cleared,) = pass_time(now, GONE_AFTER_MS + 1)
    assert cleared.subject == "m0"


class Watched(list[str | None]):
    """Remembers which of its places were looked at."""

    def __init__(self, of: Sequence[str | None]) -> None:
        super().__init__(of)
        self.seen: set[int] = set()

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        self.seen.add(place)
        return super().__getitem__(place)

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.seen |= set(range(len(self)))
        return super().__iter__()


def test_a_row_is_compared_without_a_look_at_other_groups() -> None:
    ids, substations = [f"water\x1fm{i}" for i in range(1_000)], [f"S{i // 10}" for i in range(1_000)]
    groups, operator, watched = Groups(), Neighbours(), Watched(substations)
    groups.follow(ids, substations, [])
    state = np.zeros(1_000, operator.hourly_dtype())
    for hour in (480_000, 480_001):
        told = np.array([15]), np.array([hour]), np.array([1.0])
        operator.on_hourly_loads(state, HourlyLoads(ids, watched, watched, *told, groups))
    assert watched.seen <= set(range(10, 20))


def test_groups_follow_meters_that_come_and_move() -> None:
    rng = np.random.default_rng(4)
    ids, substations, followed = list[str](), list[str | None](), Groups()
    for _ in range(60):
        moved = rng.choice(len(ids), len(ids) // 5, replace=False).tolist()
        for row in moved:
            substations[row] = f"S{rng.integers(4)}"
        new = int(rng.integers(0, 4))
        ids += [f"{rng.choice(['gas', 'water'])}\x1fm{len(ids) + i}" for i in range(new)]
        substations += [f"S{rng.integers(4)}" for _ in range(new)]
        followed.follow(ids, substations, moved)
        afresh = Groups()
        afresh.follow(ids, substations, [])
        for row in range(len(ids)):
            assert followed.of(row) == afresh.of(row)
            assert np.array_equal(followed.members(followed.of(row)), afresh.members(afresh.of(row)))
