"""What streams write: results of operators, what they tell the grid, what is to be computed again, and their own state.

What each field means stands in `schemas/records/*.avsc`; `schemas/record.py` says how they become Python types.
"""

from dataclasses import dataclass

from schemas.arrays import Float64s, Int32s, Int64s


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
class RecomputeRequestBlock:
    """Windows to be computed again from the raw readings."""

    meters: list[str]
    profiles: list[str]
    row_meter: Int32s
    start: Int64s
    end: Int64s


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
