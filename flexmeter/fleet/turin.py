"""Turin's meters and what each shows at a second, drawn from a seed: the other pilot, beside Malmö's (world.py).

Known truth: registers are the integral of power over the seconds (trapezoids), of flow as it holds; the three-phase
meter at the substation shows the sum of the ST-I meters below it, and 2 % for the line.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flexmeter.fleet.heat import INSTALLED_MS, Heat, Stations, draw_stations, show_heat
from flexmeter.fleet.homes import Homes, draw_homes, power_w
from schemas.register import Device

Floats = npt.NDArray[np.float64]

ST_I, STATION = "turin_electricity_single_phase", "turin_electricity_three_phase"
HEAT, WATER, ADAPTER, NILM, HUB = "district_heat_turin", "water", "obis_adapter", "nilm_meter", "home_hub"

SUBSTATION, FEEDER = "turin-centre", "turin-centre-f1"
LINE_LOSS = 0.02
SLOW_MS = 30_000
"""How often heat and water meters are heard here; in Turin every five minutes."""
HUB_DEVICES = ("plug-1", "plug-2", "room-1")
"""Behind each hub: two plugs, which share the home's power, and a room sensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """The meters of each kind. `homes` are those of ST-I meters, adapters, NILM meters and hubs, in this order."""

    seed: int
    st_i: list[Device]
    station: Device
    adapters: list[Device]
    nilm: list[Device]
    hubs: list[str]
    heat_meters: list[Device]
    water_meters: list[Device]
    homes: Homes
    heat: Stations

    @property
    def hub_devices(self) -> list[Device]:
        """The meters behind the hubs."""
        return [_device(f"{hub}-{name}", HUB, 10_000) for hub in self.hubs for name in HUB_DEVICES]

    @property
    def devices(self) -> list[Device]:
        """All of them, as the register has them."""
        electric = [*self.st_i, self.station, *self.adapters, *self.nilm]
        return [*electric, *self.hub_devices, *self.heat_meters, *self.water_meters]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What all meters show at `at` (ms UTC): n homes by phase, the substation, heat, water."""

    at: int
    power_w: Floats
    voltage_v: Floats
    import_wh: Floats
    export_wh: Floats
    station_w: Floats
    station_import_wh: float
    station_export_wh: float
    heat: Heat
    water_m3: Floats
    water_m3_per_h: Floats


def build_town(seed: int, st_i: int = 6, adapters: int = 2, nilm: int = 4, hubs: int = 3, slow: int = 5) -> Town:
    """Draw a town; `slow` is how many heat meters there are, and water meters.

    >>> town = build_town(seed=1)
    >>> len(town.devices), town.devices[0].meter_id, town.water_meters[0].meter_id
    (32, 'STC0000010001', 'MAD10000001')
    """
    phases = ["L1"] * st_i + ["L1L2L3"] * adapters + ["L1"] * (nilm + hubs)
    return Town(
        seed=seed,
        st_i=[_device(f"STC{10001 + i:010d}", ST_I, 1_000, SUBSTATION, FEEDER, "L1") for i in range(st_i)],
        station=_device("STC0000010000", STATION, 1_000, SUBSTATION, None, "L1L2L3"),
        adapters=[_device(f"ESM{30001 + i:010d}", ADAPTER, 10_000) for i in range(adapters)],
        nilm=[_device(f"MID{20001 + i:010d}", NILM, 1_000) for i in range(nilm)],
        hubs=[f"ENN-{i + 1:04d}" for i in range(hubs)],
        heat_meters=[_device(f"KAM{67900001 + i}", HEAT, SLOW_MS) for i in range(slow)],
        water_meters=[_device(f"MAD{10000001 + i}", WATER, SLOW_MS) for i in range(slow)],
        homes=draw_homes(phases, seed + 1_000_000),
        heat=draw_stations(slow, seed + 1_000_000),
    )


def _device(
    meter: str,
    profile: str,
    interval_ms: int,
    substation: str | None = None,
    feeder: str | None = None,
    phase: str | None = None,
) -> Device:
    return Device(meter, profile, substation, feeder, phase, None, None, interval_ms)


def show(town: Town, before: Shown | None, at: int) -> Shown:
    """The town at `at`, later than `before`."""
    power = power_w(town.homes, at)
    below = power[: len(town.st_i)].sum(axis=0) * (1 + LINE_LOSS)
    # Phases of the substation's meter: its homes hang on them in turn.
    station = np.roll(np.full(3, below.sum() / 3) * (0.9, 1.0, 1.1), at // 3_600_000 % 3)
    flow = _water_flow(town, at)
    passed = 0 if before is None else at - before.at
    return Shown(
        at=at,
        power_w=power,
        voltage_v=231 + 2 * np.sin(at / 900_000 + np.arange(len(town.homes))),
        station_w=station,
        heat=show_heat(town.heat, at, None if before is None else before.heat, passed),
        water_m3_per_h=flow,
        **_registers(town, before, at, power.sum(axis=1), float(station.sum())),
    )


def _registers(town: Town, before: Shown | None, at: int, home_w: Floats, station_w: float) -> dict[str, Any]:
    """Every register. They begin as if more than anybody takes had flowed since 2024: none goes back, also where nobody
    knows what a fleet before this one showed (kept.py).
    """
    if before is None:
        hours = (at - INSTALLED_MS) / 3_600_000
        start = np.random.default_rng((town.seed, 61)).uniform(1e6, 4e6, len(town.homes)) + 800 * hours
        most = float(800 * hours * len(town.st_i))
        return {
            "import_wh": start,
            "export_wh": np.where(town.homes.sun_w > 0, start, 0.0),
            "station_import_wh": most,
            "station_export_wh": most,
            "water_m3": 0.5 * hours + np.arange(len(town.water_meters)),
        }
    hours = (at - before.at) / 3_600_000
    home_before, station_before = before.power_w.sum(axis=1), float(before.station_w.sum())
    return {
        "import_wh": before.import_wh + _flowed(home_before, home_w) * hours,
        "export_wh": before.export_wh + _flowed(-home_before, -home_w) * hours,
        "station_import_wh": before.station_import_wh + float(_flowed(station_before, station_w)) * hours,
        "station_export_wh": before.station_export_wh + float(_flowed(-station_before, -station_w)) * hours,
        "water_m3": before.water_m3 + before.water_m3_per_h * hours,
    }


def _flowed(first: Floats | float, last: Floats | float) -> Floats:
    return np.asarray((np.maximum(first, 0) + np.maximum(last, 0)) / 2)


def _water_flow(town: Town, at: int) -> Floats:
    """A tap is open in one half minute of five."""
    rng = np.random.default_rng((town.seed, 60, at // SLOW_MS))
    count = len(town.water_meters)
    return np.where(rng.random(count) < 0.2, rng.uniform(0.1, 0.9, count).round(3), 0.0)
