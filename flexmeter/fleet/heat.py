"""Thermal substations: what a heat meter shows, with P = k x flow x (forward - return).

k = 4.14 MJ/(m3 K), the heat coefficient of water near 50 °C (EN 1434-1, annex A), = 1.15 kWh/(m3 K).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

KWH_PER_M3_K = 1.15
INSTALLED_MS = 1_704_067_200_000
"""2024-01-01, when every meter of the district was installed."""
YEAR_MS = 365.2425 * 86_400_000


@dataclass(frozen=True, slots=True)
class Stations:
    """Parameters of n stations: kW lost per K below 18 °C, mean hot water kW, return temperature."""

    seed: int
    loss_kw_per_k: Floats
    hot_water_kw: Floats
    return_c: Floats


@dataclass(frozen=True, slots=True)
class Heat:
    """What n heat meters show at an instant; registers are running sums."""

    forward_c: Floats
    return_c: Floats
    flow_m3_per_h: Floats
    power_kw: Floats
    peak_kw: Floats
    volume_l: Floats
    energy_mwh: Floats


def draw_stations(count: int, seed: int) -> Stations:
    """Stations of buildings with 8 to 60 flats."""
    rng = np.random.default_rng((seed, 6))
    flats = rng.uniform(8, 60, count)
    return Stations(seed, flats * rng.uniform(0.06, 0.11, count), flats * 0.35, rng.uniform(36, 48, count))


def outdoor_c(at: int) -> float:
    """Outdoor temperature in Malmö: the year's and the day's swing."""
    year, day = at / YEAR_MS * 2 * np.pi, at / 86_400_000 * 2 * np.pi
    return float(8.5 - 9 * np.cos(year - 0.35) - 3 * np.cos(day - 0.5))


def show_heat(stations: Stations, at: int, before: Heat | None, passed_ms: int) -> Heat:
    """What the meters show at `at`, `passed_ms` after `before`; temperatures and flow hold in between.

    >>> h = show_heat(draw_stations(1, seed=1), 1_750_000_000_000, None, 0)
    >>> bool(abs(h.power_kw - 1.15 * h.flow_m3_per_h * (h.forward_c - h.return_c)).max() < 1e-9)
    True
    """
    count = len(stations.return_c)
    noise = np.random.default_rng((stations.seed, 7, at // 60_000)).uniform(0.5, 1.5, (2, count))
    outdoor = outdoor_c(at)
    wanted_kw = stations.loss_kw_per_k * max(18 - outdoor, 0.0) + stations.hot_water_kw * noise[0]
    forward = np.round(np.full(count, np.clip(92 - 1.3 * outdoor, 68, 105)) + noise[1], 1)
    back = np.round(stations.return_c + 2 * noise[0], 1)
    flow = np.round(wanted_kw / (KWH_PER_M3_K * (forward - back)), 3)
    power = KWH_PER_M3_K * flow * (forward - back)
    if before is None:
        # As if 1.5 times the most it can take had flowed since 2024: no register goes back, also where nobody knows
        # what a fleet before this one showed (kept.py).
        energy = (stations.loss_kw_per_k * 25 + stations.hot_water_kw) * 1.5 / 1000 * (at - INSTALLED_MS) / 3_600_000
        return Heat(forward, back, flow, power, power, np.floor(energy * 22_000), energy)
    hours = passed_ms / 3_600_000
    volume = before.volume_l + before.flow_m3_per_h * hours * 1000
    energy = before.energy_mwh + before.power_kw * hours / 1000
    return Heat(forward, back, flow, power, np.maximum(before.peak_kw, power), volume, energy)
