"""Alerts are what the published schema says, and only such are read."""

import json
from dataclasses import asdict, fields, replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from schemas.alert import STATES, Alert, decode_alert, encode_alert
from schemas.errors import Reason, Rejected
from schemas.events import Severity

SCHEMA: dict[str, Any] = json.loads((files("schemas.records") / "Alert.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
INT64 = st.integers(-(2**63), 2**63 - 1)
LIKELY = st.integers(0, 4_102_444_800_000)  # up to the year 2100
# JSON Schema takes 2.0 for an integer; nobody writes alerts so, and decode_alert does not read them so.
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INT64 | FRACTIONS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ALERTS = st.builds(
    Alert,
    id=st.text(),
    number=st.integers(1, 2**31),
    kind=st.text(),
    severity=st.sampled_from([str(severity) for severity in Severity]),
    state=st.sampled_from(STATES),
    subject=st.text(),
    feeder=st.none() | st.text(),
    substation=st.none() | st.text(),
    at=LIKELY,
    raised_at=LIKELY,
    summary=st.text(),
    evidence=st.dictionaries(st.text(), JSON_VALUES, max_size=3),
)
ALERT = Alert(
    "last_gasp-m1", 1, "last_gasp", "critical", "raised", "m1", None, "ms-1", 1_795_507_200_123, 1, "m1 lost power", {}
)


def test_the_schema_is_one_and_has_the_dataclass_fields() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == [field.name for field in fields(Alert)]
    assert SCHEMA["properties"]["severity"]["enum"] == list(Severity)
    assert SCHEMA["properties"]["state"]["enum"] == list(STATES)


@given(ALERTS)
def test_what_is_written_is_valid_and_comes_back(alert: Alert) -> None:
    value, _ = encode_alert(alert)
    VALIDATOR.validate(json.loads(value))
    assert decode_alert(value) == alert


def test_headers_are_those_of_cloudevents_binary_mode() -> None:
    _, headers = encode_alert(replace(ALERT, number=2, state="cleared"))
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"last_gasp-m1/2"),
        ("ce_source", b"urn:flexmeter"),
        ("ce_type", b"flexmeter.alert.last_gasp.cleared"),
        ("ce_time", b"2026-11-24T08:00:00.123Z"),
        ("ce_subject", b"m1"),
        ("ce_dataschema", SCHEMA["$id"].encode()),
        ("ce_severity", b"critical"),
        ("ce_area", b"ms-1"),
        ("content-type", b"application/json"),
    ]


def test_an_alert_without_a_place_is_valid_and_read() -> None:
    content = {name: value for name, value in asdict(ALERT).items() if name not in ("feeder", "substation")}
    VALIDATOR.validate(content)
    assert decode_alert(json.dumps(content).encode()) == replace(ALERT, substation=None)


def test_fields_of_later_versions_are_passed_over() -> None:
    content = {**asdict(ALERT), "other": [1]}
    VALIDATOR.validate(content)
    assert decode_alert(json.dumps(content).encode()) == ALERT


@given(name=st.sampled_from(list(asdict(ALERT))), value=JSON_VALUES)
def test_what_the_schema_refuses_is_rejected_and_nothing_else(name: str, value: object) -> None:
    content = {**asdict(ALERT), name: value}
    raw = json.dumps(content).encode()
    try:
        VALIDATOR.validate(content)
    except ValidationError:
        with pytest.raises(Rejected) as rejected:
            decode_alert(raw)
        assert rejected.value.reason is Reason.SCHEMA
    else:
        assert asdict(decode_alert(raw)) == content


@pytest.mark.parametrize("name", ["at", "raised_at", "number"])
@pytest.mark.parametrize("value", [-1, 7_258_118_400_000, 2**63, 2**64 - 1])
def test_times_and_numbers_that_no_table_takes_are_rejected(name: str, value: int) -> None:
    raw = json.dumps({**asdict(ALERT), name: value}).encode()
    if name == "number" and 0 < value < 2**63:
        assert decode_alert(raw).number == value
    else:
        with pytest.raises(Rejected):
            decode_alert(raw)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"{}", b"\xff", b'{"id": "x"}'])
def test_other_bytes_are_rejected(raw: bytes) -> None:
    with pytest.raises(Rejected):
        decode_alert(raw)
