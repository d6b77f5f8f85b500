"""clickhouse-go, of which Grafana's data source is made, reads the embedded ClickHouse over HTTP."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors import tables
from connectors.chdb_store import ChdbStore
from flexmeter.page.interface import Interface
from schemas.catalogue import load_catalogue
from tests.plausible import reading_block
from tests.stored import insert_all

pytestmark = pytest.mark.integration

GO = shutil.which("go")
SOURCE = Path("tests/goclient").resolve()
METERS, TURNS = 5, 400


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if GO is None:
        pytest.skip("needs Go: https://go.dev/dl")
    made = tmp_path_factory.mktemp("go") / "goclient"
    env = os.environ | {"GOFLAGS": "-mod=readonly"}
    built = subprocess.run([GO, "build", "-o", str(made), "."], cwd=SOURCE, env=env, capture_output=True, text=True)
    if "dial tcp" in built.stderr or "proxy" in built.stderr:
        pytest.skip(f"Go's modules cannot be fetched: {built.stderr[-300:]}")
    assert built.returncode == 0, built.stderr
    return made


@pytest.fixture(scope="module")
def ask(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[str]]]:
    """The lines that the program prints about some statements."""
    store = ChdbStore(tmp_path_factory.mktemp("go") / "chdb")
    store.migrate(tables.statements(load_catalogue()))
    insert_all(store, [reading_block(METERS, range(TURNS))])
    interface = Interface(store, 0)
    address = interface.url.removeprefix("http://").rstrip("/")

    def asked(*statements: str) -> list[str]:
        argv = [str(program), address, "flexmeter", *statements]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.splitlines()

    yield asked
    interface.close()
    store.close()


def test_rows_of_a_table(ask: Callable[..., list[str]]) -> None:
    sql = "SELECT meter, at, profile, active_power_l1_w, quality FROM readings ORDER BY at, meter LIMIT 1"
    assert ask(sql) == [
        "String DateTime64(3, 'UTC') LowCardinality(String) Float64 Int32",
        f"E350-00000 2026-11-24 12:00:00 +0000 UTC malmo_household {reading_block(1, range(1)).values[2]} 0",
    ]
    assert len(ask("SELECT * FROM readings")) == 1 + METERS * TURNS


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        ("toNullable(1.5)", "Nullable(Float64)", "1.5"),
        ("NULL", "Nullable(Nothing)", "<nil>"),
        ("CAST(NULL AS Nullable(String))", "Nullable(String)", "<nil>"),
        ("[1, 2]", "Array(UInt8)", "[1 2]"),
        ("emptyArrayString()", "Array(String)", "[]"),
        ("CAST(['a', 'b', 'a'] AS Array(LowCardinality(String)))", "Array(LowCardinality(String))", "[a b a]"),
        ("CAST([] AS Array(LowCardinality(String)))", "Array(LowCardinality(String))", "[]"),
        (
            "CAST(map('a', 'x', 'b', 'y') AS Map(String, LowCardinality(String)))",
            "Map(String, LowCardinality(String))",
            "map[a:x b:y]",
        ),
        ("tuple(1, [['x'], []], 'z')", "Tuple(UInt8, Array(Array(String)), String)", "[1 [[x] []] z]"),
        ("CAST((1, 'x'), 'Tuple(a Int8, b String)')", "Tuple(a Int8, b String)", "map[a:1 b:x]"),
        ("CAST('b, (' AS Enum8('a' = 1, 'b, (' = 2))", "Enum8('a' = 1, 'b, (' = 2)", "b, ("),
        ("toDecimal64(1.25, 2)", "Decimal(18, 2)", "1.25"),
        ("toFixedString('abc', 3)", "FixedString(3)", "abc"),
        ("toDate('2026-11-24')", "Date", "2026-11-24 00:00:00 +0000 UTC"),
        ("toDateTime('2026-11-24 12:00:00', 'UTC')", "DateTime", "2026-11-24 12:00:00 +0000 UTC"),
        ("toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')", "UUID", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
        ("count() > 0", "UInt8", "1"),
        ("repeat('x', 300)", "String", "x" * 300),
    ],
)
def test_types(ask: Callable[..., list[str]], value: str, kind: str, told: str) -> None:
    """Between others, so that where it ends matters."""
    assert ask(f"SELECT 'before', {value} AS x, 7 FROM system.one") == [f"String {kind} UInt8", f"before {told} 7"]


def test_what_is_refused_is_told(ask: Callable[..., list[str]]) -> None:
    lines = ask(
        "SELECT * FROM nothing",
        "DROP TABLE readings_raw",
        "SELECT quantileState(0.5)(1)",
        "SELECT 1 WHERE 0",
        "SELECT 1",
    )
    told = [line for line in lines if line.startswith("refused:")]
    assert [code for line in told for code in ("60", "164", "48") if f"Code: {code}." in line] == ["60", "164", "48"]
    assert lines[-2:] == ["UInt8", "1"]
