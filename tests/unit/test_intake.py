"""One payload of several meters: each row goes where its meter belongs, or the payload is rejected."""

import json

import pytest

from connectors.decode.readings import Address, Carries
from connectors.intake import Intake
from connectors.registry import DECODERS
from schemas.errors import Reason, Rejected
from schemas.partition import partition_of
from schemas.register import Device, Register

NOW = 1_795_507_200_000
PARTITIONS = 16


def device(meter: str, profile: str = "home_hub") -> Device:
    return Device(meter, profile, f"substation-{meter}", None, None, None, None, 60_000)


def intake(decoder: str = "json") -> Intake:
    devices = [device("plug-1"), device("plug-2"), device("E1", "malmo_household")]
    return Intake(Register({one.meter_id: one for one in devices}), DECODERS[decoder](), PARTITIONS, PARTITIONS)


def hub(*meters: str) -> bytes:
    return json.dumps({"devices": [{"id": meter, "power": 120.5} for meter in meters]}).encode()


def address(meter: str = "") -> Address:
    return Address("https://bridge/readings", "home_hub", meter, Carries.READING)


def test_each_reading_has_the_place_of_its_meter() -> None:
    taken = intake().take(hub("plug-1", "plug-2", "plug-1"), address(), NOW)
    assert [reading.meter for _, reading in taken.readings] == ["plug-1", "plug-2", "plug-1"]
    for place, reading in taken.readings:
        assert place.device.meter_id == reading.meter
        assert place.readings_partition == partition_of(reading.meter, PARTITIONS)
        assert place.events_partition == partition_of(f"substation-{reading.meter}", PARTITIONS)


def test_events_too() -> None:
    pack = b'[{"n":"plug-1/status","vs":"over_voltage"},{"n":"plug-2/status","vs":"power_down"}]'
    taken = intake("senml").take(pack, address(), NOW)
    assert [(place.device.meter_id, event.kind) for place, event in taken.events] == [
        ("plug-1", "over_voltage"),
        ("plug-2", "power_down"),
    ]


@pytest.mark.parametrize(
    ("meters", "reason"),
    [(["plug-1", "plug-3"], Reason.UNKNOWN_METER), (["plug-1", "E1"], Reason.WRONG_PROFILE)],
)
def test_one_meter_that_may_not_report_rejects_the_payload(meters: list[str], reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        intake().take(hub(*meters), address(), NOW)
    assert rejected.value.reason is reason
    assert meters[1] in rejected.value.detail


def test_the_meter_of_the_address_is_asked_before_the_payload_is_read() -> None:
    with pytest.raises(Rejected) as rejected:
        intake().take(b"no JSON", address("hub-9"), NOW)
    assert rejected.value.reason is Reason.UNKNOWN_METER
