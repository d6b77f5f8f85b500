"""A SenML pack (RFC 8428), JSON or CBOR, to its records, resolved. senml.py has the table of what is rejected."""

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple

import cbor2

from connectors.decode.json_text import parse_json
from connectors.decode.trust import YEAR_2200_MS, check_size, checked_time
from schemas.errors import Reason, Rejected

MOST_RECORDS = 5_000

_RELATIVE_BELOW_S = 1 << 28  # clause 4.5.3
_VERSIONS = frozenset({*range(1, 11), 26})
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
_VALUES = frozenset({"v", "vs", "vb", "vd"})
_CBOR_LABELS: Mapping[int, str] = dict(enumerate(("n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"))) | dict(
    enumerate(("bs", "bv", "bu", "bt", "bn", "bver"), -6)
)


class Record(NamedTuple):
    """A record with its base fields resolved (clause 4.6)."""

    base: str
    name: str
    """Together with `base` the resolved name; `base` is what the sender wrote as base name."""
    unit: str
    """Empty where none is stated."""
    at: int | None
    """ms UTC; None where the time is relative to now."""
    relative_ms: int | None
    value: float | str | bool | bytes | None
    sum: float | None


def resolve(documents: list[Any]) -> Iterator[Record]:
    """Records with names, units, times, values and sums in full; those that only set base fields are left out.

    Raises:
        Rejected: field, value, unsupported or time.

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


def parse_pack(payload: bytes) -> list[Any]:
    """The records of a pack as they are written, with the labels of JSON.

    Raises:
        Rejected: too_large, empty, encoding, malformed, unsupported or field; value for data that CBOR writes as text.

    """
    check_size(payload)
    if payload.lstrip()[:1] == b"<":
        raise Rejected(Reason.UNSUPPORTED, "XML, where JSON or CBOR is expected")
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
        if types is _NUMBER and (type(value) is not float or value - value):  # NaN, too, for infinity and NaN
            value = finite(label, value)
        if label == "bver":
            _check_version(value, base)
        (base if label[0] == "b" else fields)[label] = value
    return fields


def finite(label: str, value: Any) -> float:
    """The number as a double; raises Rejected, `Reason.VALUE`, for infinity and NaN."""
    number = float(value)
    if not math.isfinite(number):
        raise Rejected(Reason.VALUE, f"{label} is {number}")
    return number


def _check_version(version: int, base: Mapping[str, Any]) -> None:
    if version not in _VERSIONS:
        raise Rejected(Reason.UNSUPPORTED, f"bver is {version}, a version with features that are not known here")
    if base.get("bver", version) != version:
        raise Rejected(Reason.VALUE, f"bver is {version}, and {base['bver']} in the records before")


def _value(fields: Mapping[str, Any], base: Mapping[str, Any]) -> float | str | bool | bytes | None:
    values = [label for label in fields if label in _VALUES]
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
    return finite("the value with its base", round(value + base, 9))


def _time(seconds: float) -> tuple[int | None, int | None]:
    """Time in ms UTC, or relative to now."""
    if seconds < _RELATIVE_BELOW_S:
        if seconds <= -_RELATIVE_BELOW_S:
            raise Rejected(Reason.TIME, f"{seconds:g} s before now is more than eight years ago")
        return None, round(seconds * 1000)
    return checked_time(round(min(seconds * 1000, YEAR_2200_MS)), f"{seconds:.16g}"), None
