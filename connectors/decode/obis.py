"""OBIS codes (IEC 62056-6-1; EN 13757-1 for heat, water and gas) and the quantities of the catalogue.

A code is six bytes, A-B:C.D.E*F. The catalogue names codes of the present total; a tariff (E), a billing period (F)
or a further channel (B) of the same thing is the same quantity with `which` saying so; whether a channel is a further
one, the other codes of a telegram tell (dlms/telegrams.py: Channels).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from connectors.decode.telegram import Measured
from schemas.catalogue import OBIS_MEDIA, Kind, Quantity, load_catalogue
from schemas.units import SUFFIXES, to_base, units_like

NOT_BILLED = 255
"""F of a value that belongs to no billing period."""

DEVICE_CODES: Final = {
    2: bytes((1, 0, 1, 8, 0, 255)),
    3: bytes((7, 0, 3, 0, 0, 255)),
    4: bytes((6, 0, 1, 0, 0, 255)),
    6: bytes((9, 0, 1, 0, 0, 255)),
    7: bytes((8, 0, 1, 0, 0, 255)),
    10: bytes((5, 0, 1, 0, 0, 255)),
    11: bytes((5, 0, 1, 0, 0, 255)),
    12: bytes((6, 0, 1, 0, 0, 255)),
}
"""Type of a device (EN 13757-3, table 13) -> the code of the register that it is read for."""
NET: Final = {
    16: ("active_power_w", 1, 2),
    36: ("active_power_l1_w", 21, 22),
    56: ("active_power_l2_w", 41, 42),
    76: ("active_power_l3_w", 61, 62),
}
"""C of a net power -> its quantity, C of the power drawn, C of the power fed in (IEC 62056-6-1, table 5)."""

_LAST_TARIFF = 63
_PRESENT = bytes((7, 0, NOT_BILLED))
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
    """How a number of a code in a unit is passed on.

    `converts` is the quantity to whose unit `to_base` leads, None where there is nothing to convert; `factor` leads to
    the base unit where the catalogue has no quantity.
    """

    name: str
    unit: str
    description: str
    which: str
    converts: Quantity | None
    factor: float


@lru_cache(maxsize=4096)
def wording(code: bytes, unit: str, channel: str = "") -> Wording:
    """What to say of a number of a code, in a unit, on a channel in words: the same for every number."""
    quantity, which, description = meaning(code)
    which = ", ".join(filter(None, (which, channel)))
    if quantity is None or unit not in _units_of(quantity.unit):
        base, factor = _bases().get(unit, (unit, 1.0))
        return Wording("", base, description, which, None, factor)
    converts = None if unit == quantity.unit else quantity
    return Wording(quantity.name, quantity.unit, description, which, converts, 1.0)


def measured(code: bytes, value: float, unit: str, channel: str = "") -> Measured:
    """A number in the catalogue's unit if it has the quantity and the unit leads there, else in its own base unit.

    >>> measured(bytes((1, 0, 1, 8, 0, 255)), 1.001, "kWh").value
    1001.0
    >>> measured(bytes((1, 0, 21, 7, 0, 255)), 0.17, "kW")
    Measured(quantity='', value=170.0, unit='W', description='1-0:21.7.0 active power import L1', which='')
    """
    name, base, description, which, converts, factor = wording(code, unit, channel)
    return Measured(name, _in_base(value, unit, converts, factor), base, description, which)


def measured_column(code: bytes, values: Iterable[float], unit: str, channel: str = "") -> list[Measured]:
    """`measured` for many numbers of one code."""
    name, base, description, which, converts, factor = wording(code, unit, channel)
    return [Measured(name, _in_base(value, unit, converts, factor), base, description, which) for value in values]


def _in_base(value: float, unit: str, converts: Quantity | None, factor: float) -> float:
    if converts is not None:
        return to_base(value, unit, converts)
    return float(value) if factor == 1.0 else round(value * factor, 9)


def net_powers(codes: Sequence[bytes], said: Sequence[Measured | None]) -> tuple[Measured, ...]:
    """Power drawn less power fed in, for those of NET of which a telegram has both and not the difference.

    >>> drawn, fed = bytes((1, 0, 1, 7, 0, 255)), bytes((1, 0, 2, 7, 0, 255))
    >>> [one.value for one in net_powers((drawn, fed), (measured(drawn, 0, "W"), measured(fed, 250, "W")))]
    [-250.0]
    """
    found = []
    for drawn_at, fed_at, name, description in _net_pairs(tuple(codes)):
        drawn, fed = said[drawn_at], said[fed_at]
        if drawn is not None and fed is not None and drawn.unit == fed.unit == "W":
            found.append(Measured(name, round(float(drawn.value) - float(fed.value), 9), "W", description))
    return tuple(found)


@lru_cache(maxsize=1024)
def _net_pairs(codes: tuple[bytes, ...]) -> tuple[tuple[int, int, str, str], ...]:
    """Where the powers of both directions stand, for each net power that is not there itself; its name, and words."""
    places = {code: place for place, code in reversed(list(enumerate(codes)))}  # of a code that comes twice, the first
    found: dict[str, tuple[int, int, str, str]] = {}
    for channel in sorted({code[1] for code in codes if code[:1] == b"\x01" and code[3:] == _PRESENT}):
        for net, (name, *directions) in NET.items():
            own, drawn, fed = (bytes((1, channel, c)) + _PRESENT for c in (net, *directions))
            if own not in places and drawn in places and fed in places and name not in found:
                description = f"{written(drawn)} less {written(fed)}"
                found[name] = (places[drawn], places[fed], name, description)
    return tuple(found.values())


@lru_cache(maxsize=64)
def _units_of(base: str) -> frozenset[str]:
    """Every unit from which `to_base` leads to a base unit."""
    return frozenset(units_like(base)) | (frozenset(("K", "°F", "F")) if base == "°C" else frozenset())


def medium_of(codes: Iterable[bytes]) -> str:
    """The medium of the first code that has one; empty where none has. C 0 is for identities: they measure nothing.

    >>> medium_of([bytes((0, 0, 96, 1, 0, 255)), bytes((8, 0, 1, 0, 0, 255))])
    'water'
    """
    return next((OBIS_MEDIA[code[0]] for code in codes if code and code[2] and code[0] in OBIS_MEDIA), "")


@lru_cache(maxsize=1)
def _bases() -> Mapping[str, tuple[str, float]]:
    """A unit to the base unit to which a factor leads, and the factor."""
    return {unit: (base, factor) for base in SUFFIXES for unit, factor in units_like(base).items() if unit}


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
    if a == 0 or c == 0 or c > 92:
        return _ABSTRACT.get((c, d, e), "")
    if a != 1:
        return ""
    phase = (c - 1) // 20 if 21 <= c <= 80 else 0
    name = _TOTAL.get(c - 20 * phase, "")
    manner = "" if d == 7 else _MANNER.get(d, "")
    return ", ".join(filter(None, (f"{name} L{phase}" if phase and name else name, manner if name else "")))
