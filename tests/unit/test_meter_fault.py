"""Each kind of fault is found in a household made here, and nothing is found where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from bench.meter_faults import ALIKE, FAULTY_DAYS, IN_ORDER_DAYS, Case, alerts, limits
from bench.meter_faults_data import DAY_MS, INJECTIONS, Home
from schemas.blocks import Float64s
from streams.meter_fault import MeterFault
from streams.meter_fault.checks import Limits

INTERVAL_MS = 1_800_000
BEGIN = 1_700_000_000_000 // DAY_MS * DAY_MS
START = BEGIN + IN_ORDER_DAYS * DAY_MS + 9 * 3_600_000


def household(seed: int = 1, days: int = IN_ORDER_DAYS + FAULTY_DAYS) -> Home:
    """A base, a daily shape, days that differ, and noise; the import register counts it."""
    rng = np.random.default_rng(seed)
    n = days * 48
    hour = np.arange(n) / 2
    day = np.repeat(rng.normal(0, 0.15, days), 48)
    watts = np.round((150 + 200 * (1 + np.sin(hour * np.pi / 12))) * np.exp(day) * rng.gamma(10, 1 / 10, n), 1)
    register = np.floor(np.cumsum(watts) / 2)
    at = BEGIN + np.arange(n, dtype=np.int64) * INTERVAL_MS
    values = np.stack([watts, register, np.zeros(n)], axis=1)
    return Home("made", "made", "turin_electricity_single_phase", INTERVAL_MS, at, at + 2_000, values)


def kinds(home: Home) -> list[str]:
    return [alert.kind for alert in alerts(MeterFault(), [home])[0]]


@pytest.mark.parametrize("kind", INJECTIONS)
def test_a_fault_is_found_and_not_before(kind: str) -> None:
    faulty = INJECTIONS[kind][0](household(), START, np.random.default_rng(5))
    found = alerts(MeterFault(), [faulty])[0]
    assert ALIKE.get(kind, {kind}) & {alert.kind for alert in found}
    assert min(alert.at for alert in found) > START
    assert Case(kind, faulty, START).found_after_h([alert.at for alert in found]) is not None


def test_nothing_wrong_says_nothing() -> None:
    assert [kind for seed in range(4) for kind in kinds(household(seed))] == []


def test_an_absence_is_no_fault() -> None:
    """Two weeks on holiday: what is used falls, the base load stays."""
    home = household()
    away = (home.at > START) & (home.at < START + 13 * DAY_MS)
    values = home.values.copy()
    values[away, 0] = np.minimum(values[away, 0], 200)
    values[:, 1] = np.floor(np.cumsum(values[:, 0]) / 2)
    assert kinds(replace(home, values=values)) == []


def test_a_fault_that_ends_is_cleared_and_may_come_again() -> None:
    home = household()
    values, stuck = home.values.copy(), np.zeros(len(home.at), np.bool_)
    for day in (44, 48):
        stuck |= (home.at >= BEGIN + day * DAY_MS) & (home.at < BEGIN + (day + 1) * DAY_MS)
    values[:, 1] = _held(values[:, 1], stuck)
    assert kinds(replace(home, values=values)) == ["stuck_register", "stuck_register"]


def test_feeding_in_is_no_fault_where_it_is_usual() -> None:
    """Photovoltaics: power is negative around noon from the first day."""
    home = household()
    hour = (home.at // 3_600_000) % 24
    values = home.values.copy()
    values[:, 0] -= np.where((hour > 9) & (hour < 15), 1_500, 0)
    assert "reversed_phase" not in kinds(replace(home, values=values))


def test_a_learning_meter_is_not_judged_by_its_days() -> None:
    home = household(days=6)
    values = home.values.copy()
    values[200:, 0] *= 10
    values[100:120] = np.nan
    assert kinds(replace(home, values=values)) == []


def test_strictness_moves_all_limits() -> None:
    assert limits(1.0) == Limits()
    assert limits(2.0).sigmas > Limits().sigmas and limits(2.0).reversed_share < Limits().reversed_share


def _held(register: Float64s, stuck: np.ndarray) -> Float64s:  # type: ignore[type-arg]
    """The register, standing still where told, and going on from there."""
    rises = np.diff(register, prepend=register[0])
    return np.asarray(register[0] + np.cumsum(np.where(stuck, 0, rises)))
