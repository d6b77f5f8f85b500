"""What the body of a notification is about: entries of (OBIS code, value, scaler and unit), and rows of profiles.

The standard leaves the body to the push object's list, which receivers are to know. These shapes say enough of
themselves, and may be mixed:

    code, value [, scaler-unit], code, ...       a flat list (Kaifa, Kamstrup; Austria's customer interface)
    (code, value [, scaler-unit]), ...           one structure an object (Aidon), or all attributes of registers
    [attributes], value, value, ...              the push object's own list first: values in its order
    [attributes], [scaler-units], [rows]         capture objects and buffer of a profile; scaler-units may be left out
    (one of these), (one of these), ...          several meters, each with an object that says which it is

What has no code keeps its place: "element 3". Nothing is guessed from an order, unless layouts.py knows the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.decode.dlms.apdu import Attribute
from connectors.decode.dlms.axdr import Data, Enum
from connectors.decode.dlms.roles import role
from schemas.errors import Reason, Rejected

CODE_LENGTH = 6
Scale = tuple[int, int]
"""Scaler and unit."""

_HIGHEST_MEDIUM = 15
_PROFILE_CLASS, _PUSH_CLASS = 7, 40
_BUFFER, _CAPTURE_OBJECTS, _CAPTURE_PERIOD = 2, 3, 4


class Entry(NamedTuple):
    """One object's value. Without `code`, `place` says where in the list it stood."""

    code: bytes
    value: Data
    scale: Scale | None = None
    place: str = ""
    attribute: int = 2


@dataclass(slots=True)
class Buffer:
    """Rows of a profile, each with a value for each of its columns."""

    columns: list[Attribute]
    rows: Sequence[Sequence[Data]]
    period_s: int = 0


@dataclass(slots=True)
class Listed:
    """All that a body says. `scales` are those that stand apart from their values."""

    entries: list[Entry] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    scales: dict[bytes, Scale] = field(default_factory=dict)


def meters_of(body: Data) -> Sequence[Data]:
    """The bodies of several meters, where each part of a body says by an object which meter it is of; else itself."""
    if isinstance(body, (tuple, list)) and len(body) > 1 and all(map(_names_a_meter, body)):
        return body
    return (body,)


def _names_a_meter(part: Data) -> bool:
    if not isinstance(part, (tuple, list)) or not part or is_code(part[0]):
        return False
    return any(isinstance(one, tuple) and one and is_code(one[0]) and role(one[0]).identity_rank for one in part)


def listed(body: Data) -> Listed:
    """Read a body of one meter.

    Raises:
        Rejected: field, for a profile's buffer whose columns nobody names or that has rows of another length.

    """
    found = Listed()
    if not isinstance(body, (tuple, list)):
        found.entries.append(Entry(b"", body, place="element 1"))
    elif isinstance(body, tuple) and len(body) > 2 and is_code(body[0]) and _attributes(body[2]):
        _take_object(found, body)
    elif attributes := _push_list(body):
        _take_values(found, attributes, body[len(body) - len(attributes) :])
    else:
        _take_items(found, body)
    return found


def attributed(attribute: Attribute, value: Data) -> Listed:
    """The value of one attribute that is named beside it."""
    found = Listed()
    _take_values(found, [attribute], [value])
    return found


def is_code(value: Data) -> bool:
    """Whether it is six bytes that can be an OBIS code: its first group has at most four bits."""
    return type(value) is bytes and len(value) == CODE_LENGTH and value[0] <= _HIGHEST_MEDIUM


def _scale(value: Data) -> Scale | None:
    """The scaler and unit that a structure of two is."""
    if type(value) is tuple and len(value) == 2 and type(value[1]) is Enum and type(value[0]) is int:
        return value if -128 <= value[0] < 128 else None
    return None


def _attributes(value: Data) -> list[Attribute]:
    """The attributes that a list defines: class, code, attribute, element [, more of later versions]; else none."""
    if not isinstance(value, (tuple, list)) or not value:
        return []
    found = []
    for one in value:
        if not isinstance(one, tuple) or len(one) < 4 or not is_code(one[1]):
            return []
        if not all(type(number) is int for number in (one[0], one[2], one[3])):
            return []
        found.append(Attribute(one[0], one[1], one[2], one[3]))
    return found


def _push_list(body: Sequence[Data]) -> list[Attribute]:
    """The attributes of all values in the body, where its first element defines as many as there are values.

    The definition of the push object's own list counts, if it is among them.
    """
    attributes = _attributes(body[0]) if body else []
    if not attributes:
        return []
    if len(attributes) == len(body) and attributes[0].interface_class == _PUSH_CLASS:
        return attributes
    return attributes if len(attributes) == len(body) - 1 and not _is_profile(body) else []


def _is_profile(body: Sequence[Data]) -> bool:
    """Capture objects and a buffer: two elements, the second a list of rows of as many values as there are objects."""
    rows = body[-1]
    width = len(body[0])
    return isinstance(rows, list) and all(isinstance(row, tuple) and len(row) == width for row in rows)


