"""The same topics written three times, the sink killed in between: every view counts and sums as if once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_driver import Client

from connectors.chdb_store import ChdbStore
from connectors.clickhouse_server import ClickHouseServer
from connectors.kafka import Outlet
from connectors.tables import statements
from flexmeter.local.old_clickhouse import for_1816
from flexmeter.local.part import Part, running
from schemas.alert import Alert, encode_alert
from schemas.catalogue import load_catalogue
from schemas.topology_model import Kafka
from tests.plausible import NOON, aggregate_block, everything
from tests.sink_process import TOPICS, Place, make_place

pytestmark = pytest.mark.integration

SINCE = ("inserted_at", "version")
"""Columns that tell how a row came to be there, not what it says."""

VOLTAGES = ["voltage_l1_v", "voltage_l2_v", "voltage_l3_v"]


def write(place: Place) -> None:
    """All topics once. What the default topology has no topic for takes the way of the aggregates."""
    place.send([(role if role in TOPICS else "aggregates", record) for role, record in everything()])
    place.send([("aggregates", replace(aggregate_block(2, range(-10, 0)), quantities=VOLTAGES))])
    outlet = Outlet(Kafka(place.bootstrap, "PLAINTEXT", {}), "test")
    for kind in ("last_gasp", "outage"):
        for number, state in ((1, "raised"), (2, "cleared")):
            alert = Alert(kind, number, kind, "critical", state, "E350-00000", "F1", None, NOON + number, NOON, "", {})
            value, headers = encode_alert(alert)
            outlet.produce(place.topic("alerts"), 0, value, headers=headers)
    assert outlet.close(30)


def poison(place: Place) -> None:
    """A record that is no record, once: each is a letter of its own, and is read again after each kill."""
    place.send([("readings", b"no Avro")])


def sink(place: Place, inserts: int) -> Part:
    argv = [sys.executable, "-m", "tests.dying_sink", str(place.topology), str(inserts)]
    return Part("sink", argv, place.topology.with_suffix(f".{inserts}.log"), env={**os.environ, **place.env}, stop_s=30)


def read_all(place: Place) -> None:
    with running(sink(place, 0)):
        place.wait_until_read()


def killed(place: Place, inserts: int) -> None:
    part = sink(place, inserts)
    ended = subprocess.run(part.argv, env=part.env, timeout=200, check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr.decode()


def once_and_thrice(once: Place, thrice: Place) -> None:
    for place in (once, thrice):
        poison(place)
    write(once)
    read_all(once)
    for inserts in (2, 5, 9):
        write(thrice)
        killed(thrice, inserts)
    read_all(thrice)


def test_every_view_of_the_embedded_database(kafka: str, tmp_path: Path) -> None:
    once, thrice = (make_place(tmp_path, name, kafka, f"chdb://{tmp_path}/{name}-chdb") for name in ("once", "thrice"))
    once_and_thrice(once, thrice)
    expected, found = (in_embedded(tmp_path / f"{name}-chdb") for name in ("once", "thrice"))
    assert min(map(len, expected.values())) > 0, "a view without rows shows nothing"
    assert found == expected
    assert len(expected) >= 17


def in_embedded(folder: Path) -> dict[str, list[str]]:
    """What each view shows, apart from when it came. The addresses of letters begin with the place's topic prefix."""
    store = ChdbStore(folder)

    def told(sql: str) -> list[str]:
        return store.read(sql, "TSV", {}).decode(errors="surrogateescape").splitlines()  # payloads are any bytes

    views = told("SELECT name FROM system.tables WHERE database = 'flexmeter' AND engine = 'View' ORDER BY name")
    found = {}
    for view in views:
        columns = told(f"SELECT name FROM system.columns WHERE database = 'flexmeter' AND table = '{view}'")
        wanted = [name for name in columns if name not in SINCE and (view != "dead_letters" or name in LETTERS)]
        found[view] = told(f"SELECT {', '.join(f'`{name}`' for name in wanted)} FROM flexmeter.{view} ORDER BY ALL")
    store.close()
    return found


LETTERS = ("source", "reason", "detail", "payload", "payload_sha256")
"""Of dead letters: where they stand differs between the two places."""


def test_every_view_of_a_server(kafka: str, clickhouse_server: str, tmp_path: Path) -> None:
    """Views that 18.16 can make. The two places share the server: one after the other."""
    said = []
    for name, repeats in (("server-once", ()), ("server-thrice", (2, 5, 9))):
        store = ClickHouseServer(clickhouse_server)
        store.migrate(["DROP DATABASE IF EXISTS flexmeter", *for_1816(statements(load_catalogue()))])
        store.close()
        place = make_place(tmp_path, name, kafka, clickhouse_server)
        poison(place)
        for inserts in repeats:
            write(place)
            killed(place, inserts)
        if not repeats:
            write(place)
        read_all(place)
        with asking(clickhouse_server) as client:
            said.append(on_server(client))
    assert said[1] == said[0]
    assert min(said[0].values()) > 0 and len(said[0]) >= 14


@contextmanager
def asking(url: str) -> Iterator[Client]:
    with Client.from_url(url) as client:
        yield client


def on_server(client: Client) -> dict[str, int]:
    """A checksum of each view, over what its rows say."""
    tables = client.execute("SELECT name FROM system.tables WHERE database = 'flexmeter' AND engine = 'View'")
    found = {}
    for (view,) in tables:
        columns = [row[0] for row in client.execute(f"DESCRIBE TABLE flexmeter.{view}")]
        wanted = [name for name in columns if name not in SINCE and (view != "dead_letters" or name in LETTERS)]
        named = ", ".join(f"toString(`{name}`)" for name in wanted)
        ((count, checksum),) = client.execute(f"SELECT count(), sum(cityHash64({named})) FROM flexmeter.{view}")
        found[view] = checksum if count else 0
    return found
