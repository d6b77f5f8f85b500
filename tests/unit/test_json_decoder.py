"""The golden folders of tests/cases/json: what each payload says, or why it is rejected.

A folder holds `payload` (the raw bytes), `expected.json`, and `mapping.yaml` where it brings a layout of its own.
A bug report becomes a folder; no code.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.decode.json_decoder import MOST_READINGS, decode_json
from connectors.decode.mapping import JsonMapping, load_mappings, parse_mapping
from connectors.decode.readings import Address, Carries
from connectors.decode.trust import LARGEST_PAYLOAD_BYTES
from flexmeter.answers import quality_names
from schemas.errors import Reason, Rejected
from schemas.faults import Faults

CASES = Path(__file__).parent.parent / "cases" / "json"
HOUSEHOLD = Address("malmo/malmo_household/m1/reading", "malmo_household", "m1", Carries.READING)
NOW = 1_795_507_200_000


def answer(payload: bytes, address: Address, received_at: int, mapping: JsonMapping) -> dict[str, Any]:
    try:
        decoded = decode_json(payload, address, received_at, mapping)
    except Rejected as rejected:
        assert rejected.detail
        return {"rejected": rejected.reason.value}
    return {
        "readings": [
            {
                **whose(reading.meter, address),
                "at": reading.at,
                "sequence": reading.sequence,
                "quality": quality_names(reading.quality),
                "values": [None if math.isnan(value) else value for value in reading.values],
            }
            for reading in decoded.readings
        ],
        "events": [
            {
                **whose(event.meter, address),
                "at": event.at,
                "quality": quality_names(event.quality),
                "kind": event.kind,
                "detail": event.detail,
            }
            for event in decoded.events
        ],
    }


def whose(meter: str, address: Address) -> dict[str, str]:
    """The meter is told where the payload names another than the address does."""
    return {} if meter == address.meter else {"meter": meter}


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    expected.pop("about")
    profile, received_at = expected.pop("profile"), expected.pop("received_at")
    address = Address(f"case/{profile}/m1", profile, "m1", Carries(expected.pop("carries")))
    own = case / "mapping.yaml"
    mapping = parse_mapping(profile, own.read_text("utf-8")) if own.exists() else load_mappings()[profile]
    assert answer((case / "payload").read_bytes(), address, received_at, mapping) == expected


@pytest.mark.parametrize("size", [LARGEST_PAYLOAD_BYTES + 1, 10_000_000])
def test_payload_too_large(size: int) -> None:
    payload = b'{"time": null, "x": "' + b"x" * (size - 23) + b'"}'
    assert len(payload) == size
    assert answer(payload, HOUSEHOLD, NOW, load_mappings()["malmo_household"]) == {"rejected": "too_large"}


def test_every_reason_of_a_decoder_has_a_case() -> None:
    seen = {json.loads(file.read_text("utf-8")).get("rejected") for file in CASES.glob("*/expected.json")}
    elsewhere = {
        "too_large",
        "unknown_profile",
        "unknown_meter",
        "wrong_profile",
        "forbidden",
        "key_reused",
        "replayed",
        "schema",
        "insert",
        "undelivered",
    }
    elsewhere |= {"unsupported", "checksum", "key", "decrypt"}  # of the standard protocols
    assert seen - {None} | elsewhere == {reason.value for reason in Reason}


def test_no_case_stands_unused() -> None:
    assert all((case / "payload").exists() and (case / "expected.json").exists() for case in CASES.iterdir())


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_rejected(payload: bytes) -> None:
    answer(payload, HOUSEHOLD, NOW, load_mappings()["malmo_household"])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["kWh", "W", "last_gasp", "2026-11-24T08:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["L1", "L2", "L3", "consumed", "produced", "energy", "power"]), inner)
    ),
    max_leaves=5,
)
KEYS = ["time", "seq", "energy", "power", "voltage", "alarms", "units", "event", "detail"]


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(list(Carries)))
def test_any_document_is_decoded_or_rejected(document: dict[str, Any], carries: Carries) -> None:
    address = Address("case", "malmo_household", "m1", carries)
    answer(json.dumps(document).encode(), address, NOW, load_mappings()["malmo_household"])


def test_all_faults_of_a_mapping_come_in_one_report() -> None:
    text = """\
time: {path: time, format: iso}
quantities:
  active_energy_import_w: {path: /a}
  voltage_l1_v: {unit: kg, pth: /x}
events:
  codes: {x: last_gap}
"""
    with pytest.raises(Faults) as raised:
        parse_mapping("malmo_household", text)
    report = str(raised.value).splitlines()
    assert [line.split(":")[1] for line in report] == ["1", "1", "3", "4", "4", "6"]
    for words in (
        "did you mean 'iso8601'",
        "begin with a slash: /time",
        "did you mean 'active_energy_import_wh'",
        "did you mean 'path'",
        "expected one of: V, mV, kV",
        "did you mean 'last_gasp'",
    ):
        assert words in str(raised.value)


def test_a_mapping_of_no_profile_is_a_fault() -> None:
    with pytest.raises(Faults, match="did you mean 'malmo_household'"):
        parse_mapping("malmo_houshold", "quantities: {}")


def test_faults_of_what_hubs_need() -> None:
    text = """\
readings: {path: devices}
meter: {pth: /id}
time: {path: /t, offset: CET}
text_numbers: perhaps
quantities:
  voltage_v: {path: /v}
"""
    with pytest.raises(Faults) as raised:
        parse_mapping("home_hub", text)
    report = str(raised.value).splitlines()
    assert {line.split(":")[1] for line in report} == {"1", "2", "3", "4"}
    for words in ("begin with a slash: /devices", "did you mean 'path'", "'CET' is no offset", "write true or false"):
        assert words in str(raised.value)


def test_too_many_readings() -> None:
    hub = Address("hub", "home_hub", "", Carries.READING)
    devices = [{"id": 1, "power": 1}] * MOST_READINGS
    mapping = load_mappings()["home_hub"]
    assert len(answer(json.dumps({"devices": devices}).encode(), hub, NOW, mapping)["readings"]) == MOST_READINGS
    devices.append(devices[0])
    assert answer(json.dumps({"devices": devices}).encode(), hub, NOW, mapping) == {"rejected": "too_large"}
