"""What people say of meters, homes and the grid, by commands: which there are, how they hang together, what is wanted.

What each field means stands in `schemas/records/*.avsc`; `schemas/record.py` says how they become Python types.
"""

from dataclasses import dataclass

from schemas.arrays import Float64s, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class Device:
    """A meter as it is registered: what it is and where it hangs; None where that is unknown."""

    meter_id: str
    profile: str
    substation: str | None
    feeder: str | None
    phase: str | None
    building: str | None
    usage_point: str | None
    interval_ms: int
    transformer: str | None = None
    comm_parent: str | None = None
    nilm_consent_at: int | None = None
    time_zone: str | None = None
    ct_ratio: float = 1.0
    vt_ratio: float = 1.0
    valid_from: int | None = None
    valid_to: int | None = None
    key: str | None = None
    owner: str | None = None

    def is_valid_at(self, at: int) -> bool:
        """Whether it hangs there at that time, ms UTC: from `valid_from` on, up to `valid_to` and no longer."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True, eq=False)
class HomeRequestBlock:
    """What the people of homes want of nilm."""

    meters: list[str]
    row_meter: Int32s
    at: Int64s
    kind: list[str]
    number: Int64s
    power_w: Float64s
    appliance: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class GridBlock:
    """The grid under one substation, or a part of it."""

    substation: str
    at: int
    part: int
    parts: int
    node: list[str]
    parent: list[str]
    kind: list[str]
    phase: list[str]
    meter: list[str]
    usage_point: list[str]
    comm_parent: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class PlannedWorkBlock:
    """The calendar of one substation."""

    substation: str
    at: int
    node: list[str]
    start: Int64s
    end: Int64s
