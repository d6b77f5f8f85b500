"""JSON payloads, laid out as a mapping says, to readings and events.

What is bad and what is merely doubtful:

    empty, or only white space                   Rejected empty
    more than 1 MB                               Rejected too_large
    not UTF-8                                    Rejected encoding
    not JSON (RFC 8259: no NaN, no Infinity)     Rejected malformed
    a required field, the event code, every
    mapped quantity, or the meter's id absent    Rejected field
    text, boolean or list where a number belongs Rejected value
    more than 5,000 readings in a payload        Rejected too_large
    a stated unit that is not of the quantity    Rejected unit
    a code that the mapping does not know        Rejected unknown_event
    a time unreadable, without offset from UTC,
    before 2000 or from 2200 on                  Rejected time
    null                                         NaN: not measured
    no time, or null                             the bridge's time, Quality.TIME_BY_BRIDGE
    a gateway's time                             Quality.TIME_BY_GATEWAY
    more than 5 min ahead of the bridge          kept, Quality.FUTURE
    outside the catalogue's range                kept, Quality.OUT_OF_RANGE

A payload is taken whole or rejected whole: a reading that comes with an unknown alarm waits in the dead letters. But
in a list of readings, those that have none of the mapped quantities are passed over if others have.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, Final

from connectors.decode.json_text import parse_json, said
from connectors.decode.mapping import EventFields, JsonMapping, Path, QuantityField, TimeBy, TimeFormat
from connectors.decode.readings import Address, Carries, Decoded, MeterEvent, Reading
from connectors.decode.trust import EPOCH, MILLISECOND, YEAR_2200_MS, checked_time, time_quality, value_quality
from schemas.errors import Reason, Rejected
from schemas.quality import Quality
from schemas.units import to_base

LONGEST_DETAIL = 200
LONGEST_ID = 255
MOST_READINGS = 5_000

DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
"""A number as text."""

_NAN = float("nan")


class _Absent:
    """Stands for a value that the document does not have; None is JSON's null."""


_ABSENT: Final = _Absent()

Told = tuple[Reading, Sequence[MeterEvent]]
"""A reading and the events that came with it."""

# Plain ints: an IntFlag's operators would cost more than all the rest of a row.
_TIME_BY_BRIDGE, _TIME_BY_GATEWAY = int(Quality.TIME_BY_BRIDGE), int(Quality.TIME_BY_GATEWAY)


def decode_json(payload: bytes, address: Address, received_at: int, mapping: JsonMapping) -> Decoded:
    """Read one payload that reached the bridge at `received_at` (ms UTC).

    Raises:
        Rejected: see the table at the top of this module.

    >>> from connectors.decode.mapping import load_mappings
    >>> address = Address("malmo/district_heat/H7/reading", "district_heat", "H7", Carries.READING)
    >>> payload = b'''{"time": "2026-11-24T08:00:00Z", "temperature": {"forward": 81.3, "return": 44.9},
    ...     "flow": 1.25, "volume": 812345, "power": {"instant": 52.1, "peak": 61}, "energy": 123.456}'''
    >>> decode_json(payload, address, 1_795_507_200_000, load_mappings()["district_heat"]).readings[0].values
    (81.3, 44.9, 1.25, 812.345, 52100.0, 61000.0, 123456000.0)

    """
    document = parse_json(payload)
    if address.carries is Carries.EVENT:
        return Decoded((), (_event(document, address, received_at, mapping),))
    if mapping.readings is None:
        told = _reading(document, document, address.meter, received_at, mapping)
        if told is None:
            raise _nothing(mapping)
        return Decoded((told[0],), tuple(told[1]))
    return _several(document, address, mapping.readings, received_at, mapping)


def _several(document: Any, address: Address, path: Path, received_at: int, mapping: JsonMapping) -> Decoded:
    """What a list of readings says."""
    entries = _entries(document, address, path)
    told = [_reading(entry, document, meter, received_at, mapping) for meter, entry in entries]
    measured = [one for one in told if one is not None]
    if told and not measured:
        raise _nothing(mapping)
    events = (event for _, alarms in measured for event in alarms)
    return Decoded(tuple(reading for reading, _ in measured), tuple(events))


def _nothing(mapping: JsonMapping) -> Rejected:
    return Rejected(Reason.FIELD, f"none of the quantities of {mapping.profile.name} is there")


