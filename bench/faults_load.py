"""Readings, events and beats at a steady rate, straight to the input topics of a fault run; ended by SIGTERM.

    python -m bench.faults_load --topology FILE --account FILE [--seed 1] [--meters 2000] [--steps-per-s 2]

A step is ten seconds of event time and two of the sources' own time. What each meter does in a step follows from the
seed: it reports, with gaps and silences, out of order, late, twice, with another value than before, or with a clock far
ahead; registers count up and are reset. In the last steps all meters report. The account says how many rows and records
Kafka acknowledged.
"""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import orjson

from connectors.kafka import Outlet
from schemas.arrays import Float64s, Int64s
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.quality import Quality
from schemas.record import Record
from schemas.topology import load_topology

READINGS = "in.readings"
EVIDENCE = ("run.evidence", "calm.evidence")
"""The input of the second stream, one for each run: the first stream adds its part to it."""
PARTITIONS = 8
PROFILE = "malmo_household"
SOURCES = ("bridge_a", "bridge_b")
BEGIN = 1_767_225_600_000
INTERVAL_MS = 10_000
BEAT_MS = 2_000
CLOSING_STEPS = 15
METERS_PER_FEEDER, FEEDERS_PER_SUBSTATION = 10, 5

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The meters of one partition, by their number in the whole fleet."""

    numbers: Int64s
    ids: list[str]
    feeders: list[str | None]
    substations: list[str | None]

    @classmethod
    def of(cls, partition: int, meters: int) -> "Fleet":
        """Those whose id belongs to the partition."""
        numbers = [n for n in range(meters) if partition_of(meter_id(n), PARTITIONS) == partition]
        return cls(
            np.array(numbers, np.int64),
            [meter_id(n) for n in numbers],
            [feeder_of(n) for n in numbers],
            [substation_of(n) for n in numbers],
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the meters of a partition measured in one step, and what becomes of it on the way; shape (meters,)."""

    at: Int64s
    values: Float64s
    fate: npt.NDArray[np.int8]
    """0 to 99: which of the ways below a row takes."""
    present: Mask


LATE, DELAYED, TWICE, CONFLICT, FUTURE = range(1, 6)
"""Fates: twelve steps late, two steps late, again one step later, again with another value, a clock far ahead."""


def meter_id(number: int) -> str:
    """Id of a meter."""
    return f"M{number:06d}"


def feeder_of(number: int) -> str:
    """Where it hangs."""
    return f"F{number // METERS_PER_FEEDER:05d}"


def substation_of(number: int) -> str:
    """The substation above its feeder."""
    return f"S{number // METERS_PER_FEEDER // FEEDERS_PER_SUBSTATION:04d}"


