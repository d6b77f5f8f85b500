"""rolling_load against its definition, worked out row by row in exact arithmetic."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from schemas.blocks import Beat
from schemas.catalogue import load_catalogue
from schemas.durations import MINUTE_MS
from schemas.quality import Quality
from schemas.results import AggregateBlock
from streams.rolling_load import RollingLoad
from tests.streams_log import BEGIN, SOURCE, Input, Row, beats, block, feed, shard

REGISTER, POWER, VOLTAGE = 0, 2, 5
COLUMNS = {"active_energy_import_wh": REGISTER, "active_power_l1_w": POWER, "voltage_l1_v": VOLTAGE}
LENGTHS = {"1min": 1, "15min": 15, "1h": 60}

Key = tuple[str, str, int]


def irregular(seed: int, interval_ms: int) -> list[tuple[int, list[float]]]:
    """Samples (at, 8 values) with jitter, pauses, unmeasured powers, and registers that are reset."""
    rng = random.Random(seed)
    at, register, samples = BEGIN + rng.randint(0, MINUTE_MS), 5_000, []
    for _ in range(400):
        at += round(interval_ms * rng.choice([0.9, 1, 1, 1, 1.1, 2.5, 3.05, 20]))
        register = rng.randint(0, 10) if rng.random() < 0.02 else register + rng.randint(0, 50)
        power = math.nan if rng.random() < 0.1 else rng.randint(-20_000, 90_000) / 10
        samples.append((at, [float(register), 0.0, power, 0.0, 0.0, rng.randint(22_000, 24_000) / 100, 230.0, 230.0]))
    return samples


def overlap(start: int, end: int, low: int, high: int) -> tuple[int, int]:
    return max(start, low), min(end, high)


def energy_wh(samples: list[tuple[int, float]], low: int, high: int, limit_ms: int) -> Fraction:
    """By trapezoid, each cut at the window's ends."""
    total = Fraction(0)
    for (t0, p0), (t1, p1) in pairwise(samples):
        left, right = overlap(t0, t1, low, high)
        if t1 - t0 > limit_ms or math.isnan(p0) or math.isnan(p1) or right <= left:
            continue
        slope = (Fraction(p1) - Fraction(p0)) / (t1 - t0)
        ends = [Fraction(p0) + slope * (t - t0) for t in (left, right)]
        total += sum(ends) / 2 * (right - left)
    return total / 3_600_000


def register_counted(samples: list[tuple[int, float]], low: int, high: int, limit_ms: int) -> Fraction:
    """Increments split in proportion to time; over a longer pause, whole at the later reading."""
    total = Fraction(0)
    for (t0, r0), (t1, r1) in pairwise(samples):
        increment = Fraction(max(r1 - r0, 0))
        if t1 - t0 > limit_ms:
            total += increment if low <= t1 < high else 0
            continue
        left, right = overlap(t0, t1, low, high)
        total += increment * max(right - left, 0) / (t1 - t0)
    return total