def _entries(document: Any, address: Address, path: Path) -> Iterable[tuple[str, Any]]:
    """The readings of a payload, each with the id under which it stands, or the address's where it stands in a list."""
    entries = _find(document, path)
    if type(entries) is not list and type(entries) is not dict:
        raise Rejected(Reason.FIELD, f"{_pointer(path) or 'the payload'} is {_shown(entries)}, expected readings")
    if len(entries) > MOST_READINGS:
        raise Rejected(Reason.TOO_LARGE, f"{len(entries)} readings; at most {MOST_READINGS} are read")
    if type(entries) is dict:
        return ((_id(key, path), entry) for key, entry in entries.items())
    return ((address.meter, entry) for entry in entries)


def _reading(entry: Any, document: Any, meter: str, received_at: int, mapping: JsonMapping) -> Told | None:
    """One reading of the payload, and the events that came with it; None of what measures nothing for the profile."""
    meter = _meter(entry, document, meter, mapping.meter)
    values = _values(entry, mapping)
    if values is None:
        return None
    at, quality = _time(entry, document, received_at, mapping)
    sequence = _sequence(entry, document, mapping.sequence)
    alarms = _alarms(entry, meter, at, quality, mapping.events)
    return Reading(meter, at, sequence, quality | value_quality(mapping.ranges, values), values), alarms


def _meter(entry: Any, document: Any, meter: str, path: Path | None) -> str:
    """Whose reading or event it is: `meter`, unless the payload says it."""
    if type(entry) is not dict:
        raise Rejected(Reason.FIELD, f"expected an object, found {said(entry)}")
    return meter if path is None else _id(_find_out(entry, document, path), path)


def _id(written: Any, path: Path) -> str:
    meter = str(written) if type(written) is int else written
    if type(meter) is not str or not 0 < len(meter) <= LONGEST_ID:
        raise Rejected(Reason.FIELD, f"{_pointer(path)} is {_shown(written)}, expected the id of a meter")
    return meter


def _time(entry: Any, document: Any, received_at: int, mapping: JsonMapping) -> tuple[int, int]:
    """Event time and what it is worth."""
    field = mapping.time
    written = None if field is None else _find_out(entry, document, field.path)
    if field is None or written is None or written is _ABSENT:
        return received_at, _TIME_BY_BRIDGE
    if field.format is TimeFormat.ISO8601:
        at = _from_text(written, field.zone)
    else:
        is_text = mapping.text_numbers and type(written) is str
        number = _number(written, field.path, Reason.TIME) if is_text else written
        at = _from_number(number, field.format)
    checked_time(at, written)
    return at, time_quality(at, received_at) | (_TIME_BY_GATEWAY if field.by is TimeBy.GATEWAY else 0)


def _from_text(written: Any, zone: timezone | None) -> int:
    try:
        moment = datetime.fromisoformat(written)
        if zone is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return (moment - EPOCH) // MILLISECOND
    except (TypeError, ValueError, OverflowError):  # TypeError: not text, or without an offset from UTC
        raise Rejected(Reason.TIME, f"{said(written)} is not an ISO 8601 time with its offset from UTC") from None


def _from_number(written: Any, format_: TimeFormat) -> int:
    if type(written) is not int and type(written) is not float:
        raise Rejected(Reason.TIME, f"{said(written)} is not a number ({format_})")
    milliseconds = written * 1000 if format_ is TimeFormat.EPOCH_S else written
    return round(max(0, min(milliseconds, YEAR_2200_MS)))


def _sequence(entry: Any, document: Any, path: Path | None) -> int:
    written = None if path is None else _find_out(entry, document, path)
    if written is None or written is _ABSENT:
        return -1
    if type(written) is not int or not 0 <= written < 1 << 63:
        raise Rejected(Reason.VALUE, f"{_pointer(path)} is {said(written)}, expected a counter from 0")
    return written


def _values(document: dict[str, Any], mapping: JsonMapping) -> tuple[float, ...] | None:
    """The row in the profile's order; None where nothing of it is there."""
    values: list[float] = []
    absent = 0
    for field in mapping.quantities:
        if field is None:
            absent += 1
            values.append(_NAN)
            continue
        written = _find(document, field.path)
        kind = type(written)
        if kind is float or kind is int:
            values.append(_in_base_unit(document, written, field))
        elif kind is str and mapping.text_numbers:
            values.append(_in_base_unit(document, _number(written, field.path, Reason.VALUE), field))
        else:
            _check_absent(written, field)
            absent += written is _ABSENT
            values.append(_NAN)
    for place, field in mapping.sums:
        values[place] += _value(document, field, mapping)
    return None if absent == len(values) else tuple(values)


