"""The examples of RFC 8428 in JSON and CBOR, against their resolved form as its authors generated it.

Compared are number, text or truth value, time and, where the value is passed on as it is, the unit. Times relative to
now were resolved against the authors' clock and are compared with none. Data values (vd), which the resolved form
leaves out, are not compared.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.conformance_result import Result
from connectors.decode.senml import decode_senml
from connectors.decode.telegram import Measured, Telegram, no_keys
from schemas.errors import Rejected

Fact = tuple[str, int | None, float | str, str]
"""Name, time in ms UTC, value and unit."""


def conformance(data: Path) -> list[Result]:
    """Read every example, as written, as normalised, and in CBOR."""
    json_result, cbor_result = Result("senml json"), Result("senml cbor")
    for file, payload in packs(data):
        _compare(cbor_result if file.suffix == ".cbor" else json_result, file, payload)
    return [json_result, cbor_result]


def packs(data: Path) -> Iterator[tuple[Path, bytes]]:
    """The published packs that are not resolved forms."""
    for file in sorted((data / "protocol" / "senml").iterdir()):
        if file.suffix in (".json", ".cbor") and not file.name.endswith(".resolved.json"):
            yield file, file.read_bytes()


def _compare(result: Result, file: Path, payload: bytes) -> None:
    result.telegrams += 1
    try:
        telegrams = decode_senml(payload, no_keys)
    except Rejected as rejected:
        result.reject(rejected.reason)
        result.wrong.append(f"{file.name}: {rejected}")
        return
    except Exception as error:
        result.crashed.append(f"{file.name}: {error!r}")
        return
    result.decoded += 1
    resolved = file.with_name(f"{file.name.partition('.')[0]}.gen.resolved.json")
    if resolved.exists():
        has_time = any(telegram.at is not None for telegram in telegrams)
        expected = Counter(_expected(record, has_time) for record in json.loads(resolved.read_text("utf-8")))
        found = Counter(fact for telegram in telegrams for fact in _found(telegram))
        result.values += expected.total()
        result.equal += (expected & found).total()
        result.wrong += [f"{file.name}: {fact} is missing" for fact in expected - found]
        result.wrong += [f"{file.name}: {fact} is too much" for fact in found - expected]


def _expected(record: Any, has_time: bool) -> Fact:
    value = record.get("v", record.get("vs", record.get("vb")))
    if isinstance(value, bool):
        value = "true" if value else "false"
    return record["n"], round(record["t"] * 1000) if has_time else None, value, record.get("u", "")


def _found(telegram: Telegram) -> Iterator[Fact]:
    for one in telegram.measured:
        if not _is_data(one):
            yield one.description, telegram.at, one.value, one.unit


def _is_data(one: Measured) -> bool:
    return isinstance(one.value, str) and one.description.endswith(":nfv-reader")
