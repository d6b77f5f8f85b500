"""ClickHouse's HTTP interface for reading, and the local page, on 127.0.0.1.

Like https://clickhouse.com/docs/interfaces/http: the query in `?query=` or the body, `default_format`, `param_*`,
`database`, /ping, errors as text with X-ClickHouse-Exception-Code. Not like it: nothing can be written or set, settings
in the URL are ignored, results come whole and uncompressed, and names without a database are those of `flexmeter`.

The page is at / and /d/UID; it reads /dashboards, /dashboards/UID, and what their panels ask by a form to /ask.
"""

import logging
import mimetypes
import re
import sys
import threading
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qs, urlsplit

import orjson

from connectors.tables import DATABASE
from flexmeter.page.boards import FOLDER, Unknown, boards, listed, question
from flexmeter.page.native import Unframed, framed
from flexmeter.page.statement import PARSED, Refused, as_parameter, check_name, check_statement, check_tree, format_of

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_LONGEST_QUERY = 1_000_000
_AT_ONCE = 4
_READONLY, _NOT_IMPLEMENTED = 164, 48
_PAGE = Path(__file__).parent
_FILES: Mapping[str, Path] = {
    "/": _PAGE / "index.html",
    "/page.css": _PAGE / "page.css",
    **{f"/js/{path.name}": path for path in _PAGE.glob("js/*.js")},
    "/uPlot.js": _PAGE / "node_modules/uplot/dist/uPlot.esm.js",
    "/uPlot.css": _PAGE / "node_modules/uplot/dist/uPlot.min.css",
}
# Codes of ClickHouse that are the asker's doing; the rest is 500, as ClickHouse answers.
_STATUS: Mapping[int, HTTPStatus] = {
    46: HTTPStatus.NOT_FOUND,  # UNKNOWN_FUNCTION
    47: HTTPStatus.NOT_FOUND,  # UNKNOWN_IDENTIFIER
    60: HTTPStatus.NOT_FOUND,  # UNKNOWN_TABLE
    81: HTTPStatus.NOT_FOUND,  # UNKNOWN_DATABASE
    62: HTTPStatus.BAD_REQUEST,  # SYNTAX_ERROR
    456: HTTPStatus.BAD_REQUEST,  # UNKNOWN_QUERY_PARAMETER
    _READONLY: HTTPStatus.FORBIDDEN,
}
_CONTENT_TYPES: Mapping[str, str] = {
    "JSON": "application/json",
    "JSONCompact": "application/json",
    "JSONEachRow": "application/x-ndjson",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
    "ArrowStream": "application/vnd.apache.arrow.stream",
}


@runtime_checkable
class Reader(Protocol):
    """The database, for reading: raises an exception with ClickHouse's `code` for a query that it refuses."""

    def read(self, query: str, form: str, parameters: Mapping[str, str], database: str) -> bytes:
        """The answer in that format. Names without a database are those of `database`."""


