"""JSON payloads, laid out as a mapping says, to readings and events.

What is bad and what is merely doubtful:

    empty, or only white space                   Rejected empty
    more than 1 MB                               Rejected too_large
    not UTF-8                                    Rejected encoding
    not JSON (RFC 8259: no NaN, no Infinity)     Rejected malformed
    a required field, or the event code, absent  Rejected field
    text, boolean or list where a number belongs Rejected value
    a stated unit that is not of the quantity    Rejected unit
    a code that the mapping does not know        Rejected unknown_event
    a time unreadable, without offset from UTC,
    before 2000 or from 2200 on                  Rejected time
    null                                         NaN: not measured
    no time, or null                             the bridge's time, Quality.TIME_BY_BRIDGE
    a gateway's time                             Quality.TIME_BY_GATEWAY
    more than 5 min ahead of the bridge          kept, Quality.FUTURE
    outside the catalogue's range                kept, Quality.OUT_OF_RANGE

A payload is taken whole or rejected whole: a reading that comes with an unknown alarm waits in the dead letters.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from connectors.decode.mapping import EventFields, JsonMapping, Path, QuantityField, TimeBy, TimeField, TimeFormat
from connectors.decode.readings import Address, Carries, Decoded, MeterEvent, Reading
from schemas.errors import Reason, Rejected
from schemas.quality import Quality
from schemas.units import to_base

LARGEST_PAYLOAD_BYTES = 1_000_000
LONGEST_DETAIL = 200
FUTURE_TOLERANCE_MS = 5 * 60_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_2000_MS = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_YEAR_2200_MS = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_NAN = float("nan")


class _Absent:
    """Stands for a value that the document does not have; None is JSON's null."""


_ABSENT: Final = _Absent()

# Plain ints: an IntFlag's operators would cost more than all the rest of a row.
_TIME_BY_BRIDGE, _TIME_BY_GATEWAY = int(Quality.TIME_BY_BRIDGE), int(Quality.TIME_BY_GATEWAY)
_FUTURE, _OUT_OF_RANGE = int(Quality.FUTURE), int(Quality.OUT_OF_RANGE)


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
    document = _parse(payload)
    at, quality = _time(document, received_at, mapping.time)
    if address.carries is Carries.EVENT:
        return Decoded((), (_event(document, address, at, quality, mapping),))
    sequence = _sequence(document, mapping.sequence)
    values, value_quality = _values(document, mapping)
    events = tuple(_alarms(document, address, at, quality, mapping.events))
    return Decoded((Reading(address.meter, at, sequence, quality | value_quality, values),), events)


def _parse(payload: bytes) -> dict[str, Any]:
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {LARGEST_PAYLOAD_BYTES} are read")
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _unreadable(payload, error) from None
    if type(document) is not dict:
        raise Rejected(Reason.FIELD, f"the payload is {_said(document)}, expected an object")
    return document


def _unreadable(payload: bytes, error: orjson.JSONDecodeError) -> Rejected:
    if not payload.strip():
        return Rejected(Reason.EMPTY, f"{len(payload)} bytes, none of them other than white space")
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as fault:
        return Rejected(Reason.ENCODING, f"not UTF-8: {fault.reason} at byte {fault.start}")
    return Rejected(Reason.MALFORMED, f"not JSON: {error}")


def _time(document: dict[str, Any], received_at: int, field: TimeField | None) -> tuple[int, int]:
    """Event time and what it is worth."""
    written = None if field is None else _find(document, field.path)
    if field is None or written is None or written is _ABSENT:
        return received_at, _TIME_BY_BRIDGE
    at = _from_text(written) if field.format is TimeFormat.ISO8601 else _from_number(written, field.format)
    if not _YEAR_2000_MS <= at < _YEAR_2200_MS:
        raise Rejected(Reason.TIME, f"{_said(written)} lies before 2000 or after 2199")
    quality = _TIME_BY_GATEWAY if field.by is TimeBy.GATEWAY else 0
    return at, quality | _FUTURE if at > received_at + FUTURE_TOLERANCE_MS else quality


