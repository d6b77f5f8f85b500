"""Last gasps and restorations of one meter, in any order of arrival."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.faults_truth import last_gasps
from schemas.alert import Alert
from streams.last_gasp import LAST_GASP, POWER_RESTORED, LastGasp
from tests.streams_log import BEGIN, beats, events, feed, shard

Event = tuple[int, str]
TWICE: list[Event] = [(10, LAST_GASP), (20, POWER_RESTORED), (30, LAST_GASP), (40, POWER_RESTORED)]


def open_after(order: tuple[Event, ...]) -> list[str]:
    """The states of the alerts, by their newest versions."""
    log = [events([("m1", BEGIN + 1_000 * at, kind)]) for at, kind in order]
    results = feed(shard({"last_gasp": LastGasp()}), [*log, *beats(BEGIN, 3)])
    newest = {alert.id: alert.state for alert in results if isinstance(alert, Alert)}
    return sorted(newest.values())


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_whether_a_meter_is_dark_does_not_depend_on_the_order_of_arrival(count: int) -> None:
    """And every alert but one of them is cleared."""
    for order in permutations(TWICE[:count]):
        states = open_after(order)
        assert states.count("raised") == count % 2, order
        assert states[: len(states) - count % 2] == ["cleared"] * (len(states) - count % 2)


def test_a_loss_after_the_one_that_was_cleared_is_told_however_late() -> None:
    assert open_after(((10, LAST_GASP), (20, POWER_RESTORED), (40, POWER_RESTORED), (30, LAST_GASP))) == ["cleared"] * 2
    assert open_after(((10, LAST_GASP), (20, POWER_RESTORED), (20, LAST_GASP))) == ["cleared", "raised"]


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([LAST_GASP, POWER_RESTORED, "tamper"])), max_size=12))
def test_whatever_comes_is_told_as_an_independent_computation_has_it(came: list[Event]) -> None:
    log = [events([("m1", BEGIN + 1_000 * at, kind)]) for at, kind in came]
    told = feed(shard({"last_gasp": LastGasp()}), [*log, *beats(BEGIN, 3)])
    found = {(alert.id, alert.number): (alert.state, alert.at) for alert in told if isinstance(alert, Alert)}
    assert found == {key: (state, at) for key, (state, _, _, _, at, _) in last_gasps(log)}
