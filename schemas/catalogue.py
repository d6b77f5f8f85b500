"""The quantities that can be measured, and the profiles: which meter reports which of them.

Data: `quantities.yaml` and `profiles.yaml` beside this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

OBIS_MEDIA: Mapping[int, str] = MappingProxyType(
    {1: "electricity", 4: "heat", 5: "cooling", 6: "heat", 7: "gas", 8: "water", 9: "water"}
)
"""Group A of an OBIS code (IEC 62056-6-1) -> medium: heat cost allocators count as heat, hot water as water."""


class Kind(StrEnum):
    """How a quantity behaves over time."""

    GAUGE = "gauge"
    """A momentary value: averages, extremes and trapezoids make sense."""
    REGISTER = "register"
    """A cumulative count: only differences make sense."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A thing measured, in the unit its name ends with.

    `resolution` is the step in which the engine counts it in int64; `minimum` and `maximum` bound what is plausible.
    """

    name: str
    unit: str
    kind: Kind
    resolution: float
    minimum: float
    maximum: float
    obis: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of meter: its quantities in order, and its rhythm.

    `interval_ms` is the usual reporting interval (the register may say otherwise for one meter). Rows may come out of
    order by `lateness_intervals` reporting intervals; a meter is idle after `idle_intervals` of them without a row.
    `infeed`: it measures what a substation feeds in, not a customer.
    """

    name: str
    medium: str
    quantities: tuple[str, ...]
    interval_ms: int
    lateness_intervals: int
    idle_intervals: int
    infeed: bool
    description: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All quantities and profiles by name."""

    quantities: Mapping[str, Quantity]
    profiles: Mapping[str, Profile]


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """Read the two files that are part of this package; the same object at every call.

    >>> load_catalogue().quantities["voltage_l1_v"].obis
    '1-0:32.7.0'
    >>> load_catalogue().profiles["malmo_household"].interval_ms
    10000
    """
    return Catalogue(
        quantities=MappingProxyType({name: _quantity(name, entry) for name, entry in _read("quantities.yaml").items()}),
        profiles=MappingProxyType({name: _profile(name, entry) for name, entry in _read("profiles.yaml").items()}),
    )


def _read(name: str) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = yaml.safe_load((files("schemas") / name).read_text("utf-8"))
    return entries


def _quantity(name: str, entry: dict[str, Any]) -> Quantity:
    return Quantity(
        name=name,
        unit=entry["unit"],
        kind=Kind(entry["kind"]),
        resolution=float(entry["resolution"]),
        minimum=float(entry["minimum"]),
        maximum=float(entry["maximum"]),
        obis=entry.get("obis"),
        description=entry["description"],
    )


def _profile(name: str, entry: dict[str, Any]) -> Profile:
    return Profile(
        name=name,
        medium=entry["medium"],
        quantities=tuple(entry["quantities"]),
        interval_ms=round(1000 * entry["interval_s"]),
        lateness_intervals=entry.get("lateness_intervals", 6),
        idle_intervals=entry.get("idle_intervals", 12),
        infeed=entry.get("infeed", False),
        description=entry["description"],
    )
