"""What a meter's status says becomes an event, for every protocol that has a status, and only while it is set."""

import pytest

from connectors.decode.conditions import STANDING
from connectors.decode.readings import Address, Carries, MeterEvent
from connectors.registry import DECODERS
from schemas.events import load_events
from tests.dlms_encoder import WH, array, date_time, notification, octets, register, structure, u32
from tests.dlms_encoder import code as obis
from tests.mbus_frames import METER, long_header, short_header, stripped, wired

NOW = 1_795_608_000_000
VOLUME = bytes.fromhex("0C13 45230100")


def events(decoder: str, payload: bytes, profile: str = "water") -> list[tuple[str, str, str, bool]]:
    told = DECODERS[decoder]()[profile](payload, Address("x", profile, "E1", Carries.READING), NOW).events
    assert all(isinstance(one, MeterEvent) and one.at == NOW for one in told)
    return [(one.meter, one.kind, one.detail, one.stands) for one in told]


def test_every_condition_is_a_kind_of_event() -> None:
    assert set(STANDING.values()) <= set(load_events())


@pytest.mark.parametrize("decoder", ["mbus", "wmbus"])
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (0x00, []),
        (0x01, []),
        (0x03, [("abnormal_condition", "abnormal_condition")]),
        (0x04, [("battery_low", "low_power")]),
        (0x08, [("device_fault", "permanent_error")]),
        (
            0x1C,
            [("battery_low", "low_power"), ("device_fault", "permanent_error, temporary_error")],
        ),
        (0xE0, []),
    ],
)
def test_mbus(decoder: str, status: int, told: list[tuple[str, str]]) -> None:
    frame = {
        "mbus": wired(long_header(status=status) + VOLUME),
        "wmbus": stripped(short_header(status=status) + VOLUME),
    }[decoder]
    assert events(decoder, frame) == [(METER, kind, detail, True) for kind, detail in told]


@pytest.mark.parametrize(
    ("status", "told"), [(0x00, []), (0x01, [("E1", "device_fault", "clock_invalid_value", True)])]
)
def test_dlms(status: int, told: list[tuple[str, str, str, bool]]) -> None:
    clock = structure(octets(obis("0-0:1.0.0")), octets(date_time(2026, 11, 25, 12, 0, 0, status=status)))
    payload = notification(array(clock, register("1-0:1.8.0", u32(1_000), 0, WH)))
    assert events("dlms", payload, "turin_electricity_single_phase") == told


def test_one_event_of_a_kind() -> None:
    pack = b'[{"n":"E1/status","vs":"tamper"},{"n":"E1/status","vs":"tamper"}]'
    assert events("senml", pack) == [("E1", "tamper", "", False)]


def test_what_a_sender_names_as_an_event_stays_one() -> None:
    assert events("senml", b'[{"n":"E1/status","vs":"tamper"}]') == [("E1", "tamper", "", False)]
