"""A city for bench.outage_speed: its grid, its readings as blocks in real time, and who of it is dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.arrays import Int64s
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.partition import partition_of
from streams.outage.tree import Node

PROFILE, BRIDGE = "malmo_household", "bench"
INTERVAL_MS, SLICE_MS = 10_000, 500
SLICES = INTERVAL_MS // SLICE_MS
FEEDERS, PER_TRANSFORMER = 10, 50
"""Feeders a substation, meters a transformer."""

Sent = tuple[int, bytes]
"""Partition and bytes of a record."""


@dataclass
class City:
    """Meters in the order of their feeders; n meters."""

    substations: int
    per_feeder: int
    partitions: int
    dark: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = field(init=False)
    """Who does not report, shape (n,)."""

    def __post_init__(self) -> None:
        self.meters = [f"M{number:07d}" for number in range(self.substations * FEEDERS * self.per_feeder)]
        self.names = [f"S{number}" for number in range(self.substations)]
        self.partition = np.array([partition_of(meter, self.partitions) for meter in self.meters], np.int64)
        self.evidence = [partition_of(name, self.partitions) for name in self.names]
        self.dark = np.zeros(len(self.meters), np.bool_)
        self._columns = list(load_catalogue().profiles[PROFILE].quantities)

    def feeder(self, number: int) -> tuple[str, slice]:
        """The name of a feeder, counted over all substations, and its meters."""
        name = f"{self.names[number // FEEDERS]}-F{number % FEEDERS}"
        return name, slice(number * self.per_feeder, (number + 1) * self.per_feeder)

    def transformer(self, feeder: int, number: int) -> tuple[str, slice]:
        """The same of a transformer of a feeder."""
        name, meters = self.feeder(feeder)
        first = meters.start + number * PER_TRANSFORMER
        return f"{name}-T{number}", slice(first, min(first + PER_TRANSFORMER, meters.stop))

    @property
    def transformers(self) -> int:
        """How many each feeder has."""
        return -(-self.per_feeder // PER_TRANSFORMER)

    def nodes(self) -> Iterator[Node]:
        """Substation, feeder, transformer, meter."""
        for substation in self.names:
            yield Node(substation, "", "substation")
        for feeder in range(len(self.names) * FEEDERS):
            name, _ = self.feeder(feeder)
            yield Node(name, name.partition("-")[0], "feeder")
            for number in range(self.transformers):
                transformer, meters = self.transformer(feeder, number)
                yield Node(transformer, name, "transformer")
                yield from (Node(meter, transformer, "meter", "", meter, f"U{meter}") for meter in self.meters[meters])

    def readings(self, number: int, now_ms: int) -> Iterator[Sent]:
        """Who reports in the slice of that number: every so-many-th meter, a block a partition."""
        here = np.arange(number % SLICES, len(self.meters), SLICES)
        here = here[~self.dark[here]]
        for partition in range(self.partitions):
            some = here[self.partition[here] == partition]
            if len(some):
                yield partition, encode(self._block(some, now_ms))

    def _block(self, some: Int64s, now_ms: int) -> ReadingBlock:
        rows = len(some)
        values = np.full((len(self._columns), rows), 230.0)
        return ReadingBlock(
            source=BRIDGE,
            profile=PROFILE,
            received_at=now_ms,
            meters=[self.meters[i] for i in some.tolist()],
            feeders=[None] * rows,
            substations=[self.names[i // (FEEDERS * self.per_feeder)] for i in some.tolist()],
            intervals_ms=np.full(rows, INTERVAL_MS),
            row_meter=np.arange(rows, dtype=np.int32),
            at=np.full(rows, now_ms),
            sequence=np.full(rows, -1),
            quality=np.zeros(rows, np.int32),
            columns=self._columns,
            values=values.ravel(),
        )

    def events(self, some: Sequence[int], kind: str, now_ms: int) -> Iterator[Sent]:
        """What meters say of their supply, a block a substation."""
        place = np.array(some, np.int64) // (FEEDERS * self.per_feeder)
        for substation in np.unique(place).tolist():
            meters = [self.meters[i] for i, at in zip(some, place.tolist(), strict=True) if at == substation]
            rows = len(meters)
            block = EventBlock(
                source=BRIDGE,
                received_at=now_ms,
                meters=meters,
                feeders=[None] * rows,
                substations=[self.names[substation]] * rows,
                row_meter=np.arange(rows, dtype=np.int32),
                at=np.full(rows, now_ms),
                quality=np.zeros(rows, np.int32),
                kind=[kind] * rows,
                detail=[""] * rows,
            )
            yield self.evidence[substation], encode(block)

    def beats(self, now_ms: int) -> Iterator[Sent]:
        """A beat into each partition."""
        value = encode(Beat(BRIDGE, now_ms))
        yield from ((partition, value) for partition in range(self.partitions))
