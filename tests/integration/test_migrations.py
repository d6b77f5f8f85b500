"""Tables go forward only: each version that there was is brought to the present one, and nothing is lost on the way."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors import tables
from connectors.chdb_store import ChdbStore
from connectors.clickhouse_errors import ClickHouseFault
from schemas.catalogue import load_catalogue

pytestmark = pytest.mark.integration

FOLDER = Path("tests/cases/tables")
FROZEN = {int(path.stem): tables.split(path.read_text()) for path in FOLDER.glob("*.sql")}
NOW = tables.statements(load_catalogue())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    opened = ChdbStore(tmp_path_factory.mktemp("migrations") / "chdb")
    yield opened
    opened.close()


def told(store: ChdbStore, sql: str) -> list[str]:
    return store.read(sql, "TSV", {}).decode().splitlines()


def made(store: ChdbStore) -> list[str]:
    """Every column of every table, how it is kept, and every table's keys and indexes."""
    columns = "table, name, type, default_kind, default_expression, compression_codec"
    keys = "name, engine, sorting_key, partition_key, extract(engine_full, 'TTL [^S]*')"
    indexes = "table, name, expr, type, granularity"
    return [
        *told(store, f"SELECT {indexes} FROM system.data_skipping_indices WHERE database = 'flexmeter' ORDER BY ALL"),
        *told(store, f"SELECT {columns} FROM system.columns WHERE database = 'flexmeter' ORDER BY table, name"),
        *told(store, f"SELECT {keys} FROM system.tables WHERE database = 'flexmeter' ORDER BY name"),
    ]


def in_order_of_version_3(line: str) -> str:
    """The one thing that an older database keeps, as nothing can be added that changes it (docs/operations.md)."""
    table = "anomaly_scores_raw\tReplacingMergeTree\t"
    return line.replace(f"{table}toDate32(start), meter, start", f"{table}meter, start")


def without_comments(statement: str) -> str:
    return re.sub(r"^--[^\n]*\n", "", statement, flags=re.MULTILINE).strip()


def test_the_present_version_is_frozen() -> None:
    """Whoever changes a table: raise VERSION, then `python -m connectors.tables > tests/cases/tables/VERSION.sql`."""
    assert max(FROZEN) == tables.VERSION and sorted(FROZEN) == list(range(1, tables.VERSION + 1))
    assert tables.frozen() == FROZEN[tables.VERSION]


def test_no_statement_takes_anything_away() -> None:
    allowed = (
        r"CREATE (DATABASE|TABLE) IF NOT EXISTS|CREATE OR REPLACE VIEW|SELECT throwIf|INSERT INTO flexmeter.versions"
    )
    adds = r"ALTER TABLE flexmeter\.\w+\s+(ADD|MODIFY (COLUMN|SETTING)) "
    for statement in map(without_comments, NOW):
        assert re.match(f"{allowed}|{adds}", statement), statement
        assert not re.search(r"\b(DROP|DELETE|TRUNCATE|RENAME|CLEAR)\b", statement), statement


@pytest.mark.parametrize("version", sorted(FROZEN))
def test_each_version_is_brought_up_to_date(store: ChdbStore, version: int) -> None:
    empty = ["DROP DATABASE IF EXISTS flexmeter SYNC", "CREATE DATABASE flexmeter"]
    store.migrate([*empty, *NOW])
    fresh = made(store)
    old = [tables.for_each_quantity(statement, load_catalogue()) for statement in FROZEN[version]]
    if version < 4 and any("anomaly_scores_raw" in statement for statement in old):
        fresh = [in_order_of_version_3(line) for line in fresh]
    store.migrate([*empty, *old])
    store.migrate(["INSERT INTO flexmeter.readings_raw (meter, at, active_power_w) VALUES ('m', '2026-01-01', 5)"])
    store.migrate(["INSERT INTO flexmeter.aggregates_raw (meter, quantity, mean) VALUES ('m', 'q', 7)"])
    for _ in range(2):
        store.migrate(NOW)
        assert made(store) == fresh
    assert told(store, "SELECT active_power_w FROM flexmeter.readings") == ["5"]
    assert told(store, "SELECT mean FROM flexmeter.aggregates") == ["7"]
    assert told(store, "SELECT version FROM flexmeter.versions") == [str(tables.VERSION)]


def test_tables_of_a_newer_program_are_refused(store: ChdbStore) -> None:
    store.migrate(NOW)
    store.migrate([f"INSERT INTO flexmeter.versions (version) VALUES ({tables.VERSION + 1})"])
    with pytest.raises(ClickHouseFault, match="newer version"):
        store.migrate(NOW)
    store.migrate(["DROP DATABASE flexmeter SYNC"])