class Interface:
    """Serves until closed, in threads of its own, the dashboards of that folder too. Port 0 takes a free one."""

    def __init__(self, reader: Reader, port: int, dashboards: Path = FOLDER) -> None:
        at_once = threading.BoundedSemaphore(_AT_ONCE)
        self._server = _Server((HOST, port), partial(_Exchange, reader, dashboards, at_once))
        threading.Thread(target=self._server.serve_forever, name="page", daemon=True).start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asks may go away before the answer is there."""
        if not isinstance(sys.exception(), ConnectionError):
            log.exception("the interface failed")


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, reader: Reader, folder: Path, at_once: threading.BoundedSemaphore, *rest: object) -> None:
        self._reader, self._folder, self._at_once = reader, folder, at_once
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = self.headers.get("Content-Length", "")
        if not chunked and not length.isdecimal():
            self._send(HTTPStatus.LENGTH_REQUIRED, b"Content-Length is required\n")
            return
        body = self._chunks() if chunked else self._whole(int(length))
        if body is None:
            self.close_connection = True
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"the query is longer than 1 MB, or no body at all\n")
        else:
            self._answer(body)

    def _whole(self, length: int) -> bytes | None:
        return self.rfile.read(length) if length <= _LONGEST_QUERY else None

    def _chunks(self) -> bytes | None:
        """A body in chunks (RFC 9112, 7.1); None if it is longer than a query may be, or none."""
        body = b""
        while len(body) <= _LONGEST_QUERY:
            size = self.rfile.readline(32).partition(b";")[0].strip()
            if not re.fullmatch(b"[0-9A-Fa-f]{1,8}", size) or int(size, 16) > _LONGEST_QUERY:
                return None
            body += self.rfile.read(int(size, 16))
            self.rfile.readline(2)
            if not int(size, 16):
                return body
        return None

    def _answer(self, body: bytes) -> None:
        if not self._is_meant_for_us():
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"ask for 127.0.0.1 or localhost\n")
            return
        target = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(target.query, keep_blank_values=True).items()}
        if target.path == "/ping":
            self._send(HTTPStatus.OK, b"Ok.\n")
        elif body and self.headers.get("Content-Encoding"):
            self._fail(_READONLY, "what is compressed is not for reading, nor taken here. (READONLY)")
        elif asked.get("compress", "0") != "0":
            self._fail(_NOT_IMPLEMENTED, "results come uncompressed: ask without compress=1. (NOT_IMPLEMENTED)")
        elif target.path == "/" and ("query" in asked or body):
            self._query("\n".join(filter(None, [asked.get("query", ""), body.decode(errors="replace")])), asked)
        elif target.path == "/ask":
            self._panel(body.decode(errors="replace"))
        elif body:
            self._nothing()
        elif target.path.startswith("/dashboards"):
            self._dashboards(target.path.removeprefix("/dashboards").removeprefix("/"))
        else:
            self._file(_FILES.get("/" if target.path.startswith("/d/") else target.path))

    def _is_meant_for_us(self) -> bool:
        """Whether a browser asked for this machine: a page from elsewhere whose name was bound to 127.0.0.1 did not."""
        return self.headers.get("Host", "").rsplit(":", 1)[0] in {"127.0.0.1", "localhost"}

    def _panel(self, form: str) -> None:
        """What a panel or variable of a dashboard asks, as JSONCompact."""
        try:
            sql = question(boards(self._folder), parse_qs(form, keep_blank_values=True))
        except Unknown as unknown:
            self._send(HTTPStatus.BAD_REQUEST, f"{unknown}\n".encode())
        else:
            self._query(sql, {"default_format": "JSONCompact"})

    def _dashboards(self, uid: str) -> None:
        """One dashboard as it is, or the list of all."""
        shown = boards(self._folder)
        if not uid:
            self._send(HTTPStatus.OK, orjson.dumps(listed(shown)), "application/json")
        elif uid in shown:
            self._send(HTTPStatus.OK, orjson.dumps(shown[uid]), "application/json")
        else:
            self._nothing()

    def _query(self, sql: str, asked: Mapping[str, str]) -> None:
        form = asked.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        parameters = {name[6:]: value for name, value in asked.items() if name.startswith("param_")}
        database = asked.get("database") or self.headers.get("X-ClickHouse-Database") or DATABASE
        try:
            with self._at_once:
                check_name(database)
                parsed = (
                    self._reader.read(PARSED, "TSVRaw", {"statement": as_parameter(sql)}, database).decode().strip()
                )
                check_statement(parsed)
                check_tree(self._reader.read(f"EXPLAIN AST {sql}", "TSVRaw", parameters, database).decode())
                answer = self._reader.read(sql, form, parameters, database)
            form = format_of(parsed) or form
            if form == "Native":
                answer = framed(answer, int(asked.get("client_protocol_version", "0")))
        except Refused as refused:
            self._fail(_READONLY, f"{refused}. (READONLY)")
        except (Unframed, ValueError) as error:
            self._fail(_NOT_IMPLEMENTED, f"{error}. (NOT_IMPLEMENTED)")
        except Exception as error:
            code = getattr(error, "code", None)
            if not isinstance(code, int):
                log.exception("the interface failed")
                code = 0
            self._fail(code, str(error))
        else:
            content_type = _CONTENT_TYPES.get(form, "text/plain; charset=UTF-8")
            self._send(HTTPStatus.OK, answer, content_type, {"X-ClickHouse-Format": form})

    def _fail(self, code: int, message: str) -> None:
        status = _STATUS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
        body = f"Code: {code}. DB::Exception: {message}\n".encode()
        self._send(status, body, headers={"X-ClickHouse-Exception-Code": str(code)})

    def _nothing(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, b"There is no such page.\n")

    def _file(self, path: Path | None) -> None:
        if path is None:
            self._nothing()
            return
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            self._send(HTTPStatus.NOT_FOUND, f"{path.name} is not installed: npm ci in flexmeter/page\n".encode())
            return
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        policy = {"Content-Security-Policy": "default-src 'self'; img-src data:", "Cache-Control": "no-cache"}
        self._send(HTTPStatus.OK, content, f"{guessed}; charset=utf-8", policy)

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        content_type: str = "text/plain; charset=UTF-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)
