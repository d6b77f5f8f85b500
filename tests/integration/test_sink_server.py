"""The sink with a real clickhouse-server over the native protocol, its faults included."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clickhouse_driver import Client

from connectors import tables
from connectors.clickhouse_errors import ClickHouseFault
from connectors.clickhouse_server import ClickHouseServer
from connectors.origin import Origin
from connectors.rows import ROWS
from flexmeter.commands.sink import make_sink
from flexmeter.local import clickhouse as local_clickhouse
from flexmeter.local.old_clickhouse import for_1816
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.catalogue import load_catalogue
from schemas.errors import Reason, Rejected, Unavailable
from schemas.topology import load_topology
from tests.plausible import aggregate_block, everything, garbage
from tests.sink_process import Place, make_place
from tests.stored import insert_all

pytestmark = pytest.mark.integration


def old_tables() -> list[str]:
    return for_1816(tables.statements(load_catalogue()))


def asked(url: str, sql: str) -> list[tuple[Any, ...]]:
    with Client.from_url(url) as client:
        rows: list[tuple[Any, ...]] = client.execute(sql, settings={"strings_as_bytes": True})
        return rows


@pytest.fixture
def server(clickhouse_server: str) -> Iterator[str]:
    asked(clickhouse_server, "DROP DATABASE IF EXISTS flexmeter")
    store = ClickHouseServer(clickhouse_server)
    store.migrate(old_tables())
    store.close()
    yield clickhouse_server


@contextmanager
def sink_thread(place: Place, statements: list[str]) -> Iterator[None]:
    topology = load_topology(place.topology, place.env)
    store = ClickHouseServer(place.url)
    sink = make_sink(topology, "clickhouse", store)

    def run() -> None:
        sink.migrate(statements)
        sink.run()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        sink.stop()
        thread.join(30)
        store.close()
        assert not thread.is_alive()


def test_every_record_arrives_and_repeats_change_nothing(server: str) -> None:
    store = ClickHouseServer(server)
    for repeat in range(3):
        insert_all(store, (record for _, record in everything()))
        views = "readings", "meters", "aggregates", "events", "presence", "loads", "recompute_requests", "accounts"
        views += "appliance_events", "appliance_energy", "reliability", "anomaly_scores", "home_requests"
        counts = [asked(server, f"SELECT count() FROM flexmeter.{view}")[0][0] for view in views]
        assert counts == [800, 20, 600, 2, 2, 2, 2, 1, 2, 2, 6, 2, 3], repeat
    store.close()
    assert asked(server, "SELECT payload, reason FROM flexmeter.dead_letters") == [(garbage().payload, b"malformed")]
    measured = "active_power_l1_w > 0 AND isNaN(flow_m3_per_h)"
    assert asked(server, f"SELECT count() FROM flexmeter.readings WHERE {measured}") == [(800,)]


def test_its_refusals_are_told_apart(server: str) -> None:
    store = ClickHouseServer(server)
    (rows,) = ROWS[type(aggregate_block(1, range(1)))](aggregate_block(1, range(1)), Origin("t", 0, 0))
    with pytest.raises(Rejected) as rejected:
        store.insert(rows.table, {**rows.columns, "count": np.full(3, 300, np.int64)})
    assert rejected.value.reason is Reason.INSERT
    with pytest.raises(ClickHouseFault, match="code 60"):
        store.insert("no_such_table", rows.columns)
    store.insert(rows.table, rows.columns)  # the connection is of use after both
    store.close()
    away = ClickHouseServer(f"clickhouse://{HOST}:{free_port()}")
    with pytest.raises(Unavailable):
        away.insert(rows.table, rows.columns)


def test_only_the_poisoned_row_is_left_out(kafka: str, server: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "server", kafka, server)
    block = aggregate_block(20, range(-10, 0))
    block.count[77] = 300
    with sink_thread(place, []):
        place.send([("aggregates", block)])
        place.wait_until_read()
    assert asked(server, "SELECT count() FROM flexmeter.aggregates") == [(599,)]
    letters = asked(server, "SELECT reason, address FROM flexmeter.dead_letters")
    assert letters == [(b"insert", b"server.meter.aggregates/0/0")]


def test_a_server_that_is_away_is_waited_for(kafka: str, tmp_path: Path) -> None:
    port = free_port()
    place = make_place(tmp_path, "away", kafka, f"clickhouse://{HOST}:{port}")
    part = local_clickhouse.clickhouse(tmp_path, port, free_port(), tmp_path / "clickhouse.log")
    with sink_thread(place, old_tables()):
        with running(part):
            place.send([("aggregates", aggregate_block(20, range(-10, 0)))])
            place.wait_until_read()
        place.send([("aggregates", aggregate_block(20, range(-20, -10)))])
        with running(part):
            place.wait_until_read()
            assert asked(place.url, "SELECT count() FROM flexmeter.aggregates") == [(1_200,)]
