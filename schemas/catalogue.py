"""The quantities that can be measured, and the profiles: which meter reports which of them.

Data: `quantities.yaml` and `profiles.yaml` beside this file, and the profiles that sources of the user's own bring:
files of the folder that the environment variable FLEXMETER_SOURCES names, each with a section

profile:
  medium: electricity            or heat, cooling, gas, water
  interval_s: 60                 the usual reporting interval
  description: Meters of garages
  infeed: false                  these four as in profiles.yaml; the last three may be left out
  lateness_intervals: 6
  idle_intervals: 12

The file is named after its profile, whose quantities are those of its section `quantities`, in that order. All else in
it is the mapping (connectors.decode.mapping).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from schemas.faults import Fault, Faults, choose_one_of, of_file
from schemas.topology_reader import Document, Finding, Section

SOURCES = "FLEXMETER_SOURCES"

OBIS_MEDIA: Mapping[int, str] = MappingProxyType(
    {1: "electricity", 4: "heat", 5: "cooling", 6: "heat", 7: "gas", 8: "water", 9: "water"}
)
"""Group A of an OBIS code (IEC 62056-6-1) -> medium: heat cost allocators count as heat, hot water as water."""

MEDIA = tuple(dict.fromkeys(OBIS_MEDIA.values()))
"""What is metered."""


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
    """Read the two files that are part of this package, and those of the user's own; the same object at every call.

    Raises:
        Faults: everything that is wrong with profiles of the user's own.

    >>> load_catalogue().quantities["voltage_l1_v"].obis
    '1-0:32.7.0'
    >>> load_catalogue().profiles["malmo_household"].interval_ms
    10000
    """
    return Catalogue(quantities(), MappingProxyType({**built_in_profiles(), **_own_profiles()}))


@lru_cache(maxsize=1)
def quantities() -> Mapping[str, Quantity]:
    """The quantities alone."""
    return MappingProxyType({name: _quantity(name, entry) for name, entry in _read("quantities.yaml").items()})


@lru_cache(maxsize=1)
def built_in_profiles() -> Mapping[str, Profile]:
    """The profiles that are part of this package."""
    return MappingProxyType({name: _profile(name, entry) for name, entry in _read("profiles.yaml").items()})


def source_files() -> list[Path]:
    """The files of the user's own sources, by name; raises Faults where their folder is not there."""
    folder = os.environ.get(SOURCES)
    if not folder:
        return []
    if not Path(folder).is_dir():
        raise Faults(SOURCES, [Fault(0, f"{folder!r} is no folder", "name the folder of your sources, or unset it")])
    return sorted(Path(folder).glob("*.yaml"))


def own_profile(document: Document, name: str, root: Section) -> Profile | None:
    """The profile that the file of a source brings; None where it brings none."""
    if "profile" not in root.names():
        return None
    names = tuple(root.names_in("quantities"))
    for quantity in names:
        if quantity not in quantities():
            remedy = choose_one_of(quantity, quantities())
            document.findings.append(Finding(("quantities", quantity), "no quantity of the catalogue", remedy))
    if name in built_in_profiles():
        remedy = "name the file otherwise, or leave the section out to map to that profile"
        document.findings.append(Finding(("profile",), f"there is a profile {name!r} already", remedy))
    return root.one("profile", partial(_written_profile, document, name, names))


def _own_profiles() -> dict[str, Profile]:
    profiles: dict[str, Profile] = {}
    faults: list[Fault] = []
    for file in source_files():
        document = Document(file.name, {})

        def profile(root: Section, file: Path = file, document: Document = document) -> Profile | None:
            root.leave_the_rest()
            return own_profile(document, file.stem, root)

        try:
            found = document.read(file.read_text("utf-8"), profile)
            document.raise_faults()
        except Faults as told:
            faults += of_file(file.name, told)
            continue
        if found is not None:
            profiles[file.stem] = found
    if faults:
        raise Faults(SOURCES, faults)
    return profiles


def _written_profile(document: Document, name: str, names: tuple[str, ...], section: Section) -> Profile:
    medium = section.text("medium", remedy=f"write one of: {', '.join(MEDIA)}")
    if medium and medium not in MEDIA:
        document.findings.append(Finding(("profile", "medium"), f"{medium!r} is none", choose_one_of(medium, MEDIA)))
    return Profile(
        name=name,
        medium=medium,
        quantities=names,
        interval_ms=1000 * section.number("interval_s"),
        lateness_intervals=section.number("lateness_intervals", 6),
        idle_intervals=section.number("idle_intervals", 12),
        infeed=section.flag("infeed", False),
        description=section.text("description", default=name),
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
