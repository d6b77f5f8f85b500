"""Every version of every record that was ever written: the ids file, and the schemas that it names.

`ids.json` is append-only. A changed .avsc is a new version: move the old file to `records/history/`, point its entry
there, and append an entry with the next id. An entry's id, record and sha256 never change.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from fastavro.schema import fingerprint, to_parsing_canonical_form

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record; `sha256` is the fingerprint of the schema's Parsing Canonical Form (Avro 1.12)."""

    id: int
    record: str
    file: str
    sha256: str

    def schema(self) -> Schema:
        """The schema as its file holds it, docs and logical types included."""
        schema: Schema = json.loads(files("schemas.records").joinpath(self.file).read_text("utf-8"))
        return schema


@cache
def versions() -> tuple[Version, ...]:
    """All versions in the order of their ids."""
    return tuple(Version(**entry) for entry in json.loads(files("schemas").joinpath("ids.json").read_text("utf-8")))


@cache
def current() -> dict[str, Version]:
    """The version that is written today, by record name: the last of each.

    >>> current()["ReadingBlock"].file
    'ReadingBlock.avsc'
    """
    return {version.record: version for version in versions()}


def fingerprint_of(schema: Schema) -> str:
    """SHA-256 of the canonical form: docs and defaults do not change it, names and types do.

    >>> fingerprint_of({"type": "record", "name": "Empty", "fields": []})[:8]
    '7be619b6'
    """
    digest: str = fingerprint(to_parsing_canonical_form(schema), "SHA-256")
    return digest
