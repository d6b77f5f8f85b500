"""The independent computation, held to numbers worked out by hand."""

import gzip
import math
from pathlib import Path

import pytest

from bench.proof_truth import (
    HOUR_MS,
    Reading,
    Stretch,
    differences,
    expected_rows,
    hours_of,
    read_recording,
    read_stretches,
    readings_of,
)

MIN = 60_000


def test_a_register_is_split_in_whole_steps() -> None:
    hours = hours_of([(HOUR_MS - 20_000, 100), (HOUR_MS + 40_000, 105)], MIN)
    assert (hours[0].difference, hours[HOUR_MS].difference) == (1, 4)


def test_samples_belong_to_the_hour_they_start_in() -> None:
    hours = hours_of([(HOUR_MS - 1, 10), (HOUR_MS, 30)], MIN)
    assert [(start, h.count, h.total, h.low, h.high) for start, h in hours.items()] == [
        (0, 1, 10, 10, 10),
        (HOUR_MS, 1, 30, 30, 30),
    ]


def test_a_trapezoid_is_split_at_the_hour() -> None:
    # 0 at 30 s before the hour, 60 at 30 s after it: 30 at the boundary.
    hours = hours_of([(HOUR_MS - 30_000, 0), (HOUR_MS + 30_000, 60)], MIN)
    assert hours[0].area == pytest.approx(15 * 30_000)
    assert hours[HOUR_MS].area == pytest.approx(45 * 30_000)
    assert (hours[0].covered_ms, hours[HOUR_MS].covered_ms) == (30_000, 30_000)
    assert (hours[0].difference, hours[HOUR_MS].difference) == (30, 30)


def test_three_intervals_are_spanned_and_more_are_not() -> None:
    spanned = hours_of([(0, 10), (3 * MIN, 20)], MIN)[0]
    assert (spanned.area, spanned.difference, spanned.covered_ms) == (15 * 3 * MIN, 10, 3 * MIN)
    gap = hours_of([(0, 10), (3 * MIN + 1, 20)], MIN)[0]
    assert (gap.area, gap.difference, gap.covered_ms) == (0, 10, 0)


def test_an_increment_over_a_long_gap_belongs_to_the_later_hour() -> None:
    hours = hours_of([(HOUR_MS - MIN, 100), (HOUR_MS + 10 * MIN, 160)], MIN)
    assert (hours[0].difference, hours[HOUR_MS].difference) == (0, 60)


def test_a_meter_follows_the_recording_with_its_gaps() -> None:
    readings = list(readings_of(Stretch("m", 1, 7_000, 5), [999, 12_000, 0, 0, 24_001], 0, 4))
    assert [r.at for r in readings] == [7_000, 3 * MIN + 7_000]
    # 1,200 W held for three minutes = 60 Wh.
    assert [r.values[0] for r in readings] == [5, 65]
    assert readings[1].values[2:5] == (12_000, 7_200, 4_801)
    assert readings[1].values[5:] == (22_700, 22_820, 22_879)


def test_rows_carry_units_and_nan_where_a_field_does_not_apply() -> None:
    readings = [Reading(0, (5, 0, 100, 0, 0, 23_000, 0, 0)), Reading(MIN, (6, 0, 301, 0, 0, 22_990, 0, 0))]
    rows = expected_rows("m", readings, MIN, 0, HOUR_MS)
    assert len(rows) == 8
    power = rows["m", "active_power_l1_w", 0]
    assert (power.count, power.mean, power.min, power.max) == (2, 20.05, 10.0, 30.1)
    assert power.energy_trapezoid_wh == pytest.approx(20.05 / 60)
    assert math.isnan(power.register_difference)
    assert rows["m", "active_energy_import_wh", 0].register_difference == 1
    assert math.isnan(rows["m", "voltage_l1_v", 0].energy_trapezoid_wh)
    assert expected_rows("m", readings, MIN, HOUR_MS, 2 * HOUR_MS) == {}


def test_differences_names_what_differs() -> None:
    readings = [Reading(0, (5, 0, 100, 0, 0, 23_000, 0, 0))]
    rows = expected_rows("m", readings, MIN, 0, HOUR_MS)
    a, b = rows["m", "active_power_l1_w", 0], rows["m", "active_power_l2_w", 0]
    assert differences(a, a) == []
    assert [fault.split(":")[0] for fault in differences(a, b)] == ["mean", "min", "max"]


def test_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.gzip").write_bytes(
        gzip.compress(
            b"Time,Aggregate,Kettle\n2014-04-01 00:00:00,119.69999999999999,0.0\n2014-04-01 00:01:00,0.0,0.0\n"
        )
    )
    assert read_recording([tmp_path / "r.gzip"]) == [1197, 0]
    (tmp_path / "s.csv").write_text("meter_id,first,offset_ms,base_wh\nLGZ1,5,7000,12\n")
    assert read_stretches(tmp_path / "s.csv") == [Stretch("LGZ1", 5, 7000, 12)]
