"""What an answer of ClickHouse's HTTP interface, or of a proxy before it, means to who asks."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from connectors.clickhouse_errors import ClickHouseFault
from connectors.database import HttpDatabase
from flexmeter.local.ports import HOST
from schemas.errors import Unavailable


@contextmanager
def answering(status: int, headers: Mapping[str, str]) -> Iterator[HttpDatabase]:
    class Always(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"why")

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer((HOST, 0), Always)
    worker = threading.Thread(target=server.serve_forever)
    worker.start()
    try:
        yield HttpDatabase(f"http://{HOST}:{server.server_port}/")
    finally:
        server.shutdown()
        worker.join()
        server.server_close()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_its_clickhouse_is_clickhouse_away(status: int) -> None:
    with answering(status, {}) as database, pytest.raises(Unavailable, match=str(status)):
        database.ask("SELECT 1")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(500, "252", Unavailable), (503, "60", ClickHouseFault), (404, None, ClickHouseFault)],
)
def test_clickhouse_s_own_code_says_more_than_the_status(
    status: int, code: str | None, expected: type[Exception]
) -> None:
    headers = {} if code is None else {"X-ClickHouse-Exception-Code": code}
    with answering(status, headers) as database, pytest.raises(expected, match="why"):
        database.ask("SELECT 1")
