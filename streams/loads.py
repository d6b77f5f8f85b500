"""The one series that says what a meter's customer uses: a power or a flow, or what a register counted.

A gauge is used where the profile has one and it was measured; else the increase of the register, spread over the time
since its last period, provided that this is no longer than `MOST_HOURS`. What is fed in counts as negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Quantity
from schemas.durations import HOUR_MS
from streams import resolution
from streams.active_power import SIGNS, signed_sum
from streams.contract import State
from streams.periods import NONE_HIGH, Periods
from streams.samples import Scale

GAUGES = {
    **SIGNS,
    ("heat_power_w",): (1,),
    ("water_flow_m3_per_h",): (1,),
    ("gas_flow_m3_per_h",): (1,),
}
"""The first that a profile reports whole is its load: the sum of these with their signs."""
REGISTERS = ("active_energy_import_wh", "heat_energy_wh", "cooling_energy_wh", "water_volume_m3", "gas_volume_m3")
"""What counts the same, per hour."""
MOST_HOURS = 3.0
COARSEST_GAUGE = 100
"""No gauge is taken to be coarser, in steps of the catalogue (10 W, 100 W of heat, 0.1 m3/h), however round its values
were: one that never varied would be taken for a step by itself."""

DTYPE: np.dtype[Any] = np.dtype(
    [("id", "i8"), ("register", "i8"), ("register_step", resolution.DTYPE), ("gauge_step", resolution.DTYPE)]
)
"""The last period whose register is known, and the steps in which the meter counts."""


@dataclass(frozen=True, slots=True)
class Load:
    """Where the load of a profile stands among its quantities."""

    gauges: tuple[int, ...]
    signs: tuple[int, ...]
    """How each gauge counts."""
    register: int | None
    unit: str

    @classmethod
    def of(cls, quantities: Sequence[Quantity]) -> "Load | None":
        """None for a profile without one.

        >>> from schemas.catalogue import load_catalogue
        >>> catalogue = load_catalogue()
        >>> names = catalogue.profiles["malmo_household"].quantities
        >>> Load.of([catalogue.quantities[name] for name in names])
        Load(gauges=(2, 3, 4), signs=(1, 1, 1), register=0, unit='W')
        """
        place = {quantity.name: i for i, quantity in enumerate(quantities)}
        names = next((names for names in GAUGES if set(names) <= set(place)), ())
        gauges = tuple(place[name] for name in names)
        register = next((place[name] for name in REGISTERS if name in place), None)
        if not gauges and register is None:
            return None
        unit = quantities[gauges[0]].unit if gauges else {"Wh": "W", "m3": "m3/h"}[quantities[register or 0].unit]
        return cls(gauges, GAUGES.get(names, ()), register, unit)


@dataclass(frozen=True, slots=True)
class MeanLoads:
    """Of k meters, a period each; all of shape (k,)."""

    load: Float64s
    """In the load's unit, NaN if not to be told."""
    step: Float64s
    """By so much a load that does not change may seem to: what the meter counts comes in steps."""
    register_steps: Int64s
    """The step of the register in those of the catalogue; 0 while it is not known."""


def mean_load(state: State, periods: Periods, load: Load, scale: Scale, length_ms: int) -> MeanLoads:
    """The mean loads of these periods, at most one a meter.

    `state` is all meters' of DTYPE; the registers in it become the periods'.
    """
    nothing = np.full(len(periods.meter), np.nan)
    by_gauge, gauge_step = _by_gauge(state, periods, load, scale) if load.gauges else (nothing, nothing)
    if load.register is None:
        return MeanLoads(by_gauge, gauge_step, np.zeros(len(nothing), np.int64))
    hours, increase, steps = _since_last(state, periods, load.register, length_ms)
    usable = (hours > 0) & (hours <= MOST_HOURS) & (increase >= 0)
    rate = np.where(usable, 1 / scale.steps_per_unit[load.register] / np.maximum(hours, 1e-9), np.nan)
    gauged = ~np.isnan(by_gauge)
    step = np.where(gauged, gauge_step, np.maximum(steps, 1) * rate)
    return MeanLoads(np.where(gauged, by_gauge, increase * rate), step, steps)


def _by_gauge(state: State, periods: Periods, load: Load, scale: Scale) -> tuple[Float64s, Float64s]:
    """The sum of the gauges, known if all are that say how much is drawn; and the step of each, added up."""
    gauges, signs = list(load.gauges), np.array(load.signs)
    means = periods.means(scale)[:, gauges]
    known = ~np.isnan(means[:, signs > 0]).any(axis=1)
    shown = np.where(periods.count[:, gauges] > 0, periods.high[:, gauges], 0)
    lowest = np.where(periods.count[:, gauges] > 0, periods.low[:, gauges], 0)
    steps = resolution.learn(state["gauge_step"], periods.meter, np.concatenate([shown, lowest], axis=1))
    step = np.clip(steps, 1, COARSEST_GAUGE) / scale.steps_per_unit[gauges[0]] * len(gauges)
    return np.where(known, signed_sum(means, signs), np.nan), step


def _since_last(state: State, periods: Periods, register: int, length_ms: int) -> tuple[Float64s, Int64s, Int64s]:
    """Hours since the last known register, by how much it rose, and its step; hours 0 where either is unknown."""
    meter, high = periods.meter, periods.high[:, register]
    last_id, known = state["id"][meter], high != NONE_HIGH
    both = known & (last_id > 0)
    hours = np.where(both, (periods.id - last_id) * (length_ms / HOUR_MS), 0.0)
    increase = np.where(both, high - np.where(both, state["register"][meter], 0), 0)
    within = np.where(known, high - np.where(known, periods.low[:, register], 0), 0)
    steps = resolution.learn(state["register_step"], meter, np.stack([np.maximum(increase, 0), within], axis=1))
    state["id"][meter] = np.where(known, periods.id, last_id)
    state["register"][meter] = np.where(known, high, state["register"][meter])
    return hours, increase, steps
