"""One payload of several meters: each row goes where its meter belongs, or the payload is rejected."""

import json

import pytest

from connectors.authority import EACH_ITSELF, Authority, Principals, Refused
from connectors.decode.readings import Address, Carries
from connectors.intake import Intake
from connectors.registry import DECODERS
from connectors.source import Delivery
from schemas.errors import Reason, Rejected
from schemas.partition import partition_of
from schemas.register import Device, Register

NOW = 1_795_507_200_000
PARTITIONS = 16


def device(meter: str, profile: str = "home_hub") -> Device:
    return Device(meter, profile, f"substation-{meter}", None, None, None, None, 60_000)


def intake(decoder: str = "json", principals: Principals = EACH_ITSELF, anonymous: bool = True) -> Intake:
    devices = [device("plug-1"), device("plug-2"), device("E1", "malmo_household")]
    register = Register({one.meter_id: one for one in devices})
    authority = Authority(lambda: principals, anonymous)
    return Intake(register, {"": DECODERS[decoder]()}, PARTITIONS, PARTITIONS, authority)


def hub(*meters: str) -> bytes:
    return json.dumps({"devices": [{"id": meter, "power": 120.5} for meter in meters]}).encode()


def delivery(payload: bytes, meter: str = "", identity: str = "") -> Delivery:
    return Delivery(payload, Address("https://bridge/readings", "home_hub", meter, Carries.READING), identity)


def test_each_reading_has_the_place_of_its_meter() -> None:
    taken = intake().take(delivery(hub("plug-1", "plug-2", "plug-1")), NOW)
    assert [reading.meter for _, reading in taken.readings] == ["plug-1", "plug-2", "plug-1"]
    for place, reading in taken.readings:
        assert place.device.meter_id == reading.meter
        assert place.readings_partition == partition_of(reading.meter, PARTITIONS)
        assert place.events_partition == partition_of(f"substation-{reading.meter}", PARTITIONS)


def test_events_too() -> None:
    pack = b'[{"n":"plug-1/status","vs":"over_voltage"},{"n":"plug-2/status","vs":"power_down"}]'
    taken = intake("senml").take(delivery(pack), NOW)
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
        intake().take(delivery(hub(*meters)), NOW)
    assert rejected.value.reason is reason
    assert meters[1] in rejected.value.detail


def test_the_meter_of_the_address_is_asked_before_the_payload_is_read() -> None:
    with pytest.raises(Rejected) as rejected:
        intake().take(delivery(b"no JSON", "hub-9"), NOW)
    assert rejected.value.reason is Reason.UNKNOWN_METER


def test_a_sender_reports_for_its_own_meters_and_no_others() -> None:
    principals = Principals({"hub-7": ("plug-1", "plug-2")})
    taken = intake(principals=principals).take(delivery(hub("plug-1", "plug-2"), identity="hub-7"), NOW)
    assert len(taken.readings) == 2
    for identity in ("hub-8", "plug"):
        with pytest.raises(Refused) as refused:
            intake(principals=principals).take(delivery(hub("plug-1"), identity=identity), NOW)
        assert (refused.value.identity, refused.value.meter) == (identity, "plug-1")


def test_one_forged_meter_among_its_own_rejects_the_payload() -> None:
    with pytest.raises(Refused) as refused:
        intake(principals=Principals({"hub-7": ("plug-1",)})).take(delivery(hub("plug-1", "E1"), "", "hub-7"), NOW)
    assert refused.value.meter == "E1"


@pytest.mark.parametrize("meter", ["plug-1", "nobody-knows"])
def test_whether_there_is_such_a_meter_is_not_told_to_those_who_may_not_report(meter: str) -> None:
    with pytest.raises(Refused):
        intake().take(delivery(b"no JSON", meter, identity="hub-7"), NOW)


def test_nobody_may_report_where_that_is_not_allowed() -> None:
    assert intake().take(delivery(hub("plug-1")), NOW).readings
    with pytest.raises(Refused, match="nothing authenticates"):
        intake(anonymous=False).take(delivery(hub("plug-1")), NOW)
