"""What every meter shows at an instant. A world is drawn from a seed; `step` moves it on and tells all there is.

Known truth: registers are the integral of power over the steps (trapezoids); a substation's meter shows the sum of
its meters plus the losses of its feeders; voltages drop along a feeder with its load.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flexmeter.fleet.grid import HEAT, HOME, STATION, build_grid
from flexmeter.fleet.heat import INSTALLED_MS, Heat, Stations, draw_stations, show_heat
from flexmeter.fleet.homes import Homes, draw_homes, power_w
from schemas.register import Device

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NOMINAL_V = 230.0
FEEDER_OHM = 0.1
SERVICE_OHM = 0.12
REACTIVE_PER_ACTIVE = 0.22
_MOST_PARTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The devices of each kind and how they hang together; `along` = a home's place on its feeder, 0 to 1."""

    seed: int
    households: list[Device]
    stations: list[Device]
    heat_meters: list[Device]
    homes: Homes
    heat: Stations
    feeders: list[str]
    feeder_of: Ints
    station_of_feeder: Ints
    along: Floats

    @property
    def devices(self) -> list[Device]:
        """All of them."""
        return [*self.households, *self.stations, *self.heat_meters]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What all meters show at `at` (ms UTC). n homes, f feeders, s stations; W, V, Wh, var, varh."""

    at: int
    on: Bools
    power_w: Floats
    voltage_v: Floats
    import_wh: Floats
    export_wh: Floats
    loss_w: Floats
    station_w: Floats
    station_var: Floats
    station_v: Floats
    station_import_wh: Floats
    station_export_wh: Floats
    station_import_varh: Floats
    frequency_hz: float
    heat: Heat


def build_world(homes: int, heat: int, seed: int, interval_ms: int = 10_000) -> World:
    """Draw a district: homes on two substations' feeders, a meter at each substation, thermal substations."""
    devices = build_grid(homes, heat, seed, interval_ms)
    households = [d for d in devices if d.profile == HOME]
    stations = [d for d in devices if d.profile == STATION]
    substation_of = {d.feeder or "": d.substation for d in households}
    feeders = sorted(substation_of)
    index = {name: i for i, name in enumerate(feeders)}
    station_index = {d.substation: i for i, d in enumerate(stations)}
    return World(
        seed=seed,
        households=households,
        stations=stations,
        heat_meters=[d for d in devices if d.profile == HEAT],
        homes=draw_homes([d.phase or "" for d in households], seed),
        heat=draw_stations(heat, seed),
        feeders=feeders,
        feeder_of=np.array([index[d.feeder or ""] for d in households], np.int64),
        station_of_feeder=np.array([station_index[substation_of[f]] for f in feeders], np.int64),
        along=np.random.default_rng((seed, 9)).uniform(0.1, 1.0, len(households)),
    )


def step(world: World, before: Moment | None, at: int, dark: Collection[str] = ()) -> Moment:
    """The world at `at`, later than `before`; the feeders in `dark` have no power."""
    lit = np.array([name not in dark for name in world.feeders], bool)
    on = lit[world.feeder_of]
    power = np.where(on[:, None], power_w(world.homes, at), 0.0)
    feeder_w = _sum_by(world.feeder_of, power, len(world.feeders))
    current = feeder_w / NOMINAL_V
    loss = FEEDER_OHM / 2 * current**2
    station_w = _sum_by(world.station_of_feeder, feeder_w + loss, len(world.stations))
    source = _source_v(world, at)
    drop = FEEDER_OHM * current[world.feeder_of] * world.along[:, None] + SERVICE_OHM * power / NOMINAL_V
    voltage = source[world.station_of_feeder[world.feeder_of]] - drop
    var = REACTIVE_PER_ACTIVE * np.abs(station_w)
    passed = 0 if before is None else at - before.at
    registers = (
        _first_registers(world, at)
        if before is None
        else _registers(before, power.sum(axis=1), station_w.sum(axis=1), var.sum(axis=1), passed)
    )
    return Moment(
        at=at,
        on=on,
        power_w=power,
        voltage_v=np.where(on[:, None] & world.homes.connected, voltage, 0.0),
        loss_w=loss,
        station_w=station_w,
        station_var=var,
        station_v=source,
        frequency_hz=50 + float(np.random.default_rng((world.seed, 10, at)).normal(0, 0.01)),
        heat=show_heat(world.heat, at, None if before is None else before.heat, passed),
        **registers,
    )


def between(first: int, last: int) -> list[int]:
    """Instants between two (ms UTC), by which to pass over that time: a second apart, or more, but at most 200.

    >>> between(0, 3_000), between(0, 900), len(between(0, 86_400_000))
    ([1000, 2000], [], 199)
    """
    parts = min(_MOST_PARTS, (last - first) // 1_000)
    return [first + (last - first) * part // parts for part in range(1, parts)]


def _sum_by(group: Ints, values: Floats, groups: int) -> Floats:
    """Rows of `values` (n, 3) summed by group, (groups, 3)."""
    return np.stack([np.bincount(group, values[:, k], groups) for k in range(3)], axis=1)


def _source_v(world: World, at: int) -> Floats:
    """Voltage at each substation and phase: moves slowly, a little apart."""
    place = np.arange(len(world.stations) * 3).reshape(-1, 3)
    return np.asarray(234 + 1.5 * np.sin(at / 3_600_000 + place) + 0.3 * np.sin(at / 40_000 + 2 * place))


def _first_registers(world: World, at: int) -> dict[str, Floats]:
    """What registers begin with: more than homes can have consumed since 2024. So none goes back, also where nobody
    knows what a fleet before this one showed (kept.py).
    """
    rng = np.random.default_rng((world.seed, 11))
    hours = (at - INSTALLED_MS) / 3_600_000
    homes, stations = len(world.households), len(world.stations)
    start = rng.uniform(1e6, 4e6, homes) + 800 * hours
    below = 800 * hours * max(homes, 1)
    return {
        "import_wh": start,
        "export_wh": np.where(world.homes.sun_w > 0, start, 0.0),
        "station_import_wh": np.full(stations, 1e6 + below),
        "station_export_wh": np.full(stations, 1e6 + below),
        "station_import_varh": np.full(stations, 1e6 + below),
    }


def _registers(
    before: Moment, home_w: Floats, station_w: Floats, station_var: Floats, passed_ms: int
) -> dict[str, Floats]:
    """Every register, `passed_ms` on: the integral by trapezoid of what flows each way."""
    hours = passed_ms / 3_600_000
    home_before, station_before = before.power_w.sum(axis=1), before.station_w.sum(axis=1)

    def flowed(first: Floats, last: Floats) -> Floats:
        return (np.maximum(first, 0) + np.maximum(last, 0)) / 2 * hours

    return {
        "import_wh": before.import_wh + flowed(home_before, home_w),
        "export_wh": before.export_wh + flowed(-home_before, -home_w),
        "station_import_wh": before.station_import_wh + flowed(station_before, station_w),
        "station_export_wh": before.station_export_wh + flowed(-station_before, -station_w),
        "station_import_varh": before.station_import_varh + flowed(before.station_var.sum(axis=1), station_var),
    }
