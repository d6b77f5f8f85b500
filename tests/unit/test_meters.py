"""The table of a shard's meters, and how it forgets."""

import pytest

from schemas.durations import HOUR_MS
from streams import shard as shards
from streams.registry import OPERATORS
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, INTERVAL_MS, PROFILE, Input, Row, beats, block, facts, feed, shard

Facts = dict[tuple[object, ...], tuple[object, ...]]


def log(meters_by_step: list[list[str]]) -> list[Input]:
    records: list[Input] = []
    for step, meters in enumerate(meters_by_step):
        at = BEGIN + step * INTERVAL_MS
        records += [block([Row(meter, at, at, (1.0,) * 8) for meter in meters])] if meters else []
        records += beats(at, 10)
    return records


@pytest.fixture(autouse=True)
def forgets_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "FORGOTTEN_AFTER_MS", HOUR_MS)


def test_meters_that_were_taken_away_are_forgotten_and_the_others_stay_exact() -> None:
    taken_away, stay = [f"old-{i}" for i in range(5)], [f"m-{i:02d}" for i in range(20)]
    steps = [[*taken_away, *stay]] * 10 + [stay] * 400
    now = shard({"rolling_load": OPERATORS["rolling_load"], "presence": OPERATORS["presence"]})
    found = facts(feed(now, log(steps)))
    assert now.table(PROFILE).ids == stay
    alone = shard({"rolling_load": OPERATORS["rolling_load"], "presence": OPERATORS["presence"]})
    without_them = facts(feed(alone, log([stay] * 410)))
    assert {key: value for key, value in found.items() if "old-" not in str(key[1])} == without_them
    assert freeze(now) == freeze(_loaded(now))


def test_a_forgotten_meter_that_is_back_is_told_after_its_silence() -> None:
    """What holds of a meter is its fact of the highest number; of this one, that it is silent."""
    now = shard({"presence": OPERATORS["presence"]})
    before = presence(facts(feed(now, log([["a", "b"]] * 3 + [["a"]] * 20 + [["a", "b"]] + [["a"]] * 400))), "b")
    assert [state for _, state in before] == ["resumed", "silent", "resumed", "silent"]
    assert now.table(PROFILE).ids == ["a"]
    at = BEGIN + 10**8
    again = facts(feed(now, [block([Row("b", at, at, (1.0,) * 8)]), *beats(at, 10), *beats(at + 10**5, 60)]))
    assert [state for _, state in presence(again, "b")] == ["resumed", "silent"]
    assert presence(again, "b")[0][0] > before[-1][0]


def presence(found: Facts, meter: str) -> list[tuple[int, str]]:
    """Number and state of each fact about a meter, by number."""
    rows = [(int(str(key[2])), str(value[0]).strip("'")) for key, value in found.items() if key[1] == meter]
    return sorted(rows)


def test_a_meter_that_is_named_twice_has_one_row() -> None:
    table = shard({"presence": OPERATORS["presence"]}).table(PROFILE)
    rows = table.find(["a", "b", "a"], ["F1", "F2", "F1"], ["S1"] * 3)
    assert rows.tolist() == [0, 1, 0]
    assert (table.ids, table.feeders) == (["a", "b"], ["F1", "F2"])


def test_nobody_is_forgotten_while_the_source_is_away() -> None:
    now = shard({"presence": OPERATORS["presence"]})
    assert len(facts(feed(now, log([["a", "b"]] * 3)))) == 2
    assert facts(feed(now, [_other_beat(second) for second in range(10_000)])) == {}
    assert now.table(PROFILE).ids == ["a", "b"]


def test_a_few_of_many_wait_for_company() -> None:
    stay = [f"m-{i:02d}" for i in range(20)]
    now = shard({"presence": OPERATORS["presence"]})
    assert facts(feed(now, log([["old", *stay]] * 3 + [stay] * 400)))
    assert len(now.table(PROFILE).ids) == 21


def _loaded(of: shards.Shard) -> shards.Shard:
    again = shard(dict(of.operators))
    thaw(freeze(of), again)
    return again


def _other_beat(second: int) -> Input:
    return type(beats(0, 1)[0])("another", BEGIN + second * 1_000)
