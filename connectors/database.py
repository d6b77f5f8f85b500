"""Asking ClickHouse: what recomputation reads, from a server or from the process that owns the embedded one."""

import http.client
import ssl
from typing import Protocol
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from connectors.clickhouse_errors import fault
from connectors.columns import Column, Columns, Words
from schemas.errors import Unavailable

_TIMEOUT_S = 120.0
_OF_A_PROXY = (http.HTTPStatus.BAD_GATEWAY, http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.GATEWAY_TIMEOUT)
"""Without a code of ClickHouse's: what stands before it says that ClickHouse is away."""


class Database(Protocol):
    """ClickHouse, for reading. Raises Unavailable when it is away."""

    def ask(self, sql: str) -> Columns:
        """The rows that a SELECT gives; strings as Words, numbers as numpy arrays."""

    def close(self) -> None:
        """Let go of it."""


class HttpDatabase:
    """ClickHouse's HTTP interface at `http[s]://[user:password@]host:port/`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = (
            parts.hostname or "127.0.0.1",
            parts.port or (8443 if parts.scheme == "https" else 8123),
        )
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        user = {"X-ClickHouse-User": unquote(parts.username)} if parts.username else {}
        self._headers = user | ({"X-ClickHouse-Key": unquote(parts.password)} if parts.password else {})

    def ask(self, sql: str) -> Columns:
        """As Arrow; an error of ClickHouse is judged as the sink judges it."""
        return columns_of_arrow(self._post(f"{sql} FORMAT ArrowStream".encode()))

    def close(self) -> None:
        """Nothing to let go of: each question has its own connection."""

    def _post(self, query: bytes) -> bytes:
        link = (
            http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_S, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        )
        try:
            link.request("POST", "/", query, self._headers)
            answer = link.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("clickhouse", str(error) or type(error).__name__) from error
        finally:
            link.close()
        if answer.status == http.HTTPStatus.OK:
            return body
        code, said = answer.headers.get("X-ClickHouse-Exception-Code"), body[:1_000].decode(errors="replace").strip()
        if code is None and answer.status in _OF_A_PROXY:
            raise Unavailable("clickhouse", f"{answer.status} {answer.reason}")
        raise fault(int(code or 0), said)


def columns_of_arrow(stream: bytes) -> Columns:
    """The columns of an Arrow stream, as ClickHouse's format ArrowStream has them."""
    table = pa.ipc.open_stream(stream).read_all()
    return {name: _column(table.column(name)) for name in table.column_names}


def column_of_text(texts: list[str]) -> Words:
    """Strings, of which most repeat."""
    numbers: dict[str, int] = {}
    index = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int32, len(texts))
    return Words(index, list(numbers))


def _column(chunks: pa.ChunkedArray) -> Column:
    whole = chunks.combine_chunks()
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    if not (pa.types.is_string(whole.type) or pa.types.is_binary(whole.type)):
        numbers: np.ndarray[tuple[int], np.dtype[np.generic]] = whole.to_numpy(zero_copy_only=False)
        return numbers
    coded = whole.cast(pa.string()).dictionary_encode()
    return Words(coded.indices.to_numpy(zero_copy_only=False).astype(np.int32), coded.dictionary.to_pylist())
