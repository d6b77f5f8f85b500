"""Which electricity meters were heard, for stream grid: silence tells of an outage only where somebody listens."""

from collections.abc import Sequence

import numpy as np

from schemas.arrays import Float64s
from schemas.catalogue import Catalogue, Quantity, load_catalogue
from streams.active_power import signed_sum, signs_of
from streams.contract import HeardRows, Meters, Operator, Rows, State


class Heard(Operator):
    """Every new reading of a meter whose substation is known: when, and how high its voltage was.

    Of substations' own meters also what they feed in; their power-outage flags, set on all phases, are a voltage of 0.
    Stateless. Cost: a few numpy passes over a turn's rows.
    """

    name = "heard"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"HeardBlock"})

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        profiles = (catalogue or load_catalogue()).profiles.values()
        self._infeed = {profile.name: profile.infeed for profile in profiles if profile.medium == "electricity"}

    def on_arrivals(self, state: State, meters: Meters, rows: Rows) -> list[HeardRows]:
        """All rows, late ones too: the meter speaks."""
        if meters.profile not in self._infeed or not len(rows.meter):
            return []
        rows = rows.take(np.array([meters.substations[meter] is not None for meter in rows.meter.tolist()], np.bool_))
        volts = _voltage_v(rows.values, meters.quantities)
        power = np.full(len(rows.meter), np.nan)
        if self._infeed[meters.profile]:
            power = signed_sum(rows.values, signs_of(meters.quantities))
        return [HeardRows(rows.meter, rows.at, rows.received_at, volts, power)]


def _voltage_v(values: Float64s, quantities: Sequence[Quantity]) -> Float64s:
    """The highest phase of each row; 0 where all flags tell an outage."""
    volts = values[:, [quantity.unit == "V" for quantity in quantities]]
    flags = values[:, [quantity.name.startswith("power_outage") for quantity in quantities]]
    highest = np.fmax.reduce(volts, axis=1) if volts.shape[1] else np.full(len(values), np.nan)
    highest = np.where(np.isfinite(highest) & (highest >= 0), highest, np.nan)
    out = (flags >= 0.5).all(axis=1) if flags.shape[1] else np.zeros(len(values), np.bool_)
    found: Float64s = np.where(out, 0.0, highest)
    return found
