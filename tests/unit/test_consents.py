"""A stream that looks into homes sees those that consent, and forgets those that withdraw."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexmeter.commands.home import Request, blocks
from schemas.blocks import Beat, ReadingBlock
from schemas.errors import Rejected
from schemas.partition import partition_of
from schemas.results import ApplianceEventBlock
from streams import turn
from streams.consents import Consents
from streams.contract import Result
from streams.registry import OPERATORS
from streams.shard import Shard
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, SOURCE, Input, Row, beats, block, facts, feed, requests, shard


def readings(*meters: str, at: int = BEGIN, power_w: float = 100.0, count: int = 3) -> ReadingBlock:
    values = (1.0, 0.0, power_w, 200.0, 300.0, 230.0, 230.0, 230.0)
    return block([Row(meter, at + step * 10_000, at, values) for step in range(count) for meter in meters])


def under_test(name: str = "nilm") -> Shard:
    return shard({name: OPERATORS[name]})


def known(of: Shard) -> set[str]:
    return {meter for table in of.tables.values() for meter in table.ids}


def test_nothing_is_kept_of_homes_that_did_not_consent() -> None:
    now = under_test()
    list(feed(now, [requests([("m2", 0, "consent")]), readings("m1", "m2", "m3"), *beats(BEGIN, 2)]))
    assert known(now) == {"m2"}
    assert now.account().received == 3


def test_other_streams_ask_nobody() -> None:
    now = under_test("rolling_load")
    list(feed(now, [requests([("m2", 0, "withdraw")]), readings("m1", "m2"), *beats(BEGIN, 2)]))
    assert known(now) == {"m1", "m2"}


def life_of_a_home() -> list[Input]:
    """Two homes boil water now and then; one withdraws and comes back, the other labels its kettle while it is on."""
    log: list[Input] = [requests([("m1", BEGIN, "consent"), ("m2", BEGIN, "consent")])]
    for second in range(0, 3_600, 10):
        at = BEGIN + second * 1_000
        if second == 1_000:
            log.append(requests([("m1", at, "withdraw")]))
        if second == 1_750:
            log += [requests([("m1", at, "consent")]), requests([("m1", BEGIN, "consent")])]
        if second == 1_270:
            log.append(requests([("m2", at, "label")], power_w=2_500, appliance="iron"))
        power_w = 2_600.0 if 1_250 <= second % 1_750 < 1_350 else 100.0 + second % 3
        log.append(readings("m1", "m2", at=at, power_w=power_w, count=1))
        log.append(Beat(SOURCE, at + 1_000))
    return log


@pytest.mark.parametrize("most_rows", [1, 3, 100_000])
def test_requests_cut_the_log_in_the_same_place_however_turns_end(
    most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = life_of_a_home()
    whole = facts(feed(under_test(), log))
    assert {key[1] for key in whole} == {"m1", "m2"}
    monkeypatch.setattr(turn, "MOST_ROWS", most_rows)
    assert facts(feed(under_test(), log)) == whole


def test_requests_survive_a_restart_between_any_two_records() -> None:
    log = life_of_a_home()
    whole = facts(feed(under_test(), log))
    found: dict[tuple[object, ...], tuple[object, ...]] = {}
    now = under_test()
    while now.cursor < len(log):
        for record in log[now.cursor : now.cursor + 97]:
            found |= facts(iter(now.take(record) or []))
        saved, now = freeze(now), under_test()
        thaw(saved, now)
    assert found == whole


def test_withdrawal_leaves_no_trace_but_itself() -> None:
    """Also not of rows that wait for their order; and it survives a restart."""
    never, now = under_test(), under_test()
    both = [requests([("m1", 5, "consent"), ("m2", 5, "consent")])]
    list(feed(now, [*both, readings("m1", "m2"), requests([("m1", 9, "withdraw")]), *beats(BEGIN, 2)]))
    list(feed(never, [*both, readings("m2"), *beats(BEGIN, 2)]))
    assert known(now) == {"m2"}
    for name, column in now.tables["malmo_household"].columns.items():
        assert column[:1].tobytes() == never.tables["malmo_household"].columns[name][:1].tobytes()
    again = under_test()
    thaw(freeze(now), again)
    assert again.consents == now.consents
    list(feed(again, [requests([("m1", 5, "consent")]), readings("m1", at=BEGIN + 60_000), *beats(BEGIN, 2)]))
    assert known(again) == {"m2"}


def test_the_account_adds_up_also_when_rows_wait_as_a_home_withdraws() -> None:
    now = under_test()
    log = [requests([("m1", 5, "consent"), ("m2", 5, "consent")]), readings("m1", "m2"), *beats(BEGIN, 2)]
    list(feed(now, log))
    assert now.account().pending == 6
    list(feed(now, [requests([("m1", 9, "withdraw")]), *beats(BEGIN + 2_000, 2)]))
    account = now.account()
    assert (account.received, account.pending, account.released) == (6, 3, 3)


def test_what_is_on_when_a_home_withdraws_is_told_as_lost() -> None:
    """Else it would be on for ever; another home's stays on."""
    now = under_test()
    log: list[Input] = [requests([("m1", BEGIN, "consent"), ("m2", BEGIN, "consent")])]
    for step in range(40):
        at = BEGIN + step * 10_000
        log += [readings("m1", "m2", at=at, power_w=2_600.0 if step > 20 else 100.0, count=1), Beat(SOURCE, at + 1_000)]
    before = list(feed(now, log))
    assert {state for event in appliance_events(before) for state in event.state} == {"on"}
    on = appliance_events(before)[0].number[0]
    (closed,) = appliance_events(feed(now, [requests([("m1", BEGIN + 400_000, "withdraw")])]))
    assert (closed.meters, closed.number.tolist(), closed.state) == (["m1"], [on], ["lost"])
    assert closed.start[0] < closed.end[0] <= BEGIN + 390_000
    assert known(now) == {"m2"}


