"""The one series that says what a meter's customer uses: a power or a flow, or what a register counted.

A gauge is used where the profile has one and it was measured; else the increase of the register, spread over the time
since its last period, provided that this is no longer than `MOST_HOURS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.blocks import Float64s, Int64s
from schemas.catalogue import Quantity
from schemas.durations import HOUR_MS
from streams.active_power import DRAWN
from streams.contract import State
from streams.periods import NONE_HIGH, Periods
from streams.samples import Scale

GAUGES = (
    *DRAWN,
    ("heat_power_w",),
    ("water_flow_m3_per_h",),
    ("gas_flow_m3_per_h",),
)
"""The first that a profile reports whole is its load: the sum of these."""
REGISTERS = ("active_energy_import_wh", "heat_energy_wh", "cooling_energy_wh", "water_volume_m3", "gas_volume_m3")
"""What counts the same, per hour."""
MOST_HOURS = 3.0

DTYPE: np.dtype[Any] = np.dtype([("id", "i8"), ("register", "i8")])
"""The last period whose register is known."""


@dataclass(frozen=True, slots=True)
class Load:
    """Where the load of a profile stands among its quantities."""

    gauges: tuple[int, ...]
    register: int | None
    unit: str

    @classmethod
    def of(cls, quantities: Sequence[Quantity]) -> "Load | None":
        """None for a profile without one.

        >>> from schemas.catalogue import load_catalogue
        >>> catalogue = load_catalogue()
        >>> names = catalogue.profiles["malmo_household"].quantities
        >>> Load.of([catalogue.quantities[name] for name in names])
        Load(gauges=(2, 3, 4), register=0, unit='W')
        """
        place = {quantity.name: i for i, quantity in enumerate(quantities)}
        gauges = next((tuple(place[name] for name in names) for names in GAUGES if set(names) <= set(place)), ())
        register = next((place[name] for name in REGISTERS if name in place), None)
        if not gauges and register is None:
            return None
        unit = quantities[gauges[0]].unit if gauges else {"Wh": "W", "m3": "m3/h"}[quantities[register or 0].unit]
        return cls(gauges, register, unit)


def mean_load(state: State, periods: Periods, load: Load, scale: Scale, length_ms: int) -> Float64s:
    """Of at most one period a meter: its mean load in the load's unit, NaN if not to be told; shape (k,).

    `state` is all meters' of DTYPE; the registers in it become the periods'.
    """
    by_gauge = np.full(len(periods.meter), np.nan)
    if load.gauges:
        by_gauge = periods.means(scale)[:, list(load.gauges)].sum(axis=1)
    if load.register is None:
        return by_gauge
    high = periods.high[:, load.register]
    hours, increase = _since_last(state, periods.meter, periods.id, high, length_ms)
    usable = (hours > 0) & (hours <= MOST_HOURS) & (increase >= 0)
    by_register = np.where(usable, increase / scale.steps_per_unit[load.register] / np.maximum(hours, 1e-9), np.nan)
    return np.where(np.isnan(by_gauge), by_register, by_gauge)


def _since_last(state: State, meter: Int64s, period: Int64s, high: Int64s, length_ms: int) -> tuple[Float64s, Int64s]:
    """Hours since the last known register, and by how much it rose; hours 0 where either is unknown."""
    last_id, known = state["id"][meter], high != NONE_HIGH
    both = known & (last_id > 0)
    hours = np.where(both, (period - last_id) * (length_ms / HOUR_MS), 0.0)
    increase = np.where(both, high - np.where(both, state["register"][meter], 0), 0)
    state["id"][meter] = np.where(known, period, last_id)
    state["register"][meter] = np.where(known, high, state["register"][meter])
    return hours, increase
