"""Rows to blocks. Pure: no clock, no I/O; the caller says what time it is.

Readings wait for company: those of one partition and profile go out together when the oldest has waited `linger_ms`,
or when `MOST_ROWS` are there. Events never wait: the next call of `take_due` gives them.

Every row carries a token (whatever the caller must acknowledge for it); a block comes out with the tokens of its rows,
in their order. No row is lost or doubled, and the rows of one meter keep their order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from connectors.decode.readings import MeterEvent, Reading
from schemas.blocks import EventBlock, ReadingBlock
from schemas.register import Device

MOST_ROWS = 1_000

Token = TypeVar("Token")


@dataclass(frozen=True, slots=True)
class Packed(Generic[Token]):
    """A block that is ready for its partition, and what to acknowledge when it is there."""

    partition: int
    block: ReadingBlock | EventBlock
    tokens: list[Token]


@dataclass(slots=True)
class _Meters:
    """The distinct meters of a block, in the order in which they came."""

    index: dict[str, int] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)

    def row(self, device: Device) -> int:
        found = self.index.get(device.meter_id)
        if found is None:
            found = self.index[device.meter_id] = len(self.devices)
            self.devices.append(device)
        return found


@dataclass(slots=True)
class _OpenReadings(Generic[Token]):
    profile: str
    received_at: int
    meters: _Meters = field(default_factory=_Meters)
    row_meter: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    sequence: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)


@dataclass(slots=True)
class _OpenEvents(Generic[Token]):
    received_at: int
    meters: _Meters = field(default_factory=_Meters)
    events: list[MeterEvent] = field(default_factory=list)
    row_meter: list[int] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)


class Packer(Generic[Token]):
    """Open blocks of one bridge. `columns` gives the quantity names of each profile."""

    def __init__(self, source: str, linger_ms: int, columns: dict[str, list[str]]) -> None:
        self._source = source
        self._linger_ms = linger_ms
        self._columns = columns
        self._readings: dict[tuple[int, str], _OpenReadings[Token]] = {}
        self._events: dict[int, _OpenEvents[Token]] = {}
        self.full: list[Packed[Token]] = []
        """Blocks that wait for nothing, until one of the `take_` methods gives them."""
        self.rows = 0
        """Readings that wait in open blocks."""

    def add_reading(self, partition: int, device: Device, reading: Reading, received_at: int, token: Token) -> None:
        """Put one row into its block; `received_at` in ms."""
        key = (partition, device.profile)
        block = self._readings.get(key)
        if block is None:
            block = self._readings[key] = _OpenReadings(device.profile, received_at)
        block.row_meter.append(block.meters.row(device))
        block.at.append(reading.at)
        block.sequence.append(reading.sequence)
        block.quality.append(reading.quality)
        block.values.append(reading.values)
        block.tokens.append(token)
        self.rows += 1
        if len(block.at) >= MOST_ROWS:
            self.full.append(self._close_readings(key))

    def add_event(self, partition: int, device: Device, event: MeterEvent, received_at: int, token: Token) -> None:
        """Put one event into its block."""
        block = self._events.get(partition)
        if block is None:
            block = self._events[partition] = _OpenEvents(received_at)
        block.row_meter.append(block.meters.row(device))
        block.events.append(event)
        block.tokens.append(token)
        if len(block.events) >= MOST_ROWS:
            self.full.append(self._close_events(partition))

    def take_due(self, now: int) -> Iterator[Packed[Token]]:
        """The blocks to send at `now` (ms): the full ones, all events, and readings that have waited long enough."""
        yield from self.take_full()
        for partition in list(self._events):
            yield self._close_events(partition)
        for key, block in list(self._readings.items()):
            if not 0 <= now - block.received_at < self._linger_ms:  # below 0: the clock was set back
                yield self._close_readings(key)

    def take_all(self) -> Iterator[Packed[Token]]:
        """Every open block, however young: nothing is left inside."""
        yield from self.take_full()
        for partition in list(self._events):
            yield self._close_events(partition)
        for key in list(self._readings):
            yield self._close_readings(key)

    def take_full(self) -> list[Packed[Token]]:
        """The full blocks."""
        full, self.full = self.full, []
        return full

    def _close_readings(self, key: tuple[int, str]) -> Packed[Token]:
        rows = self._readings.pop(key)
        self.rows -= len(rows.at)
        devices = rows.meters.devices
        block = ReadingBlock(
            source=self._source,
            profile=rows.profile,
            received_at=rows.received_at,
            meters=list(rows.meters.index),
            feeders=[device.feeder for device in devices],
            substations=[device.substation for device in devices],
            intervals_ms=np.array([device.interval_ms for device in devices], np.int64),
            row_meter=np.array(rows.row_meter, np.int32),
            at=np.array(rows.at, np.int64),
            sequence=np.array(rows.sequence, np.int64),
            quality=np.array(rows.quality, np.int32),
            columns=self._columns[rows.profile],
            values=np.array(rows.values, np.float64).T.ravel(),
        )
        return Packed(key[0], block, rows.tokens)

    def _close_events(self, partition: int) -> Packed[Token]:
        rows = self._events.pop(partition)
        devices = rows.meters.devices
        block = EventBlock(
            source=self._source,
            received_at=rows.received_at,
            meters=list(rows.meters.index),
            feeders=[device.feeder for device in devices],
            substations=[device.substation for device in devices],
            row_meter=np.array(rows.row_meter, np.int32),
            at=np.array([event.at for event in rows.events], np.int64),
            quality=np.array([event.quality for event in rows.events], np.int32),
            kind=[event.kind for event in rows.events],
            detail=[event.detail for event in rows.events],
        )
        return Packed(partition, block, rows.tokens)
