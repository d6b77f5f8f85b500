"""Security of M-Bus: modes 5 and 7, key derivation, authentication layer, extended link layer, compact frames."""

from collections.abc import Callable, Iterable

import pytest

from connectors.decode.mbus import decode_mbus, decode_wmbus
from connectors.decode.mbus.compact import KNOWN_FORMATS
from connectors.decode.telegram import Keys, Telegram
from schemas.errors import Reason, Rejected
from tests.mbus_frames import (
    KEY,
    METER,
    WATER,
    compact,
    crc,
    ell,
    ell_ctr,
    format_a,
    long_header,
    mode_5,
    mode_7,
    short_header,
    stripped,
    wired,
)

OTHER_KEY = bytes(range(16, 32))
MORE = bytes.fromhex("0313 0A0000")


def known(meter: str) -> Iterable[bytes]:
    return (OTHER_KEY, KEY) if meter == METER else ()


def none(meter: str) -> Iterable[bytes]:
    return ()


def other(meter: str) -> Iterable[bytes]:
    return (OTHER_KEY,)


def short(meter: str) -> Iterable[bytes]:
    return (KEY[:8],)


def decoded(message: bytes, keys: Keys = known) -> Telegram:
    (telegram,) = decode_wmbus(stripped(message), keys)
    return telegram


def reason(decode: Callable[[], object]) -> Reason:
    with pytest.raises(Rejected) as rejected:
        decode()
    assert rejected.value.detail
    return rejected.value.reason


def oms_key(first: int) -> Keys:
    """The keys of OMS volume 2, annex N: profile B counts from 0, profile A from 1 with 11 at the end."""
    key = bytes(range(first, first + 16)) if first == 0 else bytes(range(1, 16)) + b"\x11"
    return lambda meter: (key,) if meter == "ELS12345678" else ()


def test_example_of_oms_volume_2_annex_n_profile_a() -> None:
    frame = (
        "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A"
    )
    (telegram,) = decode_wmbus(bytes.fromhex(frame), oms_key(1))
    assert (telegram.values["gas_volume_m3"], telegram.security, telegram.sequence) == (28504.27, "mode_5", 42)
    assert telegram.local_time == "2008-05-31T23:50:00"


def test_example_of_oms_volume_2_annex_n_profile_b() -> None:
    frame = (
        "434493157856341233037AC98C2075900F002C25B30A000021924D4FBA372FB66E017A75002007109058475F4BC9D1281DF878B80A1B0F98"
        "B629024AAC7279429398BFC549233C0140829B93BAA1"
    )
    (telegram,) = decode_wmbus(bytes.fromhex(frame), oms_key(0))
    assert (telegram.values["gas_volume_m3"], telegram.security, telegram.sequence) == (28504.27, "mode_7_cmac", 2739)


@pytest.mark.parametrize(
    ("message", "security", "sequence"),
    [
        (short_header() + WATER, "", 42),
        (long_header() + WATER, "", 42),
        (b"\x78" + WATER, "", -1),
        (ell(b"\x78" + WATER), "", 17),
        (ell(short_header() + WATER), "", 42),
        (ell_ctr(b"\x78" + WATER, key=None), "", 17),
        (ell_ctr(b"\x78" + WATER), "ell_ctr", 17),
        (ell_ctr(b"\x78" + WATER, control=0x32), "ell_ctr", 17),  # a repeater has set its two bits
        (ell_ctr(b"\x78" + WATER, receiver=bytes(8)), "ell_ctr", 17),
        (mode_5(WATER), "mode_5", 42),
        (mode_5(WATER, layout="long"), "mode_5", 42),
        (ell(mode_5(WATER)), "mode_5", 42),
        (mode_7(WATER), "mode_7_cmac", 0x01020304),
        (mode_7(WATER, with_length=False, mac_bytes=16), "mode_7_cmac", 0x01020304),
        (mode_7(WATER, mac_bytes=4), "mode_7_cmac", 0x01020304),
        (ell(mode_7(WATER, counter_in_header=True)), "mode_7_cmac", 0x01020304),
    ],
)
def test_every_protection_gives_the_same_values(message: bytes, security: str, sequence: int) -> None:
    telegram = decoded(message)
    assert telegram.values == {"water_volume_m3": 12.345, "water_temperature_c": 12.34, "water_flow_m3_per_h": 0.125}
    assert (telegram.meter, telegram.medium, telegram.device, telegram.version) == (METER, "water", "water", 0x33)
    assert (telegram.security, telegram.sequence) == (security, sequence)


