"""Others' clients read the embedded ClickHouse over HTTP while it is written: clickhouse-connect and curl."""

import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from connectors import tables
from connectors.chdb_store import ChdbStore
from flexmeter.page.interface import Interface
from schemas.catalogue import load_catalogue
from tests.plausible import meters, reading_block
from tests.stored import insert_all

pytestmark = pytest.mark.integration

METERS = 5
TOO_LONG = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"
TOO_LARGE = "SELECT groupArray(repeat(toString(number % 10), 1000000)) FROM numbers(10000)"


class Written:
    """A database that is written all the time, and the interface over it."""

    def __init__(self, folder: Path) -> None:
        self.store = ChdbStore(folder, longest_query_s=3)
        self.store.migrate(tables.statements(load_catalogue()))
        self.interface = Interface(self.store, 0)
        self.port = int(self.interface.url.rsplit(":", 1)[1].strip("/"))
        self.turns, self._end = 0, threading.Event()
        self.write()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def write(self) -> None:
        """A reading of each meter."""
        insert_all(self.store, [reading_block(METERS, range(self.turns, self.turns + 1))], self.turns)
        self.turns += 1

    def _run(self) -> None:
        while not self._end.wait(0.05):
            self.write()

    def close(self) -> None:
        self._end.set()
        self._thread.join(30)
        self.interface.close()
        self.store.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    made = Written(tmp_path_factory.mktemp("written") / "chdb")
    yield made
    made.close()


@pytest.fixture
def client(written: Written) -> Iterator[Client]:
    with clickhouse_connect.get_client(host="127.0.0.1", port=written.port, database="flexmeter") as made:
        yield made


def grows(written: Written, client: Client) -> None:
    """Until the client has seen three more turns; each answer holds whole turns, and never fewer than before."""
    counts = [0]
    while counts[-1] < counts[1 if len(counts) > 1 else 0] + 3 * METERS or len(counts) < 3:
        counts.append(int(client.query("SELECT count() FROM readings").result_rows[0][0]))
    assert counts == sorted(counts) and all(count % METERS == 0 for count in counts)


def test_rows_while_it_is_written(written: Written, client: Client) -> None:
    grows(written, client)
    found = client.query("SELECT meter, at, active_power_l1_w FROM readings ORDER BY meter, at LIMIT 1")
    assert found.column_names == ("meter", "at", "active_power_l1_w")
    meter, at, power_w = found.first_row
    assert (meter, at.isoformat()) == ("E350-00000", "2026-11-24T12:00:00")
    assert power_w == reading_block(1, range(1)).values[2]


def test_arrow(client: Client) -> None:
    table = client.query_arrow("SELECT meter, count() AS n FROM flexmeter.readings GROUP BY meter ORDER BY meter")
    assert table.column("meter").to_pylist() == meters(METERS)
    assert min(table.column("n").to_pylist()) >= 1


def test_every_kind_of_column(client: Client) -> None:
    """clickhouse-connect names a version of the protocol as soon as it is answered in one."""
    assert client.protocol_version
    sql = (
        "SELECT 'a', toNullable(1.5), CAST(NULL AS Nullable(String)), [toLowCardinality('x'), 'y', 'x'], "
        "emptyArrayString(), map('k', toLowCardinality('v')), tuple(1, [['z'], []]), toDecimal64(1.25, 2), "
        "toLowCardinality(toNullable('q')), toFixedString('abc', 3), repeat('x', 300), number FROM numbers(2)"
    )
    expected = ("a", 1.5, None, ["x", "y", "x"], [], {"k": "v"}, (1, [["z"], []]), Decimal("1.25"), "q", b"abc")
    assert client.query(sql).result_rows == [(*expected, "x" * 300, number) for number in range(2)]


def test_parameters(client: Client) -> None:
    sql = "SELECT uniqExact(meter) FROM readings WHERE meter IN {wanted:Array(String)} OR meter = {one:String}"
    parameters = {"wanted": ["E350-00001", "E350-00002"], "one": "'; DROP TABLE readings_raw"}
    assert client.query(sql, parameters=parameters).result_rows == [(2,)]


