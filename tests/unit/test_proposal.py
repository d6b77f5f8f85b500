"""Mappings proposed for samples: the golden folders of tests/cases/proposal, and any JSON at all.

A folder holds `sample.json`, laid out as real devices and services write theirs, and `expected.json`: what the proposed
mapping makes of it, meter by meter.
"""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import parse_mapping
from connectors.decode.readings import Address, Carries
from connectors.decode.trust import YEAR_2200_MS
from flexmeter.answers import of_rows
from flexmeter.commands.mapping import command
from flexmeter.proposal import words
from flexmeter.proposal.propose import propose, text_of
from schemas.catalogue import load_catalogue
from schemas.errors import Rejected

CASES = Path(__file__).parent.parent / "cases" / "proposal"
ADDRESS = Address("x", "proposed", "METER", Carries.READING)


def read(document: Any) -> list[dict[str, Any]]:
    """What the proposed mapping makes of its own sample."""
    mapping = parse_mapping("proposed", text_of(propose(document), "proposed", "sample.json", None))
    decoded = decode_json(orjson.dumps(document), ADDRESS, YEAR_2200_MS - 1, mapping)
    told = of_rows(decoded, mapping.profile)
    return [{key: one[key] for key in ("meter", "medium", "time", "quantities")} for one in told]


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    document = orjson.loads((case / "sample.json").read_bytes())
    assert read(document) == json.loads((case / "expected.json").read_text("utf-8"))


def test_a_profile_says_what_may_be_mapped() -> None:
    profile = load_catalogue().profiles["nilm_meter"]
    document = {"power": 230.0, "u": 230.0, "i": 1.0, "energy_kwh": 5}
    proposal = propose(document, profile)
    assert [one.quantity for one in proposal.guesses] == ["current_a", "voltage_v", "active_power_w"]
    text = text_of(proposal, "nilm_meter", "sample.json", profile)
    assert "\nprofile:" not in text
    assert parse_mapping("nilm_meter", text).profile is profile


def test_every_guess_and_every_number_that_was_not_guessed_has_its_why() -> None:
    document = {"power": 2.4, "rssi": -70, "energy": {"value": 5, "unit": "furlongs"}}
    text = text_of(propose(document), "x", "sample.json", None)
    assert "# guess: power; both directions, drawn is positive; W or kW? 2.4 looks like W" in text
    assert "#   /rssi -70: not recognised" in text
    assert "#   /energy/value 5: in 'furlongs', which is no unit that is known here" in text


def test_an_event_beside_the_reading() -> None:
    event = {"ts": 1_764_152_400, "event": "LAST_GASP", "message": "reserve"}
    text = text_of(propose({"ts": 1_764_152_400, "power_w": 7}), "x", "sample.json", None, event)
    decoded = decode_json(orjson.dumps(event), Address("", "x", "m", Carries.EVENT), 0, parse_mapping("x", text))
    assert [(one.kind, one.detail) for one in decoded.events] == [("last_gasp", "reserve")]


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        (b'{"foo": 1}', "no quantity was recognised; the numbers there are: /foo"),
        (b"{", "the sample cannot be read: malformed"),
        (
            b'[{"entity_id": "sensor.power", "state": "1", "attributes": {"unit_of_measurement": "W"}}]',
            "put it into an object",
        ),
    ],
)
def test_what_cannot_be_mapped_is_told(sample: bytes, told: str) -> None:
    done = CliRunner().invoke(command, ["-"], input=sample)
    assert (done.exit_code, told in done.output) == (1, True), done.output


VOCABULARY = sorted(
    words.ENERGY | words.POWER | words.VOLTAGE | words.CURRENT | words.IMPORT | words.EXPORT | words.TARIFF
    | words.OTHER_PERIOD | words.FORWARD | words.RETURN | words.TEMPERATURE | words.FLOW | words.VOLUME | words.REACTIVE
    | {"l1", "l2", "a", "id", "meter", "time", "ts", "seq", "unit", "value", "units", "total", "heat", "gas", "water"}
)  # fmt: skip
KEYS = st.one_of(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4).map("_".join),
    st.sampled_from(["1-0:1.8.0", "1-0:16.7.0", "6-0:1.0.0", "value", "unit", "activeEnergyImport", "V", ""]),
    st.text(max_size=5),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["kWh", "W", "1.5", "2025-11-26T10:00:00Z", "m-1", "°C", "${x}", ""]), st.text(max_size=8),
)  # fmt: skip
DOCUMENTS = st.recursive(SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=6))


@given(DOCUMENTS)
def test_whatever_the_sample_the_proposal_is_a_mapping(document: Any) -> None:
    proposal = propose(document)
    if not proposal.guesses:
        return
    mapping = parse_mapping("proposed", text_of(proposal, "proposed", "sample.json", None))
    mapped = [one.quantity.name for one in mapping.quantities if one is not None]
    assert mapped == [one.quantity for one in proposal.guesses]
    try:
        decode_json(orjson.dumps(document), ADDRESS, YEAR_2200_MS - 1, mapping)
    except Rejected as rejected:
        assert rejected.detail
