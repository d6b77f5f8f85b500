"""The quantities that can be measured, and the profiles: which meter reports which of them.

Data: `quantities.yaml` and `profiles.yaml` beside this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
    """

    name: str
    medium: str
    quantities: tuple[str, ...]
    interval_ms: int
    lateness_intervals: int
    idle_intervals: int
    description: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All quantities and profiles by name."""

    quantities: Mapping[str, Quantity]
    profiles: Mapping[str, Profile]
