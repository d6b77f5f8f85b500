"""What is kept for how long, in the embedded ClickHouse."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors import tables
from connectors.chdb_store import ChdbStore
from connectors.tables.retention import of_options
from flexmeter.commands.keep import command
from schemas.catalogue import load_catalogue
from schemas.topology import load_topology
from tests.district import day_until
from tests.plausible import reading_block
from tests.stored import insert_all

pytestmark = pytest.mark.integration

DAY = 86_400_000
NOW = time.time_ns() // 1_000_000


def opened(folder: Path) -> ChdbStore:
    store = ChdbStore(folder)
    store.migrate(tables.statements(load_catalogue()))
    return store


def days(store: ChdbStore) -> dict[str, set[int]]:
    """What is there, and how many days old it is."""
    age = f"intDiv({NOW} - toUnixTimestamp64Milli({{}}), {DAY})"
    sql = (
        f"SELECT DISTINCT 'readings', {age.format('at')} FROM flexmeter.readings "
        f"UNION ALL SELECT DISTINCT window, {age.format('start')} FROM flexmeter.aggregates"
    )
    found: dict[str, set[int]] = {}
    for line in store.read(sql, "TSV", {}).decode().splitlines():
        what, old = line.split("\t")
        found.setdefault(what, set()).add(int(old))
    return found


def insert_in_time(store: ChdbStore, records: Iterable[object]) -> None:
    """As if each had been inserted when it happened."""
    insert_all(store, records)
    times = {"readings_raw": "at", "aggregates_raw": "start"}
    store.migrate(
        f"ALTER TABLE flexmeter.{table} UPDATE inserted_at = {time} WHERE 1 SETTINGS mutations_sync = 2"
        for table, time in times.items()
    )


def test_old_readings_and_minutes_go_and_longer_windows_stay(tmp_path: Path) -> None:
    store = opened(tmp_path / "chdb")
    insert_in_time(store, [*day_until(NOW), *day_until(NOW - 100 * DAY)])
    before = days(store)
    store.close()
    arguments = ["--topology", "topology.yaml", "--readings-days", "30", "--minutes-days", "60"]
    for _ in range(2):
        ran = CliRunner().invoke(command, arguments, env={"CLICKHOUSE_URL": f"chdb://{tmp_path / 'chdb'}"})
        assert (ran.exit_code, ran.output) == (
            0,
            "raw readings: 30 days\n  until sink clickhouse starts: its readings_days in topology.yaml is 90\n"
            "windows of a minute: 60 days\n  until sink clickhouse starts: its minutes_days in topology.yaml is 365\n",
        )
    store = opened(tmp_path / "chdb")
    store.migrate([f"OPTIMIZE TABLE flexmeter.{table} FINAL" for table in ("readings_raw", "aggregates_raw")])
    after = days(store)
    store.close()
    assert before["readings"] == before["readings"] | {0, 100}
    assert after["readings"] == {day for day in before["readings"] if day < 30}
    assert after["1min"] == {0} < before["1min"]
    assert (after["15min"], after["1h"]) == (before["15min"], before["1h"]) and max(after["1h"]) >= 100


def test_a_sink_s_options_say_it_too(tmp_path: Path) -> None:
    store = opened(tmp_path / "chdb")
    insert_in_time(store, day_until(NOW - 100 * DAY))
    before = days(store)
    for _ in range(2):
        store.migrate(of_options("clickhouse", {"readings_days": "90", "minutes_days": "30"}))
    store.migrate([f"OPTIMIZE TABLE flexmeter.{table} FINAL" for table in ("readings_raw", "aggregates_raw")])
    after = days(store)
    store.close()
    assert "readings" not in after and "1min" not in after
    assert (after["15min"], after["1h"]) == (before["15min"], before["1h"])


def ttl(store: ChdbStore, table: str) -> str:
    """What the table's TTL is; empty = it has none."""
    made = store.read(f"SHOW CREATE TABLE flexmeter.{table}", "TSVRaw", {}).decode()
    return "".join(line for line in made.splitlines() if line.startswith("TTL "))


def test_0_ends_what_was_set_before_and_no_option_leaves_it(tmp_path: Path) -> None:
    store = opened(tmp_path / "chdb")
    insert_in_time(store, day_until(NOW - 3_000 * DAY))
    before = days(store)
    for _ in range(2):
        store.migrate(of_options("clickhouse", {"readings_days": "0", "minutes_days": "0"}))
    for options in ({"readings_days": "90", "minutes_days": "30"}, {}):
        store.migrate(of_options("clickhouse", options))
        assert "90" in ttl(store, "readings_raw") and "30" in ttl(store, "aggregates_raw")
    store.migrate(of_options("clickhouse", {"readings_days": "0"}))
    assert not ttl(store, "readings_raw") and "30" in ttl(store, "aggregates_raw")
    store.migrate(["OPTIMIZE TABLE flexmeter.readings_raw FINAL"])
    assert days(store)["readings"] == before["readings"]
    store.close()
    ran = CliRunner().invoke(
        command, ["--topology", "topology.yaml", "--readings-days", "30", "--minutes-days", "0"],
        env={
            "CLICKHOUSE_URL": f"chdb://{tmp_path / 'chdb'}",
            "FLEXMETER_READINGS_DAYS": "30", "FLEXMETER_MINUTES_DAYS": "0",
        },
    )  # fmt: skip
    assert (ran.exit_code, ran.output) == (0, "raw readings: 30 days\nwindows of a minute: for ever\n")
    store = opened(tmp_path / "chdb")
    assert "30" in ttl(store, "readings_raw") and not ttl(store, "aggregates_raw")
    store.close()


def test_a_recording_of_long_ago_stays_as_long_as_what_comes_live(tmp_path: Path) -> None:
    shipped = load_topology("topology.yaml", env={}).sinks["clickhouse"].options
    assert shipped == {"readings_days": "90", "minutes_days": "365"}
    store = opened(tmp_path / "chdb")
    store.migrate(of_options("clickhouse", shipped))
    insert_all(store, [reading_block(1, range(-3, 0), NOW - 3_000 * DAY)])
    store.migrate(["OPTIMIZE TABLE flexmeter.readings_raw FINAL"])
    after = days(store)
    store.close()
    assert after == {"readings": {3_000}}


@pytest.mark.parametrize("arguments", [["keep"], ["erase", "E350-00001"]])
def test_a_database_that_its_sink_holds_is_told(tmp_path: Path, arguments: list[str]) -> None:
    store = opened(tmp_path / "chdb")
    env = os.environ | {"CLICKHOUSE_URL": f"chdb://{tmp_path / 'chdb'}"}
    ran = subprocess.run([sys.executable, "-m", "flexmeter", *arguments], env=env, capture_output=True, text=True)
    store.close()
    assert ran.returncode == 1 and f"cannot be opened: process {os.getpid()} has it open" in ran.stderr
