"""A home's meter with a fault: what it shows instead of the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from flexmeter.fleet.homes import power_w
from flexmeter.fleet.world import Floats, Moment, World

PASSES_BY = 0.7
"""Share of the load that a tampered meter does not see."""
WRONG_MULTIPLIER = 0.2


def _as_it_is(power: Floats, loaded: int) -> Floats:
    return power


def _reversed(power: Floats, loaded: int) -> Floats:
    """A current transformer the wrong way round."""
    return np.where(np.arange(3) == loaded, -power, power)


def _swapped(power: Floats, loaded: int) -> Floats:
    """Two current transformers exchanged: each current stands against a voltage 120 degrees off, so that with loads
    near a power factor of 1 half of it seems fed in: P = U I cos(120 degrees).
    """
    other = (loaded + 1) % 3
    shown = power.copy()
    shown[[loaded, other]] = -power[[other, loaded]] / 2
    return shown


def _without_a_phase(power: Floats, loaded: int) -> Floats:
    return np.where(np.arange(3) == loaded, 0.0, power)


def _tampered(power: Floats, loaded: int) -> Floats:
    """Part of what is drawn passes the meter by."""
    return np.where(power > 0, power * (1 - PASSES_BY), power)


def _scaled(power: Floats, loaded: int) -> Floats:
    return power * WRONG_MULTIPLIER


FAULTS: Mapping[str, Callable[[Floats, int], Floats]] = {
    "stuck_register": _as_it_is,
    "reversed_phase": _reversed,
    "swapped_phases": _swapped,
    "phase_loss": _without_a_phase,
    "sudden_drop": _tampered,
    "scale_change": _scaled,
    "pv_silent": _as_it_is,
}
"""Kind -> the power by phase that is measured, given the true one and the phase that carries most.

The registers count what is measured, but for a stuck one; a lost phase has no voltage either; a silent roof gives
nothing, so that the home takes what it would without.
"""


def homes_for(world: World, kind: str) -> list[int]:
    """The homes that can have a fault: three phases, and a roof where that falls silent, else none."""
    homes = world.homes
    fits = homes.connected.all(axis=1) & ((homes.sun_w > 0) == (kind == "pv_silent"))
    found: list[int] = np.flatnonzero(fits).tolist()
    return found


@dataclass(slots=True)
class FaultyMeter:
    """The meter of one home; it is in order before `since` (ms UTC)."""

    kind: str
    home: int
    since: int
    before: Moment | None = None

    @classmethod
    def somewhere(cls, world: World, kind: str, since: int) -> "FaultyMeter":
        """At the first home that can have the fault.

        Raises:
            ValueError: there is no such home.
        """
        fitting = homes_for(world, kind)
        if not fitting:
            raise ValueError(f"no home of the fleet can have the fault {kind}: ask for more homes")
        return cls(kind, fitting[0], since)

    def show(self, world: World, moment: Moment) -> Moment:
        """The moment with what this meter shows; to be asked in order of time."""
        before, home = self.before or moment, self.home
        power, voltage = moment.power_w.copy(), moment.voltage_v.copy()
        imported, exported = moment.import_wh.copy(), moment.export_wh.copy()
        if moment.at >= self.since:
            power[home], voltage[home] = self._measured(world, moment)
        if moment.at >= self.since and before is not moment:
            counted = 0.0 if self.kind == "stuck_register" else (moment.at - before.at) / 3_600_000
            imported[home], exported[home] = (
                register[home]
                + counted * sum(max(sign * total[home].sum(), 0.0) for total in (before.power_w, power)) / 2
                for sign, register in ((1, before.import_wh), (-1, before.export_wh))
            )
        self.before = replace(moment, power_w=power, voltage_v=voltage, import_wh=imported, export_wh=exported)
        return self.before

    def _measured(self, world: World, moment: Moment) -> tuple[Floats, Floats]:
        home, homes = self.home, world.homes
        power, voltage, loaded = moment.power_w[home], moment.voltage_v[home], int(homes.share[home].argmax())
        if self.kind == "pv_silent":
            power = power_w(homes, moment.at, sun=False)[home]
        if self.kind == "phase_loss":
            voltage = np.where(np.arange(3) == loaded, 0.0, voltage)
        return FAULTS[self.kind](power, loaded), voltage
