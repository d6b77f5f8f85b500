"""What bench.engine makes of what its contestants tell."""

import math

import pytest

from bench.agreement import faults, merged, of_gauges
from bench.contestants import Contestant, contestants
from bench.engine import GOALS, figures, goals
from bench.engine_parts import CHOICES, measure
from bench.heat import STANDS_S, Measured, Told, between
from bench.workload import QUANTITIES
from schemas.errors import Unavailable

TOPIC = 1_000


def contestant(warm_up_s: float = 2.0, warm_up_readings: int = 0) -> Contestant:
    return Contestant("it", "blocks", lambda: [], warm_up_s, warm_up_readings)


def told(*readings: int, cpu_each_s: float = 0.5) -> list[Told]:
    """One telling a second."""
    return [Told(count, cpu_each_s * second, float(second)) for second, count in enumerate(readings)]


def test_only_what_follows_the_warm_up_counts() -> None:
    measured = between(told(1, 2, 10, 20, 30, 40), contestant(), 3.0, TOPIC)
    assert measured == Measured(readings=30, cpu_s=1.5, seconds=3.0)
    assert measured.per_cpu_s == 20.0


def test_a_warm_up_may_be_a_number_of_readings() -> None:
    assert between(told(1, 2, 10, 20, 30), contestant(0.0, 10), 2.0, TOPIC) == Measured(20, 1.0, 2.0)
    assert between(told(1, 2, 3), contestant(0.0, 10), 1.0, TOPIC) is None


def test_it_goes_on_until_the_time_is_up() -> None:
    assert between(told(1, 2, 10, 20), contestant(), 3.0, TOPIC) is None


def test_the_end_of_the_topic_ends_it() -> None:
    assert between(told(1, 2, 300, 600, 990), contestant(), 60.0, TOPIC) == Measured(300, 0.5, 1.0)


def test_a_topic_that_ends_in_the_warm_up_is_no_measurement() -> None:
    with pytest.raises(Unavailable, match="before it could be measured"):
        between(told(1, 500, 1_000), contestant(), 60.0, TOPIC)


def test_of_bursts_whole_ones_are_taken() -> None:
    """A batch of 100 each four seconds, decoded in three of them: 25 a second, wherever one begins to look."""
    measured = between(told(1, 2, 100, 100, 100, 200, 200, 200, 200, 300, 300, 300), contestant(), 9.0, TOPIC)
    assert measured == Measured(readings=100, cpu_s=2.0, seconds=4.0)


def test_who_stands_still_hangs() -> None:
    with pytest.raises(Unavailable, match="hangs after 5"):
        between([Told(1, 0.0, 0.0), Told(5, 0.0, 1.0), Told(5, 0.0, 2.0 + STANDS_S)], contestant(100.0), 200.0, TOPIC)


def test_the_median_stands() -> None:
    rounds = {"it": [Measured(100, 1.0, 5.0), Measured(900, 1.0, 5.0), Measured(200, 1.0, 4.0)]}
    figure = figures(rounds)["it"]
    assert (figure["readings_per_cpu_s"], figure["lowest"], figure["highest"]) == (200, 100, 900)


def test_goals_are_held_against_the_best_and_can_be_missed() -> None:
    rates = {"flexmeter": 100.0, "faust_records": 1.0, "quixstreams_records": 20.0, "bytewax_records": 2.0}
    rates |= {"bytewax_large_batches_records": 3.0}
    (goal,) = goals({name: {"readings_per_cpu_s": rate} for name, rate in rates.items()})
    assert (goal["beside"], goal["ratio"], goal["met"]) == ("quixstreams_records", 5.0, False)


def test_every_goal_is_about_contestants_that_there_are() -> None:
    known = {one.name for one in contestants()}
    assert "flexmeter" in known
    assert all(set(goal.of) <= known for goal in GOALS)


def test_wrong_and_missing_means_are_found() -> None:
    expected = {("m", 0): (1.0, 2.0), ("m", 60_000): (3.0, 4.0)}
    assert faults(expected, expected) == []
    assert len(faults({("m", 0): (1.0, 2.0)}, expected)) == 1
    assert len(faults(expected | {("m", 0): (1.0, 2.0 + 1e-6)}, expected)) == 1
    assert len(faults(expected | {("m", 0): (1.0, math.nan)}, expected)) == 1


def test_aggregates_come_together() -> None:
    assert merged((1.0, math.nan), (math.nan, 2.0)) == (1.0, 2.0)


def test_registers_have_no_mean_to_compare_with_rolling_load() -> None:
    means = of_gauges({("m", 0): tuple(range(len(QUANTITIES)))})["m", 0]
    registers = [name for name, mean in zip(QUANTITIES, means, strict=True) if math.isnan(mean)]
    assert registers == ["active_energy_import_wh", "active_energy_export_wh"]
    assert faults({("m", 0): means}, {("m", 0): means}) == []


@pytest.mark.parametrize("choice", CHOICES)
def test_the_parts_of_the_engine_s_work_make_its_rate(choice: str) -> None:
    found = measure(CHOICES[choice], meters=60, minutes=1)
    whole_us = found["decode"] + found["shard"] + found["encode"]
    assert min(found.values()) > 0
    assert found["readings_per_cpu_s"] == pytest.approx(1e6 / whole_us, rel=0.01)