def appliance_events(results: Iterable[Result]) -> list[ApplianceEventBlock]:
    return [result for result in results if isinstance(result, ApplianceEventBlock)]


@given(st.permutations([("consent", 10), ("withdraw", 20), ("consent", 30), ("consent", 30), ("withdraw", 25)]))
def test_the_later_counts_in_whatever_order_they_come(asked: list[tuple[str, int]]) -> None:
    consents = Consents()
    for kind, at in asked:
        consents.give("m", at) if kind == "consent" else consents.withdraw("m", at)
    assert consents == Consents({"m": 30}, {"m": 30}, {"m": 25})


@given(st.sets(st.sampled_from(["m1", "m2", "m3"])), st.integers(BEGIN - 1, BEGIN + 30_000))
def test_what_is_left_of_a_block_is_the_block_of_what_is_left(given: set[str], since: int) -> None:
    consents = Consents(dict.fromkeys(given, since))
    whole = readings("m1", "m2", "m3")
    rows = [
        (m, at) for at in (BEGIN, BEGIN + 10_000, BEGIN + 20_000) for m in whole.meters if m in given and at >= since
    ]
    left = consents.only(whole)
    assert left is None if not rows else left is not None
    if left is not None:
        assert [(left.meters[i], int(at)) for i, at in zip(left.row_meter, left.at, strict=True)] == rows
        assert left.rows_by_column()[2].tolist() == [100.0] * len(rows)
        assert set(left.meters) == {meter for meter, _ in rows}
        assert len(left.feeders) == len(left.substations) == len(left.intervals_ms) == len(left.meters)


@pytest.mark.parametrize(
    "wrong", [replace(requests([("m", 1, "consent")]), kind=["agree"]), requests([("m", -1, "label")])]
)
def test_what_is_no_request_is_rejected_and_changes_nothing(wrong: object) -> None:
    now = under_test()
    with pytest.raises(Rejected):
        now.take(wrong)  # type: ignore[arg-type]
    assert now.cursor == 0


def test_requests_go_to_their_meter_s_partition_in_order() -> None:
    asked = [Request(f"m{i % 5}", i, "consent") for i in range(3_000)]
    told: dict[int, list[int]] = {}
    for partition, found in blocks(asked, 4):
        assert {partition_of(meter, 4) for meter in found.meters} == {partition}
        assert len(found.at) <= 500
        told.setdefault(partition, []).extend(found.at.tolist())
    assert all(at == sorted(at) for at in told.values())
    assert sorted(at for found in told.values() for at in found) == list(range(3_000))
