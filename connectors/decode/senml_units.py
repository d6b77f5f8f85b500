"""SenML's names of units, and what they are here.

Sources: the IANA registry "SenML Units" (RFC 8428, clause 12.1; RFC 8798, clause 2) and its secondary units (RFC 8798,
clause 3), as far as quantities of the catalogue are measured in them. They are not the names of schemas.units: here C
is the coulomb and F the farad, degrees are Cel. A unit that is missing here is passed on by its name, or rejected where
a quantity of the catalogue stands in it.
"""

from collections.abc import Mapping
from types import MappingProxyType

_HOUR_S = 3600

UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        # primary units
        "J": ("J", 1),
        "W": ("W", 1),
        "VA": ("VA", 1),
        "var": ("var", 1),
        "vars": ("varh", 1 / _HOUR_S),
        "V": ("V", 1),
        "A": ("A", 1),
        "Hz": ("Hz", 1),
        "m3": ("m3", 1),
        "l": ("l", 1),
        "m3/s": ("m3/s", 1),
        "l/s": ("l/s", 1),
        "K": ("K", 1),
        "Cel": ("°C", 1),
        "/": ("1", 1),
        "count": ("1", 1),
        "%": ("%", 1),
        # secondary units
        "Wh": ("Wh", 1),
        "kWh": ("kWh", 1),
        "varh": ("varh", 1),
        "kvarh": ("kvarh", 1),
        "kW": ("kW", 1),
        "kVA": ("kVA", 1),
        "kvar": ("kvar", 1),
        "mV": ("mV", 1),
        "mA": ("mA", 1),
        "MHz": ("Hz", 1e6),
        "/100": ("%", 1),
        "/1000": ("1", 1e-3),
        "ppm": ("1", 1e-6),
    }
)
"""SenML's unit -> the unit of schemas.units, and how many of that it is."""
