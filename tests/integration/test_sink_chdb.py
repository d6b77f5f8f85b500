"""The sink with embedded ClickHouse on real Kafka: whatever is repeated, interrupted or bad, each fact stands once."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from connectors.kafka import Outlet
from schemas.alert import Alert, encode_alert
from schemas.topology_model import Kafka
from tests.plausible import NOON, aggregate_block, everything, garbage, reading_block
from tests.sink_process import TOPICS, Place, make_place

pytestmark = pytest.mark.integration

# What the views show, apart from when it was inserted.
VIEWS = {
    "readings": "* EXCEPT (version, inserted_at)",
    "meters": "*",
    "aggregates": "* EXCEPT inserted_at",
    "events": "* EXCEPT inserted_at",
    "presence": "* EXCEPT inserted_at",
    "loads": "* EXCEPT inserted_at",
    "reliability": "* EXCEPT inserted_at",
    "recompute_requests": "* EXCEPT inserted_at",
    "accounts": "* EXCEPT inserted_at",
    "alerts": "* EXCEPT inserted_at",
    "alert_marks": "* EXCEPT inserted_at",
    "dead_letters": "* EXCEPT (payload, inserted_at), hex(payload)",
}


def contents(place: Place) -> dict[str, list[list[object]]]:
    return {view: sorted(place.rows(f"SELECT {columns} FROM flexmeter.{view}"), key=repr)
            for view, columns in VIEWS.items()}  # fmt: skip


def send_alert(place: Place, number: int, state: str) -> None:
    alert = Alert(
        id="last_gasp/E350-00000", number=number, kind="last_gasp", severity="critical", state=state,
        subject="E350-00000", feeder="F1", substation=None, at=NOON + number, raised_at=NOON,
        summary="Power lost", evidence={"gasps": 1},
    )  # fmt: skip
    value, headers = encode_alert(alert)
    outlet = Outlet(Kafka(place.bootstrap, "PLAINTEXT", {}), "test")
    outlet.produce(place.topic("alerts"), 0, value, headers=headers)
    assert outlet.close(30)


def test_repeats_change_no_view_and_the_highest_version_stands(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "repeats", kafka)
    once = [(role, record) for role, record in everything() if role in TOPICS and role != "dead"]
    with place.sink():
        place.send(once)
        place.send([("dead", garbage())])
        send_alert(place, 1, "raised")
        place.wait_until_read()
        first = contents(place)
        assert {view: len(rows) for view, rows in first.items()} == {
            "readings": 800, "meters": 20, "aggregates": 600, "events": 2, "presence": 2, "loads": 2,
            "reliability": 6, "recompute_requests": 2, "accounts": 1, "alerts": 1, "alert_marks": 2, "dead_letters": 1,
        }  # fmt: skip

        place.send(once)
        place.send(once)
        send_alert(place, 1, "raised")
        place.wait_until_read()
        assert contents(place) == first

        place.send([("aggregates", aggregate_block(20, range(-10, 0), revision=1))])
        place.send([("aggregates", aggregate_block(20, range(-10, 0), revision=0))])
        send_alert(place, 2, "cleared")
        place.wait_until_read()
        assert place.rows("SELECT count(), min(revision), max(revision) FROM flexmeter.aggregates") == [[600, 1, 1]]
        assert place.rows("SELECT state FROM flexmeter.alerts") == [["cleared"]]
        assert place.rows("SELECT count() FROM flexmeter.alert_history") == [[2]]


def test_the_first_of_two_readings_of_one_time_stays(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "first", kafka)
    block, other = reading_block(1, range(0, 1)), reading_block(1, range(0, 1))
    other.values[2] = 4_711.0
    with place.sink():
        place.send([("readings", block), ("readings", other), ("readings", reading_block(1, range(1, 2)))])
        place.wait_until_read()
        assert place.rows("SELECT count() FROM flexmeter.readings") == [[2]]
        assert place.rows("SELECT active_power_l1_w FROM flexmeter.readings ORDER BY at LIMIT 1") == [[block.values[2]]]


def test_only_the_poisoned_row_goes_to_the_dead_letters(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "poison", kafka)
    block = reading_block(50, range(0, 10))
    block.at[123] = 8_000_000_000_000  # the year 2223
    with place.sink():
        place.send([("readings", b"no Avro"), ("readings", block)])
        place.wait_for("SELECT count() FROM flexmeter.readings", 499)
        place.wait_for("SELECT count() FROM flexmeter.dead_letters", 2)
        letters = place.rows("SELECT reason, address, payload FROM flexmeter.dead_letters ORDER BY reason, address")
        missing = place.rows("SELECT count() FROM flexmeter.readings WHERE at > '2200-01-01'")
    (insert, insert_at, row), schema = letters[0], letters[1:]
    assert (insert, insert_at) == ("insert", "poison.meter.readings/0/1")
    assert '"meter":"E350-00023"' in row and '"at":8000000000000' in row
    assert schema == [["schema", "poison.meter.readings/0/0", "no Avro"]]
    assert missing == [[0]]


@pytest.mark.parametrize("inserts", [1, 3])
def test_killed_between_insert_and_commit_nothing_is_lost_or_doubled(kafka: str, tmp_path: Path, inserts: int) -> None:
    place = make_place(tmp_path, f"kill{inserts}", kafka)
    place.send([("readings", reading_block(20, range(turn, turn + 10))) for turn in range(0, 100, 10)])
    place.send([("aggregates", aggregate_block(20, range(-10, 0)))], partition=1)
    for _ in range(2):
        argv = [sys.executable, "-m", "tests.dying_sink", str(place.topology), str(inserts)]
        died = subprocess.run(argv, env={**os.environ, **place.env}, timeout=120, check=False)
        assert died.returncode == -9
    with place.sink():
        place.wait_for("SELECT count() FROM flexmeter.readings", 2_000)
        place.wait_for("SELECT count() FROM flexmeter.aggregates", 600)
        assert place.rows("SELECT count() >= 2000 FROM flexmeter.readings_raw") == [[1]]
        whole = reading_block(20, range(0, 100))
        said = place.rows("SELECT sum(active_power_l1_w), uniqExact(meter, at) FROM flexmeter.readings")
    assert said[0][1] == 2_000
    assert np.isclose(said[0][0], whole.rows_by_column()[2].sum(), rtol=1e-12)


def test_asked_to_end_it_writes_what_it_has_and_exits_with_zero(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "ends", kafka)
    with place.sink() as process:
        place.send([("readings", reading_block(3, range(0, 1)))])
        place.wait_until_read()
        process.terminate()
        assert process.wait(20) == 0
    with place.sink():
        assert place.rows("SELECT count() FROM flexmeter.readings") == [[3]]


def test_a_port_that_is_taken_is_named(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "port", kafka)
    with socket.create_server(("127.0.0.1", place.port)):
        argv = list(place.part().argv)
        ended = subprocess.run(argv, env={**os.environ, **place.env}, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert f"port {place.port} of 127.0.0.1" in ended.stderr and "PAGE_PORT" in ended.stderr
