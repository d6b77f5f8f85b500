"""SenML packs, JSON and CBOR (RFC 8428), to telegrams: the records of one meter at one time make one.

    empty, or a pack without records                           Rejected empty
    more than 1 MB, more than 5,000 records                   Rejected too_large
    JSON that is not UTF-8                                     Rejected encoding
    neither JSON nor CBOR, indefinite lengths, tags but 4,
    a key twice (CBOR; JSON's last one counts), bytes left over Rejected malformed
    no list of records; a name that is absent or not permitted;
    a record without a value; two values; an unknown field
    that ends with _ and so must be understood (4.4)           Rejected field
    a field of another type, NaN, Infinity, base64 that is none,
    text or data for a quantity; a version other than 1 to 10
    or 26, or two versions in a pack                           Rejected value
    a unit that is not of the quantity                         Rejected unit
    a time before 2000 or from 2200 on                         Rejected time
    a relative time (below 2^28 s)                             Telegram.relative_ms: of the bridge's arrival time
    other unknown fields                                       passed over, as 4.4 demands

senml_names.py says how a name leads to meter and quantity, senml_units.py what units are known. Secondary units are
taken in any version (RFC 9100 has them announced by version 26: 10 and bit 4). XML and EXI are not read.
"""

import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple

import cbor2

from connectors.decode.json_text import parse_json
from connectors.decode.senml_names import By, Name, parse_name
from connectors.decode.senml_units import UNITS
from connectors.decode.telegram import Keys, Measured, Telegram, medium_of
from connectors.decode.trust import YEAR_2200_MS, check_size, checked_time
from schemas.catalogue import Quantity, load_catalogue
from schemas.errors import Reason, Rejected
from schemas.units import to_base, units_of

MOST_RECORDS = 5_000

_RELATIVE_BELOW_S = 1 << 28  # clause 4.5.3
_VERSIONS = frozenset({*range(1, 11), 26})
_STATUS = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_DECIMAL_FRACTION = 4  # RFC 8949, clause 3.4.4
_DEEPEST = 8  # a pack, its records, and what an unknown field may hold

_NUMBER, _TEXT = frozenset({int, float, Decimal}), frozenset({str})
_TYPES: Mapping[str, frozenset[type]] = {
    **dict.fromkeys(("bt", "bv", "bs", "v", "s", "t", "ut"), _NUMBER),
    **dict.fromkeys(("bn", "bu", "n", "u", "vs"), _TEXT),
    "bver": frozenset({int}),
    "vb": frozenset({bool}),
    "vd": frozenset({str, bytes}),
}
_CBOR_LABELS: Mapping[int, str] = dict(enumerate(("n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"))) | dict(
    enumerate(("bs", "bv", "bu", "bt", "bn", "bver"), -6)
)
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


class Record(NamedTuple):
    """A record with its base fields resolved (clause 4.6)."""

    base: str
    name: str
    """Together with `base` the resolved name; `base` is what the sender wrote as base name."""
    unit: str
    """Empty where none is stated."""
    at: int | None
    """ms UTC; None where the time is relative to now."""
    relative_ms: int
    value: float | str | bool | bytes | None
    sum: float | None


@dataclass(slots=True)
class _Group:
    """What was told of one meter at one time."""

    measured: list[Measured]
    status: list[str]
    sequence: int


def decode_senml(payload: bytes, keys: Keys) -> tuple[Telegram, ...]:
    """Read one pack; keys are not asked for: SenML is protected by what carries it.

    Raises:
        Rejected: see the table at the top of this module.

    >>> pack = b'[{"bn":"LGZ1/","bt":1795507200,"n":"1-0:1.8.0","u":"kWh","v":1.5},{"n":"voltage_l1","u":"V","v":230}]'
    >>> [telegram] = decode_senml(pack, lambda meter: ())
    >>> telegram.meter, telegram.medium, telegram.at, telegram.values
    ('LGZ1', 'electricity', 1795507200000, {'active_energy_import_wh': 1500.0, 'voltage_l1_v': 230.0})
    """
    groups: dict[tuple[str, int | None, int], _Group] = {}
    for record in resolve(_parse(payload)):
        name = parse_name(record.base, record.name)
        key = (name.meter, record.at, record.relative_ms)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group([], [], -1)
        _add(group, name, record)
    return tuple(_telegram(*key, group) for key, group in groups.items())


