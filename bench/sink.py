"""How fast the sink writes readings to embedded ClickHouse, beside a bare insert of the same columns.

    python -m bench.sink [BLOCKS]        (goal: 80 % of bare)

Both write the same blocks of 1,000 readings of 8 quantities, 50 blocks an insert. Bare: the columns of each insert
lie ready and joined. Sink: Avro bytes -> decoded -> columns -> joined -> inserted; without Kafka, whose share is that
of any consumer.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from bench.report import report
from connectors import tables
from connectors.batch import Batch, NewMeters
from connectors.chdb_store import ChdbStore
from connectors.columns import join
from connectors.rows import ROWS, Origin, readings
from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import decode, encode

BLOCK_ROWS, BLOCKS_AN_INSERT = 1_000, 50
METERS = 100
GOAL = 0.8


def blocks(count: int) -> Iterator[ReadingBlock]:
    """Readings of 100 E350 meters, every 10 s."""
    profile = load_catalogue().profiles["malmo_household"]
    random = np.random.default_rng(20)
    turns = BLOCK_ROWS // METERS
    for number in range(count):
        turn = number * turns + np.repeat(np.arange(turns, dtype=np.int64), METERS)
        yield ReadingBlock(
            source="mqtt_malmo",
            profile=profile.name,
            received_at=1_795_507_200_000 + int(turn[0]) * 10_000,
            meters=[f"E350-{meter:05d}" for meter in range(METERS)],
            feeders=["F1"] * METERS,
            substations=["S1"] * METERS,
            intervals_ms=np.full(METERS, 10_000, np.int64),
            row_meter=np.tile(np.arange(METERS, dtype=np.int32), turns),
            at=1_795_507_200_000 + turn * 10_000,
            sequence=turn,
            quality=np.zeros(BLOCK_ROWS, np.int32),
            columns=list(profile.quantities),
            values=np.round(random.gamma(2, 100, 8 * BLOCK_ROWS), 1),
        )


def by_sink(store: ChdbStore, payloads: Sequence[bytes]) -> Callable[[], None]:
    """What the sink does with the bytes of one insert."""
    meters = NewMeters()

    def run() -> None:
        for start in range(0, len(payloads), BLOCKS_AN_INSERT):
            batch = Batch()
            for offset, payload in enumerate(payloads[start : start + BLOCKS_AN_INSERT], start):
                origin, record = Origin("meter.readings", 0, offset), decode(payload)
                for rows in ROWS[type(record)](record, origin):
                    batch.add(meters.only_new(rows), origin)
            for block in batch.blocks():
                store.insert(block.table, block.columns)

    return run


def bare(store: ChdbStore, payloads: Sequence[bytes]) -> Callable[[], None]:
    """The inserts alone."""
    pieces = [
        readings(record, Origin("meter.readings", 0, offset))[0].columns
        for offset, record in enumerate(map(decode, payloads))
        if isinstance(record, ReadingBlock)
    ]
    ready = [join(pieces[start : start + BLOCKS_AN_INSERT]) for start in range(0, len(pieces), BLOCKS_AN_INSERT)]

    def run() -> None:
        for columns in ready:
            store.insert("readings_raw", columns)

    return run


Measured = tuple[float, float]
"""Seconds by the clock, and of the processors (all of chdb's threads)."""


def measured(store: ChdbStore, run: Callable[[], None]) -> Measured:
    """One run into empty tables."""
    store.migrate(["DROP TABLE IF EXISTS flexmeter.readings_raw SYNC", *tables.statements(load_catalogue())])
    clock, processors = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processors


def main() -> None:
    """Print both: the best of five rounds, by turns, so that a busy machine is unfair to neither."""
    payloads = [encode(block) for block in blocks(int(sys.argv[1]) if len(sys.argv) > 1 else 300)]
    rounds: dict[str, list[Measured]] = {"bare insert": [], "sink": []}
    with tempfile.TemporaryDirectory() as folder, closing(ChdbStore(Path(folder))) as store:
        for _ in range(5):
            rounds["bare insert"].append(measured(store, bare(store, payloads)))
            rounds["sink"].append(measured(store, by_sink(store, payloads)))
    rows = len(payloads) * BLOCK_ROWS
    best = {name: [rows / min(column) for column in zip(*runs, strict=True)] for name, runs in rounds.items()}
    told = {}
    for name, (by_clock, by_processors) in best.items():
        share = by_processors / best["bare insert"][1]
        print(f"{name:12}{by_clock:10,.0f} readings/s{by_processors:10,.0f} a CPU second ({share:.0%} of bare)")
        told[name] = {"readings_per_s": round(by_clock), "readings_per_cpu_s": round(by_processors)}
    ratio = best["sink"][1] / best["bare insert"][1]
    report("sink", {"readings": rows, **told, "ratio": round(ratio, 3), "goal": GOAL}, ["chdb", "pyarrow", "numpy"])


if __name__ == "__main__":
    main()
