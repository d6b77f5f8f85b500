"""The units that sources use, and how they lead to the catalogue's base units. Spelling counts: mW is not MW."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from schemas.catalogue import Quantity
from schemas.errors import Reason, Rejected

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "Wh": "_wh",
        "varh": "_varh",
        "W": "_w",
        "var": "_var",
        "VA": "_va",
        "V": "_v",
        "A": "_a",
        "Hz": "_hz",
        "m3": "_m3",
        "m3/h": "_m3_per_h",
        "°C": "_c",
        "1": "",
    }
)
"""What the name of a quantity in each base unit ends with."""

_JOULE = 1 / 3600

_FACTORS: Mapping[str, Mapping[str, float]] = {
    "Wh": {
        "Wh": 1.0,
        "kWh": 1e3,
        "MWh": 1e6,
        "GWh": 1e9,
        "J": _JOULE,
        "kJ": 1e3 * _JOULE,
        "MJ": 1e6 * _JOULE,
        "GJ": 1e9 * _JOULE,
    },
    "varh": {"varh": 1.0, "kvarh": 1e3, "Mvarh": 1e6},
    "W": {"W": 1.0, "mW": 1e-3, "kW": 1e3, "MW": 1e6},
    "var": {"var": 1.0, "kvar": 1e3, "Mvar": 1e6},
    "VA": {"VA": 1.0, "kVA": 1e3, "MVA": 1e6},
    "V": {"V": 1.0, "mV": 1e-3, "kV": 1e3},
    "A": {"A": 1.0, "mA": 1e-3, "kA": 1e3},
    "Hz": {"Hz": 1.0, "mHz": 1e-3},
    "m3": {"m3": 1.0, "m³": 1.0, "l": 1e-3, "L": 1e-3, "ml": 1e-6},
    "m3/h": {"m3/h": 1.0, "m³/h": 1.0, "l/h": 1e-3, "L/h": 1e-3, "l/min": 0.06, "l/s": 3.6, "m3/s": 3600.0},
    "°C": {"°C": 1.0, "C": 1.0, "K": 1.0, "°F": 5 / 9, "F": 5 / 9},
    "1": {"1": 1.0, "": 1.0, "%": 1e-2},
}

# The few scales that begin elsewhere: added after the factor.
_OFFSETS: Mapping[str, Mapping[str, float]] = {"°C": {"K": -273.15, "°F": -160 / 9, "F": -160 / 9}}


def units_like(base: str) -> Mapping[str, float]:
    """The units that lead to a base unit by a factor alone, with the factor; the base unit comes first.

    >>> units_like("varh")
    {'varh': 1.0, 'kvarh': 1000.0, 'Mvarh': 1000000.0}
    >>> list(units_like("°C"))
    ['°C', 'C']
    """
    offsets = _OFFSETS.get(base, {})
    return {unit: factor for unit, factor in _FACTORS[base].items() if unit not in offsets}


def units_of(base: str) -> Collection[str]:
    """Every unit that leads to a base unit.

    >>> "K" in units_of("°C"), "W" in units_of("Wh")
    (True, False)
    """
    return _FACTORS[base].keys()


def to_base(value: float, unit: str, quantity: Quantity) -> float:
    """The value in the quantity's own unit, rounded at the ninth decimal: 1.001 kWh is 1001 Wh, not 1000.9999999999999.

    Raises:
        Rejected: `Reason.UNIT`, for a unit that is not the quantity's.

    >>> from schemas.catalogue import load_catalogue
    >>> quantities = load_catalogue().quantities
    >>> to_base(1.001, "kWh", quantities["active_energy_import_wh"])
    1001.0
    >>> to_base(353.15, "K", quantities["forward_temperature_c"])
    80.0
    """
    factors = _FACTORS[quantity.unit]
    if unit not in factors:
        raise Rejected(
            Reason.UNIT, f"{quantity.name} is in {unit!r}, expected one of: {', '.join(filter(None, factors))}"
        )
    if unit == quantity.unit:
        return float(value)
    return round(value * factors[unit] + _OFFSETS.get(quantity.unit, {}).get(unit, 0.0), 9)
