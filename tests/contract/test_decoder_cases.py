"""Every standard protocol of the registry has golden folders, tests/cases/PROTOCOL/CASE/, and they are checked.

A folder holds `payload` (the bytes) or `payload.hex` (digits, with white space as one likes), and `expected.json`:
`about`; what the decoder is told, `keys` by whose they are and the `zone` of the meter's clock; and the `answers` of
`flexmeter decode`, or why it is `rejected`. A bug report becomes a folder; no code.

Protocols whose folders say more than that are checked by tests of their own, in tests/unit.
"""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.registry import TELEGRAMS
from flexmeter.answers import of_telegrams
from schemas.errors import Rejected

CASES = Path(__file__).parents[1] / "cases"
OF_THEIR_OWN = {"dlms", "mbus", "p1", "wmbus"}
PROTOCOLS = [protocol for protocol in TELEGRAMS if protocol not in OF_THEIR_OWN]
NOW = 1_795_507_200_000
"""When payloads arrive: 2026-11-24T08:00:00Z."""

FOLDERS = [folder for protocol in PROTOCOLS for folder in sorted((CASES / protocol).glob("*"))]


def payload_of(folder: Path) -> bytes:
    digits = folder / "payload.hex"
    return bytes.fromhex(digits.read_text("ascii")) if digits.exists() else (folder / "payload").read_bytes()


def answer(folder: Path, told: dict[str, Any]) -> dict[str, Any]:
    keys = {holder: [bytes.fromhex(key) for key in known] for holder, known in told.get("keys", {}).items()}
    zone = ZoneInfo(told["zone"]) if "zone" in told else None
    decode = TELEGRAMS[folder.parent.name]
    try:
        telegrams = decode(payload_of(folder), lambda holder: keys.get(holder, ()), zones=lambda meter: zone)
    except Rejected as rejected:
        assert rejected.detail
        return {"rejected": rejected.reason.value}
    return {"answers": list(of_telegrams(telegrams, NOW))}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_case(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    found = answer(folder, expected)
    assert found == {key: value for key, value in expected.items() if key in ("answers", "rejected")}


@pytest.mark.parametrize("protocol", TELEGRAMS)
def test_every_decoder_has_cases(protocol: str) -> None:
    remedy = f"add tests/cases/{protocol}/CASE/ with payload and expected.json: docs/adding-a-decoder.md, 3."
    assert list((CASES / protocol).glob("*/expected.json")), remedy


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cases_show_what_is_taken_and_what_is_rejected(protocol: str) -> None:
    texts = [file.read_text("utf-8") for file in (CASES / protocol).glob("*/expected.json")]
    for kind in ("answers", "rejected"):
        assert any(kind in json.loads(text) for text in texts), f"no case of tests/cases/{protocol} has {kind!r}"
