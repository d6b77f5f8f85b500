"""ClickHouse embedded in this process (chdb), with its data in a folder.

One process a folder: a second is refused. One writer: threads that insert `FROM Python(...)` at once write one thread's
rows for all, without an error, so inserts hold a lock. Each reader has a session of its own.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
from chdb.session import Session

from connectors.clickhouse_errors import fault
from connectors.columns import Column, Columns, Words
from connectors.tables import DATABASE

# Sessions raise chdb._exceptions.ChdbError, which is a RuntimeError; the public chdb.ChdbError is another class.
_ERROR = RuntimeError
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL)

# How a reader asks. Times without a zone are told in UTC, whatever this machine's zone is.
_SETTINGS = {
    "session_timezone": "'UTC'",
    # What one may use up: results are held in memory before they are sent.
    "max_memory_usage": "1000000000",
    "max_result_bytes": "100000000",
    "result_overflow_mode": "'throw'",
    "max_threads": "1",
}


class QueryFailed(Exception):
    """ClickHouse refused a reader's query: its code and its words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ChdbStore:
    """The embedded database in the folder `path`, made when missing. A reader's query may take `longest_query_s`."""

    def __init__(self, path: Path, longest_query_s: float = 20) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = str(path)
        self._settings = {**_SETTINGS, "max_execution_time": str(longest_query_s)}
        self._lock = threading.Lock()
        try:
            self._session = _open(self._path)
        except _ERROR as error:
            raise _ERROR(_holder(path) or str(error)) from error

    def migrate(self, statements: Iterable[str]) -> None:
        """Run the statements that make the tables."""
        for statement in statements:
            self._write(statement)

    def insert(self, table: str, columns: Columns) -> None:
        """Insert all rows in one block; Rejected if a row is bad. An error may leave a part inserted: repeat all."""
        rows = pa.table({name: _arrow(column) for name, column in columns.items()})
        names = ", ".join(f"`{name}`" for name in columns)
        self._write(f"INSERT INTO {DATABASE}.{table} ({names}) SELECT {names} FROM Python(rows)", rows)

    def read(self, query: str, form: str, parameters: Mapping[str, str], database: str = "default") -> bytes:
        """The answer to a query that may only read, in a session of its own; QueryFailed if it is refused.

        Names without a database are those of `database`, a name of letters, digits and `_`.

        A session is not used twice: after an error in the midst of a result, chdb 4.4 hands what was left of it to the
        next query of that session.
        """
        session = _open(self._path)
        try:
            session.query(f"USE {database}")
            settings = ", ".join(f"{name} = {value}" for name, value in self._settings.items())
            session.query(f"SET {settings}, readonly = 1")
            answer: bytes = session.query(query, form, params=dict(parameters)).bytes()
            return answer
        except _ERROR as error:
            raise QueryFailed(*_code_and_message(error)) from None
        finally:
            session.close()

    def close(self) -> None:
        """Close the folder; all that was inserted is on disk."""
        with self._lock:
            self._session.close()

    def _write(self, statement: str, rows: pa.Table | None = None) -> None:
        # chdb finds `rows` by its name in this frame.
        with self._lock:
            try:
                self._session.query(statement)
            except _ERROR as error:
                raise fault(*_code_and_message(error)) from None


def _holder(folder: Path) -> str:
    """Who has the folder open, as ClickHouse notes there meanwhile; empty if nobody. Who was killed leaves the note."""
    status = folder / "status"
    found = re.search(r"PID: (\d+)", status.read_text("utf-8")) if status.exists() else None
    if found is None or not Path("/proc", found[1]).exists():
        return ""
    return f"process {found[1]} has it open, its sink perhaps: end that first"


def _open(path: str) -> Session:
    return Session(path)


def _arrow(column: Column) -> pa.Array:
    if isinstance(column, Words):
        return pa.DictionaryArray.from_arrays(pa.array(column.index), pa.array(column.words, pa.string()))
    if isinstance(column, list):
        return pa.array(column, pa.binary() if column and isinstance(column[0], bytes) else pa.string())
    return pa.array(column)


def _code_and_message(error: Exception) -> tuple[int, str]:
    """ClickHouse's code and words; code 0 where there is none."""
    found = _CODE.search(str(error))
    return (int(found[1]), found[2]) if found else (0, str(error))