def test_mode_5_on_the_wire() -> None:
    (telegram,) = decode_mbus(wired(mode_5(WATER, layout="long")), known)
    assert (telegram.security, telegram.values["water_volume_m3"]) == ("mode_5", 12.345)


def test_what_follows_the_encrypted_blocks_is_read_too() -> None:
    telegram = decoded(mode_5(WATER, open_text=MORE))
    assert [one.value for one in telegram.measured if one.description == "volume"] == [12.345, 12.211, 0.01]


@pytest.mark.parametrize("message", [mode_5(WATER), mode_7(WATER), ell_ctr(b"\x78" + WATER)])
@pytest.mark.parametrize(
    ("keys", "expected"),
    [(none, Reason.KEY), (short, Reason.KEY), (other, Reason.DECRYPT)],
    ids=["none", "short", "other"],
)
def test_without_the_right_key(message: bytes, keys: Keys, expected: Reason) -> None:
    assert reason(lambda: decoded(message, keys)) is expected


CLEAR_5 = short_header(configuration=b"\x30\x05") + (b"\x2f\x2f" + WATER).ljust(48, b"\x2f")


def test_what_was_decrypted_on_the_way_is_taken_from_a_meter_without_key() -> None:
    assert decoded(CLEAR_5, none).values["water_volume_m3"] == 12.345
    assert decoded(CLEAR_5, none).security == ""


def test_what_was_decrypted_on_the_way_is_refused_from_a_meter_with_a_key() -> None:
    assert reason(lambda: decoded(CLEAR_5)) is Reason.DECRYPT


def test_no_byte_of_mode_7_can_be_changed() -> None:
    message = mode_7(WATER)
    for at in range(len(message)):
        changed = message[:at] + bytes([message[at] ^ 0x04]) + message[at + 1 :]
        assert reason(lambda: decoded(changed)) in (Reason.DECRYPT, Reason.MALFORMED, Reason.UNSUPPORTED)  # noqa: B023


def layer(control: int, fields: bytes, message: bytes = b"\x78" + WATER) -> bytes:
    return b"\x90" + bytes([len(fields) + 2]) + control.to_bytes(2, "little") + fields + message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\x90", Reason.MALFORMED),
        (b"\x90\x05\x00", Reason.MALFORMED),
        (layer(0x4001, b""), Reason.UNSUPPORTED),
        (layer(0x0002, b""), Reason.UNSUPPORTED),
        (layer(0x2400, b"\x08" + bytes(12)), Reason.UNSUPPORTED),
        (layer(0x2400, b"\x05" + bytes(7)), Reason.MALFORMED),
        (layer(0x1000, b"\x01\x00"), Reason.MALFORMED),
        (layer(0x0800, bytes(4), b""), Reason.MALFORMED),
        (short_header(configuration=b"\x10\x0a") + WATER, Reason.UNSUPPORTED),
        (short_header(configuration=b"\x00\x01") + WATER, Reason.UNSUPPORTED),
        (short_header(configuration=b"\xf0\x05") + WATER, Reason.MALFORMED),
        (short_header(configuration=b"\x10\x07"), Reason.MALFORMED),
        (short_header(configuration=b"\x10\x27") + b"\x10\x01\x02", Reason.MALFORMED),
        (short_header(configuration=b"\x10\x07") + b"\x20" + WATER, Reason.UNSUPPORTED),
        (short_header(configuration=b"\x10\x07") + b"\x10" + WATER, Reason.MALFORMED),
        (b"\x7a\x01\x02\x00", Reason.MALFORMED),
        (b"\x72" + bytes(11), Reason.MALFORMED),
        (b"\x8c\x20", Reason.MALFORMED),
        (b"\x8d\x20\x11\x00\x00\x00\x20\x00", Reason.MALFORMED),
        (b"\x8d\x20\x11\x00\x00\x00\x40" + bytes(9), Reason.UNSUPPORTED),
        (b"\x8d\x20\x11\x00\x00\x00\x00\x00\x00" + WATER, Reason.CHECKSUM),
        (b"\x8c\x20\x11", Reason.MALFORMED),
        (b"\x86\x20\x11\x00", Reason.UNSUPPORTED),
        (b"\xa0\x01", Reason.UNSUPPORTED),
        (b"\x70\x03", Reason.UNSUPPORTED),
        (b"\xff\x03", Reason.UNSUPPORTED),
    ],
)
def test_layers_that_cannot_be_read(message: bytes, expected: Reason) -> None:
    assert reason(lambda: decoded(message)) is expected


