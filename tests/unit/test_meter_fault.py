"""Each kind of fault is found in a household made here, and nothing is found where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from bench.meter_faults_data import CLOCKS, INJECTIONS, Home, Magnitudes
from bench.meter_faults_run import ALIKE, FAULTY_DAYS, IN_ORDER_DAYS, Case, alerts, hourly_loads, limits, results
from schemas.alert import Alert
from schemas.arrays import Float64s
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS
from schemas.quality import Quality
from streams.contract import Mask
from streams.meter_fault import MeterFault
from streams.meter_fault.checks import Limits
from tests.streams_log import BEGIN as LOG_BEGIN
from tests.streams_log import Input, Row, beats, block, feed, shard

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


def versions(home: Home) -> list[Alert]:
    return [result for result in results(MeterFault(), [home]) if isinstance(result, Alert)]


@pytest.mark.parametrize("kind", [*INJECTIONS, "clock_ahead", "clock_gains"])
def test_a_fault_is_found_and_not_before(kind: str) -> None:
    faulty = (INJECTIONS | CLOCKS)[kind][0](household(), START, np.random.default_rng(5), Magnitudes())
    found = alerts(MeterFault(), [faulty])[0]
    assert ALIKE.get(kind, {kind}) & {alert.kind for alert in found}
    assert min(alert.at for alert in found) > START
    case = Case(kind, faulty, START)
    assert case.found_after_h([case.told_at(alert) for alert in found]) is not None


def test_what_a_clock_loses_is_told_once_it_is_more_than_a_delay_may_be() -> None:
    """A meter that is read every 5 minutes, and by 300 s a day slower: 35 minutes on the seventh day."""
    home, steps = household(), np.arange(48 * (IN_ORDER_DAYS + FAULTY_DAYS) * 6)
    at = BEGIN + steps * 300_000
    often = replace(home, interval_ms=300_000, at=at, received_at=at + 2_000, values=home.values[steps // 6])
    slow = CLOCKS["clock_loses"][0](often, START, np.random.default_rng(1), Magnitudes(drift_s_per_day=(300, 300)))
    (alert,) = [alert for alert in versions(slow) if alert.kind == "clock"]
    assert 7 <= (Case("clock_loses", slow, START).told_at(alert) - START) / DAY_MS < 7.3


@pytest.mark.parametrize("factor", [1_000, 100, 3, 1 / 3, 1 / 100, 1 / 1_000])
def test_a_wrong_multiplier_is_found_whatever_it_is(factor: float) -> None:
    faulty = INJECTIONS["scale_change"][0](
        household(), START, np.random.default_rng(5), Magnitudes(multipliers=(factor,))
    )
    assert ALIKE["scale_change"] & set(kinds(faulty))


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


def test_a_roof_hides_no_reversed_phase_and_longer_days_are_none() -> None:
    """The sun gives from a later hour to an earlier one each week; then everything changes its sign."""
    home = household(days=70)
    hour, day = (home.at // 3_600_000) % 24, (home.at - BEGIN) // DAY_MS
    values = home.values.copy()
    values[:, 0] -= np.where(np.abs(hour - 12) <= 3 + day // 20, 1_500, 0)
    assert "reversed_phase" not in kinds(replace(home, values=values))
    after = home.at > BEGIN + 60 * DAY_MS
    values[after, 0] *= -1
    raised = [a for a in alerts(MeterFault(), [replace(home, values=values)])[0] if a.kind == "reversed_phase"]
    assert raised and BEGIN + 60 * DAY_MS < raised[0].at <= BEGIN + 61 * DAY_MS


def test_a_new_roof_is_one_alert_and_usual_after_four_weeks() -> None:
    """The sun gives around noon from day 20 on, but not on every fifth day."""
    home = household(days=100)
    hour, day = (home.at // 3_600_000) % 24, (home.at - BEGIN) // DAY_MS
    values = home.values.copy()
    values[:, 0] -= np.where((day >= 20) & (day % 5 != 0) & (hour > 9) & (hour < 15), 1_500, 0)
    told = [alert for alert in versions(replace(home, values=values)) if alert.kind == "reversed_phase"]
    assert [alert.state for alert in told] == ["raised", "cleared"]
    days = [(alert.at - BEGIN) // DAY_MS for alert in told]
    assert days[0] == 21 and 21 + 28 < days[1] < 21 + 28 * 5 / 4 + 5
    assert "usual by now" in told[1].summary


def both_ways(home: Home, feeds_in: Mask) -> Home:
    """The home's meter as an adapter tells it: import and export each by a power and a register."""
    names = load_catalogue().profiles["obis_adapter"].quantities
    watts, values = home.values[:, 0], np.full((len(home.at), len(names)), np.nan)
    for way, there in (("import", ~feeds_in), ("export", feeds_in)):
        values[:, names.index(f"active_power_{way}_w")] = np.where(there, watts, 0)
        values[:, names.index(f"active_energy_{way}_wh")] = np.floor(np.cumsum(np.where(there, watts, 0)) / 2)
    return replace(home, profile="obis_adapter", values=values)


def test_a_meter_that_tells_import_and_export_is_seen_to_be_reversed() -> None:
    """And nothing else is told of it: neither a drop nor the register of what is imported, which rests from then on."""
    home = household()
    assert kinds(both_ways(home, home.at < 0)) == []
    assert kinds(both_ways(home, home.at > START)) == ["reversed_phase"]


def test_what_an_adapter_feeds_in_is_a_negative_load() -> None:
    home = replace(both_ways(household(days=2), household(days=2).at >= BEGIN + DAY_MS), group="S1")
    ((_, load),) = hourly_loads([home])
    assert (load[:20] > 0).all() and (load[26:] < 0).all()


