"""ClickHouse away under load, in short (`python -m bench.sink_away` is the long form); several servers; TLS."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from clickhouse_driver import Client

from bench.sink_away import faults, measure
from connectors.clickhouse_server import ClickHouseServer
from connectors.columns import plain
from connectors.origin import Origin
from connectors.rows import ROWS
from connectors.tables import statements
from flexmeter.local import clickhouse as local_clickhouse
from flexmeter.local.old_clickhouse import for_1816
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.catalogue import load_catalogue
from schemas.errors import Unavailable
from tests.certificates import Authority
from tests.plausible import aggregate_block

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_server_away_under_load_nothing_is_lost_and_memory_is_bounded(tmp_path: Path) -> None:
    found = measure(tmp_path, away_s=12, rows_per_s=2_000)
    assert faults(found) == []
    assert found["most_records_behind"] >= 12


@contextmanager
def server(folder: Path, port: int, more: str = "") -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with running(local_clickhouse.clickhouse(folder, port, free_port(), folder / "clickhouse.log", more=more)):
        yield


def rows_of(port: int) -> int:
    with Client(HOST, port) as client:
        return int(client.execute("SELECT count() FROM flexmeter.aggregates_raw")[0][0])


def test_of_several_servers_the_next_takes_over(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    (rows,) = ROWS[type(aggregate_block(1, range(1)))](aggregate_block(1, range(1)), Origin("t", 0, 0))
    made = for_1816(statements(load_catalogue()))
    store = ClickHouseServer(f"clickhouse://{HOST}:{first}/?alt_hosts={HOST}:{second}")
    with server(tmp_path / "b", second):
        with server(tmp_path / "a", first):
            for port in (first, second):
                with closing(ClickHouseServer(f"clickhouse://{HOST}:{port}")) as alone:
                    alone.migrate(made)
            store.insert(rows.table, rows.columns)
            assert (rows_of(first), rows_of(second)) == (3, 0)
        store.insert(rows.table, rows.columns)
        assert rows_of(second) == 3
    store.close()


def test_a_server_is_spoken_to_by_tls_and_must_prove_who_it_is(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "another CA")
    files, port = authority.sign("server"), free_port()
    tls = (
        f"<tcp_port_secure>{port}</tcp_port_secure><openSSL><server><certificateFile>{files.certificate}</certificateFile>"
        f"<privateKeyFile>{files.key}</privateKeyFile><verificationMode>none</verificationMode>"
        "<loadDefaultCAFile>false</loadDefaultCAFile></server></openSSL>"
    )
    with server(tmp_path / "tls", free_port(), tls):
        store = ClickHouseServer(f"clickhouses://{HOST}:{port}/?ca_certs={authority.file}")
        assert plain(store.ask("SELECT toInt64(1) AS one, 'x' AS word")["word"]) == ["x"]
        store.close()
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            ClickHouseServer(f"clickhouses://{HOST}:{port}/?ca_certs={stranger.file}").ask("SELECT 1")
