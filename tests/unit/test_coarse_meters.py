"""Meters that count in steps coarser than the catalogue's: neither their rounding nor their resting is news."""

import numpy as np

from schemas.alert import Alert
from schemas.arrays import Float64s, Int64s
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS, HOUR_MS, QUARTER_MS
from streams import resolution
from streams.anomaly import Anomaly
from streams.contract import Meters, Operator, Released, Rows
from streams.meter_fault import MeterFault

BEGIN = 1_700_000_000_000 // DAY_MS * DAY_MS
CATALOGUE = load_catalogue()


def alerts(operator: Operator, profile: str, every_ms: int, columns: dict[str, Float64s]) -> list[Alert]:
    """What is told of n meters that report these values, shape (t, n), every so often."""
    quantities = tuple(CATALOGUE.quantities[name] for name in CATALOGUE.profiles[profile].quantities)
    t, n = next(iter(columns.values())).shape
    names, interval_ms = [f"m{i}" for i in range(n)], np.full(n, every_ms, np.int64)
    meters = Meters(profile, quantities, names, [None] * n, [None] * n, interval_ms)
    state, told = np.zeros(n, operator.dtype(quantities)), list[object]()
    values = np.full((t, n, len(quantities)), np.nan)
    for name, column in columns.items():
        values[:, :, CATALOGUE.profiles[profile].quantities.index(name)] = column
    for first in range(0, t, 1_000):
        at = BEGIN + np.arange(first, min(first + 1_000, t), dtype=np.int64) * every_ms + 1_000
        meter = np.repeat(np.arange(n), len(at))
        flat = values[first : first + 1_000].transpose(1, 0, 2).reshape(len(meter), -1)
        times = np.tile(at, n)
        rows = Rows(meter, times, times + 2_000, np.zeros(len(meter), np.int32), flat)
        told += operator.on_released(state, meters, Released(rows, np.arange(n), np.full(n, at[-1])))
    return [result for result in told if isinstance(result, Alert)]


def register(load: Float64s, step: float | Float64s, hours: float) -> Float64s:
    """What a register in such steps shows of loads (t, n)."""
    return np.asarray(np.floor(np.cumsum(load, axis=0) * hours / step + 0.5) * step)


def test_a_constant_load_never_alarms_by_the_rounding_of_its_register() -> None:
    """Those that alarmed when rounding was taken as a share of the load, and others."""
    rng = np.random.default_rng(1)
    watts = np.concatenate([[3.99, 399.9, 0.7, 50.0], np.exp(rng.uniform(np.log(0.5), np.log(5_000), 40))])
    step = np.concatenate([[1, 100, 1, 1_000], rng.choice([1, 10, 100, 1_000], 40)])
    shown = register(np.tile(watts, (96 * 22, 1)), step, 0.25)
    assert alerts(Anomaly(), "malmo_household", QUARTER_MS, {"active_energy_import_wh": shown}) == []


def test_nor_does_a_constant_leak_in_whole_litres() -> None:
    shown = register(np.full((24 * 60, 1), 0.9995), 1, 1) / 1_000
    assert alerts(Anomaly(), "water", HOUR_MS, {"water_volume_m3": shown}) == []


def test_one_step_of_a_gauge_is_no_alarm() -> None:
    before, after = np.array([[5.0, 5.1, 0.0, 5_000.0, 5_000.0], [5.1, 5.0, 0.1, 5_000.1, 5_010.0]])
    load = np.where(np.arange(96 * 22)[:, None] < 2_000, before, after)
    phases = {f"active_power_l{i}_w": load if i == 1 else 0 * load for i in (1, 2, 3)}
    assert alerts(Anomaly(), "malmo_household", QUARTER_MS, phases) == []


def test_what_is_more_than_rounding_is_an_alarm_still() -> None:
    load = np.full((96 * 11, 2), 399.9)
    load[1_000:] = 2_500
    shown = register(load, np.array([1, 100]), 0.25)
    raised = alerts(Anomaly(), "malmo_household", QUARTER_MS, {"active_energy_import_wh": shown})
    assert {alert.at for alert in raised if alert.number == 1} == {BEGIN + 1_001 * QUARTER_MS}
    assert {alert.subject for alert in raised} == {"m0", "m1"}


def test_a_step_is_found_whatever_rises_are_seen_and_a_new_meter_is_learned_anew() -> None:
    rng, state, meter = np.random.default_rng(3), np.zeros(2, resolution.DTYPE), np.arange(2)

    def told(steps: Int64s) -> list[int]:
        for _ in range(2 * resolution.CHANGES):
            found = resolution.learn(state, meter, steps[:, None] * rng.integers(0, 30, (2, 1)))
        return list(map(int, found))

    assert told(np.array([1_000, 1])) == [1_000, 1]
    assert told(np.array([1, 250])) == [1, 250]


def household(days: int, seed: int) -> Float64s:
    rng = np.random.default_rng(seed)
    hour = np.arange(days * 24)[:, None]
    return np.asarray((200 + 150 * np.sin(hour * np.pi / 12)) * rng.gamma(8, 1 / 8, (days * 24, 1)) + 50)


def test_a_coarse_register_rests_without_being_stuck_until_it_is() -> None:
    """From day 40 on nothing is counted: the coarser the register, the later that is clear."""
    load, steps = household(50, 2), [1, 100, 1_000]
    counted = np.where(np.arange(len(load))[:, None] < 40 * 24, load, 0)
    columns = {f"active_power_l{i}_w": np.round(load * (i == 1), 1) + np.zeros(3) for i in (1, 2, 3)}
    in_order = {**columns, "active_energy_import_wh": register(load, np.array(steps), 1)}
    assert alerts(MeterFault(), "malmo_household", HOUR_MS, in_order) == []
    stuck = {**columns, "active_energy_import_wh": register(counted, np.array(steps), 1)}
    raised = alerts(MeterFault(), "malmo_household", HOUR_MS, stuck)
    assert [(alert.kind, alert.subject) for alert in raised] == [("stuck_register", f"m{i}") for i in range(3)]
    for alert, step in zip(raised, steps, strict=True):
        assert 0 < alert.at - (BEGIN + 40 * DAY_MS) <= (2 + 12 * step / 250) * HOUR_MS


def test_a_register_that_never_moved_is_told_after_the_week_of_learning() -> None:
    load = household(10, 4)
    columns = {f"active_power_l{i}_w": load * (i == 1) for i in (1, 2, 3)} | {"active_energy_import_wh": 0 * load}
    raised = alerts(MeterFault(), "malmo_household", HOUR_MS, columns)
    assert [alert.kind for alert in raised] == ["stuck_register"]
    assert 0 <= raised[0].at - (BEGIN + 7 * DAY_MS) <= 3 * HOUR_MS
