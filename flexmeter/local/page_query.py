"""Asks the embedded ClickHouse, through the HTTP interface of the process that owns it."""

import http.client
import urllib.parse
from collections.abc import Mapping
from typing import Any

import orjson

from flexmeter.local.ports import HOST
from schemas.errors import Unavailable

Row = dict[str, Any]


def query(port: int, sql: str, parameters: Mapping[str, str] | None = None, timeout_s: float = 30.0) -> list[Row]:
    """The rows that a query gives; `parameters` are ClickHouse's {name:Type}.

    Raises:
        Unavailable: nothing answers there, or with an error.
    """
    fields = {"query": f"{sql} FORMAT JSONEachRow"} | {f"param_{k}": v for k, v in (parameters or {}).items()}
    link = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        link.request("GET", f"/?{urllib.parse.urlencode(fields)}")
        answer = link.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable("clickhouse", str(error)) from error
    finally:
        link.close()
    if answer.status != 200:
        raise Unavailable("clickhouse", f"{answer.status} {body[:500].decode(errors='replace')}")
    return [orjson.loads(line) for line in body.splitlines()]
