"""The accuracy of faults is measured as it says: neighbours side by side, in rounds, and the fleet's homes as drawn."""

import numpy as np
import pytest

from bench.meter_faults import MILD, Case, _beside, _figures
from bench.meter_faults_data import Home, Magnitudes
from bench.meter_faults_fleet import District
from bench.meter_faults_run import Loads, beside, limits, neighbour_limits
from schemas.alert import Alert
from schemas.durations import DAY_MS, HOUR_MS
from streams.meter_fault.checks import Limits
from streams.neighbours import Neighbours
from streams.neighbours.compare import Limits as NeighbourLimits

DAYS, FALLS_DAY = 14, 10


def loads(homes: int, falls: set[int] | None = None) -> list[Loads]:
    """Two weeks of like loads; some fall by 70 % on one day."""
    hours = np.arange(24 * DAYS, dtype=np.int64) + 480_000
    rng = np.random.default_rng(1)
    found = []
    for home in range(homes):
        load = (300 + 100 * (hours % 24 > 16)) * rng.gamma(50, 1 / 50, len(hours))
        found.append(
            (hours, np.where((hours >= hours[0] + 24 * FALLS_DAY) & (home in (falls or set())), load * 0.3, load))
        )
    return found


def group(homes: int) -> list[Home]:
    at = np.array([480_000 * HOUR_MS, (480_000 + 24 * DAYS) * HOUR_MS], np.int64)
    return [Home("x", str(i), "water", HOUR_MS, at, at, np.zeros((2, 3)), "G") for i in range(homes)]


def test_only_the_home_whose_load_falls_is_told() -> None:
    raised = beside(Neighbours(), group(8), loads(8, {3}))
    assert [[alert.kind for alert in of] for of in raised] == [["tamper_pattern"] if i == 3 else [] for i in range(8)]
    assert beside(Neighbours(), group(8), loads(8, set(range(8)))) == [[] for _ in range(8)]


def test_cases_run_in_rounds_of_a_tenth_and_each_is_answered_once() -> None:
    homes, start = group(12), (480_000 + 24 * FALLS_DAY) * HOUR_MS
    odd = [(place, Case("sudden_drop", homes[place], start)) for place in (0, 4, 4, 9)]
    told = list(_beside(Neighbours(), homes, loads(12), odd, [loads(12, {place})[place] for place, _ in odd]))
    assert len(told) == 4
    assert all(case.found_after_h([alert.at for alert in alerts]) is not None for case, alerts in told)


def test_false_alarms_are_counted_by_kind_and_after_the_learning() -> None:
    (home,) = group(1)
    watched_days = DAYS - 14 + 20

    def alert(kind: str, day: int) -> Alert:
        at = int(home.at[0]) + day * DAY_MS
        return Alert("a", 1, kind, "warning", "raised", "0", None, None, at, at, "", {})

    longer = Home("x", "0", "water", HOUR_MS, np.array([home.at[0], home.at[1] + 20 * DAY_MS]), home.at, home.values)
    case = Case("clock", longer, int(home.at[0]) + 20 * DAY_MS)
    found = _figures([(longer, [alert("clock", 3), alert("clock", 15), alert("sudden_drop", 16)])], [(case, [])], {})
    assert found["meter_days"] == watched_days
    assert found["false_alarms"] == {"clock": 1, "sudden_drop": 1}
    assert found["kinds"]["clock"]["false_alarms_per_meter_year"] == pytest.approx(365.25 / watched_days, abs=0.01)
    assert found["kinds"]["clock"]["recall"] == 0


def test_a_fault_of_the_fleet_begins_when_it_is_told_to() -> None:
    district = District.draw(24, 2, seed=1)
    home = district.fits("reversed_phase")[0]
    since = int(district.moments[96].at)
    clean, faulty = district.homes()[home], district.faulty("reversed_phase", home, since)
    before = clean.at < since
    assert np.array_equal(clean.values[before], faulty.values[before], equal_nan=True)
    assert (faulty.values[~before, 2:5] < 0).any() and not (clean.values[:, 2:5] < 0).any()


def test_strictness_moves_all_limits_and_mild_is_milder() -> None:
    assert (limits(1.0), neighbour_limits(1.0)) == (Limits(), NeighbourLimits())
    assert neighbour_limits(2.0).sigmas > NeighbourLimits().sigmas
    assert MILD.kept[0] >= Magnitudes().kept[1] and max(MILD.multipliers) < max(Magnitudes().multipliers)
