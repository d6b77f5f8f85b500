"""The readings that every contestant of bench.engine gets: E350 meters of one city, each every 10 s.

Meters report one after the other, evenly over the 10 s, as a city's do. The same readings are written in two forms,
each meter's to the same partition: as the blocks that a bridge packs, with its beats; and as one Avro record a reading,
for those who work on records. Both are in Confluent's wire format, and made by numpy, so that tens of millions are
written in minutes. Event time runs as if live, without repeats or late rows.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s, Int64s
from schemas.blocks import Beat, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.varint import write_long
from schemas.versions import current

PROFILE = "malmo_household"
QUANTITIES = load_catalogue().profiles[PROFILE].quantities
BEGIN_MS = 1_795_507_200_000
STEP_MS = 10_000
BEAT_MS = 1_000
SOURCE = "mqtt_malmo"
SEED = 350
FEEDERS, SUBSTATIONS = 960, 80

READING_ID, MEAN_ID = 1_001, 1_002
"""Schema ids of the two records that only this bench knows. Their times are plain longs: a logical type would make the
peers build a datetime of each."""
READING_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Reading",
    "namespace": "bench",
    "fields": [
        {"name": "meter", "type": "string"},
        {"name": "at", "type": "long"},
        *({"name": name, "type": "double"} for name in QUANTITIES),
    ],
}
MEAN_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "MinuteMean",
    "namespace": "bench",
    "fields": [
        {"name": "meter", "type": "string"},
        {"name": "start", "type": "long"},
        *({"name": name, "type": "double"} for name in QUANTITIES),
    ],
}


def write_schemas(folder: Path) -> None:
    """The schemas as files, for programs that are not ours."""
    folder.mkdir(parents=True, exist_ok=True)
    block = current()["ReadingBlock"]
    for schema in (READING_SCHEMA, MEAN_SCHEMA, block.schema()):
        (folder / f"{schema['name']}.avsc").write_text(json.dumps(schema))
    (folder / "ids.json").write_text(json.dumps({"ReadingBlock": block.id}))


@dataclass(frozen=True, slots=True)
class City:
    """n meters in the order in which they report, and the partition of each."""

    ids: list[str]
    partitions: int
    partition: Int64s
    phase_ms: Int64s
    members: list[Int64s] = field(init=False)
    """For each partition: positions of its meters."""

    def __post_init__(self) -> None:
        members = [np.flatnonzero(self.partition == number) for number in range(self.partitions)]
        object.__setattr__(self, "members", members)

    @classmethod
    def of(cls, meters: int, partitions: int) -> "City":
        """A city of that many meters; ids have ten characters, as the E350's serial numbers."""
        ids = [f"LGZ{1_030_000 + number:07d}" for number in range(meters)]
        partition = np.array([partition_of(meter, partitions) for meter in ids], np.int64)
        return cls(ids, partitions, partition, np.arange(meters, dtype=np.int64) * STEP_MS // meters)


@dataclass(frozen=True, slots=True)
class Step:
    """One reading of each of n meters: event times, shape (n,), and values, shape (n, q)."""

    number: int
    at: Int64s
    values: Float64s


def steps(city: City) -> Iterator[Step]:
    """Step after step without end, the same at each call: loads of homes, registers that follow them, voltages."""
    random = np.random.default_rng(SEED)
    n = len(city.ids)
    imported, exported = random.integers(1_000_000, 9_000_000, n).astype(np.float64), np.zeros(n)
    base_w = random.gamma(2.0, 80.0, (n, 3))
    number = 0
    while True:
        power_w = np.round(base_w * random.uniform(0.5, 1.5, (n, 3)), 1)
        imported += power_w.sum(axis=1) * (STEP_MS / 3_600_000)
        volts = np.round(random.normal(230.0, 1.5, (n, 3)), 1)
        values = np.column_stack((np.floor(imported), exported, power_w, volts))
        yield Step(number, BEGIN_MS + number * STEP_MS + city.phase_ms, values)
        number += 1


def block_log(city: City, step: Step, partition: int, rows: int) -> Iterator[bytes]:
    """What one partition gets in one step: blocks of at most `rows` consecutive readings, and a beat a second."""
    members = city.members[partition]
    at = step.at[members]
    due = BEGIN_MS + step.number * STEP_MS + BEAT_MS
    for start in range(0, len(members), rows):
        while at[start] >= due:
            yield encode(Beat(SOURCE, due))
            due += BEAT_MS
        yield encode(_block(city, step, members[start : start + rows]))
    while due <= BEGIN_MS + (step.number + 1) * STEP_MS:
        yield encode(Beat(SOURCE, due))
        due += BEAT_MS


def _block(city: City, step: Step, members: Int64s) -> ReadingBlock:
    r = len(members)
    at = step.at[members]
    return ReadingBlock(
        source=SOURCE,
        profile=PROFILE,
        received_at=int(at[0]) + 40,
        meters=[city.ids[i] for i in members],
        feeders=[f"feeder-{i % FEEDERS:03d}" for i in members],
        substations=[f"substation-{i % FEEDERS % SUBSTATIONS:02d}" for i in members],
        intervals_ms=np.full(r, STEP_MS, np.int64),
        row_meter=np.arange(r, dtype=np.int32),
        at=at,
        sequence=np.full(r, step.number, np.int64),
        quality=np.zeros(r, np.int32),
        columns=list(QUANTITIES),
        values=step.values[members].T.ravel(),
    )


def record_log(city: City, step: Step, partition: int) -> list[bytes]:
    """The same readings of one partition, each as a record of READING_SCHEMA.

    Every record has the same length, since ids and times have: so they are one numpy array, and its rows the records.
    """
    members = city.members[partition]
    meter = np.array([city.ids[i] for i in members], "S10")
    id_length, at_length = meter.dtype.itemsize, len(write_long(BEGIN_MS))
    layout = np.dtype(
        [
            ("header", "S5"),
            ("length", "u1"),
            ("meter", f"S{id_length}"),
            ("at", "u1", (at_length,)),
            ("values", "<f8", (len(QUANTITIES),)),
        ]
    )
    records: npt.NDArray[Any] = np.zeros(len(members), layout)
    whole = records.view(np.uint8).reshape(len(members), layout.itemsize)
    whole[:, :5] = np.frombuffer(b"\0" + READING_ID.to_bytes(4, "big"), np.uint8)
    records["length"] = 2 * id_length
    records["meter"] = meter
    records["at"] = _varints(step.at[members], at_length)
    records["values"] = step.values[members]
    buffer = records.tobytes()
    return [buffer[start : start + layout.itemsize] for start in range(0, len(buffer), layout.itemsize)]


def _varints(values: Int64s, length: int) -> npt.NDArray[np.uint8]:
    """Positive numbers as zig-zag varints that all take `length` bytes, shape (n, length)."""
    groups = (values[:, None] << 1) >> (7 * np.arange(length)) & 0x7F
    groups[:, :-1] |= 0x80
    return groups.astype(np.uint8)


def minute_means(city: City, minutes: int) -> dict[tuple[str, int], tuple[float, ...]]:
    """The direct computation, by (meter, start of the minute): what every contestant must come to."""
    each = 60_000 // STEP_MS
    source = steps(city)
    means: dict[tuple[str, int], tuple[float, ...]] = {}
    for minute in range(minutes):
        mean = np.mean([next(source).values for _ in range(each)], axis=0)
        start = BEGIN_MS + minute * 60_000
        means |= {(meter, start): tuple(row) for meter, row in zip(city.ids, mean.tolist(), strict=True)}
    return means
