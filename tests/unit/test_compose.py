"""What is composed is decoded to the same values, for every mapping."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import JsonMapping, load_mappings
from connectors.decode.readings import Address, Carries
from flexmeter.compose import compose_event, compose_reading

AT = 1_795_507_200_123


def address(mapping: JsonMapping, carries: Carries) -> Address:
    return Address("x", mapping.profile.name, "m1", carries)


@given(st.sampled_from(sorted(load_mappings())), st.data())
def test_readings(profile: str, data: st.DataObject) -> None:
    mapping = load_mappings()[profile]
    names = [field.quantity.name for field in mapping.quantities if field is not None]
    thousandths = st.integers(-(10**9), 10**9).map(lambda n: n / 1_000)
    values = data.draw(st.dictionaries(st.sampled_from(names), thousandths))
    decoded = decode_json(compose_reading(mapping, values, AT), address(mapping, Carries.READING), AT, mapping)
    (reading,) = decoded.readings
    assert reading.at == AT
    for name, value in zip(names, reading.values, strict=True):
        assert value == pytest.approx(values[name], abs=1e-3) if name in values else math.isnan(value)


@pytest.mark.parametrize(
    ("profile", "kind"),
    [(name, kind) for name, mapping in load_mappings().items() if mapping.events for kind in mapping.events.codes],
)
def test_events(profile: str, kind: str) -> None:
    mapping = load_mappings()[profile]
    payload = compose_event(mapping, kind, "why", AT)
    (event,) = decode_json(payload, address(mapping, Carries.EVENT), AT, mapping).events
    assert (event.kind, event.detail, event.at) == (kind, "why", AT)


def test_an_event_that_a_profile_does_not_have() -> None:
    with pytest.raises(KeyError):
        compose_event(load_mappings()["district_heat"], "last_gasp", "", AT)
