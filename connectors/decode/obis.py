"""OBIS codes (IEC 62056-6-1; EN 13757-1 for heat, water and gas) and the quantities of the catalogue.

A code is six bytes, A-B:C.D.E*F. The catalogue names codes of the present total; a tariff (E), a billing period (F)
or a further channel (B) of the same thing is the same quantity with `which` saying so.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from connectors.decode.telegram import Measured
from schemas.catalogue import Kind, Quantity, load_catalogue
from schemas.units import to_base, units_like

NOT_BILLED = 255
"""F of a value that belongs to no billing period."""
MEDIA: Final = {1: "electricity", 4: "heat", 5: "heat", 6: "heat", 7: "gas", 8: "water", 9: "water"}
"""A to the medium: heat cost allocators and cooling count as heat, hot water as water."""

_LAST_TARIFF = 63
_WRITTEN = re.compile(r"(?:(\d{1,3})-(\d{1,3}):)?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:[*.](\d{1,3}))?")

_TOTAL: Final = {
    1: "active power import", 2: "active power export", 3: "reactive power import", 4: "reactive power export",
    5: "reactive power quadrant I", 6: "reactive power quadrant II", 7: "reactive power quadrant III",
    8: "reactive power quadrant IV", 9: "apparent power import", 10: "apparent power export", 11: "current",
    12: "voltage", 13: "power factor", 14: "frequency", 15: "active power, sum of both directions",
    16: "active power, import less export", 17: "active power quadrant I", 18: "active power quadrant II",
    19: "active power quadrant III", 20: "active power quadrant IV", 81: "angle", 91: "current of neutral",
    92: "voltage of neutral",
}  # fmt: skip
_MANNER: Final = {
    2: "cumulative maximum", 3: "minimum", 4: "average of this period", 5: "average of the last period",
    6: "maximum", 7: "instantaneous", 8: "integral over time", 9: "integral since billing", 24: "average",
    27: "average of this period", 29: "integral of this period", 31: "limit of the threshold", 32: "sags",
    36: "swells",
}  # fmt: skip
_ABSTRACT: Final = {
    (0, 2, 0): "firmware version", (0, 2, 1): "parameter record", (0, 2, 8): "version of the interface",
    (0, 2, 129): "version of the list", (0, 9, 1): "time", (0, 9, 2): "date",
    (1, 0, 0): "clock", (1, 1, 0): "clock, UNIX time", (17, 0, 0): "limit of the threshold",
    (24, 1, 0): "type of the device", (24, 2, 1): "value of the device", (24, 4, 0): "valve of the device",
    (42, 0, 0): "logical device name", (96, 1, 0): "serial number", (96, 1, 1): "device identifier",
    (96, 1, 7): "type of the meter", (96, 3, 10): "disconnect control state", (96, 5, 0): "operating status",
    (96, 7, 9): "long power failures", (96, 7, 21): "power failures",
    (96, 13, 0): "message", (96, 13, 1): "message code", (96, 14, 0): "tariff in force",
    (97, 97, 0): "error register", (97, 98, 0): "alarm register",
}  # fmt: skip


def written(code: bytes) -> str:
    """A code as IEC 62056-6-1 writes it; F only where it says something.

    >>> written(bytes((1, 0, 1, 8, 2, 255))), written(bytes((1, 0, 1, 8, 0, 3)))
    ('1-0:1.8.2', '1-0:1.8.0*3')
    """
    a, b, c, d, e, f = code
    return f"{a}-{b}:{c}.{d}.{e}" + ("" if f == NOT_BILLED else f"*{f}")


def parsed(text: str) -> bytes | None:
    """The code that a text is, such as 1-0:1.8.0, 1-0:1.8.0*255 or 1-0:1.8.0.255; None where it is none.

    >>> parsed("1-1:32.7.0").hex(), parsed("kWh"), parsed("1-0:300.7.0")
    ('0101200700ff', None, None)
    """
    match = _WRITTEN.fullmatch(text)
    if match is None or match[1] is None or match[5] is None:
        return None
    groups = [int(group) for group in match.groups(str(NOT_BILLED))]
    return bytes(groups) if max(groups) < 256 else None


class Meaning(NamedTuple):
    """What a code says about the value beside it."""

    quantity: Quantity | None
    which: str
    description: str


@lru_cache(maxsize=4096)
def meaning(code: bytes) -> Meaning:
    """What a code means.

    >>> found = meaning(bytes((1, 0, 1, 8, 2, 255)))
    >>> found.quantity.name, found.which, found.description
    ('active_energy_import_wh', 'tariff 2', '1-0:1.8.2 active power import, integral over time')
    """
    a, _, c, d, e, f = code
    which = []
    quantity = _quantities().get((a, c, d, e))
    if quantity is None and 0 < e <= _LAST_TARIFF:
        total = _quantities().get((a, c, d, 0))
        if total is not None and total.kind is Kind.REGISTER:
            quantity = total
            which.append(f"tariff {e}")
    if f != NOT_BILLED:
        which.append(f"billing period {f}")
    return Meaning(quantity, ", ".join(which), f"{written(code)} {_words(code)}".strip())


class Wording(NamedTuple):
    """How a value of a code in a unit is passed on. `converts`: to the catalogue's unit."""

    name: str
    unit: str
    description: str
    which: str
    converts: Quantity | None