def test_counters_without_a_header_stay_unknown_and_fields_may_be_absent() -> None:
    assert decoded(layer(0x0000, b"")).sequence == -1
    assert decoded(layer(0x0800, b"\x09\x00\x00\x00")).sequence == 9


VOLUMES = [(bytes.fromhex("0413"), b"\x39\x30\x00\x00"), (bytes.fromhex("4413"), b"\x11\x22\x00\x00")]
OWN_FORMAT = [*VOLUMES, (bytes.fromhex("0DFD11"), b"\x02AB")]


def test_a_compact_frame_of_a_known_format() -> None:
    info = [(bytes.fromhex("02FF20"), b"\x71\x00"), *VOLUMES]
    full, brief = compact(info)
    assert decoded(ell(brief)).measured == decoded(ell(full)).measured
    assert decoded(ell(brief)).values == {"water_volume_m3": 12.345}


@pytest.mark.parametrize("records", [VOLUMES, OWN_FORMAT])
def test_a_compact_frame_after_its_full_frame(records: list[tuple[bytes, bytes]]) -> None:
    full, brief = compact(records)
    first, second = decode_wmbus(stripped(ell(full)) + stripped(ell(brief)), none)
    assert first == second
    assert reason(lambda: decode_wmbus(stripped(ell(brief)), none)) is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda brief: brief[:-1] + b"\x07", Reason.CHECKSUM),
        (lambda brief: brief[:3] + b"\x00" + brief[4:], Reason.CHECKSUM),
        (lambda brief: brief[:-5], Reason.MALFORMED),
        (lambda brief: brief[:4], Reason.MALFORMED),
        (lambda brief: brief + b"\x01", Reason.MALFORMED),
    ],
)
def test_compact_frames_that_do_not_fit(change: Callable[[bytes], bytes], expected: Reason) -> None:
    full, brief = compact(OWN_FORMAT)
    payload = stripped(ell(full)) + stripped(ell(change(brief)))
    assert reason(lambda: decode_wmbus(payload, none)) is expected


def test_an_encrypted_compact_frame() -> None:
    full, brief = compact(VOLUMES)
    encrypted = mode_5(brief[1:])
    payload = format_a(full) + format_a(b"\x7b" + encrypted[1:])
    first, second = decode_wmbus(payload, known)
    assert (first.measured, second.security) == (second.measured, "mode_5")


def test_a_compact_frame_whose_full_frame_came_in_another_payload_is_unsupported() -> None:
    full, brief = compact(OWN_FORMAT)
    assert decode_wmbus(format_a(full) + format_a(brief), none)
    with pytest.raises(Rejected) as rejected:
        decode_wmbus(format_a(brief), none)
    assert rejected.value.reason is Reason.UNSUPPORTED


def test_signatures_of_known_formats_are_the_crc_of_their_blocks() -> None:
    assert {signature: blocks for signature, blocks in KNOWN_FORMATS.items()} == {
        int.from_bytes(crc(blocks), "big"): blocks for blocks in KNOWN_FORMATS.values()
    }
    assert {0xDD34, 0xA8ED, 0xC412, 0x0905} <= set(KNOWN_FORMATS)


def test_addresses_differ_between_layers() -> None:
    adapter = bytes.fromhex("9326 99999999 01 37")
    (telegram,) = decode_wmbus(stripped(mode_5(WATER, layout="long"), address=adapter), known)
    assert telegram.meter == METER
