"""The other way round of the JSON decoder: a payload that a device with this mapping would send."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.decode.mapping import JsonMapping, Path, QuantityField, TimeFormat
from schemas.units import to_base


def compose_reading(mapping: JsonMapping, values: Mapping[str, float], at: int, meter: str = "example") -> bytes:
    """A reading of `meter` at `at` (ms UTC) with values in the catalogue's units; what is not given is null.

    Raises:
        KeyError: a quantity that the mapping does not have.

    >>> from connectors.decode.mapping import load_mappings
    >>> compose_reading(load_mappings()["malmo_household"], {"active_energy_import_wh": 1500}, 1_795_507_200_000)[:98]
    b'{"time":"2026-11-24T08:00:00.000Z","energy":{"consumed":1.5,"produced":null},"power":{"L1":null,"L'
    """
    fields = {field.quantity.name: field for field in mapping.quantities if field is not None}
    stated = {name: _in_mapped_unit(value, fields[name]) for name, value in values.items()}
    entry: dict[str, Any] = {}
    if mapping.meter is not None:
        _put(entry, mapping.meter, meter)
    _put_time(entry, mapping, at)
    for name, field in fields.items():
        _put(entry, field.path, stated.get(name))
        if field.plus is not None:
            _put(entry, field.plus, 0)
    return orjson.dumps(_with_lists(entry if mapping.readings is None else _among_readings(entry, mapping, meter)))


def compose_event(mapping: JsonMapping, kind: str, detail: str, at: int, meter: str = "example") -> bytes:
    """An event of `meter` at `at` (ms UTC).

    Raises:
        KeyError: the mapping has no code for this kind.

    >>> from connectors.decode.mapping import load_mappings
    >>> compose_event(load_mappings()["malmo_household"], "last_gasp", "", 1_795_507_200_000)
    b'{"time":"2026-11-24T08:00:00.000Z","event":"last_gasp","detail":""}'
    """
    codes = {kind: code for code, kind in mapping.events.codes.items()} if mapping.events else {}
    document: dict[str, Any] = {}
    if mapping.meter is not None:
        _put(document, mapping.meter, meter)
    _put_time(document, mapping, at)
    code = codes[kind]
    if mapping.events and mapping.events.path:
        _put(document, mapping.events.path, code)
    if mapping.events and mapping.events.detail_path:
        _put(document, mapping.events.detail_path, detail)
    return orjson.dumps(_with_lists(document))


def _in_mapped_unit(value: float, field: QuantityField) -> float:
    zero = to_base(0.0, field.unit, field.quantity)
    return round((value - zero) / (to_base(1.0, field.unit, field.quantity) - zero), 9)


def _put_time(document: dict[str, Any], mapping: JsonMapping, at: int) -> None:
    if mapping.time is None:
        return
    iso = datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    written = {TimeFormat.ISO8601: iso, TimeFormat.EPOCH_S: at / 1_000, TimeFormat.EPOCH_MS: at}
    _put(document, mapping.time.path, written[mapping.time.format])


def _among_readings(entry: dict[str, Any], mapping: JsonMapping, meter: str) -> dict[str, Any]:
    """A payload of one reading: in a list, or under its meter's id where the reading does not hold that."""
    document: dict[str, Any] = {}
    _put(document, (*(mapping.readings or ()), "0" if mapping.meter else meter), entry)
    return document


def _put(document: dict[str, Any], path: Path, value: Any) -> None:
    *way, last = path
    for step in way:
        document = document.setdefault(step, {})
    document[last] = value


def _with_lists(node: Any) -> Any:
    """Objects whose keys count from 0 are lists."""
    if not isinstance(node, dict):
        return node
    children = {key: _with_lists(child) for key, child in node.items()}
    return list(children.values()) if list(children) == [str(i) for i in range(len(children))] else children
