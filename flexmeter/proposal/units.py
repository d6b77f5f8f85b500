"""Units: what a text means by one, and what a number probably is in where no text says it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from flexmeter.proposal.words import Words
from schemas.catalogue import Kind, Quantity
from schemas.units import units_of

_WRITTEN: Final[Mapping[str, str]] = {
    "wh": "Wh", "kwh": "kWh", "mwh": "MWh", "gwh": "GWh", "kj": "kJ", "mj": "MJ", "gj": "GJ", "w": "W", "kw": "kW",
    "mw": "MW", "watt": "W", "watts": "W", "va": "VA", "kva": "kVA", "var": "var", "kvar": "kvar", "varh": "varh",
    "kvarh": "kvarh", "v": "V", "kv": "kV", "volt": "V", "volts": "V", "a": "A", "ma": "mA", "amp": "A", "amps": "A",
    "hz": "Hz", "mhz": "mHz", "m3": "m3", "m³": "m³", "m^3": "m3", "cbm": "m3", "l": "l", "liter": "l", "litre": "l",
    "liters": "l", "litres": "l", "m3/h": "m3/h", "m³/h": "m³/h", "m3h": "m3/h", "l/h": "l/h", "lph": "l/h",
    "l/min": "l/min", "l/s": "l/s", "°c": "°C", "c": "°C", "degc": "°C", "celsius": "°C", "°f": "°F", "k": "K",
    "%": "%",
}  # fmt: skip
_DIMENSIONS: Final[Mapping[str, str]] = {
    "Wh": "energy", "W": "power", "varh": "reactive energy", "var": "reactive power", "VA": "apparent power",
    "V": "voltage", "A": "current", "Hz": "frequency", "m3": "volume", "m3/h": "flow", "°C": "temperature",
}  # fmt: skip
_ALONE = frozenset(("w", "v", "a", "k", "c", "l", "u", "va"))
"""Units of a letter or two: only the last word of several is one."""


class Unit(NamedTuple):
    """A unit and why it is taken for that; `sure` from 0, a guess, to 2."""

    name: str
    why: str
    sure: int


def canonical(text: str) -> str:
    """The unit as the decoder reads it; empty where the text is none.

    >>> canonical("kwh"), canonical("m^3"), canonical("mW"), canonical("furlongs")
    ('kWh', 'm3', 'mW', '')
    """
    return text if text in ("mW", "mV", "mA", "mHz") else _WRITTEN.get(text.strip().lower(), "")


def dimension_of(unit: str) -> str:
    """What a unit measures; empty where it does not say.

    >>> dimension_of("kWh"), dimension_of("l/h"), dimension_of("%")
    ('energy', 'flow', '')
    """
    return next((dimension for base, dimension in _DIMENSIONS.items() if unit in units_of(base)), "")


def unit_in(own: Words) -> str:
    """The unit that the words of a key end with, or have before a phase; empty where they have none.

    >>> unit_in(("total", "import", "kwh")), unit_in(("a", "voltage")), unit_in(("flow", "m3", "h")), unit_in(("v",))
    ('kWh', '', 'm3/h', '')
    """
    if own[-2:] in (("m3", "h"), ("m³", "h"), ("l", "h")):
        return f"{own[-2]}/h".replace("³", "3")
    for word in own[::-1][:3]:
        if word in _WRITTEN and (word not in _ALONE or (word == own[-1] and len(own) > 1)):
            return canonical(word)
    return ""


def by_maker(dimension: str, words: Words) -> Unit | None:
    """The unit that a maker is known to count in, where the words are that maker's."""
    if dimension == "energy" and words[0] == "energy" and words[-1] == "total" and len(words) == 2:
        return Unit("kWh", "Tasmota counts kWh", 1)
    if {"emeters", "emeter", "emdata", "em", "aenergy"} & set(words):
        shelly = {"energy": "Wh", "power": "W", "voltage": "V", "current": "A", "apparent power": "VA"}.get(dimension)
        return Unit(shelly, f"Shelly counts {shelly}", 1) if shelly else None
    return None


def by_size(quantity: Quantity, value: float | None, decimals: int) -> Unit:
    """The unit that the number looks like."""
    size = abs(value or 0.0)
    base = quantity.unit
    usual = {"V": (size < 1_000, "V", "mV"), "A": (size < 1_000, "A", "mA"), "Hz": (size < 1_000, "Hz", "mHz")}
    if base in usual:
        fits, likely, other = usual[base]
        unit = likely if fits else other
        return Unit(unit, f"{size:g} looks like {unit}", 1 if fits else 0)
    if base == "°C":
        return Unit("°C", "no unit is stated", 1)
    if base == "1":
        return Unit("1" if size <= 1 or quantity.kind is Kind.REGISTER else "%", "a ratio", 1)
    if base in ("m3", "m3/h"):
        small, large = ("m3", "l") if base == "m3" else ("m3/h", "l/h")
        is_small = decimals > 0 or (size < 20 and base == "m3/h") or size == 0
        return Unit(small if is_small else large, f"{small} or {large}? no unit is stated", 0)
    if quantity.kind is Kind.REGISTER and quantity.name == "heat_energy_wh":
        return Unit("MWh" if decimals else "kWh", "kWh, MWh or GJ? no unit is stated", 0)
    if quantity.name.startswith("heat_power"):
        return Unit("kW" if size < 1_000 else "W", "W or kW? no unit is stated", 0)
    thousand = {"Wh": "kWh", "varh": "kvarh", "W": "kW", "var": "kvar", "VA": "kVA"}[base]
    register = quantity.kind is Kind.REGISTER or base in ("Wh", "varh")
    in_thousands = (decimals > 0 or size < 10_000) if register else (decimals >= 3 and size < 30)
    unit = thousand if in_thousands else base
    return Unit(unit, f"{base} or {thousand}? {size:g} looks like {unit}", 0)


def decimals_of(value: object) -> int:
    """How many decimals a number is written with.

    >>> decimals_of(12.345), decimals_of("7.10"), decimals_of(5)
    (3, 2, 0)
    """
    found = re.search(r"\.(\d+)$", repr(value) if isinstance(value, float) else str(value))
    return 0 if found is None or found[1] == "0" else len(found[1])


def from_product(powers: Sequence[float], volt_amperes: Sequence[float]) -> Unit | None:
    """W or kW, where voltage times current tells; both in the order of the same phases.

    >>> from_product([0.46], [461.0]).name, from_product([2.0], [40.0])
    ('kW', None)
    """
    pairs = [(abs(power), product) for power, product in zip(powers, volt_amperes, strict=True) if product > 10]
    for unit, factor in (("W", 1.0), ("kW", 1_000.0)):
        if pairs and all(0.25 < power * factor / product <= 1.1 for power, product in pairs):
            return Unit(unit, "voltage times current says so", 2)
    return None
