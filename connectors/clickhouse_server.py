"""A ClickHouse server, by its native protocol (clickhouse-driver)."""

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from connectors.clickhouse_errors import fault
from connectors.columns import Columns, plain
from connectors.database import column_of_text
from connectors.tables import DATABASE
from schemas.errors import Reason, Rejected, Unavailable


class ClickHouseServer:
    """The server at `clickhouse://user:password@host:port/?secure=1` (clickhouse-driver's own form of address)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None

    def migrate(self, statements: Iterable[str]) -> None:
        """Run the statements that make the tables."""
        for statement in statements:
            self._execute(statement)

    def insert(self, table: str, columns: Columns) -> None:
        """Insert all rows in one block; Rejected if a row is bad. An error may leave a part inserted: repeat all."""
        names = ", ".join(f"`{name}`" for name in columns)
        data = [plain(column) for column in columns.values()]
        self._execute(f"INSERT INTO {DATABASE}.{table} ({names}) VALUES", data)

    def ask(self, sql: str) -> Columns:
        """The rows that a SELECT gives; strings as Words, numbers as numpy arrays."""
        columns, kinds = self._execute(sql, with_types=True)
        found = columns or [()] * len(kinds)
        return {name: _column(kind, column) for (name, kind), column in zip(kinds, found, strict=True)}

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _execute(self, statement: str, data: list[list[object]] | None = None, *, with_types: bool = False) -> Any:
        if self._client is None:
            self._client = Client.from_url(self._url)
        try:
            return self._client.execute(statement, data, columnar=True, with_column_types=with_types)
        except driver_errors.PartiallyConsumedQueryError as error:
            raise Unavailable("clickhouse", str(error)) from error
        except driver_errors.Error as error:
            self.close()
            raise fault(error.code or 0, _words(error)) from error
        except (EOFError, OSError) as error:
            self.close()
            raise Unavailable("clickhouse", str(error) or type(error).__name__) from error
        except (UnicodeEncodeError, struct.error) as error:
            self.close()
            raise Rejected(Reason.INSERT, str(error)) from error


def _column(kind: str, values: Iterable[Any]) -> Any:
    if "String" in kind:
        return column_of_text(list(values))
    return np.array(list(values), np.float64 if kind.startswith("Float") else np.int64)


def _words(error: driver_errors.Error) -> str:
    """The message without the server's stack trace."""
    return str(getattr(error, "message", None) or error).split("Stack trace:")[0].strip()
