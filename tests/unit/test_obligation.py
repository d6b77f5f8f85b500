"""A meter that has keys is believed nothing that they did not protect, whichever decoder reads it."""

import pytest

from connectors.decode.readings import Address, Carries, Decoded
from connectors.decode.telegram import Keys
from connectors.keys import keys_of
from connectors.registry import DECODERS
from schemas.errors import Reason, Rejected
from schemas.register import Device, Register
from tests import mbus_frames
from tests.dlms_encoder import (
    AK,
    EK,
    TITLE,
    WH,
    array,
    ciphered,
    general_glo,
    notification,
    octets,
    register,
    structure,
    u32,
)
from tests.dlms_encoder import code as obis

NOW = 1_795_608_000_000
ST_I, WATER = "turin_electricity_single_phase", "water"
HOLDER = TITLE.hex().upper()
PUSH = notification(
    array(structure(octets(obis("0-0:96.1.0")), octets(b"STC1")), register("1-0:1.8.0", u32(1_000), 0, WH))
)
CLEAR_FRAME = mbus_frames.stripped(mbus_frames.short_header() + mbus_frames.WATER)


def of(meter: str) -> Keys:
    """A key of one meter, by its own name."""
    return lambda asked: (EK,) if asked == meter else ()


def registered(**named: str) -> Keys:
    """The keys under the system title; the register says whose it is."""
    devices = {
        meter: Device(meter, ST_I, None, None, None, None, None, 60_000, key=key) for meter, key in named.items()
    }
    keys = {HOLDER: (EK + AK,), "another": (AK + EK,)}
    return lambda asked: keys_of(asked, keys, Register(devices))


def rows(decoder: str, payload: bytes, profile: str, keys: Keys, meter: str = "") -> Decoded:
    return DECODERS[decoder](keys)[profile](payload, Address("x", profile, meter, Carries.READING), NOW)


def is_refused(decoder: str, payload: bytes, profile: str, keys: Keys, meter: str = "") -> bool:
    try:
        assert rows(decoder, payload, profile, keys, meter).readings
    except Rejected as rejected:
        assert (rejected.reason, "which has keys" in rejected.detail) == (Reason.KEY, True), rejected
        return True
    return False


@pytest.mark.parametrize(
    ("decoder", "payload", "profile", "meter"),
    [
        ("wmbus", CLEAR_FRAME, WATER, mbus_frames.METER),
        ("mbus", mbus_frames.wired(mbus_frames.long_header() + mbus_frames.WATER), WATER, mbus_frames.METER),
        ("dlms", PUSH, ST_I, "STC1"),
        ("p1", b"/FLX5\\253\r\n\r\n0-0:96.1.1(53544331)\r\n1-0:1.8.0(1*kWh)\r\n!\r\n", ST_I, "STC1"),
        ("senml", b'[{"n":"STC1/1-0:1.8.0","u":"Wh","v":1}]', ST_I, "STC1"),
        ("json", b'{"devices":[{"id":"plug-1","power":1}]}', "home_hub", "plug-1"),
    ],
)
def test_in_the_clear_only_meters_without_keys_are_believed(
    decoder: str, payload: bytes, profile: str, meter: str
) -> None:
    assert is_refused(decoder, payload, profile, of(meter))
    assert not is_refused(decoder, payload, profile, of("another"))


def test_a_telegram_that_names_no_meter_is_of_its_addresses() -> None:
    payload = notification(array(register("1-0:1.8.0", u32(1_000), 0, WH)))
    assert is_refused("dlms", payload, ST_I, of("STC1"), "STC1")


def test_the_key_of_one_system_title_speaks_for_no_meter_of_another() -> None:
    push = general_glo(ciphered(PUSH))
    assert not is_refused("dlms", push, ST_I, registered(STC1=HOLDER))
    assert not is_refused("dlms", push, ST_I, registered()), "the register has no key of that meter"
    assert is_refused("dlms", push, ST_I, registered(STC1="another"))
    assert is_refused("dlms", PUSH, ST_I, registered(STC1=HOLDER))


def test_a_condition_in_the_clear_is_not_believed_either() -> None:
    frame = mbus_frames.stripped(mbus_frames.short_header(status=0x04))
    assert len(rows("wmbus", frame, WATER, of("another")).events) == 1
    with pytest.raises(Rejected):
        rows("wmbus", frame, WATER, of(mbus_frames.METER))