def _value(document: dict[str, Any], field: QuantityField, mapping: JsonMapping) -> float:
    written = _find(document, field.path)
    if type(written) is float or type(written) is int:
        return _in_base_unit(document, written, field)
    if type(written) is str and mapping.text_numbers:
        return _in_base_unit(document, _number(written, field.path, Reason.VALUE), field)
    _check_absent(written, field)
    return _NAN


def _check_absent(written: Any, field: QuantityField) -> None:
    """What is not a number must be null, or absent where it may be."""
    if written is None or (written is _ABSENT and not field.required):
        return
    if written is _ABSENT:
        raise Rejected(Reason.FIELD, f"{_pointer(field.path)} is absent")
    raise Rejected(Reason.VALUE, f"{_pointer(field.path)} is {said(written)}, expected a number or null")


def _number(written: str, path: Path, reason: Reason) -> float:
    if not DECIMAL.fullmatch(written):
        raise Rejected(reason, f"{_pointer(path)} is {said(written)}, expected a number as text")
    return float(written)


def _in_base_unit(document: dict[str, Any], written: float, field: QuantityField) -> float:
    unit: Any = field.unit
    if field.unit_path is not None:
        stated = _find(document, field.unit_path)
        if stated is not _ABSENT and stated is not None:
            unit = stated
    if unit == field.quantity.unit:
        return float(written)
    if type(unit) is not str:
        raise Rejected(Reason.UNIT, f"{field.quantity.name} is in {said(unit)}, expected text such as {field.unit!r}")
    return to_base(written, unit, field.quantity)


def _event(document: Any, address: Address, received_at: int, mapping: JsonMapping) -> MeterEvent:
    meter = _meter(document, document, address.meter, mapping.meter)
    at, quality = _time(document, document, received_at, mapping)
    fields = mapping.events
    if fields is None or fields.path is None:
        raise Rejected(Reason.UNKNOWN_EVENT, f"the mapping of {mapping.profile.name} knows no events")
    code = _find(document, fields.path)
    if code is _ABSENT or code is None:
        raise Rejected(Reason.FIELD, f"{_pointer(fields.path)} is absent")
    detail = None if fields.detail_path is None else _find(document, fields.detail_path)
    if detail is None or detail is _ABSENT:
        detail = ""
    elif type(detail) is not str or len(detail) > LONGEST_DETAIL:
        raise Rejected(
            Reason.VALUE, f"{_pointer(fields.detail_path)} is not text of at most {LONGEST_DETAIL} characters"
        )
    return MeterEvent(meter, at, quality, _kind(code, fields), detail)


def _alarms(
    document: dict[str, Any], meter: str, at: int, quality: int, fields: EventFields | None
) -> Sequence[MeterEvent]:
    """The events that came along with a reading: one of a kind, however often the list has it."""
    alarms = None if fields is None or fields.alarms_path is None else _find(document, fields.alarms_path)
    if fields is None or alarms is None or alarms is _ABSENT:
        return ()
    if type(alarms) is not list:
        raise Rejected(Reason.VALUE, f"{_pointer(fields.alarms_path)} is {said(alarms)}, expected a list of codes")
    return [MeterEvent(meter, at, quality, kind, "") for kind in dict.fromkeys(_kind(code, fields) for code in alarms)]


def _kind(code: Any, fields: EventFields) -> str:
    kind = fields.codes.get(str(code)) if type(code) is str or type(code) is int else None
    if kind is None:
        raise Rejected(Reason.UNKNOWN_EVENT, f"event code {said(code)} is not in the mapping")
    return kind


def _find(document: Any, path: Path) -> Any:
    """What stands at the path: None where null stands on the way, _ABSENT where there is nothing."""
    found = document
    for step in path:
        kind = type(found)
        if kind is dict:
            found = found.get(step, _ABSENT)
        elif kind is list and step.isdecimal():
            found = found[int(step)] if int(step) < len(found) else _ABSENT
        elif found is None or found is _ABSENT:
            return found
        else:
            raise Rejected(Reason.FIELD, f"{_pointer(path)} is absent: {said(found)} stands in its way")
    return found


def _find_out(entry: Any, document: Any, path: Path) -> Any:
    """What stands at the path in the reading or, where nothing does, in the payload around it."""
    found = _find(entry, path)
    if found is _ABSENT and entry is not document and type(document) is dict:
        return _find(document, path)
    return found


def _shown(found: Any) -> str:
    return "absent" if found is _ABSENT else said(found)


def _pointer(path: Path | None) -> str:
    return "".join(f"/{step}" for step in path or ())
