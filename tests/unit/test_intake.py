"""One payload of several meters: each row goes where its meter belongs, or the payload is rejected."""

import json
from dataclasses import replace

import pytest

from connectors.authority import EACH_ITSELF, Authority, Principals, Refused
from connectors.decode.readings import Address, Carries
from connectors.intake import Intake, Taken
from connectors.registry import DECODERS
from connectors.source import Delivery
from schemas.catalogue import load_catalogue
from schemas.errors import Reason, Rejected
from schemas.partition import partition_of
from schemas.register import Device, Register, multipliers

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


METERED = {"time": NOW // 1_000, "seq": 1, "current": 4.25, "voltage": 57.5, "active_power": 200, "reactive_power": 80}


def metered(register: dict[str, Device], **changes: float) -> Taken:
    """What becomes of a payload of the appliance meter n-1."""
    address = Address("meters.nilm_meter.n-1.reading", "nilm_meter", "n-1", Carries.READING)
    authority = Authority(lambda: EACH_ITSELF, anonymous=True)
    made = Intake(Register(register), {"": DECODERS["json"]()}, PARTITIONS, PARTITIONS, authority)
    return made.take(Delivery(json.dumps(METERED | changes).encode(), address), NOW)


def values(taken: Taken) -> tuple[float, ...]:
    ((_, row),) = taken.readings
    return row.values


def test_what_a_meter_says_behind_transformers_is_told_of_the_grid() -> None:
    one = device("n-1", "nilm_meter")
    assert values(metered({"n-1": one})) == (4.25, 57.5, 200, 80)
    assert values(metered({"n-1": replace(one, ct_ratio=40.0)})) == (170, 57.5, 8_000, 3_200)
    assert values(metered({"n-1": replace(one, ct_ratio=40.0, vt_ratio=4.0)})) == (170, 230, 32_000, 12_800)


def test_a_substations_counts_and_factors_have_no_ratio() -> None:
    station = replace(device("s-1", "malmo_substation"), ct_ratio=3.0, vt_ratio=2.0)
    by = dict(zip(load_catalogue().profiles["malmo_substation"].quantities, multipliers(station) or (), strict=True))
    assert {name for name, factor in by.items() if factor == 1} == {
        *(f"{what}_l{phase}" for what in ("power_factor", "phase_angle_sine", "power_outage") for phase in (1, 2, 3)),
        "frequency_hz", "pulse_count_1", "pulse_count_2",
    }  # fmt: skip
    assert {name for name, factor in by.items() if factor == 2} == {f"voltage_l{phase}_v" for phase in (1, 2, 3)}
    assert {name for name, factor in by.items() if factor == 3} == {f"current_l{phase}_a" for phase in (1, 2, 3)}
    assert {by["active_energy_import_wh"], by["reactive_power_export_var"], by["apparent_power_va"]} == {6}


@pytest.mark.parametrize(
    ("valid", "detail"),
    [
        ({"valid_from": NOW + 1}, "registered from 2026-11-24T08:00:00.001000+00:00, not at 2026-11-24T08:00:00+00:00"),
        ({"valid_to": NOW}, "registered to 2026-11-24T08:00:00+00:00, not at 2026-11-24T08:00:00+00:00"),
        ({"valid_from": 0, "valid_to": 1_000}, "from 1970-01-01T00:00:00+00:00 to 1970-01-01T00:00:01+00:00, not at"),
    ],
)
def test_what_a_meter_says_of_a_time_at_which_it_hung_elsewhere_is_rejected(valid: dict[str, int], detail: str) -> None:
    with pytest.raises(Rejected) as rejected:
        metered({"n-1": replace(device("n-1", "nilm_meter"), **valid)})  # type: ignore[arg-type]
    assert rejected.value.reason is Reason.UNKNOWN_METER
    assert detail in rejected.value.detail


def test_at_a_swap_the_one_reports_until_the_other_does() -> None:
    swapped = {"valid_from": NOW, "valid_to": NOW + 10_000}
    register = {"n-1": replace(device("n-1", "nilm_meter"), **swapped)}  # type: ignore[arg-type]
    assert len(metered(register).readings) == 1
    assert len(metered(register, time=NOW // 1_000 + 9).readings) == 1
    with pytest.raises(Rejected):
        metered(register, time=NOW // 1_000 + 10)


def test_entries_of_one_meter_without_a_time_are_as_many_readings() -> None:
    taking = intake()
    first, then = (taking.take(delivery(hub("plug-1", "plug-2", "plug-1")), NOW).readings for _ in range(2))
    assert [reading.at - NOW for _, reading in first] == [0, 0, 1]
    assert [reading.at - NOW for _, reading in then] == [2, 1, 3]


def test_after_the_clock_was_set_back_readings_are_timed_by_it_again() -> None:
    made = intake()

    def timed(received_at: int) -> list[int]:
        return [reading.at for _, reading in made.take(delivery(hub("plug-1")), received_at).readings]

    tomorrow = NOW + 86_400_000
    assert timed(tomorrow) + timed(tomorrow) == [tomorrow, tomorrow + 1]
    assert timed(NOW) + timed(NOW) == [NOW, NOW + 1]


def test_the_register_may_change_at_any_time() -> None:
    devices = {"plug-1": device("plug-1")}
    made = Intake(
        Register(devices), {"": DECODERS["json"]()}, PARTITIONS, PARTITIONS, Authority(lambda: EACH_ITSELF, True)
    )

    def substations(*meters: str) -> list[str | None]:
        return [place.device.substation for place, _ in made.take(delivery(hub(*meters)), NOW).readings]

    assert substations("plug-1") == ["substation-plug-1"]
    devices["plug-2"] = device("plug-2")
    devices["plug-1"] = replace(devices["plug-1"], substation="moved")
    assert substations("plug-1", "plug-2") == ["moved", "substation-plug-2"]
    place = made.registered("plug-1")
    assert place is not None
    assert place.events_partition == partition_of("moved", PARTITIONS)
    del devices["plug-1"]
    with pytest.raises(Rejected):
        substations("plug-1")
    assert made.registered("plug-1") is None
