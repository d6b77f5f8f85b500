"""ClickHouse's HTTP interface over the embedded one, and what the local page asks of it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors import tables
from flexmeter.local.ports import HOST
from tests.grafana import BOARDS
from tests.serve_page import served
from tests.sink_process import http

pytestmark = pytest.mark.integration

READONLY = "164"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(tmp_path_factory.mktemp("page")) as number:
        yield number


def test_queries_by_get_and_post_with_parameters_and_formats(port: int) -> None:
    assert http(port, "SELECT 1 AS a FORMAT JSONEachRow").body == b'{"a":1}\n'
    assert http(port, method="GET", query="SELECT 1").body == b"1\n"
    assert http(port, "SELECT 1, 'a'", default_format="CSV").body == b'1,"a"\n'
    assert http(port, "+ 1", query="SELECT 1").body == b"2\n"
    meter = http(port, "SELECT any(meter) FROM flexmeter.readings WHERE meter = {m:String}", param_m="E350-00003")
    assert (meter.body, meter.headers["X-ClickHouse-Format"]) == (b"E350-00003\n", "TabSeparated")
    assert http(port, "SELECT 1 FORMAT JSON").headers["Content-Type"] == "application/json"
    made = len(list(Path(tables.__file__).parent.glob("*.sql")))
    assert http(port, "SHOW TABLES FROM flexmeter").body.count(b"_raw\n") == made
    assert http(port, "DESCRIBE flexmeter.aggregates").status == 200


def test_errors_carry_clickhouses_code(port: int) -> None:
    def failed(sql: str) -> tuple[int, str]:
        answer = http(port, sql)
        assert answer.body.startswith(b"Code: ")
        return answer.status, answer.headers["X-ClickHouse-Exception-Code"]

    assert failed("SELECT * FROM flexmeter.nothing") == (404, "60")
    assert failed("SELECT FROM WHERE") == (400, "62")
    assert failed("SELECT 1; DROP TABLE flexmeter.readings_raw") == (400, "62")
    assert failed("SELECT throwIf(1)") == (500, "395")
    assert failed("SELECT groupArray(number) FROM numbers(500000000)") == (500, "241")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO flexmeter.meters_raw (meter) VALUES ('x')",
        "DROP TABLE flexmeter.readings_raw",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd')",
        "SELECT `fi\\x6ce`/**/('/etc/passwd')",
        "EXPLAIN SELECT file('/etc/passwd')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key.csv')",
        "SELECT * FROM Python(rows)",
        "SELECT 1 INTO OUTFILE '/tmp/out.csv'",
        "CREATE TABLE flexmeter.x (a Int8) ENGINE = Memory",
        "SYSTEM FLUSH LOGS",
        "OPTIMIZE TABLE flexmeter.readings_raw FINAL",
    ],
)
def test_writing_and_reaching_outside_is_refused(port: int, sql: str) -> None:
    answer = http(port, sql)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, READONLY), answer.body
    assert http(port, "SELECT count() > 0 FROM flexmeter.readings_raw").body == b"1\n"


def test_an_error_in_the_midst_of_a_result_leaves_nothing_for_the_next(port: int) -> None:
    assert http(port, "SELECT * FROM numbers(100000000)").headers["X-ClickHouse-Exception-Code"] == "396"
    assert http(port, "SELECT 'next'").body == b"next\n"


def test_a_page_from_elsewhere_bound_to_this_address_gets_nothing(port: int) -> None:
    request = urllib.request.Request(f"http://{HOST}:{port}/?query=SELECT+1", headers={"Host": "evil.example:80"})
    with pytest.raises(urllib.error.HTTPError, match="421") as refused:
        urllib.request.urlopen(request)
    refused.value.close()


def test_only_the_page_s_files_are_served(port: int) -> None:
    assert http(port, path="/", method="GET").headers["Content-Security-Policy"].startswith("default-src 'self'")
    for path in (
        "/interface.py",
        "/js/../interface.py",
        "/js/nothing.js",
        "/uplot/package.json",
        "/%2e%2e/x",
        "/dashboards/../x",
    ):
        assert http(port, path=path, method="GET").status == 404


def asked(port: int, **form: str) -> tuple[int, Any]:
    body = urllib.parse.urlencode({"dashboard": "flexmeter-meter", "from": 0, "to": 2**41, "interval": 60_000, **form})
    answer = http(port, body, path="/ask")
    return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()


def test_a_panel_s_and_a_variable_s_question_are_answered_by_name(port: int) -> None:
    status, told = asked(port, variable="meter")
    assert status == 200 and ["E350-00003"] in told["data"]
    status, told = asked(port, panel="1", ref="A", **{"var-meter": "E350-00003"})
    assert (status, told["data"]) == (200, [["malmo_household"]])


def test_what_cannot_be_asked_is_told(port: int) -> None:
    assert asked(port, panel="1", ref="A") == (400, "there is no variable meter\n")
    assert asked(port, panel="99", ref="A")[0] == 400
    status, told = asked(port, panel="1", ref="A", **{"var-meter": "'; DROP TABLE x"})
    assert (status, told["data"]) == (200, []), "a meter may be called anything"


def test_dashboards_are_served_as_they_are(port: int) -> None:
    told = json.loads(http(port, path="/dashboards", method="GET").body)
    assert {each["uid"] for each in told} == set(BOARDS)
    for uid, board in BOARDS.items():
        assert json.loads(http(port, path=f"/dashboards/{uid}", method="GET").body) == board
        assert http(port, path=f"/d/{uid}", method="GET").body == http(port, path="/", method="GET").body
    assert http(port, path="/dashboards/nothing", method="GET").status == 404


def test_the_feeder_s_load_is_the_sum_of_its_meters_means(port: int) -> None:
    (panel,) = (panel for panel in BOARDS["flexmeter-live"]["panels"] if panel["title"] == "Load of feeder ${feeder}")
    place = {"dashboard": "flexmeter-live", "var-substation": "S1", "var-feeder": "F1"}
    _, told = asked(port, panel=str(panel["id"]), ref="A", **place)
    time, phase, load = told["data"][-1]
    total = f"""SELECT sum(mean) FROM flexmeter.aggregates JOIN flexmeter.meters USING meter
        WHERE feeder = 'F1' AND window = '1min' AND quantity = 'active_power_l3_w' AND start = '{time}'"""
    assert phase == "L3" and float(http(port, total).body) == pytest.approx(load)