def computed(samples: list[tuple[int, list[float]]], interval_ms: int) -> dict[tuple[str, str, int], dict[str, float]]:
    """What the operator says, by window, quantity and start."""
    rows = [Row("m", at, at, tuple(values), interval_ms=interval_ms) for at, values in samples]
    log: list[Input] = [block(rows[i : i + 7]) for i in range(0, len(rows), 7)]
    log += [Beat(SOURCE, BEGIN + i * 2_000) for i in range(12 * interval_ms // 2_000 + 4_000)]
    found = {}
    for result in feed(shard({"rolling_load": RollingLoad()}), log):
        if isinstance(result, AggregateBlock):
            for key, value in _rows(result):
                assert key not in found
                found[key] = value
    return found


def _rows(result: AggregateBlock) -> Iterator[tuple[Key, dict[str, float]]]:
    for i, start in enumerate(result.start.tolist()):
        key = (result.windows[result.row_window[i]], result.quantities[result.row_quantity[i]], start)
        measures = ("count", "mean", "min", "max", "energy_trapezoid_wh", "register_difference", "covered_ms")
        names = (*measures, "quality", "end")
        yield key, {name: getattr(result, name)[i].item() for name in names}


@pytest.mark.parametrize("interval_ms", [1_000, 10_000, 60_000, 300_000])
@pytest.mark.parametrize("seed", range(3))
def test_against_the_definition(seed: int, interval_ms: int) -> None:
    samples = irregular(seed, interval_ms)
    found = computed(samples, interval_ms)
    power = [(at, values[POWER]) for at, values in samples]
    register = [(at, values[REGISTER]) for at, values in samples]
    for (window, quantity, start), got in found.items():
        low, high = start, start + (15 if window == "rolling_15min" else LENGTHS[window]) * MINUTE_MS
        assert got["end"] == high
        column = {"active_power_l1_w": POWER, "active_energy_import_wh": REGISTER, "voltage_l1_v": VOLTAGE}.get(
            quantity
        )
        if column is None:
            continue
        inside = [values[column] for at, values in samples if low <= at < high and not math.isnan(values[column])]
        assert got["count"] == len(inside)
        if inside:
            assert (got["min"], got["max"]) == (min(inside), max(inside))
            mean = math.nan if column == REGISTER else math.fsum(inside) / len(inside)
            assert got["mean"] == pytest.approx(mean, rel=1e-12, abs=1e-12, nan_ok=True)
        if column == POWER:
            expected = float(energy_wh(power, low, high, 3 * interval_ms))
            assert got["energy_trapezoid_wh"] == pytest.approx(expected, rel=1e-9, abs=1e-5)
        if column == REGISTER:
            # A split increment is cut to whole steps of 1 Wh at each boundary; sums over windows stay exact.
            counted = float(register_counted(register, low, high, 3 * interval_ms))
            assert got["register_difference"] == pytest.approx(counted, abs=1.0)


@pytest.mark.parametrize("interval_ms", [1_000, 10_000, 60_000, 300_000])
def test_every_minute_with_a_sample_and_every_increment_is_there(interval_ms: int) -> None:
    samples = irregular(7, interval_ms)
    found = computed(samples, interval_ms)
    minutes = {at // MINUTE_MS * MINUTE_MS for at, _ in samples}
    assert {start for window, quantity, start in found if (window, quantity) == ("1min", "voltage_l1_v")} == minutes
    registers = [values[REGISTER] for _, values in samples]
    total = sum(max(later - earlier, 0) for earlier, later in pairwise(registers))
    for window in ("15min", "1h"):
        parts = [
            got["register_difference"]
            for (kind, quantity, _), got in found.items()
            if (kind, quantity) == (window, "active_energy_import_wh")
        ]
        assert sum(parts) == total


def test_a_meter_without_powers_and_registers_is_described() -> None:
    quantities = [load_catalogue().quantities["indoor_temperature_c"]]
    operator = RollingLoad()
    state = np.zeros((), operator.dtype(quantities))
    state["hour"]["id"], state["hour"]["samples"] = BEGIN // 3_600_000, 7
    assert operator.describe(state, quantities)["open"]["hour"]["indoor_temperature_c"] == {"count": 7}


def test_a_second_row_of_one_time_is_no_gap() -> None:
    """Rows whose time is the bridge's are told apart by their counters; what a register counts between them counts."""
    counted = [(0, 10.0), (10_000, 20.0), (10_000, 30.0), (70_000, 40.0), (140_000, 50.0), (210_000, 60.0)]
    rows = [Row("m1", BEGIN + at, BEGIN + at, (register, *[1.0] * 7)) for at, register in counted]
    by_bridge = np.full(len(rows), int(Quality.TIME_BY_BRIDGE), np.int32)
    told = replace(block(rows), sequence=np.arange(len(rows)), quality=by_bridge)
    results = feed(shard({"rolling_load": RollingLoad()}), [told, *beats(BEGIN, 2)])
    found = {key: got for result in results if isinstance(result, AggregateBlock) for key, got in _rows(result)}
    first = found["1min", "active_energy_import_wh", BEGIN]
    assert (first["count"], first["register_difference"]) == (3, 20)
    assert first["quality"] == Quality.TIME_BY_BRIDGE
    second = found["1min", "active_energy_import_wh", BEGIN + MINUTE_MS]
    assert second["quality"] == Quality.TIME_BY_BRIDGE | Quality.GAP
