"""The fault run's load, truth and comparison: a shard that nothing happens to agrees, and any fault is found."""

from collections.abc import Iterator

import numpy as np
import pytest

from bench.faults_check import (
    account_faults,
    aggregate_faults,
    alert_faults,
    canonical,
    load_faults,
    presence_faults,
    request_faults,
    run_faults,
)
from bench.faults_load import CLOSING_STEPS, Load
from bench.faults_log import Found
from bench.faults_truth import LoadFact, LoadKey, Readings, last_gasps
from schemas.alert import Alert, encode_alert
from schemas.blocks import Beat
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.record import Record
from schemas.results import Account, AggregateBlock, LoadBlock, PartialLoadBlock, PresenceBlock, RecomputeRequestBlock
from streams.contract import Result
from streams.registry import OPERATORS
from streams.shard import Shard

STEPS, METERS, PARTITION = 400, 60, 3


def steps() -> Iterator[tuple[int, bool]]:
    yield from ((step, False) for step in range(STEPS))
    yield from ((STEPS + step, True) for step in range(CLOSING_STEPS))


def found_of(results: list[Result], kind: type[Result]) -> Found:
    """As read from the topic of one kind of results."""
    values = [encode_alert(r)[0] if isinstance(r, Alert) else encode(r) for r in results if isinstance(r, kind)]
    return Found({value: value for value in values}, len(values))


def worked(stream: str, operators: tuple[str, ...], log: list[Record], turn_ms: int) -> list[Result]:
    shard = Shard(stream, PARTITION, {name: OPERATORS[name] for name in operators}, load_catalogue(), turn_ms)
    return [result for record in log for result in shard.take(record) or []]


@pytest.fixture(scope="module")
def readings() -> list[Record]:
    load = Load(1, METERS)
    return [record for step, closing in steps() for record in load.readings(PARTITION, step, closing)]


@pytest.fixture(scope="module")
def truth(readings: list[Record]) -> Readings:
    made = Readings()
    for record in readings:
        made.take(record)
    return made


@pytest.fixture(scope="module")
def results(readings: list[Record]) -> list[Result]:
    return worked("metering", ("rolling_load", "feeder_load", "presence"), readings, 1_000)


def test_the_load_holds_something_of_everything(truth: Readings) -> None:
    account = truth.account()
    assert all(account.values()), account
    assert account["released"] > 1_000
    assert {state for state, *_ in truth.presence.values()} == {"silent", "resumed"}
    flags = np.bitwise_or.reduce(truth.aggregates()["quality"])
    assert flags == 16 | 32


def test_the_load_is_the_same_each_time(readings: list[Record]) -> None:
    load = Load(1, METERS)
    again = [record for step, closing in steps() for record in load.readings(PARTITION, step, closing)]
    assert [encode(record) for record in again] == [encode(record) for record in readings]


def test_a_shard_agrees_with_the_truth(truth: Readings, results: list[Result]) -> None:
    wanted, ids = np.unique(canonical(truth.aggregates())), sorted(truth.meters)
    assert len(wanted) > 5_000
    assert list(aggregate_faults("", wanted, ids, found_of(results, AggregateBlock))) == []
    assert list(presence_faults("", truth.presence, found_of(results, PresenceBlock))) == []
    assert list(request_faults("", truth.requests, found_of(results, RecomputeRequestBlock))) == []
    assert list(account_faults("", "metering", truth.account(), found_of(results, Account))) == []


def test_two_streams_agree_with_the_truth(truth: Readings, results: list[Result]) -> None:
    """One partition's parts, put together by the second stream."""
    parts: list[Record] = [result for result in results if isinstance(result, PartialLoadBlock)]
    beats: list[Record] = [Beat("closing", 1_000), Beat("closing", 2_000)]
    loads = found_of(worked("grid", ("substation_balance",), parts + beats, 250), LoadBlock)
    wanted = truth.loads()
    whole: dict[LoadKey, LoadFact] = {}
    for (substation, _, start), fact in wanted.items():
        before = whole.get((substation, None, start), (0, 0, 0))
        whole[substation, None, start] = (before[0] + fact[0], before[1] + fact[1], before[2] + fact[2])
    assert len(wanted) > 10
    assert list(load_faults("", wanted | whole, [loads])) == []
    lost = Found(dict(list(loads.values.items())[1:]))
    assert "loads missing" in list(load_faults("", wanted | whole, [lost]))[-1]


def test_last_gasps_agree_with_the_truth() -> None:
    load = Load(1, 300)
    log = [record for step in range(2_000) for record in load.events(PARTITION, step)]
    wanted, alerts = dict(last_gasps(log)), found_of(worked("grid", ("last_gasp",), log, 250), Alert)
    assert {number for _, number in wanted} == {1, 2}
    raised, cleared = (
        {(who, at) for said, who, _, _, at, _ in wanted.values() if said == of} for of in ("raised", "cleared")
    )
    assert raised & cleared, "the load holds no last gasp that overtook the restoration before it"
    assert list(alert_faults(wanted, alerts.values)) == []
    assert list(alert_faults(wanted, dict(list(alerts.values.items())[1:])))


def test_a_lost_record_and_a_changed_one_are_found(truth: Readings, results: list[Result]) -> None:
    whole = found_of(results, AggregateBlock)
    assert list(run_faults("", whole, whole)) == []
    lost = Found(dict(list(whole.values.items())[1:]))
    assert "lost" in next(run_faults("", lost, whole))
    assert "nobody else says" in next(run_faults("", whole, lost))
    wanted, ids = np.unique(canonical(truth.aggregates())), sorted(truth.meters)
    assert "missing or other" in next(aggregate_faults("", wanted, ids, lost))
    assert list(
        presence_faults("", truth.presence, Found(dict(list(found_of(results, PresenceBlock).values.items())[1:])))
    )
    assert list(request_faults("", truth.requests | {("M", "p", 0, 1)}, found_of(results, RecomputeRequestBlock)))
    assert list(account_faults("", "metering", {"received": 1}, found_of(results, Account)))


def test_one_key_that_says_two_things_is_found(truth: Readings, results: list[Result]) -> None:
    block = next(result for result in results if isinstance(result, AggregateBlock))
    fields = {name: getattr(block, name) for name in AggregateBlock.__slots__}
    other = encode(AggregateBlock(**{**fields, "count": block.count + 1}))
    said = found_of(results, AggregateBlock)
    faults = aggregate_faults(
        "", np.unique(canonical(truth.aggregates())), sorted(truth.meters), Found({**said.values, other: other})
    )
    assert "says two things" in next(faults)
