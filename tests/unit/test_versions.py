"""ids.json only grows, and every version that was ever written can be read."""

import io
import struct
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np
import pytest
from fastavro import schemaless_writer

from schemas.arrays import Float64s, Int32s, Int64s
from schemas.codec import avro_reader, decode
from schemas.columnar import kinds_of
from schemas.record import Record
from schemas.results import StateCommit
from schemas.shape import ColumnarRecord
from schemas.versions import Schema, Version, current, fingerprint_of, versions

TYPES: dict[str, type[Record]] = {record.__name__: record for record in get_args(Record)}

# What has been published. A line is added with each new version, and none is ever changed.
PUBLISHED = {
    1: ("ReadingBlock", "3fd5d5e98013bf34"),
    2: ("EventBlock", "b90095c88b6ee514"),
    3: ("Beat", "0fe6ecd7857da276"),
    4: ("AggregateBlock", "7fa6093f625325e5"),
    5: ("PresenceBlock", "bddebb02a64f773a"),
    6: ("Account", "9a7f8503d8e68981"),
    7: ("RecomputeRequestBlock", "df719f3116c09549"),
    8: ("DeadLetter", "165ad3069b05a8b7"),
    9: ("StateChunk", "4f3ff910de98e636"),
    10: ("StateCommit", "6bb09f241261f46f"),
    11: ("ReadingBlock", "eb776aff619cc611"),
    12: ("PartialLoadBlock", "c61de68e2d382de1"),
    13: ("LoadBlock", "4aeed789b7bc00d3"),
    14: ("ApplianceEventBlock", "c0eebc4223da8dec"),
    15: ("ApplianceEnergyBlock", "16cc7ed0519c1d78"),
    16: ("TelegramCounter", "d5c0cc82754447c6"),
    17: ("AnomalyScoreBlock", "8eba6fc217b878d8"),
    18: ("HeardBlock", "c9264cd9d55deee9"),
    19: ("GridBlock", "179e4c8f890da61b"),
    20: ("PlannedWorkBlock", "8f83a6e5921f2be5"),
    21: ("ReliabilityBlock", "399b518f3bea3de9"),
    22: ("HomeRequestBlock", "fe8e7fb18fddd8e5"),
    24: ("HourlyLoadBlock", "2fd6a0b8ac84e992"),
    25: ("AlertMark", "f40cb8468c3ab778"),
    26: ("AlertDelivery", "849da2614aa2a0f7"),
    27: ("Device", "523d14467819c835"),
    28: ("DeadLetter", "be203cf83126ad97"),
    29: ("TelegramCounter", "7cbcad7d05f322df"),
}


def test_ids_json_holds_what_was_published_and_no_less() -> None:
    assert {version.id: (version.record, version.sha256[:16]) for version in versions()} == PUBLISHED
    assert [version.id for version in versions()] == sorted({version.id for version in versions()})


@pytest.mark.parametrize("version", versions(), ids=lambda version: f"{version.record}-{version.id}")
def test_a_schema_changes_only_with_a_new_id(version: Version) -> None:
    assert fingerprint_of(version.schema()) == version.sha256, (
        f"{version.file} changed: keep the old file in records/history/, point id {version.id} there, "
        "and append an entry with a new id to ids.json"
    )


def test_each_record_is_written_by_the_file_of_its_name() -> None:
    assert {name: version.file for name, version in current().items()} == {name: f"{name}.avsc" for name in TYPES}
    folder = Path(str(files("schemas.records")))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.avsc")} == {entry.file for entry in versions()}


@pytest.mark.parametrize("version", versions(), ids=lambda version: f"{version.record}-{version.id}")
def test_every_version_is_read_as_the_current_record(version: Version) -> None:
    written = {field["name"]: _example(field["type"]) for field in version.schema()["fields"]}
    read = decode(_payload(version.id, version.schema(), written))
    assert type(read) is TYPES[version.record]
    for field in fields(read):
        if not isinstance(getattr(read, field.name), np.ndarray):
            assert getattr(read, field.name) == written.get(field.name, getattr(read, field.name))


def test_an_older_version_is_read_with_the_defaults_of_the_new_one() -> None:
    new = current()["StateCommit"].schema()
    added = {"name": "checksum", "type": "string", "default": "none"}
    new = {**new, "fields": [added if field["name"] == "checksum" else field for field in new["fields"]]}
    old = {**new, "fields": [field for field in new["fields"] if field["name"] != "checksum"]}
    payload = _payload(9, old, {"nonce": "n", "slot": 1, "next_offset": 7, "chunks": 2})
    assert avro_reader(old, new, StateCommit)(payload) == StateCommit("n", 1, 7, 2, "none")


@pytest.mark.parametrize("kind", TYPES.values(), ids=list(TYPES))
def test_dataclasses_are_the_schemas_field_for_field(kind: type[Record]) -> None:
    schema = current()[kind.__name__].schema()
    assert {field["name"]: PYTHON[_plain(field["type"])] for field in schema["fields"]} == {
        field.name: field.type for field in fields(kind)
    }
    assert [field["name"] for field in schema["fields"]] == [field.name for field in fields(kind)]
    assert all(field["doc"] for field in schema["fields"])


def test_columnar_records_are_those_with_rows() -> None:
    with_rows = {
        name for name, kind in TYPES.items() if any(get_origin(field.type) in ARRAYS for field in fields(kind))
    }
    assert with_rows == {kind.__name__ for kind in get_args(ColumnarRecord)}
    for name in with_rows:
        assert kinds_of(current()[name].schema()) is not None
    assert kinds_of(current()["StateChunk"].schema()) is None


ARRAYS = (list, np.ndarray)
PYTHON = {
    "string": str,
    "bytes": bytes,
    "boolean": bool,
    "int": int,
    "long": int,
    "double": float,
    "null|string": str | None,
    "null|long": int | None,
    "int[]": Int32s,
    "long[]": Int64s,
    "double[]": Float64s,
    "string[]": list[str],
    "null|string[]": list[str | None],
}
EXAMPLES = {"string": "ü", "bytes": b"\0", "boolean": True, "int": -1, "long": 2**40, "double": 0.5}


def _plain(type_: Any) -> str:
    match type_:
        case {"type": "array", "items": list(items)}:
            return "|".join(items) + "[]"
        case {"type": "array", "items": items}:
            return f"{items}[]"
        case {"type": plain}:
            return str(plain)
        case list(either):
            return "|".join(either)
    return str(type_)


def _example(type_: Any) -> Any:
    return EXAMPLES.get(_plain(type_).removeprefix("null|"), [])


def _payload(schema_id: int, schema: Schema, values: dict[str, Any]) -> bytes:
    out = io.BytesIO(struct.pack(">bI", 0, schema_id))
    out.seek(5)
    schemaless_writer(out, schema, values)
    return out.getvalue()
