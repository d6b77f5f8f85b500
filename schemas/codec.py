"""Records to bytes and back: Confluent's wire format, 0x00, the 4-byte big-endian schema id, the Avro body.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from io import BytesIO
from struct import Struct
from typing import Any, cast, get_args

import numpy as np
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from schemas import columnar
from schemas.errors import Reason, Rejected
from schemas.record import Record
from schemas.shape import PER_METER, ColumnarRecord, shape_fault
from schemas.varint import write_longs
from schemas.versions import Schema, Version, current, versions

_HEADER = Struct(">bI")
_RECORDS: dict[str, type[Record]] = {record.__name__: record for record in get_args(Record)}
_COLUMNAR: dict[str, type[ColumnarRecord]] = {record.__name__: record for record in get_args(ColumnarRecord)}
_DTYPES: dict[str, type[np.generic]] = {"int": np.int32, "long": np.int64, "double": np.float64}


def encode(record: Record) -> bytes:
    """The record in Confluent wire format, with the newest schema of its type."""
    return _writers()[type(record)](record)


def decode(payload: bytes) -> Record:
    """The record that `encode`, or any other Avro writer of a schema in ids.json, made.

    Raises Rejected(Reason.SCHEMA) on anything else, whatever the bytes.

    >>> from schemas.blocks import Beat
    >>> decode(encode(Beat("mqtt_malmo", 1_795_507_200_000)))
    Beat(source='mqtt_malmo', at=1795507200000)
    """
    if len(payload) < _HEADER.size or payload[0] != 0:
        raise Rejected(Reason.SCHEMA, "no Confluent header: 0x00 and a 4-byte schema id")
    schema_id = _HEADER.unpack_from(payload)[1]
    read = _readers().get(schema_id)
    if read is None:
        raise Rejected(Reason.SCHEMA, f"schema id {schema_id} is not in schemas/ids.json")
    return read(payload)


def warm_up_encode() -> None:
    """Load what of it is compiled, which takes half a second: for whoever has somebody wait for the first record."""
    write_longs(np.array([0]))


@cache
def _writers() -> dict[type[Record], Callable[[Record], bytes]]:
    return {_RECORDS[name]: _writer(version, _RECORDS[name]) for name, version in current().items()}


@cache
def _readers() -> dict[int, Callable[[bytes], Record]]:
    return {version.id: _reader(version, _RECORDS[version.record]) for version in versions()}


def _writer(version: Version, record: type[Record]) -> Callable[[Record], bytes]:
    if record.__name__ not in _COLUMNAR:
        return avro_writer(version.id, version.schema())
    header = _HEADER.pack(0, version.id)
    write_body = cast(Callable[[Record], bytes], columnar.writer(version.schema()))
    return lambda value: header + write_body(value)


def _reader(version: Version, record: type[Record]) -> Callable[[bytes], Record]:
    newest = current()[version.record]
    if version != newest or version.record not in _COLUMNAR:
        return avro_reader(version.schema(), newest.schema(), record)
    read_body = columnar.reader(version.schema(), _COLUMNAR[version.record])
    return lambda payload: read_body(payload, _HEADER.size)


def avro_writer(schema_id: int, schema: Schema) -> Callable[[Record], bytes]:
    """Writes by fastavro: for records that are not columnar, and to measure and test the columnar ones against."""
    parsed = parse_schema(_without_logical_types(schema))
    header = _HEADER.pack(0, schema_id)

    def write(record: Record) -> bytes:
        out = BytesIO()
        out.write(header)
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        schemaless_writer(
            out, parsed, {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}
        )
        return out.getvalue()

    return write


def avro_reader(writer: Schema, reader: Schema, record: type[Record]) -> Callable[[bytes], Record]:
    """Reads payloads of the schema `writer` as `record`, whose schema is `reader` (defaults fill what is new)."""
    dtypes = {field["name"]: dtype for field in reader["fields"] if (dtype := _dtype(field["type"])) is not None}
    added = {field["name"] for field in reader["fields"]} - {field["name"] for field in writer["fields"]}
    written = parse_schema(_without_logical_types(writer))
    wanted = parse_schema(_without_logical_types(reader))

    def read(payload: bytes) -> Record:
        body = BytesIO(payload)
        body.seek(_HEADER.size)
        try:
            values = cast(dict[str, Any], schemaless_reader(body, written, wanted))
            for name, dtype in dtypes.items():
                values[name] = np.array(values[name], dtype)
            for name in added & PER_METER:
                values[name] = [None] * len(values["meters"])
        except Exception as error:  # fastavro has no error of its own: EOFError, IndexError, UnicodeDecodeError ...
            raise Rejected(Reason.SCHEMA, f"{record.__name__}: {type(error).__name__}: {error}") from error
        if body.tell() != len(payload):
            raise Rejected(Reason.SCHEMA, f"{record.__name__}: {len(payload) - body.tell()} bytes too many")
        read_record = record(**values)
        if isinstance(read_record, ColumnarRecord) and (fault := shape_fault(read_record)):
            raise Rejected(Reason.SCHEMA, fault)
        return read_record

    return read


def _dtype(type_: object) -> type[np.generic] | None:
    return _DTYPES.get(type_["items"]) if isinstance(type_, dict) and isinstance(type_.get("items"), str) else None


def _without_logical_types(schema: Schema) -> Schema:
    """Times stay int64 ms: a datetime for each would cost time and lose the equality of bits."""
    plain = [
        {**field, "type": field["type"]["type"]}
        if isinstance(field["type"], dict) and "logicalType" in field["type"]
        else field
        for field in schema["fields"]
    ]
    return {**schema, "fields": plain}
