"""`flexmeter send` seeks what the bridge will have made of its payload."""

from dataclasses import replace

import pytest

from connectors.authority import EACH_ITSELF, Authority
from connectors.decode.mapping import load_mappings
from connectors.decode.readings import Address, Carries
from connectors.intake import Intake
from connectors.registry import DECODERS
from connectors.source import Delivery
from flexmeter.commands.send import sought
from flexmeter.compose import compose_reading
from schemas.master_data import Device
from schemas.register import Register

NOW = 1_795_507_200_000
PROFILE = "malmo_household"
PAYLOAD = compose_reading(load_mappings()[PROFILE], {"active_power_l1_w": 120.0, "voltage_l1_v": 230.0}, NOW)
ADDRESS = Address("malmo/malmo_household/m5/reading", PROFILE, "m5", Carries.READING)
PLAIN = Device("m5", PROFILE, None, None, None, None, None, 10_000)


@pytest.mark.parametrize(
    ("device", "power_w"), [(PLAIN, 120.0), (replace(PLAIN, ct_ratio=40.0, vt_ratio=2.0), 9_600.0)]
)
def test_what_is_sought_is_what_the_bridge_takes(device: Device, power_w: float) -> None:
    register = Register({"m5": device})
    intake = Intake(register, {"": DECODERS["json"]()}, 4, 4, Authority(lambda: EACH_ITSELF, anonymous=True))
    taken = intake.take(Delivery(PAYLOAD, ADDRESS), NOW)
    decoded = sought(PAYLOAD, ADDRESS, load_mappings()[PROFILE], register.devices).decoded
    assert decoded is not None
    assert [reading.values[2] for reading in decoded.readings] == [power_w]
    assert repr(decoded.readings) == repr(tuple(reading for _, reading in taken.readings))  # NaN is not equal to itself


@pytest.mark.parametrize("devices", [{}, {"m5": replace(PLAIN, profile="malmo_substation", ct_ratio=40.0)}])
def test_a_meter_that_the_bridge_will_refuse_is_sought_as_it_was_sent(devices: dict[str, Device]) -> None:
    decoded = sought(PAYLOAD, ADDRESS, load_mappings()[PROFILE], devices).decoded
    assert decoded is not None
    assert [reading.values[2] for reading in decoded.readings] == [120.0]
