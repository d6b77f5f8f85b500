"""Lists that do not say everything of themselves: `layouts.yaml` has their codes and scalers, by list identifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import yaml

from connectors.decode.dlms.cosem_units import UNITS
from connectors.decode.dlms.lists import Entry
from connectors.decode.dlms.text import text_of
from connectors.decode.obis import meaning, parsed

# List 1 of the Norwegian interface (NEK, HAN): nothing but the active power drawn, in W, as a double-long-unsigned.
# It carries no identifier; no other list is a structure of that one value.
_NORWEGIAN_LIST_1: Final = bytes.fromhex("0201 06")
_NORWEGIAN_LIST_1_LENGTH = 7
_ACTIVE_POWER_IMPORT: Final = bytes((1, 0, 1, 7, 0, 255))
_LIST_VERSION: Final = bytes((1, 0, 0, 2, 129, 255))
_UNIT_NUMBERS: Final = {name: number for number, name in reversed(UNITS.items())}

Scalers = Mapping[tuple[int, int], int]
"""C and D of a code to its scaler."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Other scalers, where the object `code` begins with a text."""

    code: bytes
    begins: str
    scalers: Scalers


@dataclass(frozen=True, slots=True)
class Layout:
    """One list: see the head of layouts.yaml."""

    scalers: Scalers
    variants: tuple[Variant, ...]
    orders: Mapping[int, tuple[bytes, ...]]


def completed(entries: Sequence[Entry], octets: bytes) -> Sequence[Entry]:
    """The entries of a body with the codes and scalers of its layout; as they are where no layout is known.

    >>> octets = bytes.fromhex("02 01 06 000016dc")
    >>> completed([Entry(b"", 5852, place="element 1")], octets)[0].scale
    (0, 27)
    """
    is_norwegian_list_1 = len(octets) == _NORWEGIAN_LIST_1_LENGTH and octets.startswith(_NORWEGIAN_LIST_1)
    if is_norwegian_list_1 and len(entries) == 1 and not entries[0].code:  # else an attribute is named beside it
        return [Entry(_ACTIVE_POWER_IMPORT, entries[0].value, (0, _UNIT_NUMBERS["W"]))]
    layout = load_layouts().get(_identifier(entries))
    if layout is None:
        return entries
    if not any(entry.code for entry in entries):
        order = layout.orders.get(len(entries))
        if order is None:
            return entries
        entries = [Entry(code, entry.value) for code, entry in zip(order, entries, strict=True)]
    scalers = _scalers(layout, entries)
    return [_completed(entry, scalers) for entry in entries]


@lru_cache(maxsize=1)
def load_layouts() -> Mapping[str, Layout]:
    """Every layout by list identifier.

    >>> sorted(load_layouts())
    ['KFM_001', 'Kamstrup_V0001']
    """
    text = (files("connectors.decode.dlms") / "layouts.yaml").read_text("utf-8")
    return MappingProxyType({name: _layout(entry) for name, entry in yaml.safe_load(text).items()})


def _layout(entry: Mapping[str, Any]) -> Layout:
    variants = tuple(
        Variant(_code(one["type"]), one["begins"], _read_scalers(one["scalers"])) for one in entry.get("variants", ())
    )
    orders = [tuple(map(_code, order)) for order in entry.get("orders", ())]
    return Layout(_read_scalers(entry["scalers"]), variants, {len(order): order for order in orders})


def _read_scalers(entry: Mapping[str, int]) -> Scalers:
    found = {}
    for name, scaler in entry.items():
        c, d = name.split(".")
        found[int(c), int(d)] = scaler
    return found


def _code(text: str) -> bytes:
    code = parsed(text)
    if code is None:
        raise ValueError(f"layouts.yaml: {text!r} is no OBIS code")
    return code


def _identifier(entries: Sequence[Entry]) -> str:
    """What the list calls itself: the object x-x:0.2.129, or a text without a code at the head of the list."""
    for entry in entries:
        if entry.code[2:5] == _LIST_VERSION[2:5]:
            return text_of(entry.value)
    first = entries[0] if entries else None
    return text_of(first.value) if first is not None and not first.code and isinstance(first.value, str | bytes) else ""


def _scalers(layout: Layout, entries: Sequence[Entry]) -> Scalers:
    for variant in layout.variants:
        for entry in entries:
            if entry.code == variant.code and text_of(entry.value).startswith(variant.begins):
                return {**layout.scalers, **variant.scalers}
    return layout.scalers


def _completed(entry: Entry, scalers: Scalers) -> Entry:
    code, value, scale, place, attribute = entry
    if not code:
        return Entry(_LIST_VERSION, value) if place == "element 1" else entry
    quantity = meaning(code).quantity
    if scale is not None or quantity is None:
        return entry
    return Entry(code, value, (scalers.get((code[2], code[3]), 0), _UNIT_NUMBERS[quantity.unit]), place, attribute)
