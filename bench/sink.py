"""How fast the sink writes readings to ClickHouse, beside a bare insert of the same columns.

    python -m bench.sink [BLOCKS]        (goal: 80 % of bare, embedded and into a server)

Both write the same blocks of 1,000 readings of 8 quantities, 50 blocks an insert. Bare: the columns of each insert
lie ready and joined. Sink: Avro bytes -> decoded -> columns -> joined -> inserted; without Kafka, whose share is that
of any consumer. The server is Debian's 18.16 on this machine, by the native protocol; its tables are the product's as
far as it knows them. Of the processors counts what this process took, and the server's process with it.
"""

import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.process import cpu_s
from bench.report import report
from bench.sink_load import BLOCK_ROWS, blocks
from connectors import tables
from connectors.batch import Batch, NewMeters
from connectors.chdb_store import ChdbStore
from connectors.clickhouse_server import ClickHouseServer
from connectors.columns import join
from connectors.origin import Origin
from connectors.rows import ROWS
from connectors.rows.of_blocks import readings
from connectors.store import Store
from flexmeter.local.clickhouse import clickhouse
from flexmeter.local.old_clickhouse import for_1816
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import decode, encode

BLOCKS_AN_INSERT = 50
GOAL = 0.8
ROUNDS = 15
_OF_READINGS = re.compile(r"(CREATE TABLE IF NOT EXISTS|ALTER TABLE) flexmeter\.readings_raw\b")
_DROP = "DROP TABLE IF EXISTS flexmeter.readings_raw"


def by_sink(store: Store, payloads: Sequence[bytes]) -> Callable[[], None]:
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


def bare(store: Store, payloads: Sequence[bytes]) -> Callable[[], None]:
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
"""Seconds by the clock, and of the processors (all threads, the server's too)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where is written: a store, the statements that make its tables, and the process besides this one that works."""

    store: Store
    made_by: Sequence[str]
    pid: int | None = None

    def measured(self, run: Callable[[], None]) -> Measured:
        """One run into empty tables."""
        self.store.migrate([_DROP, *self.made_by])
        clock, processors = time.perf_counter(), self._cpu_s()
        run()
        return time.perf_counter() - clock, self._cpu_s() - processors

    def _cpu_s(self) -> float:
        return time.process_time() + (cpu_s(self.pid) if self.pid else 0.0)


@contextmanager
def embedded(folder: Path) -> Iterator[Target]:
    """The embedded ClickHouse."""
    with closing(ChdbStore(folder)) as store:
        yield Target(store, tables.statements(load_catalogue()))


@contextmanager
def server(folder: Path) -> Iterator[Target]:
    """The server of the system's packages."""
    port = free_port()
    part = clickhouse(folder, port, free_port(), folder / "clickhouse.log")
    with running(part) as process, closing(ClickHouseServer(f"clickhouse://{HOST}:{port}")) as store:
        made_by = for_1816(tables.statements(load_catalogue()))
        store.migrate(made_by)
        yield Target(store, [made for made in made_by if _OF_READINGS.match(made)], process.pid)


def beside_bare(target: Target, payloads: Sequence[bytes]) -> dict[str, Any]:
    """Both by turns, so that a busy machine is unfair to neither: the median of each, and of the pairs' ratios."""
    rounds: dict[str, list[Measured]] = {"bare insert": [], "sink": []}
    for _ in range(ROUNDS):
        rounds["bare insert"].append(target.measured(bare(target.store, payloads)))
        rounds["sink"].append(target.measured(by_sink(target.store, payloads)))
    rows = len(payloads) * BLOCK_ROWS
    told: dict[str, Any] = {
        name: {"readings_per_s": round(rows / by_clock), "readings_per_cpu_s": round(rows / by_cpu)}
        for name, (by_clock, by_cpu) in ((name, np.median(runs, axis=0)) for name, runs in rounds.items())
    }
    shares = np.median(np.array(rounds["bare insert"]) / np.array(rounds["sink"]), axis=0)
    by_clock, by_cpu = (round(float(share), 3) for share in shares)
    return told | {"ratio_by_clock": by_clock, "ratio_by_cpu": by_cpu, "met": by_cpu >= GOAL}


def main() -> None:
    """Measure, print, write; exit 1 where a goal is missed."""
    payloads = [encode(block) for block in blocks(int(sys.argv[1]) if len(sys.argv) > 1 else 300)]
    found: dict[str, Any] = {}
    for name, target in (("chdb", embedded), ("clickhouse-server 18.16", server)):
        with tempfile.TemporaryDirectory() as folder, target(Path(folder)) as there:
            found[name] = beside_bare(there, payloads)
        by_clock, by_cpu = found[name]["ratio_by_clock"], found[name]["ratio_by_cpu"]
        verdict = "met" if found[name]["met"] else "MISSED"
        print(f"{name}: sink {by_cpu:.0%} of bare by the processors, {by_clock:.0%} by the clock: {verdict}")
        for writer in ("bare insert", "sink"):
            speed = found[name][writer]
            print(
                f"  {writer:12}{speed['readings_per_s']:10,} readings/s{speed['readings_per_cpu_s']:10,} a CPU second"
            )
    result = {"readings": len(payloads) * BLOCK_ROWS, "goal": GOAL, "into": found}
    report("sink", result, ["chdb", "clickhouse-driver", "pyarrow", "numpy"])
    sys.exit(not all(one["met"] for one in found.values()))


if __name__ == "__main__":
    main()