def resolve(documents: list[Any]) -> Iterator[Record]:
    """Records with names, units, times, values and sums in full; those that only set base fields are left out.

    Raises:
        Rejected: field, value or time.

    >>> [(one.base, one.at, one.value) for one in resolve([{"bn": "m", "bt": 1.3e9, "bv": 20}, {"t": 60, "v": 0.5}])]
    [('m', 1300000060000, 20.5)]
    """
    base: dict[str, Any] = {}
    for document in documents:
        fields = _fields(document, base)
        if fields:
            base_name, name = base.get("bn", ""), fields.get("n", "")
            value, total = _value(fields, base), _plus(fields.get("s"), base.get("bs"))
            if value is None and total is None:
                raise Rejected(Reason.FIELD, f"the record of {base_name + name!r:.40} has neither value nor sum")
            at, relative_ms = _time(base.get("bt", 0.0) + fields.get("t", 0.0))
            yield Record(base_name, name, fields.get("u", base.get("bu", "")), at, relative_ms, value, total)


def _parse(payload: bytes) -> list[Any]:
    check_size(payload)
    # 0x80 to 0x9f begin a list in CBOR, and nothing in UTF-8.
    pack = _parse_cbor(payload) if payload[:1] and 0x80 <= payload[0] <= 0x9F else parse_json(payload)
    if type(pack) is not list:
        raise Rejected(Reason.FIELD, "the pack is not a list of records")
    if not pack:
        raise Rejected(Reason.EMPTY, "a pack without records")
    if len(pack) > MOST_RECORDS:
        raise Rejected(Reason.TOO_LARGE, f"{len(pack)} records; at most {MOST_RECORDS} are read")
    return pack


def _parse_cbor(payload: bytes) -> Any:
    source = BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        source,
        semantic_decoders=_OnlyDecimals(),
        max_depth=_DEEPEST,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        pack = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise Rejected(Reason.MALFORMED, f"not CBOR: {error}") from None
    if source.tell() < len(payload):
        raise Rejected(Reason.MALFORMED, f"{len(payload) - source.tell()} bytes after the pack")
    return [_labelled(record) for record in pack] if type(pack) is list else pack


def _refuse(decoder: Any) -> Any:
    raise ValueError("only decimal fractions (tag 4) have a tag in SenML")


class _OnlyDecimals(dict[int, Callable[[Any], Any]]):
    """cbor2's own reading of a tag where this has none: dates, regular expressions, shared objects are refused."""

    def __missing__(self, tag: int) -> Callable[[Any], Any]:
        if tag == _DECIMAL_FRACTION:
            raise KeyError(tag)
        return _refuse


def _labelled(record: Any) -> Any:
    """A record of CBOR with the labels of JSON (clause 6): text is for extensions only, other numbers mean nothing."""
    if type(record) is not dict:
        return record
    labelled: dict[str, Any] = {}
    for key, value in record.items():
        if type(key) is int:
            labelled[_CBOR_LABELS.get(key, str(key))] = value
        elif type(key) is str and key not in _TYPES:
            labelled[key] = value
        else:
            raise Rejected(Reason.FIELD, f"the label {str(key)[:40]!r} is neither a number nor an extension's text")
    if type(labelled.get("vd")) is str:
        raise Rejected(Reason.VALUE, "vd is text, expected bytes")
    return labelled


