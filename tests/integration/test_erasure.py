"""A meter erased from the embedded ClickHouse: nothing names it any more, and nothing else is lost."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors import tables
from connectors.chdb_store import ChdbStore
from connectors.clickhouse_errors import ClickHouseFault
from connectors.erasure import erasing, proving
from flexmeter.commands.erase import command
from schemas.alert import Alert
from schemas.catalogue import load_catalogue
from tests.plausible import NOON, event_block, everything, garbage
from tests.stored import insert_all

pytestmark = pytest.mark.integration

METER, LONGER = "E350-00001", "E350-000017"
MADE = tables.statements(load_catalogue())
ALERTS = [
    Alert("a1", 1, "last_gasp", "critical", "raised", METER, "F2", "S1", NOON, NOON, f"Power lost at {METER}", {}),
    Alert("a2", 1, "outage", "critical", "raised", "F2", "F2", "S1", NOON, NOON, f"{METER} {METER}, {LONGER} are out",
          {"meters": [METER, METER, LONGER]}),
    Alert("outage/S1/1/1", 1, "outage", "critical", "raised", "T-17", "F2", "S1", NOON, NOON, "T-17 is out", {}),
    Alert("outage/S1/1/1", 2, "outage", "minor", "updated", METER, "F2", "S1", NOON + 1, NOON, f"{METER} is out", {}),
    Alert("outage/S1/1/1", 3, "outage", "minor", "cleared", METER, "F2", "S1", NOON + 2, NOON, f"{METER} is back", {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with everything in it, twice; it is closed: one folder at a time is open in a process."""
    folder = tmp_path_factory.mktemp("erasure") / "chdb"
    store = ChdbStore(folder)
    store.migrate(MADE)
    for _ in range(2):
        insert_all(store, [*(record for _, record in everything()), garbage(), *ALERTS])
    store.close()
    return folder


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[ChdbStore]:
    """A copy, to erase from."""
    store = ChdbStore(shutil.copytree(filled, tmp_path / "chdb", symlinks=True))
    yield store
    store.close()


def told(store: ChdbStore, sql: str) -> str:
    return store.read(sql, "TSVRaw", {}).decode().strip()


def others(store: ChdbStore) -> dict[str, str]:
    """Rows of the other meters, by view."""
    views = ("readings", "aggregates", "events", "meters", "recompute_requests", "presence", "loads")
    of = {view: "1" if view == "loads" else f"meter != '{METER}'" for view in views}
    return {view: told(store, f"SELECT count() FROM flexmeter.{view} WHERE {where}") for view, where in of.items()}


def test_nothing_names_the_meter_and_nothing_else_is_lost(store: ChdbStore) -> None:
    before = others(store)
    with pytest.raises(ClickHouseFault, match="still names the meter"):
        store.migrate(proving(METER, MADE))
    store.migrate(erasing(METER, MADE))
    store.migrate(proving(METER, MADE))
    assert others(store) == before
    assert told(store, "SELECT count() FROM flexmeter.dead_letters") == "0"
    assert told(store, "SELECT id, summary, evidence FROM flexmeter.alerts WHERE id NOT LIKE '%/%'").split("\t") == [
        "a2", f"erased erased, {LONGER} are out", f'{{"meters":["erased","erased","{LONGER}"]}}',
    ]  # fmt: skip


def test_what_another_meter_said_of_it_stays_without_its_name(store: ChdbStore) -> None:
    """And another one that is called as it and a suffix stays altogether."""
    other = f"{METER}.2"
    told_by = replace(event_block(NOON), meters=[other, "m1"], detail=[f"on behalf of {METER}", ""])
    id, summary, evidence = f"clock/{other}/{NOON}", f"{other}: behind {METER}, {METER}: {METER}.", {"meters": [other]}
    insert_all(
        store, [told_by, Alert(id, 1, "clock", "minor", "raised", other, "F2", "S1", NOON, NOON, summary, evidence)]
    )
    store.migrate(erasing(METER, MADE))
    store.migrate(proving(METER, MADE))
    said = f"SELECT meter, detail FROM flexmeter.events WHERE meter LIKE '{METER}%'"
    assert told(store, said) == f"{other}\ton behalf of erased"
    alert = told(store, f"SELECT subject, summary, evidence FROM flexmeter.alerts WHERE id = '{id}'").split("\t")
    assert alert == [other, f"{other}: behind erased, erased: erased.", f'{{"meters":["{other}"]}}']


def test_an_outage_that_was_over_does_not_begin_again(store: ChdbStore) -> None:
    store.migrate(erasing(METER, MADE))
    history = "SELECT number, state, subject FROM flexmeter.alert_history WHERE id = 'outage/S1/1/1' ORDER BY number"
    assert told(store, history).split("\n") == ["1\traised\tT-17", "2\tupdated\terased", "3\tcleared\terased"]
    assert told(store, "SELECT state, device FROM flexmeter.outages WHERE id = 'outage/S1/1/1'") == "cleared\terased"


@pytest.mark.parametrize("meter", ["'; DROP TABLE x", "a\\", "(", ".*", "E350-0000", "Zähler 7", "a+b"])
def test_a_name_is_a_name_whatever_it_holds(store: ChdbStore, meter: str) -> None:
    before = others(store), told(store, "SELECT count() FROM flexmeter.readings_raw")
    store.migrate(erasing(meter, MADE))
    store.migrate(proving(meter, MADE))
    assert (others(store), told(store, "SELECT count() FROM flexmeter.readings_raw")) == before


def test_every_table_is_asked(store: ChdbStore) -> None:
    asked = " ".join(proving(METER, MADE))
    for table in told(store, "SHOW TABLES FROM flexmeter LIKE '%_raw'").split("\n"):
        strings = f"SELECT name FROM system.columns WHERE table = '{table}' AND type LIKE '%String%'"
        for name in told(store, strings).split("\n"):
            assert f"`{name}`" in asked.split(f"FROM flexmeter.{table} WHERE ")[1].split("SELECT")[0]


def test_a_proof_that_fails_is_told_with_what_still_names_the_meter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter that goes on reporting may have come back before it is proved that it is gone."""
    store = ChdbStore(tmp_path / "chdb")
    store.migrate(MADE)
    insert_all(store, ALERTS[:1])
    store.close()
    monkeypatch.setattr("flexmeter.commands.erase.erasing", lambda meter, made: [])
    env = {"CLICKHOUSE_URL": f"chdb://{tmp_path / 'chdb'}"}
    ran = CliRunner().invoke(command, ["--topology", "topology.yaml", METER], env=env)
    assert ran.exit_code == 1
    assert ran.output.startswith("Error: code 395: alerts_raw still names the meter")


def test_the_command_erases_and_says_so(tmp_path: Path) -> None:
    store = ChdbStore(tmp_path / "chdb")
    store.migrate(MADE)
    insert_all(store, ALERTS[:1])
    store.close()
    env = {"CLICKHOUSE_URL": f"chdb://{tmp_path / 'chdb'}"}
    ran = CliRunner().invoke(command, ["--topology", "topology.yaml", METER], env=env)
    assert (ran.exit_code, ran.output) == (0, f"{METER} is erased: no column of text of any table names it\n")
    store = ChdbStore(tmp_path / "chdb")
    assert told(store, "SELECT count() FROM flexmeter.alert_history") == "0"
    store.close()
    ran = CliRunner().invoke(command, ["--topology", "topology.yaml", METER], env=env)
    assert (ran.exit_code, ran.output) == (0, f"nothing to erase: no column of text of any table names {METER}\n")