@lru_cache(maxsize=4096)
def wording(code: bytes, unit: str, channel: str = "") -> Wording:
    """What to say of a number of a code, in a unit, on a channel in words: the same for every number."""
    quantity, which, description = meaning(code)
    which = ", ".join(filter(None, (which, channel)))
    if quantity is None or unit not in units_of(quantity.unit):
        return Wording("", unit, description, which, None)
    return Wording(quantity.name, quantity.unit, description, which, None if unit == quantity.unit else quantity)


def measured(code: bytes, value: float, unit: str, channel: str = "") -> Measured:
    """A number in the catalogue's unit if it has the quantity and the unit leads there, else as it is.

    >>> measured(bytes((1, 0, 1, 8, 0, 255)), 1.001, "kWh").value
    1001.0
    """
    name, base, description, which, converts = wording(code, unit, channel)
    if converts is not None:
        return Measured(name, to_base(value, unit, converts), base, description, which)
    return Measured(name, float(value), base, description, which)


@lru_cache(maxsize=64)
def units_of(base: str) -> frozenset[str]:
    """Every unit from which `to_base` leads to a base unit."""
    return frozenset(units_like(base)) | (frozenset(("K", "°F", "F")) if base == "°C" else frozenset())


def medium_of(codes: Iterable[bytes]) -> str:
    """The medium of the first code that has one; empty where none has.

    >>> medium_of([bytes((0, 0, 96, 1, 0, 255)), bytes((8, 0, 1, 0, 0, 255))])
    'water'
    """
    return next((MEDIA[code[0]] for code in codes if code[0] in MEDIA), "")


@lru_cache(maxsize=1)
def _quantities() -> Mapping[tuple[int, int, int, int], Quantity]:
    """A, C, D, E to the catalogue's quantity: B is the channel, whichever the meter uses."""
    found = {}
    for quantity in load_catalogue().quantities.values():
        code = parsed(quantity.obis or "")
        if code is not None:
            a, _, c, d, e, _ = code
            found[a, c, d, e] = quantity
    return found


def _words(code: bytes) -> str:
    a, _, c, d, e, _ = code
    if a != 1 or (c, d, e) in _ABSTRACT or c not in range(1, 93):
        return _ABSTRACT.get((c, d, e), "")
    phase = (c - 1) // 20 if 21 <= c <= 80 else 0
    name = _TOTAL.get(c - 20 * phase, "")
    manner = "" if d == 7 else _MANNER.get(d, "")
    return ", ".join(filter(None, (f"{name} L{phase}" if phase and name else name, manner if name else "")))
