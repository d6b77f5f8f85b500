"""The fleet's own homes for bench.meter_faults: what no recorded load has, which is phases, roofs and neighbours.

A district of flexmeter.fleet in eight weeks of early summer, read every quarter of an hour. This project made it, as it
made its faults (flexmeter/fleet/faulty.py), so its figures show that a fault is found where it is as it is described,
not how often it is in the field.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.meter_faults_data import Home
from flexmeter.fleet.faulty import FAULTS, FaultyMeter, homes_for
from flexmeter.fleet.world import Moment, World, build_world, step
from schemas.arrays import Float64s
from schemas.durations import DAY_MS, QUARTER_MS

SOURCE = "fleet"
BEGIN = 1_745_971_200_000
"""2025-04-30."""
KINDS = tuple(FAULTS)


@dataclass(frozen=True, slots=True)
class District:
    """Some homes with the truth of every quarter of an hour."""

    world: World
    moments: tuple[Moment, ...]

    @classmethod
    def draw(cls, homes: int, days: int, seed: int) -> "District":
        """A district of that seed."""
        world, moments = build_world(homes, 0, seed), list[Moment]()
        for at in range(BEGIN, BEGIN + days * DAY_MS, QUARTER_MS):
            moments.append(step(world, moments[-1] if moments else None, at))
        return cls(world, tuple(moments))

    def homes(self) -> list[Home]:
        """Each home as its meter, which is in order, reports it."""
        return [self._home(home, self.moments) for home in range(len(self.world.households))]

    def fits(self, kind: str) -> list[int]:
        """The homes that can have the fault."""
        return homes_for(self.world, kind)

    def faulty(self, kind: str, home: int, since: int) -> Home:
        """The home with a fault from a time on."""
        meter = FaultyMeter(kind, home, since)
        return self._home(home, tuple(meter.show(self.world, moment) for moment in self.moments))

    def _home(self, home: int, moments: tuple[Moment, ...]) -> Home:
        device = self.world.households[home]
        at = np.array([moment.at for moment in moments], np.int64)
        registers = [np.floor([getattr(m, name)[home] for m in moments]) for name in ("import_wh", "export_wh")]
        power = np.round(np.stack([moment.power_w[home] for moment in moments]), 1)
        volts = np.round(np.stack([moment.voltage_v[home] for moment in moments]), 2)
        volts = np.where(self.world.homes.connected[home], volts, np.nan)
        values: Float64s = np.column_stack([*registers, power, volts])
        made = Home(SOURCE, device.meter_id, device.profile, QUARTER_MS, at, at + 2_000, values)
        return replace(made, group=device.substation)