def test_what_is_wrong_is_told_with_clickhouses_code(client: Client) -> None:
    with pytest.raises(DatabaseError, match="60"):
        client.query("SELECT * FROM nothing")
    with pytest.raises(DatabaseError, match="62"):
        client.query("SELECT FROM WHERE")
    assert client.query("SELECT 1").result_rows == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO meters_raw (meter) VALUES ('x')",
        "ALTER TABLE readings_raw DELETE WHERE 1",
        "TRUNCATE TABLE readings_raw",
        "SYSTEM STOP MERGES",
        "SET max_execution_time = 0",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
    ],
)
def test_a_client_changes_nothing_and_reaches_nowhere(client: Client, statement: str) -> None:
    before = client.query("SELECT count() FROM meters").result_rows
    with pytest.raises(DatabaseError, match="164"):
        client.command(statement)
    assert client.query("SELECT count() FROM meters").result_rows == before


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """Something that listens on this machine, to which nobody connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


REACHING = [
    "url('http://{at}/x', 'CSVWithNames')",
    "urlCluster('c', 'http://{at}/x', 'CSVWithNames')",
    "s3('http://{at}/bucket/a.csv', 'CSV')",
    "remote('{at}', 'system', 'one')",
    "remoteSecure('{at}', 'system', 'one')",
    "mysql('{at}', 'db', 't', 'u', 'p')",
    "postgresql('{at}', 'db', 't', 'u', 'p')",
    "mongodb('{at}', 'db', 't', 'u', 'p', 'a String')",
    "redis('{at}', 'k', 'k String, v String')",
    "azureBlobStorage('http://{at}/devstoreaccount1', 'c', 'b', 'a', 'a2V5', 'CSV')",
    "hdfs('hdfs://{at}/a.csv', 'CSV')",
    "iceberg('http://{at}/bucket/a')",
    "deltaLake('http://{at}/bucket/a')",
    "sqlite('{folder}/made.db', 't')",
    "file('{folder}/there.csv', 'CSVWithNames')",
    "executable('there.sh', 'CSV', 'a String')",
    "python('x')",
    "dictionary('x')",
    "merge('default', '.*')",
    "cluster('default', 'system', 'one')",
    "input('a String')",
    "format(CSV, 'a')",
]
ASKED = [
    "DESCRIBE TABLE {}",
    "DESCRIBE (SELECT * FROM {})",
    "EXPLAIN SELECT * FROM {}",
    "SELECT 1 FROM (SELECT * FROM {} AS x)",
]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("function", REACHING, ids=lambda function: function.partition("(")[0])
def test_no_table_function_reaches_outside(
    written: Written, elsewhere: socket.socket, tmp_path: Path, asked: str, function: str
) -> None:
    (tmp_path / "there.csv").write_text("a\n1\n")
    at = f"127.0.0.1:{elsewhere.getsockname()[1]}"
    status, body = curl(written, "-G", query=asked.format(function.format(at=at, folder=tmp_path)))
    assert (status, body[:10]) == ("403", "Code: 164.")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 INTO OUTFILE '{folder}/made'",
        "DESCRIBE meters INTO/**/OUTFILE '{folder}/made'",
        "SHOW TABLES INTO OUTFILE '{folder}/made'",
        "SELECT file('{folder}/there.csv')",
        "SELECT `FILE`('{folder}/there.csv')",
        "EXISTS default.`{folder}/there.csv`",
        "DESCRIBE default.`{folder}/there.csv`",
        "SELECT * FROM default.`{folder}/there.csv`",
        "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'db', 't', 'u', 'p') PARTITION BY a",
        "EXPLAIN PIPELINE INSERT INTO meters_raw (meter) SELECT 'a'",
        "SELECT aiGenerate('x', map('credentials', 'x'))",
        "/* SELECT */ TRUNCATE TABLE readings_raw",
        "KILL QUERY WHERE 1",
    ],
)
def test_no_statement_reaches_outside(written: Written, tmp_path: Path, statement: str) -> None:
    (tmp_path / "there.csv").write_text("a\n1\n")
    status, body = curl(written, "-G", query=statement.format(folder=tmp_path))
    assert (status, body[:10]) == ("403", "Code: 164.")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


@pytest.mark.parametrize(
    "endless",
    [
        "SELECT count() FROM generateRandom('a String')",
        "SELECT (SELECT sum(sipHash64(number)) FROM numbers(1000000000000))",
        "EXPLAIN SELECT (SELECT sum(sipHash64(number)) FROM numbers(1000000000000))",
        "DESCRIBE (SELECT (SELECT sum(sipHash64(number)) FROM numbers(1000000000000)))",
    ],
)
def test_what_has_no_end_is_ended(written: Written, endless: str) -> None:
    status, body = curl(written, "-G", query=endless)
    assert (status, body[:10]) == ("500", "Code: 159.")


def test_one_statement_at_a_time(written: Written) -> None:
    for statements in ("SELECT 1; SELECT 2", "SELECT 1 -- ;\n; DROP TABLE readings_raw", "SELECT ';'; SELECT ';'"):
        status, body = curl(written, "-G", query=statements)
        assert (status, body[:9]) == ("400", "Code: 62.")
        assert "Multi-statements are not allowed" in body


def test_a_client_s_insert_is_refused(client: Client) -> None:
    with pytest.raises(DatabaseError, match="164"):
        client.insert("meters_raw", [["x"]], column_names=["meter"])


def test_limits_of_time_and_memory_hold_and_cannot_be_lifted(written: Written, client: Client) -> None:
    with pytest.raises(DatabaseError, match="159"):
        client.query(TOO_LONG)
    with pytest.raises(DatabaseError, match="241"):
        client.query(TOO_LARGE)
    for sql, code in ((TOO_LONG, "159"), (TOO_LARGE, "241")):
        status, body = curl(written, "-G", query=sql, max_execution_time="0", max_memory_usage="0", readonly="0")
        assert (status, body[:10]) == ("500", f"Code: {code}.")
    grows(written, client)


def curl(written: Written, *arguments: str, **query: str) -> tuple[str, str]:
    """(status, body)"""
    encoded = [part for name, value in query.items() for part in ("--data-urlencode", f"{name}={value}")]
    argv = ["curl", "-sS", "-w", "\n%{http_code}", *encoded, *arguments, f"http://127.0.0.1:{written.port}/"]
    body, _, status = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.rpartition("\n")
    return status, body


@pytest.mark.parametrize(
    ("arguments", "query", "expected"),
    [
        (["-G"], {"query": "SELECT 1"}, "1\n"),
        (["--data-binary", "SELECT 2 FORMAT JSONEachRow"], {}, '{"2":2}\n'),
        (["-G"], {"query": "SELECT {n:UInt8} + 1", "param_n": "2"}, "3\n"),
        (["-G"], {"query": "SELECT count() > 0 FROM readings"}, "1\n"),
        (["-G"], {"query": "SELECT 'into outfile; \\\\' -- it''s; a note\n, 'b' # c;\n;\n"}, "into outfile; \\\\\tb\n"),
        (["-G"], {"query": "SELECT {s:String} = 'a;b'", "param_s": "a;b"}, "1\n"),
        (["-G"], {"query": "SELECT sum(number) FROM numbers(4) WHERE number IN (SELECT * FROM values(2, 3))"}, "5\n"),
        (["-G"], {"query": "SELECT * FROM (VALUES (1, 2))"}, "1\t2\n"),
        (["-G"], {"query": "DESCRIBE (SELECT meter AS x FROM meters) FORMAT CSV"}, '"x","String","","","","",""\n'),
        (["-G"], {"query": "SHOW TABLES LIKE 'meter%' FORMAT CSV"}, '"meters"\n"meters_raw"\n'),
        (["-G"], {"query": "EXPLAIN SYNTAX SELECT number FROM numbers(1)"}, "SELECT number\\nFROM numbers(1)\n"),
        (["-G"], {"query": "SELECT name FROM databases WHERE name = 'flexmeter'", "database": "system"}, "flexmeter\n"),
    ],
)
def test_curl_reads(written: Written, arguments: list[str], query: Mapping[str, str], expected: str) -> None:
    assert curl(written, *arguments, **query) == ("200", expected)


@pytest.mark.parametrize(("database", "expected"), [("x; DROP TABLE y", "403"), ("nothing", "404"), ("", "200")])
def test_a_database_is_a_name(written: Written, database: str, expected: str) -> None:
    status, _ = curl(written, "-G", query="SELECT count() > 0 FROM readings", database=database)
    assert status == expected


def test_curl_writes_nothing(written: Written) -> None:
    status, body = curl(written, "--data-binary", "DROP TABLE flexmeter.readings_raw")
    assert (status, body[:10]) == ("403", "Code: 164.")
