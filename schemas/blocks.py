"""What bridges write: readings and events in blocks, beats, what could not be taken, and counters of telegrams.

What each field means stands in `schemas/records/*.avsc`; `schemas/record.py` says how they become Python types.
"""

from dataclasses import dataclass

from schemas.arrays import Float64s, Int32s, Int64s


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
class TelegramCounter:
    """The highest counter that telegrams have proven with a key, and which telegrams those up to it were."""

    holder: str
    key: str
    counter: int
    digests: bytes = b""
