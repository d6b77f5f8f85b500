"""Real load, and faults put into it: what bench.meter_faults measures on.

Homes come from ../shared/data: REFIT house 20 and UK-DALE house 2 (electricity, 1-minute means, read every 5 min here,
the register summed from all minutes), DAIAD (water registers of 92 homes, hourly), and one Danish heat meter (hourly
registers). They are cut into stretches of some four months that run side by side, each learning anew. Faults are put in
at times and of sizes drawn from a published seed.
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS

GAP_MINUTES = 60
"""A run of zeros of this length is the logger's gap, by PROVENANCE-refit-ukdale.txt."""
LEAST_DAYS, STRETCH_DAYS = 60, 122


@dataclass(frozen=True, slots=True)
class Home:
    """A meter's readings, r rows in order of event time."""

    source: str
    name: str
    profile: str
    interval_ms: int
    at: Int64s
    received_at: Int64s
    values: Float64s
    """By the profile's quantities, shape (r, q)."""
    group: str | None = None
    """Those of the same group are neighbours."""

    def between(self, begin: int, end: int) -> "Home":
        """The rows of [begin, end), ms UTC."""
        a, b = np.searchsorted(self.at, [begin, end])
        return replace(self, at=self.at[a:b], received_at=self.received_at[a:b], values=self.values[a:b])

    @property
    def days(self) -> float:
        """How long it was watched."""
        return float(self.at[-1] - self.at[0]) / DAY_MS


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """How large the faults are that are put in."""

    clock_intervals: tuple[int, int] = (8, 96)
    """By so many reporting intervals a clock falls back, or leaps ahead."""
    drift_s_per_day: tuple[float, float] = (60, 600)
    """By so much a clock gains or loses: a hundred times what IEC 62054-21 allows, and more."""
    multipliers: tuple[float, ...] = (10, 5, 0.2, 0.1)
    kept: tuple[float, float] = (0.1, 0.5)
    """What a tampered meter still sees, as a share."""


MILD = Magnitudes(clock_intervals=(3, 8), drift_s_per_day=(6, 60), multipliers=(3, 2, 0.5, 0.33), kept=(0.5, 0.8))
"""Smaller than what the limits were thought out for."""

Injection = Callable[[Home, int, np.random.Generator, Magnitudes], Home]
"""A home with a fault from a time on."""


def homes(data: Path) -> Iterator[Home]:
    """All homes with at least LEAST_DAYS of readings."""
    for source, folder in (("REFIT", "refit_house20"), ("UK-DALE", "ukdale_house2")):
        yield _electricity(source, sorted((data / "nilm" / folder).glob("*.gzip")))
    yield _heat(data / "meters" / "danish_heat" / "processed_final_data_sample.csv")
    yield from _water(data / "meters" / "daiad_water" / "swm_trialA_clean.zip")


def stretches(home: Home) -> Iterator[Home]:
    """The home in pieces of about STRETCH_DAYS."""
    count = max(1, round(home.days / STRETCH_DAYS))
    limits = np.linspace(home.at[0], home.at[-1] + 1, count + 1).astype(np.int64).tolist()
    for i, (begin, end) in enumerate(pairwise(limits), 1):
        yield replace(home.between(begin, end), name=f"{home.name}/{i}")


def column(home: Home, *names: str) -> list[int]:
    """Where quantities stand in the home's profile; those it does not have are left out."""
    quantities = load_catalogue().profiles[home.profile].quantities
    return [quantities.index(name) for name in names if name in quantities]


def registers(home: Home) -> list[int]:
    """The registers that count the load."""
    return column(home, "active_energy_import_wh", "heat_energy_wh", "volume_m3", "water_volume_m3")


