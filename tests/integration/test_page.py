"""The local page in a real browser, and ClickHouse's HTTP interface under it."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from connectors import tables
from flexmeter.local.ports import HOST, free_port
from tests.sink_process import http, reachable

pytestmark = pytest.mark.integration

PANELS = json.loads(Path("flexmeter/page/panels.json").read_text())
READONLY = "164"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    number = free_port()
    argv = [sys.executable, "-m", "tests.serve_page", str(tmp_path_factory.mktemp("page") / "chdb"), str(number)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            deadline = monotonic() + 60
            while not reachable(number):
                assert process.poll() is None and monotonic() < deadline
                sleep(0.1)
            yield number
        finally:
            process.stdin.close()
            process.wait(20)


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
    assert failed("SELECT throwIf(1)") == (500, "395")
    assert failed("SELECT groupArray(number) FROM numbers(500000000)") == (500, "241")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO flexmeter.meters_raw (meter) VALUES ('x')",
        "DROP TABLE flexmeter.readings_raw",
        "SELECT 1; DROP TABLE flexmeter.readings_raw",
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
    for path in ("/interface.py", "/../interface.py", "/node_modules/uplot/package.json", "/%2e%2e/x"):
        assert http(port, path=path, method="GET").status == 404


def answered(port: int, sql: str) -> dict[str, Any]:
    choices = {"param_meter": "E350-00003", "param_feeder": "F1", "param_minutes": "15"}
    answer = http(port, sql, default_format="JSONCompact", **choices)
    assert answer.status == 200, answer.body.decode()
    result: dict[str, Any] = json.loads(answer.body)
    return result


@pytest.mark.parametrize("panel", PANELS["panels"], ids=lambda panel: panel["id"])
def test_each_panel_has_data(port: int, panel: dict[str, str]) -> None:
    deadline = monotonic() + 60  # throughput is shown by steps that have ended
    while not (result := answered(port, panel["sql"]))["data"]:
        assert monotonic() < deadline
        sleep(0.2)
    if panel["kind"] in ("lines", "bars"):
        assert result["meta"][0]["name"] == "t" and panel["unit"]


def test_the_feeder_s_load_is_the_sum_of_its_meters_means(port: int) -> None:
    (panel,) = (panel for panel in PANELS["panels"] if panel["id"] == "feeder-load")
    row = answered(port, panel["sql"])["data"][-1]
    total = f"""SELECT sum(mean) FROM flexmeter.aggregates JOIN flexmeter.meters USING meter
        WHERE feeder = 'F1' AND window = '1min' AND toUnixTimestamp(start) = {row[0]}"""
    assert float(http(port, total).body) == pytest.approx(row[4])
    assert row[1] + row[2] + row[3] == pytest.approx(row[4])


def chromium(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}"]
    argv = ["chromium", "--headless", *quiet, "--enable-logging=stderr", "--virtual-time-budget=6000", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)


def test_the_page_in_a_browser(port: int, tmp_path: Path) -> None:
    url = f"http://{HOST}:{port}/#meter=E350-00011&feeder=F3&minutes=15"
    picture, net_log = tmp_path / "page.png", tmp_path / "net.json"
    run = chromium(tmp_path, "--window-size=1280,1700", f"--screenshot={picture}", f"--log-net-log={net_log}", url)
    assert not re.findall(r".*CONSOLE.*", run.stderr)
    assert picture.stat().st_size > 50_000
    asked = set(re.findall(r'"url":"(https?://[^/"]+)', net_log.read_text()))
    own = {site for site in asked if re.search(r"\.(google|googleapis|gvt1)\.com$", site)}  # of the browser itself
    assert asked - own == {f"http://{HOST}:{port}"}
    for file in ("index.html", "page.css", "page.js", "panels.json"):
        assert not re.search(r"(https?:)?//\w+\.\w+", Path("flexmeter/page", file).read_text())

    page = chromium(tmp_path, "--dump-dom", url).stdout
    plots = [panel for panel in PANELS["panels"] if panel["kind"] in ("lines", "bars")]
    assert page.count("<canvas") == len(plots)
    for text in ("Load of meter E350-00011", "Load of feeder F3", "Power lost at E350-00007", "malformed"):
        assert text in page
    assert re.search(r'<p id="trouble" role="status"></p>', page)