def _fields(document: Any, base: dict[str, Any]) -> dict[str, Any]:
    """The regular fields of a record, checked, numbers as floats; its base fields are put into `base`."""
    if type(document) is not dict or not document:
        raise Rejected(Reason.FIELD, "a record is not an object with fields")
    fields: dict[str, Any] = {}
    for label, value in document.items():
        types = _TYPES.get(label)
        if types is None:
            if label.endswith("_"):
                raise Rejected(Reason.FIELD, f"{label[:40]!r} must be understood, and is not")
            continue
        if type(value) not in types:
            raise Rejected(Reason.VALUE, f"{label} is of type {type(value).__name__}")
        if types is _NUMBER:
            value = _number(label, value)
        if label == "bver":
            _check_version(value, base)
        (base if label[0] == "b" else fields)[label] = value
    return fields


def _number(label: str, value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Rejected(Reason.VALUE, f"{label} is {number}")
    return number


def _check_version(version: int, base: Mapping[str, Any]) -> None:
    if version not in _VERSIONS or base.get("bver", version) != version:
        raise Rejected(Reason.VALUE, f"bver is {version}: not understood, or not the one of the records before")


def _value(fields: Mapping[str, Any], base: Mapping[str, Any]) -> float | str | bool | bytes | None:
    values = [label for label in ("v", "vs", "vb", "vd") if label in fields]
    if len(values) > 1:
        raise Rejected(Reason.FIELD, f"{' and '.join(values)} in one record")
    if not values or values == ["v"]:
        return _plus(fields.get("v"), base.get("bv"))
    value: str | bool | bytes = fields[values[0]]
    if values == ["vd"] and type(value) is str:
        if not _BASE64URL.fullmatch(value) or len(value) % 4 == 1:
            raise Rejected(Reason.VALUE, "vd is not base64url without padding")
        return urlsafe_b64decode(value + "=" * (-len(value) % 4))
    return value


def _plus(value: float | None, base: float | None) -> float | None:
    """A field and its base: of two, the one that is missing is zero (clause 4.5.4)."""
    if base is None or value is None:
        return base if value is None else value
    return _number("the value with its base", round(value + base, 9))


def _time(seconds: float) -> tuple[int | None, int]:
    """Time in ms UTC, or relative to now."""
    if seconds < _RELATIVE_BELOW_S:
        if seconds <= -_RELATIVE_BELOW_S:
            raise Rejected(Reason.TIME, f"{seconds:g} s before now is more than eight years ago")
        return None, round(seconds * 1000)
    return checked_time(round(min(seconds * 1000, YEAR_2200_MS)), f"{seconds:.16g}"), 0


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
            yield Measured("", record.sum, f"{record.unit} s".lstrip(), name.text, which="sum")
        return
    if record.value is not None:
        yield Measured(quantity.name, _converted(quantity, record.unit, record.value), quantity.unit, name.text)
    if record.sum is not None:
        total = _converted(quantity, record.unit, record.sum)
        integral = _INTEGRALS.get(quantity.name)
        if integral is None:
            yield Measured("", total, f"{quantity.unit} s", name.text, which="sum")
        else:
            unit = load_catalogue().quantities[integral].unit
            yield Measured(integral, round(total / 3600, 9), unit, name.text)


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
        return _number(quantity.name, to_base(value * factor, named, quantity))
    raise Rejected(Reason.UNIT, f"{quantity.name} is in {unit!r}, which is no unit of SenML that is known here")


def _plain(value: float | str | bool | bytes) -> float | str:
    """A value that the catalogue has no quantity for: booleans as true and false, data as base64url."""
    if type(value) is bool:
        return "true" if value else "false"
    return urlsafe_b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else value


def _telegram(meter: str, at: int | None, relative_ms: int, group: _Group) -> Telegram:
    measured = tuple(group.measured)
    return Telegram(meter, medium_of(measured), at, group.sequence, tuple(group.status), measured, relative_ms)
