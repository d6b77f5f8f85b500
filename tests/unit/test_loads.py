"""Periods and loads against their definitions, worked out row by row."""

import math

import numpy as np
import pytest

from schemas.catalogue import load_catalogue
from schemas.durations import HOUR_MS
from streams import loads, periods
from streams.contract import Released, Rows
from streams.loads import Load
from streams.samples import Scale

BEGIN = 1_700_000_000_000 // HOUR_MS * HOUR_MS
CATALOGUE = load_catalogue()


def quantities(profile: str) -> tuple:  # type: ignore[type-arg]
    return tuple(CATALOGUE.quantities[name] for name in CATALOGUE.profiles[profile].quantities)


def released(at: list[int], values: list[list[float]], watermark: int) -> Released:
    times = np.array(at, np.int64)
    meter = np.zeros(len(at), np.int64)
    rows = Rows(
        meter, times, times + 2_000, np.zeros(len(at), np.int32), np.array(values, np.float64).reshape(len(at), 3)
    )
    return Released(rows, np.zeros(1, np.int64), np.array([watermark], np.int64))


@pytest.mark.parametrize("cuts", [[], [3], [1, 2, 7], [5, 6]])
def test_periods_hold_what_their_rows_do_however_they_come(cuts: list[int]) -> None:
    of = quantities("turin_electricity_single_phase")
    stored = np.zeros(1, periods.dtype(len(of)))
    at = [BEGIN + i * 20 * 60_000 for i in range(9)]
    watts = [10.0, 20.5, math.nan, 40.0, -50.0, 60.0, 70.0, 80.0, 90.0]
    values = [[w, 1_000.0 + i, 0.0] for i, w in enumerate(watts)]
    found = []
    for a, b in zip([0, *cuts], [*cuts, 9], strict=True):
        closed = periods.fold(stored, released(at[a:b], values[a:b], at[b - 1]), of, HOUR_MS)
        means = closed.means(Scale.of(of))[:, 0]
        found += list(zip(closed.id.tolist(), means.tolist(), closed.high[:, 1].tolist(), strict=True))
    first = BEGIN // HOUR_MS
    assert found == [(first, 15.25, 1002), (first + 1, pytest.approx(50 / 3), 1005)]
    rest = periods.fold(
        stored, Released(released([], [], 0).rows, np.zeros(1, np.int64), np.array([BEGIN * 2])), of, HOUR_MS
    )
    assert rest.means(Scale.of(of))[:, 0].tolist() == [80.0]


def hourly_load(profile: str, values: list[list[float]], hours: list[int]) -> list[float]:
    """Mean load of each hour, given its one row."""
    of = quantities(profile)
    load, scale = Load.of(of), Scale.of(of)
    assert load is not None
    stored, state, found = np.zeros(1, periods.dtype(len(of))), np.zeros(1, loads.DTYPE), []
    for hour, row in zip(hours, values, strict=True):
        at = BEGIN + hour * HOUR_MS
        closed = periods.fold(stored, released([at], [row], at + HOUR_MS - 1), of, HOUR_MS)
        found += loads.mean_load(state, closed, load, scale, HOUR_MS).load.tolist()
    return found


def test_a_register_alone_tells_the_load_too() -> None:
    """Not over a long pause, not where it goes back, not before it is known."""
    nan = math.nan
    volumes = [[1.0, nan, nan], [1.5, nan, nan], [2.5, nan, nan], [9.0, nan, nan], [8.0, nan, nan], [8.25, nan, nan]]
    found = hourly_load("water", volumes, [0, 1, 3, 9, 10, 11])
    assert found == pytest.approx([nan, 0.5, 0.5, nan, nan, 0.25], nan_ok=True)


def test_a_gauge_goes_before_the_register() -> None:
    found = hourly_load("turin_electricity_single_phase", [[100.0, 0, 0], [200.0, 5, 0], [math.nan, 305, 0]], [0, 1, 2])
    assert found == [100.0, 200.0, 300.0]


def test_who_has_no_load() -> None:
    assert Load.of(()) is None
    assert Load.of((CATALOGUE.quantities["voltage_l1_v"],)) is None
    without = {name for name in CATALOGUE.profiles if Load.of(quantities(name)) is None}
    assert without <= {"heat_cost_allocator"}
