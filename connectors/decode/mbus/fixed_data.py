"""The fixed data structure of old wired meters (EN 1434-3:1997; CI 73): two counters, and what they count.

identification (4) access status medium-and-unit (2) counter 1 (4) counter 2 (4)
"""

from typing import NamedTuple

from connectors.decode.mbus.identity import DEVICE_TYPES, identification
from connectors.decode.mbus.quantities import QUANTITIES
from connectors.decode.mbus.value_codes import Meaning, power_of_ten
from connectors.decode.mbus.values import InvalidValue, read_value
from connectors.decode.telegram import Measured, numbered
from schemas.errors import Reason, Rejected

_LENGTH = 16
_BINARY, _AT_FIXED_DATE = 0x01, 0x02
_STATUS = ((0x04, "low_power"), (0x08, "permanent_error"), (0x10, "temporary_error"))
_INT32, _BCD8 = 0x4, 0xC
_SAME_BUT_HISTORIC, _NO_UNIT = 0x3E, 0x3F
_FIRST_UNIT, _CODES_A_UNIT = 0x02, 9
_MEDIA = 10
"""Medium numbers from here on were used otherwise before the device types of today."""


class FixedData(NamedTuple):
    """The meter has no manufacturer here: its identity is the eight digits alone."""

    meter: str
    device: str
    medium: str
    access: int
    status: tuple[str, ...]
    measured: tuple[Measured, ...]


def _units() -> dict[int, Meaning]:
    """Nine powers of ten of each unit, in the order of the standard's table of physical units."""
    units = {}
    for block, (description, unit, exponent, scale) in enumerate(
        (
            ("energy", "Wh", 0, (1, 1)),
            ("energy", "Wh", 3, (1, 3600)),
            ("power", "W", 0, (1, 1)),
            ("power", "W", 3, (1, 3600)),
            ("volume", "m3", -6, (1, 1)),
            ("volume flow", "m3/h", -6, (1, 1)),
        )
    ):
        for n in range(_CODES_A_UNIT):
            code = _FIRST_UNIT + _CODES_A_UNIT * block + n
            units[code] = Meaning(description, unit, *power_of_ten(exponent + n, *scale))
    units[0x38] = Meaning("temperature", "°C", 1, 1000)
    units[0x39] = Meaning("heat cost units", "1")
    units[_NO_UNIT] = Meaning("dimensionless", "1")
    return units


_UNITS = _units()


def read_fixed_data(data: bytes) -> FixedData:
    """Read what stands behind the CI field.

    Raises:
        Rejected: `MALFORMED` if the length is not that of the structure.
    """
    if len(data) != _LENGTH:
        raise Rejected(Reason.MALFORMED, f"a fixed data structure has {_LENGTH} bytes, not {len(data)}")
    access, status, low, high = data[4:8]
    number = low >> 6 | high >> 4 & 0x0C
    device = DEVICE_TYPES[number if number < _MEDIA else 0]
    first, second = low & 0x3F, high & 0x3F
    historic = "storage 1" if status & _AT_FIXED_DATE else ""
    data_field = _INT32 if status & _BINARY else _BCD8
    counters = (
        _counter(data[8:12], data_field, first, device.medium, historic),
        _counter(data[12:], data_field, first, device.medium, "storage 1")
        if second == _SAME_BUT_HISTORIC
        else _counter(data[12:], data_field, second, device.medium, historic),
    )
    names = tuple(name for bit, name in _STATUS if status & bit)
    return FixedData(
        identification(data[:4]), device.name, device.medium or device.name, access, names, numbered(counters)
    )


def _counter(octets: bytes, data_field: int, unit: int, medium: str, which: str) -> Measured:
    meaning = _UNITS.get(unit) or Meaning(f"counter in reserved unit {unit:02X}")
    try:
        value = read_value(octets, data_field, meaning)
    except InvalidValue as invalid:
        return Measured("", octets.hex(), meaning.unit, meaning.description, f"invalid ({invalid})")
    quantity = QUANTITIES.get(medium, {}).get((meaning.description, ()), "")
    return Measured(quantity, value, meaning.unit, meaning.description, which)
