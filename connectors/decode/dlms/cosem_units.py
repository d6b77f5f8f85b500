"""Scaler and unit of a register (IEC 62056-6-2, 4.3.2): the physical value is value * 10 ^ scaler, in the unit."""

from typing import Final

NO_UNIT = 255

UNITS: Final = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 10: "currency", 11: "m", 12: "m/s",
    13: "m3", 14: "m3", 15: "m3/h", 16: "m3/h", 17: "m3/d", 18: "m3/d", 19: "l", 20: "kg", 21: "N", 22: "Nm",
    23: "Pa", 24: "bar", 25: "J", 26: "J/h", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A",
    34: "C", 35: "V", 36: "V/m", 37: "F", 38: "Ω", 39: "Ωm2/m", 40: "Wb", 41: "T", 42: "A/m", 43: "H", 44: "Hz",
    45: "1/Wh", 46: "1/varh", 47: "1/VAh", 48: "V2h", 49: "A2h", 50: "kg/s", 51: "S", 52: "K", 53: "1/V2h",
    54: "1/A2h", 55: "1/m3", 56: "%", 57: "Ah", 60: "Wh/m3", 61: "J/m3", 62: "mol%", 63: "g/m3", 64: "Pa s",
    65: "J/kg", 66: "g/cm2", 67: "atm", 70: "dBm", 71: "dBµV", 72: "dB", NO_UNIT: "1",
}  # fmt: skip
"""The units by number (IEC 62056-6-2, table 4), spelled as schemas.units does; volumes at standard conditions (14, 16,
18) as such. 1 stands for a count and for no unit."""


def unit_name(number: int) -> str:
    """The unit, or its number in words where the table has none.

    >>> unit_name(30), unit_name(200)
    ('Wh', 'unit 200')
    """
    return UNITS.get(number) or f"unit {number}"


def scaled(value: float, scaler: int) -> float:
    """value * 10 ^ scaler, the double that is nearest: a power of ten below one is divided by, never multiplied with.

    >>> scaled(2307, -1), scaled(22721, 1), scaled(7, 0)
    (230.7, 227210, 7)
    """
    return value / 10**-scaler if scaler < 0 else value * 10**scaler if scaler else value