def test_no_summary_says_nan() -> None:
    """The load falls, is told, and is not known any more from the day after on."""
    home = household(days=80)
    values = home.values.copy()
    values[home.at > START, 0] *= 0.2
    values[home.at > START + 3 * DAY_MS] = np.nan
    told = versions(replace(home, values=values))
    assert [alert.state for alert in told][:2] == ["raised", "cleared"]
    assert told[1].summary.endswith("is over, or usual by now") and "measured" not in told[1].evidence
    assert not [alert for alert in told if "nan" in alert.summary or "nan" in str(alert.evidence)]


def test_a_dead_sensor_is_told_by_its_own_figures() -> None:
    """Of the three gauges one is dead; another rests often for some hours, so that it would be told far later."""
    home, rng = household(), np.random.default_rng(2)
    n, names = len(home.at), load_catalogue().profiles["district_heat"].quantities
    values = np.full((n, len(names)), np.nan)
    dead = home.at > START
    values[:, names.index("forward_temperature_c")] = np.where(dead, 70.0, np.round(rng.normal(70, 2, n), 2))
    values[:, names.index("return_temperature_c")] = np.repeat(np.round(rng.normal(40, 2, n // 16 + 1), 2), 16)[:n]
    values[:, names.index("heat_energy_wh")] = np.cumsum(home.values[:, 0])
    (alert,) = versions(replace(home, profile="district_heat", values=values))
    assert alert.evidence["quantity"] == "forward_temperature_c"
    assert (alert.evidence["measured"], alert.evidence["expected"]) == (13, 12)


@pytest.mark.parametrize("kind", ["stuck_register", "reversed_phase", "dead_sensor"])
def test_a_new_meter_is_learned_for_a_week(kind: str) -> None:
    start = BEGIN + 12 * 3_600_000
    found = versions(INJECTIONS[kind][0](household(days=6), start, np.random.default_rng(5), Magnitudes()))
    assert found == []


@pytest.mark.parametrize("ahead_s", [180, -7 * 1_800 - 180])
def test_rows_that_come_before_their_time_are_told_sooner_than_late_ones(ahead_s: int) -> None:
    home = household()
    after = home.at > START
    told = versions(replace(home, received_at=home.received_at - np.where(after, 1_000 * ahead_s, 0)))
    assert [(alert.kind, alert.evidence["measured"]) for alert in told] == [("clock", 2 - ahead_s)]


@pytest.mark.parametrize("within_s", [60, -7 * 1_800 + 180])
def test_what_a_delay_or_the_bridge_may_do_is_no_wrong_clock(within_s: int) -> None:
    home = household()
    after = home.at > START
    assert kinds(replace(home, received_at=home.received_at - np.where(after, 1_000 * within_s, 0))) == []


def test_a_phase_that_never_had_voltage_is_not_lost() -> None:
    log: list[Input] = []
    for step in range(600):
        at = LOG_BEGIN + step * 30_000
        lost = 0.0 if step >= 300 else 231.0
        values = (1_000.0 + step, 0.0, 100.0, 0.0, 0.0, 230.0 + step % 2, lost, 0.0)
        log += [block([Row("m1", at, at, values, 0, 30_000)]), *beats(at, 30)]
    alerts = [r for r in feed(shard({"meter_fault": MeterFault()}), log) if isinstance(r, Alert)]
    assert [(alert.kind, alert.at) for alert in alerts] == [("phase_loss", LOG_BEGIN + 4 * 3_600_000)]


def test_a_learning_meter_is_not_judged_by_its_days() -> None:
    home = household(days=6)
    values = home.values.copy()
    values[200:, 0] *= 10
    values[100:120] = np.nan
    assert kinds(replace(home, values=values)) == []


def test_strictness_moves_all_limits() -> None:
    assert limits(1.0) == Limits()
    assert limits(2.0).sigmas > Limits().sigmas and limits(2.0).reversed_share < Limits().reversed_share


def _held(register: Float64s, stuck: np.ndarray) -> Float64s:
    """The register, standing still where told, and going on from there."""
    rises = np.diff(register, prepend=register[0])
    return np.asarray(register[0] + np.cumsum(np.where(stuck, 0, rises)))


@pytest.mark.parametrize("from_day", [0, IN_ORDER_DAYS])
def test_a_backlog_is_no_wrong_clock(from_day: int) -> None:
    """A gateway that was away delivers five days at once; the meter's clock was right all the time."""
    home = household()
    from_, until = (BEGIN + day * DAY_MS for day in (from_day, from_day + 5))
    away = (home.at >= from_) & (home.at < until)
    late = replace(home, received_at=np.where(away, until + home.at // 1_000_000, home.received_at))
    assert kinds(late) == []


def test_a_clock_far_ahead_is_told_though_its_rows_count_for_nothing_and_cleared_when_it_is_right() -> None:
    log: list[Input] = []
    for step in range(120 * 12):
        received_at = LOG_BEGIN + step * 30_000
        ahead = 240 <= step < 600
        values = (1_000.0 + step, 0.0, 100.0, 0.0, 0.0, 230.0, 231.0 + step % 2, 229.0)
        at, quality = received_at + 7_200_000 * ahead, int(Quality.FUTURE) * ahead
        log += [block([Row("m1", at, received_at, values, quality, 30_000)]), *beats(received_at, 30)]
    alerts = [r for r in feed(shard({"meter_fault": MeterFault()}), log) if isinstance(r, Alert) and r.kind == "clock"]
    assert [(alert.number, alert.state) for alert in alerts] == [(1, "raised"), (2, "cleared")]
    assert alerts[0].at == LOG_BEGIN + (240 + 120) * 30_000
    assert alerts[0].evidence["measured"] == -7_200
