"""The golden folders of tests/cases/senml, and what holds of every pack.

A folder holds `payload` (JSON) or `payload.hex` (CBOR), and `expected.json`: the answers of `flexmeter decode`, or the
reason of the rejection. A bug report becomes a folder; no code.
"""

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.decode.readings import Address, Carries
from connectors.decode.senml import decode_senml
from connectors.decode.senml_pack import MOST_RECORDS
from connectors.decode.senml_units import UNITS
from connectors.decode.telegram import Telegram, no_keys
from connectors.registry import DECODERS
from flexmeter.answers import of_telegrams
from schemas.errors import Reason, Rejected
from schemas.quality import Quality
from schemas.units import SUFFIXES, units_of

CASES = Path(__file__).parent.parent / "cases" / "senml"
NOW = 1_795_507_200_000
LABELS = {"bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "bver": -1}
LABELS |= {label: number for number, label in enumerate(("n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"))}

unhurried = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def cbor(pack: list[dict[str, Any]]) -> bytes:
    return cbor2.dumps([{LABELS.get(label, label): value for label, value in record.items()} for record in pack])


def decoded(pack: list[dict[str, Any]]) -> tuple[Telegram, ...]:
    return decode_senml(json.dumps(pack).encode(), no_keys)


def answer(payload: bytes) -> dict[str, Any]:
    try:
        return {"answers": list(of_telegrams(decode_senml(payload, no_keys), NOW))}
    except Rejected as rejected:
        assert rejected.detail
        return {"rejected": rejected.reason.value}


def payload_of(case: Path) -> bytes:
    digits = case / "payload.hex"
    return bytes.fromhex(digits.read_text("ascii")) if digits.exists() else (case / "payload").read_bytes()


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    del expected["about"], expected["received_at"]
    assert answer(payload_of(case)) == expected


def test_too_many_records() -> None:
    record = {"n": "m1/voltage_v", "v": 230}
    assert "answers" in answer(cbor([record] * MOST_RECORDS))
    assert answer(cbor([record] * (MOST_RECORDS + 1))) == {"rejected": "too_large"}


def test_payload_too_large() -> None:
    assert answer(b'[{"n":"a","vs":"' + b"x" * 1_000_000 + b'"}]') == {"rejected": "too_large"}


def test_every_reason_of_the_decoder_has_a_case() -> None:
    seen = {json.loads(file.read_text("utf-8")).get("rejected") for file in CASES.glob("*/expected.json")}
    named = {Reason.EMPTY, Reason.ENCODING, Reason.MALFORMED, Reason.FIELD, Reason.VALUE, Reason.UNIT, Reason.TIME}
    named.add(Reason.UNSUPPORTED)
    assert seen - {None} == {reason.value for reason in named}


def test_every_unit_leads_to_a_base_unit() -> None:
    known = {unit for base in SUFFIXES for unit in units_of(base)}
    assert {unit for unit, _ in UNITS.values()} <= known


def test_rows_of_a_profile() -> None:
    """Through the registry, as a bridge does: whose it is where the names do not say it, and conditions as events."""
    decode = DECODERS["senml"]()["nilm_meter"]
    pack = [
        {"n": "current_a", "u": "A", "t": -2, "v": 4.5},
        {"n": "voltage_v", "u": "V", "t": -2, "v": 20_000},
        {"n": "status", "t": -2, "vs": "over_voltage"},
        {"n": "status", "t": -2, "vs": "unheard_of"},
    ]
    told = decode(json.dumps(pack).encode(), Address("a", "nilm_meter", "m7", Carries.READING), NOW)
    (reading,) = told.readings
    assert (reading.meter, reading.at, reading.values[:2]) == ("m7", NOW - 2000, (4.5, 20_000.0))
    assert reading.values[2] != reading.values[2]
    assert Quality(reading.quality) == Quality.TIME_BY_BRIDGE | Quality.OUT_OF_RANGE
    assert [(event.meter, event.kind, event.at) for event in told.events] == [("m7", "over_voltage", NOW - 2000)]


def test_rows_of_a_profile_that_is_not_measured() -> None:
    decode = DECODERS["senml"]()["nilm_meter"]
    with pytest.raises(Rejected, match="none of the quantities of nilm_meter"):
        decode(b'[{"n":"m1/water_volume_m3","v":1}]', Address("a", "nilm_meter", "", Carries.READING), NOW)


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_rejected(payload: bytes) -> None:
    answer(payload)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "W", "kWh", "m1/", "voltage_v", "1-0:1.8.0", "status", "_"])
)
RECORDS = st.dictionaries(st.sampled_from([*LABELS, "x", "x_"]), SCALARS, max_size=6)


@unhurried
@given(st.lists(RECORDS | SCALARS, max_size=4))
def test_any_document_is_decoded_or_rejected_in_either_format(pack: list[Any]) -> None:
    answer(json.dumps(pack).encode())
    answer(cbor2.dumps(pack))


WHOLE = st.fixed_dictionaries(
    {
        "n": st.sampled_from(["m1/voltage_v", "m1/active_power_w", "m2:current_a", "m2:else", "m3/1-0:1.8.0"]),
        "t": st.integers(1_000_000_000, 2_000_000_000),
        "v": st.integers(-1000, 1000) | st.floats(-1e6, 1e6),
    }
)
PACK = st.lists(WHOLE, min_size=1, max_size=8, unique_by=lambda record: (record["n"], record["t"]))
UNIT = {"m1/voltage_v": "V", "m1/active_power_w": "kW", "m2:current_a": "mA", "m2:else": "lx", "m3/1-0:1.8.0": "kWh"}


@unhurried
@given(PACK)
def test_json_and_cbor_say_the_same(records: list[dict[str, Any]]) -> None:
    pack = [{**record, "u": UNIT[record["n"]]} for record in records]
    assert decoded(pack) == decode_senml(cbor(pack), no_keys)


@unhurried
@given(PACK, st.integers(0, 2_000_000_000), st.integers(-100, 100))
def test_a_pack_and_its_resolved_form_say_the_same(records: list[dict[str, Any]], bt: int, bv: int) -> None:
    """Base fields change nothing where the records say the difference (but whose it is that nobody here measures)."""
    names = [record["n"].replace("m2:else", "m2:voltage") for record in records]
    whole = [
        {**record, "n": name, "v": round(record["v"]), "u": UNIT.get(name, "V")}
        for record, name in zip(records, names, strict=True)
    ]
    parts = [
        {**record, "bn": record["n"][:3], "n": record["n"][3:], "t": record["t"] - bt, "v": record["v"] - bv}
        for record in whole
    ]
    parts[0] |= {"bt": bt, "bv": bv, "bver": 10}
    assert decoded(parts) == decoded(whole)


@unhurried
@given(PACK)
def test_one_telegram_for_a_meter_and_a_time(records: list[dict[str, Any]]) -> None:
    pack = [{**record, "u": UNIT[record["n"]]} for record in records]
    told = decoded(pack)
    assert len({(one.meter, one.at) for one in told}) == len(told)
    assert sum(len(one.measured) for one in told) == len(pack)
