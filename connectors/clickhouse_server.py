"""A ClickHouse server, or several that replicate each other, by the native protocol (clickhouse-driver)."""

import struct
from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from connectors.clickhouse_errors import fault
from connectors.columns import Columns, plain
from connectors.database import column_of_text
from connectors.tables import DATABASE
from schemas.errors import Reason, Rejected, Unavailable


class ClickHouseServer:
    """The server at `clickhouse[s]://user:password@host:port/?alt_hosts=host:port,host:port&ca_certs=...`.

    The address is clickhouse-driver's own; `clickhouses` is with TLS. Of several servers one is used until it is away
    or cannot take more, then the next.
    """

    def __init__(self, url: str) -> None:
        self._urls = deque(from_each(url))
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
            self._client = Client.from_url(self._urls[0])
        try:
            return self._client.execute(statement, data, columnar=True, with_column_types=with_types)
        except driver_errors.PartiallyConsumedQueryError as error:
            raise self._away(str(error)) from error
        except driver_errors.Error as error:
            self.close()
            found = fault(error.code or 0, _words(error))
            raise (self._away(found.detail) if isinstance(found, Unavailable) else found) from error
        except (EOFError, OSError) as error:
            raise self._away(str(error) or type(error).__name__) from error
        except (UnicodeEncodeError, struct.error) as error:
            self.close()
            raise Rejected(Reason.INSERT, str(error)) from error

    def _away(self, detail: str) -> Unavailable:
        """Disconnect; the next attempt begins with the next server."""
        self.close()
        self._urls.rotate(-1)
        return Unavailable("clickhouse", detail)


def from_each(url: str) -> list[str]:
    """The address, once for each of its servers, which stands first in it.

    >>> from_each("clickhouse://u:p@a:1/?alt_hosts=b:2")
    ['clickhouse://u:p@a:1/?alt_hosts=b%3A2', 'clickhouse://u:p@b:2/?alt_hosts=a%3A1']
    >>> from_each("clickhouse://a")
    ['clickhouse://a']
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    user, at, first = parts.netloc.rpartition("@")
    hosts = [first, *filter(None, options.pop("alt_hosts", "").split(","))]
    if len(hosts) == 1:
        return [url]
    return [
        parts._replace(
            netloc=f"{user}{at}{host}",
            query=urlencode({**options, "alt_hosts": ",".join(hosts[i + 1 :] + hosts[:i])}),
        ).geturl()
        for i, host in enumerate(hosts)
    ]


def _column(kind: str, values: Iterable[Any]) -> Any:
    if "String" in kind:
        return column_of_text(list(values))
    return np.array(list(values), np.float64 if kind.startswith("Float") else np.int64)


def _words(error: driver_errors.Error) -> str:
    """The message without the server's stack trace."""
    return str(getattr(error, "message", None) or error).split("Stack trace:")[0].strip()
