"""SenML packs, JSON and CBOR (RFC 8428), to telegrams: the records of one meter at one time make one.

    empty, or a pack without records                              Rejected empty
    more than 1 MB, more than 5,000 records                       Rejected too_large
    JSON that is not UTF-8                                        Rejected encoding
    neither JSON nor CBOR; indefinite lengths, tags but 4, a
    key twice in CBOR (JSON's last one counts), bytes left over   Rejected malformed
    no list of records; a name that is absent or not permitted;
    a record without a value; two values in one; an unknown field
    that ends with _ and so must be understood (4.4); different
    values of one quantity of a meter at one time (RFC 8428 does
    not say which of them counts)                                 Rejected field
    a value, and another quantity's sum over time that would be
    the same quantity                                             the value; the sum is told under which = sum
    a field of another type, NaN, Infinity, base64 that is none,
    text or data for a quantity; two versions in a pack           Rejected value
    XML; a version other than 1 to 10 or 26                       Rejected unsupported
    a unit that is not of the quantity                            Rejected unit
    a time before 2000 or from 2200 on                            Rejected time
    a time relative to now (below 2^28 s)                         Telegram.relative_ms
    other unknown fields                                          passed over, as 4.4 demands

senml_pack.py reads the records, senml_names.py says how a name leads to meter and quantity, senml_units.py has the
units. Secondary units are taken in any version (RFC 9100 has them announced by version 26: 10 and bit 4). EXI is
malformed here. Written anew, because the packages that there are (kpn-senml, senml) saw their last release in 2018.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.decode.senml_names import By, Name, parse_name
from connectors.decode.senml_pack import Record, finite, parse_pack, resolve
from connectors.decode.senml_units import UNITS
from connectors.decode.telegram import Keys, Measured, Telegram, Zones, medium_of, no_zones
from schemas.catalogue import Quantity, load_catalogue
from schemas.errors import Reason, Rejected
from schemas.units import to_base, units_of

_STATUS = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SUM = "sum"
_INTEGRALS: Mapping[str, str] = {
    "active_power_w": "active_energy_net_wh",
    "active_power_import_w": "active_energy_import_wh",
    "active_power_export_w": "active_energy_export_wh",
    "reactive_power_import_var": "reactive_energy_import_varh",
    "reactive_power_export_var": "reactive_energy_export_varh",
    "heat_power_w": "heat_energy_wh",
    "flow_m3_per_h": "volume_m3",
    "water_flow_m3_per_h": "water_volume_m3",
}
"""What the sum of a quantity over time is. All are per hour, where SenML sums over seconds."""


@dataclass(slots=True)
class _Group:
    """What was told of one meter at one time."""

    measured: list[Measured]
    status: list[str]
    sequence: int


def decode_senml(payload: bytes, keys: Keys, *, zones: Zones = no_zones) -> tuple[Telegram, ...]:
    """Read one pack. Keys are not asked for: SenML is protected by what carries it; nor are zones: its times are UTC.

    Raises:
        Rejected: see the table at the top of this module.

    >>> pack = b'[{"bn":"LGZ1/","bt":1795507200,"n":"1-0:1.8.0","u":"kWh","v":1.5},{"n":"voltage_l1","u":"V","v":230}]'
    >>> [telegram] = decode_senml(pack, lambda meter: ())
    >>> telegram.meter, telegram.medium, telegram.at, telegram.values
    ('LGZ1', 'electricity', 1795507200000, {'active_energy_import_wh': 1500.0, 'voltage_l1_v': 230.0})
    """
    groups: dict[tuple[str, int | None, int | None], _Group] = {}
    for record in resolve(parse_pack(payload)):
        name = parse_name(record.base, record.name)
        key = (name.meter, record.at, record.relative_ms)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group([], [], -1)
        _add(group, name, record)
    return tuple(_telegram(*key, group) for key, group in groups.items())


def _add(group: _Group, name: Name, record: Record) -> None:
    value = record.value
    if name.by is By.STATUS and type(value) is str and _STATUS.fullmatch(value):
        group.status.append(value)
    elif name.by is By.SEQUENCE and type(value) is float and value.is_integer() and 0 <= value < 1 << 53:
        group.sequence = int(value)
    else:
        group.measured.extend(_measured(name, record))


def _measured(name: Name, record: Record) -> Iterator[Measured]:
    """What one record says: its value, and the sum over time."""
    if name.by is By.OBIS and not record.unit:
        raise Rejected(Reason.UNIT, f"{name.text} has no unit, which its OBIS code does not say")
    quantity = _quantity(name, record.unit)
    if quantity is None:
        if record.value is not None:
            yield Measured("", _plain(record.value), record.unit, name.text)
        if record.sum is not None:
            yield Measured("", record.sum, f"{record.unit} s".lstrip(), name.text, which=_SUM)
        return
    if record.value is not None:
        yield Measured(quantity.name, _converted(quantity, record.unit, record.value), quantity.unit, name.text)
    if record.sum is not None:
        total = _converted(quantity, record.unit, record.sum)
        integral = _INTEGRALS.get(quantity.name)
        if integral is None:
            yield Measured("", total, f"{quantity.unit} s", name.text, which=_SUM)
        else:
            unit = load_catalogue().quantities[integral].unit
            yield Measured(integral, round(total / 3600, 9), unit, name.text, which=_SUM)


def _present(meter: str, measured: Sequence[Measured]) -> Iterator[Measured]:
    """What was measured, the present value of each quantity once: where none is stated, the sum over time is it."""
    stated = {one.quantity for one in measured if not one.which}
    values: dict[str, float | str] = {}
    for one in measured:
        if one.which == _SUM and one.quantity and one.quantity not in stated:
            one = replace(one, which="")
        if not one.quantity or one.which:
            yield one
        elif one.quantity not in values:
            values[one.quantity] = one.value
            yield one
        elif values[one.quantity] != one.value:
            said = f"{values[one.quantity]:g} and {one.value:g} at one time"
            raise Rejected(Reason.FIELD, f"{one.quantity} of {meter!r:.40} is {said}")


def _quantity(name: Name, unit: str) -> Quantity | None:
    """The quantity, if the name says it beyond doubt, or the unit confirms it."""
    if name.by is By.SHORT and name.quantity and UNITS.get(unit, ("", 1.0))[0] not in units_of(name.quantity.unit):
        return None
    return name.quantity


def _converted(quantity: Quantity, unit: str, value: float | str | bool | bytes) -> float:
    if type(value) is bool and quantity.unit == "1":
        return float(value)
    if type(value) is not float:
        raise Rejected(Reason.VALUE, f"{quantity.name} is of type {type(value).__name__}, expected a number")
    if not unit:
        return value
    if unit in UNITS:
        named, factor = UNITS[unit]
        return finite(quantity.name, to_base(value * factor, named, quantity))
    raise Rejected(Reason.UNIT, f"{quantity.name} is in {unit!r}, which is no unit of SenML that is known here")


def _plain(value: float | str | bool | bytes) -> float | str:
    """A value that the catalogue has no quantity for: booleans as true and false, data as base64url."""
    if type(value) is bool:
        return "true" if value else "false"
    return urlsafe_b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else value


def _telegram(meter: str, at: int | None, relative_ms: int | None, group: _Group) -> Telegram:
    measured = tuple(_present(meter, group.measured))
    medium, status = medium_of(measured), tuple(group.status)
    return Telegram(meter, medium, at, group.sequence, status, measured, relative_ms=relative_ms)
