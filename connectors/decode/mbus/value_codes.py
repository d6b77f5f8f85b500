"""What VIF and VIFE codes mean: the tables of EN 13757-3:2018, as data.

A code of seven bits stands for a quantity in a unit, times a power of ten; the scale given here leads to the unit that
is named, as a fraction, so that whole numbers stay exact until the one division. Units are the catalogue's where it
has them (all energy in Wh, flow in m3/h, durations in s). Codes that are not here are reserved.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple


class Coding(Enum):
    """How the bytes of a value are to be read, beside what the DIF says of their number (EN 13757-3, annex A)."""

    NUMBER = auto()
    """Signed: type B, H, or BCD of type A."""
    CODE = auto()
    """Unsigned: type C or D, or BCD. Names, versions, flags (table 12, remark k)."""
    DATE = auto()
    """Type G, and no other."""
    DATE_TIME = auto()
    """Type F, I or J, as the length says."""
    POINT = auto()
    """Any of these."""
    BYTES = auto()
    """Not to be taken apart here."""
    PROFILE = auto()
    """Several values one after another, equally spaced in time (annex F)."""


class Meaning(NamedTuple):
    """What a VIF and its VIFEs say: value * numerator / denominator is in `unit`.

    `words` are those of VIFEs, which tell the value apart from the plain one; `error` says why there is no value; `of`
    is what each value of a profile means.
    """

    description: str
    unit: str = ""
    numerator: int = 1
    denominator: int = 1
    coding: Coding = Coding.NUMBER
    words: tuple[str, ...] = ()
    error: str = ""
    of: "Meaning | None" = None


class Combined(NamedTuple):
    """What a combinable VIFE does to the value before it.

    `words` tell it apart from the plain value, the fraction multiplies it, `per` is written after the unit, `error`
    says that there is no value, and `instead` that the value is of another kind, such as when a limit was passed.
    """

    words: str = ""
    numerator: int = 1
    denominator: int = 1
    per: str = ""
    error: str = ""
    instead: Meaning | None = None


Codes = Mapping[int, Meaning]

_HOUR_S, _DAY_S = 3600, 86400
_TIMES = (1, 60, _HOUR_S, _DAY_S)
_JOULES_PER_WH = 3600
_CUBIC_FOOT_M3 = (28_316_846_592, 10**12)


def power_of_ten(exponent: int, numerator: int = 1, denominator: int = 1) -> tuple[int, int]:
    """Ten to the power, times a fraction, as numerator and denominator.

    >>> power_of_ten(-3), power_of_ten(2, 1, 3600)
    ((1, 1000), (100, 3600))
    """
    return (numerator * 10**exponent, denominator) if exponent >= 0 else (numerator, denominator * 10**-exponent)


def _powers(
    first: int, count: int, description: str, unit: str, exponent: int, scale: tuple[int, int] = (1, 1)
) -> dict[int, Meaning]:
    """`count` codes from `first` on, whose power of ten rises with the code."""
    return {first + n: Meaning(description, unit, *power_of_ten(exponent + n, *scale)) for n in range(count)}


def _durations(first: int, description: str, units: tuple[int, ...] = _TIMES) -> dict[int, Meaning]:
    return {first + n: Meaning(description, "s", seconds) for n, seconds in enumerate(units)}


def _codes(first: int, *descriptions: str) -> dict[int, Meaning]:
    return {first + n: Meaning(words, coding=Coding.CODE) for n, words in enumerate(descriptions)}


def _counts(first: int, *descriptions: str) -> dict[int, Meaning]:
    return {first + n: Meaning(words, "1") for n, words in enumerate(descriptions)}


PRIMARY: Codes = MappingProxyType(
    {
        **_powers(0x00, 8, "energy", "Wh", -3),
        **_powers(0x08, 8, "energy", "Wh", 0, (1, _JOULES_PER_WH)),
        **_powers(0x10, 8, "volume", "m3", -6),
        **_powers(0x18, 8, "mass", "kg", -3),
        **_durations(0x20, "on time"),
        **_durations(0x24, "operating time"),
        **_powers(0x28, 8, "power", "W", -3),
        **_powers(0x30, 8, "power", "W", 0, (1, _JOULES_PER_WH)),
        **_powers(0x38, 8, "volume flow", "m3/h", -6),
        **_powers(0x40, 8, "volume flow", "m3/h", -7, (60, 1)),
        **_powers(0x48, 8, "volume flow", "m3/h", -9, (3600, 1)),
        **_powers(0x50, 8, "mass flow", "kg/h", -3),
        **_powers(0x58, 4, "flow temperature", "°C", -3),
        **_powers(0x5C, 4, "return temperature", "°C", -3),
        **_powers(0x60, 4, "temperature difference", "K", -3),
        **_powers(0x64, 4, "external temperature", "°C", -3),
        **_powers(0x68, 4, "pressure", "bar", -3),
        0x6C: Meaning("date", coding=Coding.DATE),
        0x6D: Meaning("date and time", coding=Coding.DATE_TIME),
        **_counts(0x6E, "heat cost units"),
        **_durations(0x70, "averaging duration"),
        **_durations(0x74, "actuality duration"),
        **_codes(0x78, "fabrication number", "enhanced identification", "bus address"),
    }
)
"""Table 10, primary VIFs. 7B, 7D (FB, FD), 7C (plain text), 7E and 7F are dealt with where blocks are read."""

EXTENSION_FD: Codes = MappingProxyType(
    {
        **_powers(0x00, 4, "credit", "currency unit", -3),
        **_powers(0x04, 4, "debit", "currency unit", -3),
        **_codes(0x08, "unique message identification", "device type", "manufacturer", "parameter set identification"),
        **_codes(0x0C, "model version", "hardware version", "firmware version", "software version"),
        **_codes(0x10, "customer location", "customer", "access code user", "access code operator"),
        **_codes(0x14, "access code system operator", "access code developer", "password", "error flags"),
        **_codes(0x18, "error mask", "security key", "digital output", "digital input"),
        **_codes(0x1C, "baud rate", "response delay time", "retry", "remote control"),
        **_codes(0x20, "first storage number", "last storage number", "size of storage block"),
        **_codes(0x23, "descriptor for tariff and subunit"),
        **_durations(0x24, "storage interval"),
        0x28: Meaning("storage interval", "month"),
        0x29: Meaning("storage interval", "year"),
        **_codes(0x2A, "operator specific data"),
        0x2B: Meaning("second of the point in time", "s", coding=Coding.CODE),
        **_durations(0x2C, "duration since last readout"),
        0x30: Meaning("start of tariff", coding=Coding.POINT),
        0x31: Meaning("duration of tariff", "s", 60),
        0x32: Meaning("duration of tariff", "s", _HOUR_S),
        0x33: Meaning("duration of tariff", "s", _DAY_S),
        **_durations(0x34, "period of tariff"),
        0x38: Meaning("period of tariff", "month"),
        0x39: Meaning("period of tariff", "year"),
        **_counts(0x3A, "dimensionless"),
        0x3B: Meaning("wireless M-Bus container", coding=Coding.BYTES),
        **_durations(0x3C, "period of nominal data transmissions"),
        **_powers(0x40, 16, "voltage", "V", -9),
        **_powers(0x50, 16, "current", "A", -12),
        **_counts(0x60, "reset counter", "cumulation counter"),
        **_codes(0x62, "control signal", "day of week", "week number"),
        0x65: Meaning("time of day change", coding=Coding.POINT),
        **_codes(0x66, "state of parameter activation", "special supplier information"),
        **_durations(0x68, "duration since last cumulation", (_HOUR_S, _DAY_S)),
        0x6A: Meaning("duration since last cumulation", "month"),
        0x6B: Meaning("duration since last cumulation", "year"),
        **_durations(0x6C, "operating time of battery", (_HOUR_S, _DAY_S)),
        0x6E: Meaning("operating time of battery", "month"),
        0x6F: Meaning("operating time of battery", "year"),
        0x70: Meaning("battery change", coding=Coding.POINT),
        0x71: Meaning("radio level", "dBm"),
        0x72: Meaning("daylight saving", coding=Coding.BYTES),
        0x73: Meaning("listening window management", coding=Coding.BYTES),
        0x74: Meaning("remaining battery life", "s", _DAY_S, coding=Coding.CODE),
        **_counts(0x75, "times the meter was stopped"),
        0x76: Meaning("manufacturer's container", coding=Coding.BYTES),
    }
)
"""Table 12, main extension (VIF FD). 7D leads on to the second level."""

SECOND_LEVEL_FD: Codes = MappingProxyType(
    {
        **_codes(0x00, "currently selected application"),
        0x02: Meaning("remaining battery life", "month", coding=Coding.CODE),
        0x03: Meaning("remaining battery life", "year", coding=Coding.CODE),
    }
)
"""Table 13, second level of the main extension (VIF FD FD)."""

EXTENSION_FB: Codes = MappingProxyType(
    {
        **_powers(0x00, 2, "energy", "Wh", 5),
        **_powers(0x02, 2, "reactive energy", "varh", 3),
        **_powers(0x04, 2, "apparent energy", "VAh", 3),
        **_powers(0x08, 2, "energy", "Wh", 8, (1, _JOULES_PER_WH)),
        **_powers(0x0C, 4, "energy", "Wh", 2, (4184, _JOULES_PER_WH)),
        **_powers(0x10, 2, "volume", "m3", 2),
        **_powers(0x14, 4, "reactive power", "var", 0),
        **_powers(0x18, 2, "mass", "kg", 5),
        **_powers(0x1A, 2, "relative humidity", "%", -1),
        0x20: Meaning("volume", "m3", *_CUBIC_FOOT_M3),
        0x21: Meaning("volume", "m3", *power_of_ten(-1, *_CUBIC_FOOT_M3)),
        **_powers(0x28, 2, "power", "W", 5),
        0x2A: Meaning("phase angle between voltages", "°", 1, 10),
        0x2B: Meaning("phase angle between voltage and current", "°", 1, 10),
        **_powers(0x2C, 4, "frequency", "Hz", -3),
        **_powers(0x30, 2, "power", "W", 8, (1, _JOULES_PER_WH)),
        **_powers(0x34, 4, "apparent power", "VA", 0),
        0x68: Meaning("resulting rating factor", "1", 1, 4096, Coding.CODE),
        0x69: Meaning("thermal output rating factor", "W", coding=Coding.CODE),
        0x6A: Meaning("thermal coupling rating factor", "1", 1, 4096, Coding.CODE),
        0x6B: Meaning("thermal coupling rating factor, room side", "1", 1, 4096, Coding.CODE),
        0x6C: Meaning("thermal coupling rating factor, heater side", "1", 1, 4096, Coding.CODE),
        0x6D: Meaning("low temperature rating factor", "1", 1, 4096, Coding.CODE),
        0x6E: Meaning("display output scaling factor", "1", 1, 4096, Coding.CODE),
        **_powers(0x74, 4, "temperature limit", "°C", -3),
        **_powers(0x78, 8, "cumulated maximum power", "W", -3),
    }
)
"""Table 14, alternate extension (VIF FB). What was used until 2004 only (gallons, Fahrenheit) is reserved since."""


def _limits() -> dict[int, Combined]:
    """Limits, when and for how long they were passed, and the same of other events (E100 to E110)."""
    codes: dict[int, Combined] = {}
    for upper, side in enumerate(("lower limit", "upper limit")):
        codes[0x40 | upper << 3] = Combined(side)
        codes[0x41 | upper << 3] = Combined(instead=Meaning(f"times the {side} was passed", "1"))
        codes[0x68 | upper << 2] = Combined(f"while the {side} was passed")
        for last, which in enumerate(("first", "last")):
            at = upper << 3 | last << 2
            for ends, end in enumerate(("begin", "end")):
                point = Meaning(f"{end} of the {which} time the {side} was passed", coding=Coding.POINT)
                codes[0x42 | at | ends] = Combined(instead=point)
            for n, seconds in enumerate(_TIMES):
                duration = Meaning(f"duration of the {which} time the {side} was passed", "s", seconds)
                codes[0x50 | at | n] = Combined(instead=duration)
    for last, which in enumerate(("first", "last")):
        for ends, end in enumerate(("begin", "end")):
            codes[0x6A | last << 2 | ends] = Combined(instead=Meaning(f"{end} of the {which}", coding=Coding.POINT))
        for n, seconds in enumerate(_TIMES):
            codes[0x60 | last << 2 | n] = Combined(instead=Meaning(f"duration of the {which}", "s", seconds))
    return codes


RECORD_ERRORS: Mapping[int, str] = MappingProxyType(
    {
        0x01: "too many DIFEs",
        0x02: "storage number not implemented",
        0x03: "unit number not implemented",
        0x04: "tariff number not implemented",
        0x05: "function not implemented",
        0x06: "data class not implemented",
        0x07: "data size not implemented",
        0x0B: "too many VIFEs",
        0x0C: "illegal VIF group",
        0x0D: "illegal VIF exponent",
        0x0E: "VIF and DIF do not match",
        0x0F: "unimplemented action",
        0x15: "no data available",
        0x16: "data overflow",
        0x17: "data underflow",
        0x18: "data error",
        0x1C: "premature end of record",
    }
)
"""Table 18, codes for record errors, in place of a VIFE."""

COMBINABLE: Mapping[int, Combined] = MappingProxyType(
    {
        **{code: Combined(error=words) for code, words in RECORD_ERRORS.items()},
        0x00: Combined(),
        0x12: Combined("average"),
        0x13: Combined(instead=Meaning("inverse compact profile", coding=Coding.PROFILE)),
        0x14: Combined(instead=Meaning("relative deviation")),
        0x1D: Combined("standard conform"),
        0x1E: Combined(instead=Meaning("compact profile with register numbers", coding=Coding.BYTES)),
        0x1F: Combined(instead=Meaning("compact profile", coding=Coding.PROFILE)),
        0x20: Combined(per="/s"),
        0x21: Combined(per="/min"),
        0x22: Combined(per="/h"),
        0x23: Combined(per="/d"),
        0x24: Combined(per="/week"),
        0x25: Combined(per="/month"),
        0x26: Combined(per="/year"),
        0x27: Combined(per="/measurement"),
        0x28: Combined("per pulse of input 0"),
        0x29: Combined("per pulse of input 1"),
        0x2A: Combined("per pulse of output 0"),
        0x2B: Combined("per pulse of output 1"),
        0x2C: Combined(per="/l"),
        0x2D: Combined(per="/m3"),
        0x2E: Combined(per="/kg"),
        0x2F: Combined(per="/K"),
        0x30: Combined(per="/kWh"),
        0x31: Combined(per="/GJ"),
        0x32: Combined(per="/kW"),
        0x33: Combined(per="/(K·l)"),
        0x34: Combined(per="/V"),
        0x35: Combined(per="/A"),
        0x36: Combined(per="·s"),
        0x37: Combined(per="·s/V"),
        0x38: Combined(per="·s/A"),
        0x39: Combined(instead=Meaning("start of", coding=Coding.POINT)),
        0x3A: Combined("uncorrected"),
        0x3B: Combined("forward"),
        0x3C: Combined("backward"),
        0x3D: Combined(instead=Meaning("in a non-metric unit")),
        0x3E: Combined("at base conditions"),
        0x3F: Combined(instead=Meaning("OBIS declaration", coding=Coding.BYTES)),
        **_limits(),
        0x69: Combined("leakage"),
        0x6D: Combined("overflow"),
        **{0x70 + n: Combined("", *power_of_ten(n - 6)) for n in range(8)},
        # Of which unit the constant is a part, the standard leaves open: the value stays as it is, and is told apart.
        **{0x78 + n: Combined(f"without additive constant 10^{n - 3}") for n in range(4)},
        0x7D: Combined("", 1000),
        0x7E: Combined("future"),
    }
)
"""Table 15, combinable VIFEs. 7C leads on to table 16; after 7F all that follows is the manufacturer's."""

COMBINABLE_EXTENSION: Mapping[int, Combined] = MappingProxyType(
    {
        0x01: Combined("phase L1"),
        0x02: Combined("phase L2"),
        0x03: Combined("phase L3"),
        0x04: Combined("neutral"),
        0x05: Combined("between L1 and L2"),
        0x06: Combined("between L2 and L3"),
        0x07: Combined("between L3 and L1"),
        0x08: Combined("quadrant Q1"),
        0x09: Combined("quadrant Q2"),
        0x0A: Combined("quadrant Q3"),
        0x0B: Combined("quadrant Q4"),
        0x0C: Combined("import less export"),
        0x10: Combined("absolute"),
        0x11: Combined("type C"),
        0x12: Combined("type D"),
        0x13: Combined("towards the meter"),
        0x14: Combined("from the meter"),
    }
)
"""Table 16, extension of combinable VIFEs (VIFE FC)."""
