"""No sender gets more than its burst and its rate, whenever it comes; none pays for another; memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.rate_limit import Buckets, rate_limit
from schemas.faults import Faults
from schemas.topology import Bridge

STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3_000)), max_size=200)


def entry(**options: str) -> Bridge:
    return Bridge("b", "http", "http://127.0.0.1", ("v1/{profile}/reading",), "json", "r", "e", "d", 500, options)


@given(STEPS, st.integers(1, 20), st.integers(1, 10))
def test_within_any_time_a_sender_gets_its_burst_and_its_rate(
    steps: list[tuple[str, int]], rate: int, burst: int
) -> None:
    buckets, now_ms, taken = Buckets(rate, burst), 0, {"a": list[float](), "b": list[float]()}
    for sender, pause_ms in steps:
        now_ms += pause_ms
        if buckets.wait_s(sender, now_ms / 1_000) == 0:
            taken[sender].append(now_ms / 1_000)
    for times in taken.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6


@given(st.integers(1, 20), st.integers(1, 10), st.integers(0, 100))
def test_who_waits_as_long_as_it_was_told_is_taken(rate: int, burst: int, more: int) -> None:
    buckets = Buckets(rate, burst)
    while not (wait_s := buckets.wait_s("a", 5.0)):
        pass
    buckets.take("a", more, 5.0)
    longer_s = buckets.wait_s("a", 5.0)
    assert longer_s == pytest.approx(wait_s + more / rate)
    assert buckets.wait_s("a", 5.0 + longer_s + 1e-9) == 0
    assert buckets.wait_s("b", 5.0) == 0, "another pays nothing for it"


def test_senders_whose_bucket_is_full_and_those_beyond_the_most_are_forgotten() -> None:
    buckets = Buckets(1, 1, most_remembered=10)
    for sender in range(1_000):
        buckets.wait_s(sender, 0.0)
    assert len(buckets) == 10
    assert buckets.wait_s(999, 0.0) == 1
    buckets.wait_s("later", 2.0)
    assert len(buckets) == 1


def test_a_limit_is_there_where_its_options_are() -> None:
    assert rate_limit(entry()) is None
    assert rate_limit(entry(rate_per_s="", burst="")) is None
    limit = rate_limit(entry(rate_per_s="0.5"))
    assert limit is not None
    assert [limit.wait_s("a", 0.0) for _ in range(6)] == [0, 0, 0, 0, 0, 2]


@pytest.mark.parametrize("options", [{"rate_per_s": "fast"}, {"rate_per_s": "-1"}, {"rate_per_s": "nan"},
                                     {"rate_per_s": "1", "burst": "0"}])  # fmt: skip
def test_faults_of_a_limit(options: dict[str, str]) -> None:
    with pytest.raises(Faults, match=r"numbers|above 0"):
        rate_limit(entry(**options))
