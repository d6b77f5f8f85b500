"""Avro in Confluent's wire format by fastavro, for the Python peers.

Their own deserialisers for this format ask a schema registry for each new id and then do the same; without a registry
on this machine the id is skipped, which costs no more.
"""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from told import SCHEMAS

HEADER = 5


def schema(name: str) -> Any:
    """A schema of the bench, parsed."""
    return parse_schema(json.loads((SCHEMAS / f"{name}.avsc").read_text("utf-8")))


def reader(name: str) -> Callable[[bytes], Any]:
    """Reads a record of that schema."""
    parsed = schema(name)

    def read(payload: bytes) -> Any:
        body = BytesIO(payload)
        body.seek(HEADER)
        return schemaless_reader(body, parsed, None)

    return read


def writer(name: str, schema_id: int) -> Callable[[Any], bytes]:
    """Writes a record of that schema."""
    parsed, header = schema(name), b"\0" + schema_id.to_bytes(4, "big")

    def write(record: Any) -> bytes:
        body = BytesIO()
        body.write(header)
        schemaless_writer(body, parsed, record)
        return body.getvalue()

    return write


BLOCK_HEADER = b"\0" + json.loads((SCHEMAS / "ids.json").read_text("utf-8"))["ReadingBlock"].to_bytes(4, "big")
QUANTITIES: list[str] = [field["name"] for field in schema("Reading")["fields"][2:]]
MEAN_ID = 1_002
MINUTE_MS = 60_000


def is_block(payload: bytes) -> bool:
    """Whether it is a block; the topic of blocks holds beats too."""
    return payload.startswith(BLOCK_HEADER)


def rows(block: dict[str, Any]) -> list[tuple[str, int, tuple[float, ...]]]:
    """A block's readings: meter, event time in ms, values of QUANTITIES."""
    count, values = len(block["row_meter"]), block["values"]
    columns = [values[start : start + count] for start in range(0, len(values), count)]
    meters = [block["meters"][i] for i in block["row_meter"]]
    return list(zip(meters, block["at"], zip(*columns, strict=True), strict=True))