def stuck_register(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """All registers stand still."""
    from_, values = _from(home, start), home.values.copy()
    values[from_:, registers(home)] = values[from_, registers(home)]
    return replace(home, values=values)


def reversed_phase(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """Power changes its sign; what was drawn is counted as fed in."""
    from_, values = _from(home, start), home.values.copy()
    power, imported, exported = 0, 1, 2
    values[from_:, power] *= -1
    values[from_:, exported] = values[from_, exported] + values[from_:, imported] - values[from_, imported]
    values[from_:, imported] = values[from_, imported]
    return replace(home, values=values)


def dead_sensor(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """A gauge (power, forward temperature) keeps its last value."""
    from_, values = _from(home, start), home.values.copy()
    gauges = column(home, "active_power_w", "forward_temperature_c")
    values[from_:, gauges] = values[from_, gauges]
    return replace(home, values=values)


def clock(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """The meter's clock falls back by some reporting intervals; rows of the repeated time are late, and lost."""
    from_ = _from(home, start)
    at = home.at.copy()
    at[from_:] -= home.interval_ms * int(rng.integers(size.clock_intervals[0], size.clock_intervals[1] + 1))
    new = at > np.maximum.accumulate(np.append(0, at))[:-1]
    return replace(home, at=at[new], received_at=home.received_at[new], values=home.values[new])


def clock_ahead(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """The meter's clock leaps ahead by some reporting intervals."""
    from_, at = _from(home, start), home.at.copy()
    at[from_:] += home.interval_ms * int(rng.integers(size.clock_intervals[0], size.clock_intervals[1] + 1))
    return replace(home, at=at)


def clock_gains(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """The meter's clock runs fast."""
    return _drifting(home, start, float(np.exp(rng.uniform(*np.log(size.drift_s_per_day)))))


def clock_loses(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """The meter's clock runs slow."""
    return _drifting(home, start, -float(np.exp(rng.uniform(*np.log(size.drift_s_per_day)))))


def scale_change(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """A wrong multiplier of everything counted."""
    return _scaled(home, start, float(rng.choice(size.multipliers)))


def sudden_drop(home: Home, start: int, rng: np.random.Generator, size: Magnitudes) -> Home:
    """Tampering: part of the load passes the meter by."""
    return _scaled(home, start, float(rng.uniform(*size.kept)))


INJECTIONS: dict[str, tuple[Injection, tuple[str, ...]]] = {
    "stuck_register": (stuck_register, ("REFIT", "UK-DALE", "DAIAD", "Danish heat")),
    "reversed_phase": (reversed_phase, ("REFIT", "UK-DALE")),
    "dead_sensor": (dead_sensor, ("REFIT", "UK-DALE", "Danish heat")),
    "clock": (clock, ("REFIT", "UK-DALE", "DAIAD", "Danish heat")),
    "scale_change": (scale_change, ("REFIT", "UK-DALE", "DAIAD", "Danish heat")),
    "sudden_drop": (sudden_drop, ("REFIT", "UK-DALE", "DAIAD", "Danish heat")),
}
"""What is put in, and in which sources it makes sense."""
_ALL = ("REFIT", "UK-DALE", "DAIAD", "Danish heat")
CLOCKS: dict[str, tuple[Injection, tuple[str, ...]]] = {
    "clock_ahead": (clock_ahead, _ALL),
    "clock_gains": (clock_gains, _ALL),
    "clock_loses": (clock_loses, _ALL),
}
"""More of what can be wrong with a clock, drawn apart."""


def _drifting(home: Home, start: int, s_per_day: float) -> Home:
    gone_ms = np.maximum(home.at - start, 0)
    return replace(home, at=home.at + np.round(gone_ms * (1_000 * s_per_day / DAY_MS)).astype(np.int64))


def _from(home: Home, start: int) -> int:
    return min(int(np.searchsorted(home.at, start)), len(home.at) - 1)


def _scaled(home: Home, start: int, factor: float) -> Home:
    from_, values = _from(home, start), home.values.copy()
    powers = column(home, "active_power_w")
    values[from_:, powers] = np.round(values[from_:, powers] * factor, 1)
    base = values[from_, registers(home)]
    values[from_:, registers(home)] = base + (values[from_:, registers(home)] - base) * factor
    return replace(home, values=values)


def _electricity(source: str, paths: list[Path]) -> Home:
    minutes, watts = [], []
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                minutes.append(_ms(row["Time"]))
                watts.append(float(row["Aggregate"]))
    at, power = np.array(minutes, np.int64), np.array(watts)
    register = np.floor(np.cumsum(power) / 60)
    read = np.arange(len(at)) % 5 == 0
    read &= ~_gap(power)
    values = np.stack([power, register, np.zeros(len(at))], axis=1)[read]
    return _home(source, source, "turin_electricity_single_phase", 5 * MINUTE_MS, at[read], values)


def _gap(power: Float64s) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows in runs of zeros."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], power == 0, [0])).astype(np.int8)))
    gap = np.zeros(len(power), np.bool_)
    for begin, end in edges.reshape(-1, 2):
        gap[begin:end] = end - begin >= GAP_MINUTES
    return gap


def _heat(path: Path) -> Home:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    at = np.array([_ms(row["time_rounded"].rstrip("Z")) for row in rows], np.int64)
    energy, volume, inlet, back = (
        np.array([float(row[name]) for row in rows])
        for name in ("energy_heat_kwh", "volume_flow_m3", "inlet_flow_energy_m3xC", "back_flow_energy_m3xC")
    )
    passed = np.diff(volume, prepend=volume[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        forward, returned = (np.round(np.diff(x, prepend=x[0]) / passed, 2) for x in (inlet, back))
    forward, returned = (np.where((x > 0) & (x < 150), x, np.nan) for x in (forward, returned))
    nothing = np.full(len(at), np.nan)
    columns = [forward, returned, nothing, volume, nothing, nothing, np.round(energy * 1000)]
    return _home("Danish heat", "660", "district_heat", HOUR_MS, at, np.stack(columns, axis=1))


def _water(path: Path) -> Iterator[Home]:
    readings: dict[str, list[tuple[int, float]]] = {}
    with zipfile.ZipFile(path) as archive, archive.open("swm_trialA_clean.csv") as raw:
        lines = csv.reader(io.TextIOWrapper(raw, "utf-8"), delimiter=";")
        next(lines)
        for key, time, litres, *_ in lines:
            day, clock_time = time.split(" ")
            iso = "-".join(reversed(day.split("/")))
            readings.setdefault(key, []).append((_ms(f"{iso} {clock_time}"), float(litres) / 1000))
    for key, rows in sorted(readings.items()):
        times, volumes = (np.array(column) for column in zip(*sorted(rows), strict=True))
        at, first = np.unique(times.astype(np.int64), return_index=True)
        if len(at) > 24 * LEAST_DAYS:
            nothing = np.full(len(at), np.nan)
            values = np.stack([volumes[first], nothing, nothing], axis=1)
            yield _home("DAIAD", key, "water", HOUR_MS, at, values)


def _home(source: str, name: str, profile: str, interval_ms: int, at: Int64s, values: Float64s) -> Home:
    """Rows arrive 2 s after their time."""
    return Home(source, name, profile, interval_ms, at, at + 2_000, values)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)
