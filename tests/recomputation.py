"""What streams make of logs in which rows come late, in an embedded ClickHouse, for tests of recomputation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors import tables
from connectors.batch import Batch
from connectors.chdb_store import ChdbStore
from connectors.columns import Columns
from connectors.database import columns_of_arrow
from connectors.origin import Origin
from connectors.rows import ROWS
from flexmeter.recomputation.open_requests import MeterHour
from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.results import Account, PartialLoadBlock, RecomputeRequestBlock
from streams.contract import Result
from streams.registry import OPERATORS
from streams.shard import Shard
from tests.streams_log import Row, beats, block, feed

METERING = {name: OPERATORS[name] for name in ("rolling_load", "feeder_load")}
FACTS = {
    "aggregates": "meter, quantity, window, start, end, count, mean, min, max, energy_trapezoid_wh, "
    "register_difference, covered_ms, quality, operator_version",
    "loads": "substation, feeder, start, meters, energy_wh, covered_ms, infeed_wh, operator_version",
}


class Stored:
    """An embedded ClickHouse, asked as recomputation asks it and written as the sink writes it."""

    def __init__(self, folder: Path) -> None:
        self.store = ChdbStore(folder)
        self.offset = 0
        self.begin()

    def begin(self) -> None:
        """Empty tables."""
        self.store.migrate(["DROP DATABASE IF EXISTS flexmeter", *tables.statements(load_catalogue())])

    def ask(self, sql: str) -> Columns:
        return columns_of_arrow(self.store.read(sql, "ArrowStream", {}))

    def close(self) -> None:
        self.store.close()

    def write(self, records: Iterable[Any]) -> None:
        batch = Batch()
        for record in records:
            self.offset += 1
            origin = Origin("t", 0, self.offset)
            for rows in ROWS[type(record)](record, origin):
                batch.add(rows, origin)
        for rows in batch.blocks():
            self.store.insert(rows.table, rows.columns)

    def facts(self, view: str) -> list[str]:
        answer = self.store.read(f"SELECT {FACTS[view]} FROM flexmeter.{view} ORDER BY ALL", "TSV", {})
        return answer.decode().splitlines()

    def one(self, sql: str) -> int:
        return int(self.store.read(sql, "TSV", {}))


def as_log(rows: Sequence[Row], length_ms: int = 60_000) -> Iterator[ReadingBlock]:
    """A block for each profile and so much time, in the order of the rows."""
    pack: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        pack.setdefault((row.profile, row.received_at // length_ms), []).append(row)
    yield from (block(some) for some in pack.values())


def streams(blocks: Iterable[ReadingBlock]) -> list[Result]:
    """What the streams metering and grid make of them."""
    metering = Shard("metering", 0, METERING, load_catalogue(), 1_000)
    grid = Shard("grid", 0, {"substation_balance": OPERATORS["substation_balance"]}, load_catalogue(), 1_000)
    results: list[Result] = []
    for one in blocks:
        found = list(feed(metering, [one, *beats(one.received_at, 2)]))
        parts = [result for result in found if isinstance(result, PartialLoadBlock)]
        results += [result for result in found if not isinstance(result, PartialLoadBlock | Account)]
        results += [r for r in feed(grid, [*parts, *beats(one.received_at, 2)]) if not isinstance(r, Account)]
    return results


def asked(results: Iterable[Result]) -> list[MeterHour]:
    return [
        MeterHour(result.profiles[meter], start, result.meters[meter])
        for result in results
        if isinstance(result, RecomputeRequestBlock)
        for meter, start in zip(result.row_meter.tolist(), result.start.tolist(), strict=True)
    ]


def delayed(rows: Sequence[Row], late: Iterable[Row], to: int) -> list[Row]:
    """The log in which these rows come behind all that is older than `to`."""
    held = set(map(id, late))
    on_time = [row for row in rows if id(row) not in held and row.at < to]
    after = [row for row in rows if id(row) not in held and row.at >= to]
    return [*on_time, *(replace(row, received_at=to) for row in rows if id(row) in held), *after]
