"""The records of `schemas/records/*.avsc` as Python types, field for field (a test holds the two equal).

An Avro array of numbers is a numpy array here: int -> int32, long -> int64, double -> float64.
An Avro array of strings is a list of str. What each field means stands in the .avsc.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReadingBlock:
    """Readings of one profile, column by column."""

    source: str
    profile: str
    received_at: int
    meters: list[str]
    feeders: list[str | None]
    substations: list[str | None]
    intervals_ms: Int64s
    row_meter: Int32s
    at: Int64s
    sequence: Int64s
    quality: Int32s
    columns: list[str]
    values: Float64s

    def rows_by_column(self) -> Float64s:
        """The values as a view of shape (columns, rows)."""
        return self.values.reshape(len(self.columns), len(self.row_meter))


@dataclass(frozen=True, slots=True, eq=False)
class EventBlock:
    """Events that meters report about themselves."""

    source: str
    received_at: int
    meters: list[str]
    feeders: list[str | None]
    substations: list[str | None]
    row_meter: Int32s
    at: Int64s
    quality: Int32s
    kind: list[str]
    detail: list[str]


@dataclass(frozen=True, slots=True)
class Beat:
    """A tick of a source into one partition."""

    source: str
    at: int


@dataclass(frozen=True, slots=True)
class TelegramCounter:
    """The highest counter that telegrams have proven with a key, and which telegrams those up to it were."""

    holder: str
    key: str
    counter: int
    digests: bytes = b""


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
class AggregateBlock:
    """Results of rolling_load."""

    operator_version: int
    meters: list[str]
    quantities: list[str]
    windows: list[str]
    row_meter: Int32s
    row_quantity: Int32s
    row_window: Int32s
    start: Int64s
    end: Int64s
    revision: Int32s
    count: Int64s
    mean: Float64s
    min: Float64s
    max: Float64s
    energy_trapezoid_wh: Float64s
    register_difference: Float64s
    covered_ms: Int64s
    quality: Int32s


@dataclass(frozen=True, slots=True, eq=False)
class PresenceBlock:
    """Results of presence."""

    operator_version: int
    meters: list[str]
    feeders: list[str | None]
    row_meter: Int32s
    number: Int64s
    state: list[str]
    since: Int64s
    last_at: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class PartialLoadBlock:
    """What the meters of one partition draw together, by feeder and quarter of an hour."""

    operator_version: int
    partition: int
    substation: str
    feeder: list[str | None]
    start: Int64s
    counted: Int64s
    energy_steps: Int64s
    covered_ms: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class LoadBlock:
    """Results of substation_balance."""

    operator_version: int
    substation: str
    feeder: list[str | None]
    start: Int64s
    revision: Int32s
    counted: Int64s
    energy_wh: Float64s
    covered_ms: Int64s
    infeed_wh: Float64s


@dataclass(frozen=True, slots=True, eq=False)
class ApplianceEventBlock:
    """Results of nilm: what ran in a home and when."""

    operator_version: int
    meters: list[str]
    row_meter: Int32s
    number: Int64s
    revision: Int32s
    state: list[str]
    appliance: list[str]
    decided_at: Int64s
    start: Int64s
    end: Int64s
    power_w: Float64s
    energy_wh: Float64s
    confidence: Float64s


@dataclass(frozen=True, slots=True, eq=False)
class ApplianceEnergyBlock:
    """Results of nilm: energy of each appliance of a home."""

    operator_version: int
    meters: list[str]
    appliances: list[str]
    windows: list[str]
    row_meter: Int32s
    row_appliance: Int32s
    row_window: Int32s
    start: Int64s
    end: Int64s
    revision: Int32s
    energy_wh: Float64s
    covered_ms: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class HeardBlock:
    """Results of heard: which meters readings came of, for the grid."""

    source: str
    meters: list[str]
    substations: list[str | None]
    row_meter: Int32s
    at: Int64s
    received_at: Int64s
    voltage_v: Float64s
    active_power_w: Float64s


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


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityBlock:
    """Results of outage: what reliability indices are made of, per feeder and day."""

    operator_version: int
    substation: str
    feeder: list[str | None]
    start: Int64s
    revision: Int32s
    customers: Int64s
    sustained_interruptions: Int64s
    sustained_ms: Int64s
    momentary_events: Int64s
    interrupted_ms: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyScoreBlock:
    """Results of anomaly: how unusual a meter's load was."""

    operator_version: int
    unit: str
    meters: list[str]
    row_meter: Int32s
    start: Int64s
    end: Int64s
    load: Float64s
    expected: Float64s
    low: Float64s
    high: Float64s
    rarity_decades: Float64s
    state: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class HourlyLoadBlock:
    """Mean loads of meters of one substation by the hour."""

    operator_version: int
    substation: str
    profile: str
    meters: list[str]
    feeders: list[str | None]
    row_meter: Int32s
    start: Int64s
    load: Float64s


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


@dataclass(frozen=True, slots=True)
class Account:
    """What became of every row of one input partition."""

    stream: str
    partition: int
    next_offset: int
    at: int
    meters: int
    received: int
    duplicates: int
    conflicts: int
    late: int
    future: int
    pending: int
    released: int


@dataclass(frozen=True, slots=True, eq=False)
class RecomputeRequestBlock:
    """Windows to be computed again from the raw readings."""

    meters: list[str]
    profiles: list[str]
    row_meter: Int32s
    start: Int64s
    end: Int64s


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A payload that could not be taken."""

    source: str
    address: str
    received_at: int
    reason: str
    detail: str
    payload: bytes
    payload_length: int
    payload_sha256: str
    identity: str = ""
    decoder: str = ""


@dataclass(frozen=True, slots=True)
class StateChunk:
    """A piece of a shard's saved state."""

    nonce: str
    slot: int
    index: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class StateCommit:
    """Makes the chunks of a slot valid."""

    nonce: str
    slot: int
    next_offset: int
    chunks: int
    checksum: str


@dataclass(frozen=True, slots=True)
class AlertMark:
    """What a person says about alerts."""

    id: str
    mark: str
    alert: str
    kind: str
    subject: str
    area: str
    severity: str
    at: int
    until: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """What a router did with one version of an alert."""

    router: str
    alert: str
    number: int
    outcome: str
    told: bool
    at: int


Record = (
    ReadingBlock
    | EventBlock
    | Beat
    | TelegramCounter
    | AggregateBlock
    | PresenceBlock
    | Account
    | RecomputeRequestBlock
    | DeadLetter
    | StateChunk
    | StateCommit
    | PartialLoadBlock
    | LoadBlock
    | ApplianceEventBlock
    | ApplianceEnergyBlock
    | HeardBlock
    | GridBlock
    | PlannedWorkBlock
    | ReliabilityBlock
    | AnomalyScoreBlock
    | HourlyLoadBlock
    | AlertMark
    | AlertDelivery
    | HomeRequestBlock
    | Device
)
"""Every record that travels as Avro, in the order of the ids file."""