def _take_values(found: Listed, attributes: Sequence[Attribute], values: Sequence[Data]) -> None:
    columns: dict[bytes, list[Attribute]] = {}
    rows: dict[bytes, Sequence[Data]] = {}
    periods_s: dict[bytes, int] = {}
    for attribute, value in zip(attributes, values, strict=True):
        kind, code, number = attribute.interface_class, attribute.code, attribute.number
        if kind == _PUSH_CLASS:
            continue
        if kind == _PROFILE_CLASS and number == _CAPTURE_OBJECTS:
            columns[code] = _attributes(value)
        elif kind == _PROFILE_CLASS and number == _BUFFER:
            rows[code] = value if isinstance(value, list) else [value]
        elif kind == _PROFILE_CLASS and number == _CAPTURE_PERIOD and type(value) is int:
            periods_s[code] = value
        elif number == 0 and isinstance(value, (tuple, list)):
            _take_items(found, [value])
        else:
            _take_value(found, attribute, value)
    for code in rows:
        _take_buffer(found, columns.get(code, []), rows[code], periods_s.get(code, 0))


def _take_value(found: Listed, attribute: Attribute, value: Data) -> None:
    """A value of one attribute: 1 is the logical name, 2 the value; registers have their scaler-unit after it."""
    scale = _scale(value)
    if scale is not None and attribute.number >= 3:
        found.scales[attribute.code] = scale
    elif attribute.number != 1:
        found.entries.append(Entry(attribute.code, value, attribute=attribute.number))


def _take_items(found: Listed, items: Sequence[Data]) -> None:
    """Walk a list of mixed shapes from its start."""
    columns: list[Attribute] = []
    scales: list[Scale] = []
    at = 0
    while at < len(items):
        item = items[at]
        at += 1
        if type(item) is tuple and len(item) > 1 and is_code(item[0]):
            _take_object(found, item)
        elif is_code(item) and at < len(items):
            at = _take_flat(found, item, items, at)
        elif not isinstance(item, (tuple, list)):
            if item is not None or len(items) > 1:
                found.entries.append(Entry(b"", item, place=f"element {at}"))
        elif defined := _attributes(item):
            columns, scales = defined, []
        elif columns and (scales_here := _scales(item, len(columns))):
            scales = scales_here
        elif columns and isinstance(item, list):
            found.scales.update(zip((column.code for column in columns), scales, strict=False))
            _take_buffer(found, columns, item)
            columns = []
        elif len(items) == 1 or _has_codes(item):
            _take_items(found, item)
        else:
            _take_unnamed(found, item, f"element {at}")


def _take_flat(found: Listed, code: bytes, items: Sequence[Data], at: int) -> int:
    """The value after a code, and its scaler-unit if that follows; where the next one begins."""
    scale = _scale(items[at + 1]) if at + 1 < len(items) else None
    found.entries.append(Entry(code, items[at], scale))
    at += 1 if scale is None else 2
    while at < len(items) and items[at] is None:  # Kamstrup pads its single-phase lists
        at += 1
    return at


def _take_object(found: Listed, item: tuple[Data, ...]) -> None:
    """A structure that begins with a code: value and scaler-unit, or the attributes of a profile."""
    if len(item) >= 3 and type(item[1]) is list and (columns := _attributes(item[2])):
        period_s = item[3] if len(item) > 3 and type(item[3]) is int else 0
        _take_buffer(found, columns, item[1], period_s)
        return
    scale = _scale(item[2]) if len(item) > 2 else None
    found.entries.append(Entry(item[0], item[1], scale))
    first = 3 if scale is None else 4
    if len(item) >= first:
        found.entries += [
            Entry(item[0], value, None, "", number) for number, value in enumerate(item[first - 1 :], first)
        ]


def _take_buffer(found: Listed, columns: list[Attribute], rows: Sequence[Data], period_s: int = 0) -> None:
    if not columns:
        raise Rejected(Reason.FIELD, "the buffer of a profile comes without its capture objects")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, (tuple, list)) or len(row) != len(columns):
            raise Rejected(Reason.FIELD, f"row {number} of a profile does not have its {len(columns)} columns")
    found.buffers.append(Buffer(columns, rows, period_s))


def _take_unnamed(found: Listed, value: Data, place: str) -> None:
    """A value without a code; what is within is told apart by its place."""
    if isinstance(value, (tuple, list)):
        for number, inner in enumerate(value, 1):
            _take_unnamed(found, inner, f"{place}.{number}")
    else:
        found.entries.append(Entry(b"", value, place=place))


def _scales(value: Data, count: int) -> list[Scale]:
    """A scaler-unit for each column; else none."""
    if not isinstance(value, (tuple, list)) or len(value) != count:
        return []
    found = [scale for scale in map(_scale, value) if scale is not None]
    return found if len(found) == count else []


def _has_codes(items: Sequence[Data]) -> bool:
    return any(is_code(one) or (isinstance(one, tuple) and one and is_code(one[0])) for one in items)