def _from_text(written: Any) -> int:
    try:
        moment = datetime.fromisoformat(written)
        return (moment - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError, OverflowError):  # TypeError: not text, or without an offset from UTC
        raise Rejected(Reason.TIME, f"{_said(written)} is not an ISO 8601 time with its offset from UTC") from None


def _from_number(written: Any, format_: TimeFormat) -> int:
    if type(written) is not int and type(written) is not float:
        raise Rejected(Reason.TIME, f"{_said(written)} is not a number ({format_})")
    milliseconds = written * 1000 if format_ is TimeFormat.EPOCH_S else written
    return round(max(0, min(milliseconds, _YEAR_2200_MS)))


def _sequence(document: dict[str, Any], path: Path | None) -> int:
    written = None if path is None else _find(document, path)
    if written is None or written is _ABSENT:
        return -1
    if type(written) is not int or not 0 <= written < 1 << 63:
        raise Rejected(Reason.VALUE, f"{_pointer(path)} is {_said(written)}, expected a counter from 0")
    return written


def _values(document: dict[str, Any], mapping: JsonMapping) -> tuple[tuple[float, ...], int]:
    """The row in the profile's order, and Quality.OUT_OF_RANGE where a value is implausible."""
    values: list[float] = []
    quality = 0
    for field in mapping.quantities:
        if field is None:
            values.append(_NAN)
            continue
        written = _find(document, field.path)
        kind = type(written)
        if kind is float or kind is int:
            value = _in_base_unit(document, written, field)
            if not field.quantity.minimum <= value <= field.quantity.maximum:
                quality = _OUT_OF_RANGE
            values.append(value)
        elif written is None or (written is _ABSENT and not field.required):
            values.append(_NAN)
        elif written is _ABSENT:
            raise Rejected(Reason.FIELD, f"{_pointer(field.path)} is absent")
        else:
            raise Rejected(Reason.VALUE, f"{_pointer(field.path)} is {_said(written)}, expected a number or null")
    return tuple(values), quality


def _in_base_unit(document: dict[str, Any], written: float, field: QuantityField) -> float:
    unit: Any = field.unit
    if field.unit_path is not None:
        stated = _find(document, field.unit_path)
        if stated is not _ABSENT and stated is not None:
            unit = stated
    if unit == field.quantity.unit:
        return float(written)
    if type(unit) is not str:
        raise Rejected(Reason.UNIT, f"{field.quantity.name} is in {_said(unit)}, expected text such as {field.unit!r}")
    return to_base(written, unit, field.quantity)


def _event(document: dict[str, Any], address: Address, at: int, quality: int, mapping: JsonMapping) -> MeterEvent:
    fields = mapping.events
    if fields is None or fields.path is None:
        raise Rejected(Reason.UNKNOWN_EVENT, f"the mapping of {mapping.profile} knows no events")
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
    return MeterEvent(address.meter, at, quality, _kind(code, fields), detail)


def _alarms(
    document: dict[str, Any], address: Address, at: int, quality: int, fields: EventFields | None
) -> Iterator[MeterEvent]:
    """The events that came along with a reading."""
    alarms = None if fields is None or fields.alarms_path is None else _find(document, fields.alarms_path)
    if fields is None or alarms is None or alarms is _ABSENT:
        return
    if type(alarms) is not list:
        raise Rejected(Reason.VALUE, f"{_pointer(fields.alarms_path)} is {_said(alarms)}, expected a list of codes")
    for code in alarms:
        yield MeterEvent(address.meter, at, quality, _kind(code, fields), "")


def _kind(code: Any, fields: EventFields) -> str:
    kind = fields.codes.get(str(code)) if type(code) is str or type(code) is int else None
    if kind is None:
        raise Rejected(Reason.UNKNOWN_EVENT, f"event code {_said(code)} is not in the mapping")
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
            raise Rejected(Reason.FIELD, f"{_pointer(path)} is absent: {_said(found)} stands in its way")
    return found


def _pointer(path: Path | None) -> str:
    return "".join(f"/{step}" for step in path or ())


def _said(value: Any) -> str:
    """A JSON value in words short enough for a report."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:37]}..."