class Load:
    """The log of all partitions, step by step, as the seed says."""

    def __init__(self, seed: int, meters: int) -> None:
        self.seed = seed
        self.meters = meters
        self.fleets = [Fleet.of(partition, meters) for partition in range(PARTITIONS)]
        substations = [partition_of(substation_of(n), PARTITIONS) for n in range(meters)]
        self.under = [[n for n in range(meters) if substations[n] == partition] for partition in range(PARTITIONS)]
        self.columns = list(load_catalogue().profiles[PROFILE].quantities)
        self.drawn = lru_cache(maxsize=16 * PARTITIONS)(self._drawn)

    def readings(self, partition: int, step: int, closing: bool = False) -> Iterator[Record]:
        """What the partition of readings gets in one step: a block of each source, then its beats."""
        rng = np.random.default_rng((self.seed, partition, step, 1))
        for source in range(len(SOURCES)):
            block = self._block(partition, step, source, closing)
            if block is not None:
                yield block
        for name in SOURCES:
            at = BEGIN + (step + 1) * BEAT_MS
            yield Beat(name, at)
            if rng.random() < 0.02 and not closing:  # a bridge that was started again: its clock says nothing new
                yield Beat(name, at - int(rng.integers(0, 5_000)))

    def events(self, partition: int, step: int) -> Iterator[Record]:
        """What the partition of evidence gets in one step: some meters lose power, some get it back."""
        rng = np.random.default_rng((self.seed, partition, step, 2))
        if of := self.under[partition]:
            found = [of[i] for i in rng.integers(0, len(of), rng.integers(0, 4))]
            kinds = ["last_gasp" if rng.random() < 0.5 else "power_restored" for _ in found]
            at = [BEGIN + step * INTERVAL_MS - int(rng.integers(0, 5)) * 1_000 for _ in found]
            if found:
                yield _events(found, kinds, at, BEGIN + step * INTERVAL_MS)
        yield Beat(SOURCES[0], BEGIN + (step + 1) * BEAT_MS)

    def _drawn(self, partition: int, step: int) -> Drawn:
        fleet, rng = self.fleets[partition], np.random.default_rng((self.seed, partition, step, 0))
        m, n = fleet.numbers, len(fleet.numbers)
        total = rng.integers(0, 60_000, n)
        volts = 23_000 - rng.integers(0, 300, (n, 3))
        imported = (step % (150 + m % 97)) * (3 + m % 5) + step * m % 3
        values = np.stack([imported, step // 4 * (m % 4), total // 2, total // 3, total // 7, *volts.T], axis=1)
        scaled = values / np.array([1, 1, 10, 10, 10, 100, 100, 100])
        scaled[rng.random((n, 8)) < 0.01] = np.nan
        dice = rng.random(n)
        fate = np.select([dice < edge for edge in (0.002, 0.04, 0.05, 0.052, 0.053)], range(1, 6), 0).astype(np.int8)
        silent = (step // 64 + m * 7) % 11 == 0
        at = BEGIN + step * INTERVAL_MS + m % 2 * 5_000
        return Drawn(at, scaled, fate, ~silent & (rng.random(n) > 0.07))

    def _block(self, partition: int, step: int, source: int, closing: bool) -> ReadingBlock | None:
        mine = self.fleets[partition].numbers // 2 % 2 == source
        parts = (
            [self._rows(partition, step, mine, ~mine, closing=True)] if closing else self._mixed(partition, step, mine)
        )
        meter, at, values, quality = (np.concatenate(column) for column in zip(*parts, strict=True))
        if not len(meter):
            return None
        order = np.random.default_rng((self.seed, partition, step, 3 + source)).permutation(len(meter))
        fleet, (used, row_meter) = self.fleets[partition], np.unique(meter[order], return_inverse=True)
        return ReadingBlock(
            source=SOURCES[source],
            profile=PROFILE,
            received_at=BEGIN + step * INTERVAL_MS + 6_000,
            meters=[fleet.ids[i] for i in used],
            feeders=[fleet.feeders[i] for i in used],
            substations=[fleet.substations[i] for i in used],
            intervals_ms=np.full(len(used), INTERVAL_MS, np.int64),
            row_meter=row_meter.astype(np.int32),
            at=at[order],
            sequence=np.full(len(meter), -1, np.int64),
            quality=quality[order],
            columns=self.columns,
            values=values[order].T.ravel(),
        )

    def _mixed(self, partition: int, step: int, mine: Mask) -> list[tuple[npt.NDArray[np.generic], ...]]:
        """The step's own rows, and those of earlier steps that come only now, or again."""
        ways = [(0, ~np.isin(self.drawn(partition, step).fate, (LATE, DELAYED)))]
        for ago, fates in ((12, (LATE,)), (2, (DELAYED,)), (1, (TWICE, CONFLICT))):
            if step >= ago:
                ways.append((ago, np.isin(self.drawn(partition, step - ago).fate, fates)))
        return [self._rows(partition, step - ago, mine, ~taken, again=ago == 1) for ago, taken in ways]

    def _rows(
        self, partition: int, step: int, mine: Mask, without: Mask, again: bool = False, closing: bool = False
    ) -> tuple[npt.NDArray[np.generic], ...]:
        drawn = self.drawn(partition, step)
        which = np.flatnonzero(mine if closing else mine & drawn.present & ~without)
        at, values, fate = drawn.at[which], drawn.values[which], drawn.fate[which]
        future = (fate == FUTURE) & (not closing)
        if again:
            values[fate == CONFLICT] += 1.0
        quality = np.where(future, int(Quality.FUTURE), 0).astype(np.int32)
        return which, np.where(future, at + 86_400_000, at), values, quality


def _events(numbers: list[int], kinds: list[str], at: list[int], received_at: int) -> EventBlock:
    distinct = sorted(set(numbers))
    return EventBlock(
        source=SOURCES[0],
        received_at=received_at,
        meters=[meter_id(n) for n in distinct],
        feeders=[feeder_of(n) for n in distinct],
        substations=[substation_of(n) for n in distinct],
        row_meter=np.array([distinct.index(n) for n in numbers], np.int32),
        at=np.array(at, np.int64),
        quality=np.zeros(len(numbers), np.int32),
        kind=kinds,
        detail=[""] * len(numbers),
    )


@dataclass(slots=True)
class Sender:
    """Hands records to Kafka, and counts what it acknowledged."""

    outlet: Outlet
    account: dict[str, int]

    def send(self, partition: int, record: Record, *topics: str) -> None:
        """One record, to each of these topics."""
        for topic in topics:
            self._send(topic, partition, record)

    def _send(self, topic: str, partition: int, record: Record) -> None:
        rows = len(record.row_meter) if isinstance(record, ReadingBlock | EventBlock) else 0

        def delivered() -> None:
            self.account[f"{topic}/records"] = self.account.get(f"{topic}/records", 0) + 1
            self.account[f"{topic}/rows"] = self.account.get(f"{topic}/rows", 0) + rows

        self.outlet.produce(topic, partition, encode(record), delivered)


@click.command()
@click.option("--topology", "topology_path", type=click.Path(path_type=Path), required=True)
@click.option("--account", "account_path", type=click.Path(path_type=Path), required=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--meters", default=2_000, show_default=True)
@click.option("--steps-per-s", default=2.0, show_default=True)
def main(topology_path: Path, account_path: Path, seed: int, meters: int, steps_per_s: float) -> None:
    """Send until SIGTERM, then the closing steps; exit 0 when Kafka has it all."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    load, sender = Load(seed, meters), Sender(Outlet(load_topology(topology_path).kafka, "load"), {})
    began, step = time.monotonic(), 0
    while not stopping:
        _send_step(load, sender, step)
        step += 1
        account_path.write_bytes(orjson.dumps({"steps": step, **sender.account}))
        while (ahead_s := began + step / steps_per_s - time.monotonic()) > 0 and not stopping:
            sender.outlet.serve(ahead_s)
    for closing in range(CLOSING_STEPS):
        _send_step(load, sender, step + closing, closing=True)
    if not sender.outlet.close(120):
        raise SystemExit("Kafka did not take all")
    account_path.write_bytes(orjson.dumps({"steps": step, **sender.account}))


def _send_step(load: Load, sender: Sender, step: int, closing: bool = False) -> None:
    for partition in range(PARTITIONS):
        for record in load.readings(partition, step, closing):
            sender.send(partition, record, READINGS)
        for record in load.events(partition, step):
            sender.send(partition, record, *EVIDENCE)
    sender.outlet.serve()


if __name__ == "__main__":
    main()
