"""How APDUs travel: HDLC, wrapper, M-Bus link layer; what is damaged is rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.dlms.framing import LARGEST_PAYLOAD_BYTES, MOST_APDUS, apdus
from connectors.decode.dlms.hdlc import frame_check
from schemas.errors import Reason, Rejected
from tests.dlms_encoder import blocks, crc_x25, hdlc, hdlc_frame, mbus, wrapper

APDU = bytes.fromhex("0f 40000001 00 0201 06 00000118")
LLC = b"\xe6\xe7\x00"
# A frame without information has no header check.
RECEIVE_READY = b"\x7e" + (ready := bytes.fromhex("a007 03 21 11")) + crc_x25(ready) + b"\x7e"


def rejection(payload: bytes) -> Reason:
    with pytest.raises(Rejected) as rejected:
        apdus(payload)
    assert rejected.value.detail
    return rejected.value.reason


@pytest.mark.parametrize(
    "payload",
    [APDU, LLC + APDU, b"\xe6\xe6\x00" + APDU, hdlc(APDU), wrapper(APDU), mbus(APDU)],
    ids=["bare", "llc", "llc command", "hdlc", "wrapper", "mbus"],
)
def test_every_framing(payload: bytes) -> None:
    assert apdus(payload) == [APDU]


@pytest.mark.parametrize("framed", [hdlc, wrapper, mbus], ids=["hdlc", "wrapper", "mbus"])
def test_several_in_one_payload(framed: object) -> None:
    assert apdus(framed(APDU) + framed(APDU + b"x")) == [APDU, APDU + b"x"]  # type: ignore[operator]


@given(st.binary(max_size=600).map(lambda rest: b"\x0f" + rest), st.integers(10, 200))
def test_segments_are_joined(apdu: bytes, size: int) -> None:
    assert apdus(hdlc(apdu, size)) == [apdu]
    assert apdus(mbus(apdu, max(size, -(-len(apdu) // 16)))) == [apdu]


@given(st.binary(max_size=300))
def test_frame_check_is_that_of_the_standard(data: bytes) -> None:
    assert frame_check(data) == crc_x25(data)


def test_frames_share_a_flag_and_may_be_filled_with_flags() -> None:
    one, other = hdlc(APDU), hdlc(APDU + b"x")
    assert apdus(b"\x7e\x7e" + one[:-1] + other + b"\x7e\x7e") == [APDU, APDU + b"x"]


@pytest.mark.parametrize("addresses", ["03 21", "0223 41", "00020005 03", "fefefeff 00020003"])
def test_addresses_of_every_length(addresses: str) -> None:
    assert apdus(hdlc_frame(LLC + APDU, addresses=bytes.fromhex(addresses))) == [APDU]


@pytest.mark.parametrize("addresses", ["0204060803 21", "03 0204060821"])
def test_addresses_of_other_lengths(addresses: str) -> None:
    assert rejection(hdlc_frame(LLC + APDU, addresses=bytes.fromhex(addresses))) is Reason.MALFORMED


def test_numbered_segments_must_follow_each_other() -> None:
    first = hdlc_frame(LLC + APDU[:5], is_segment=True, control=0x10)
    assert apdus(first + hdlc_frame(APDU[5:], control=0x12)) == [APDU]
    assert rejection(first + hdlc_frame(APDU[5:], control=0x14)) is Reason.MALFORMED
    assert rejection(first + hdlc_frame(APDU[5:], control=0x13)) is Reason.MALFORMED
    assert rejection(first + hdlc_frame(APDU[5:], control=0x12, addresses=b"\x05\x02\x21")) is Reason.MALFORMED


def test_blocks_are_joined_in_any_framing() -> None:
    parts = blocks(APDU, 6)
    assert len(parts) == 3
    assert apdus(b"".join(map(wrapper, parts)) + wrapper(b"x")) == [APDU, b"x"]
    assert apdus(b"".join(map(hdlc, parts))) == [APDU]
    assert apdus(hdlc(parts[0]) + b"".join(map(hdlc_frame, parts[1:]))) == [APDU]  # one LLC header for all


@pytest.mark.parametrize("order", [[0, 1], [0, 2], [1, 2], [0, 2, 1], [0, 0, 1, 2]])
def test_blocks_that_do_not_follow_each_other(order: list[int]) -> None:
    parts = blocks(APDU, 6)
    assert rejection(b"".join(wrapper(parts[one]) for one in order)) is Reason.MALFORMED
    assert rejection(wrapper(parts[0]) + wrapper(APDU)) is Reason.MALFORMED
    assert rejection(wrapper(parts[2] + b"x")) is Reason.MALFORMED


@pytest.mark.parametrize("size", [253, 254, 255, 256])
def test_mbus_frames_longer_than_their_length_field_can_say(size: int) -> None:
    apdu = bytes(range(1, 252)) * 2
    framed = mbus(apdu, size - 2)
    assert apdus(framed) == [apdu]
    framed = bytearray(framed)
    framed[100] ^= 4
    assert rejection(bytes(framed)) is Reason.CHECKSUM


def test_a_segment_that_is_not_there() -> None:
    assert rejection(hdlc_frame(LLC + APDU[:5], is_segment=True)) is Reason.MALFORMED
    whole = mbus(APDU, 8)
    assert rejection(whole[: 8 + 11]) is Reason.MALFORMED
    assert rejection(whole[8 + 11 :]) is Reason.MALFORMED


@pytest.mark.parametrize("framed", [hdlc(APDU), hdlc(APDU, 6), mbus(APDU)], ids=["hdlc", "segments", "mbus"])
def test_any_flipped_bit_is_found(framed: bytes) -> None:
    for bit in range(8 * len(framed)):
        damaged = bytearray(framed)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            found = apdus(bytes(damaged))
        except Rejected:
            continue
        # What is not protected: the framing's own first byte, after which nothing is a frame any more.
        assert bit < 8 and found == [bytes(damaged)] and found[0][0] not in (0x01, 0x02, 0x0F, 0xC2, 0xDB, 0xDC, 0xDD)


@pytest.mark.parametrize("framed", [hdlc(APDU), hdlc(APDU, 6), wrapper(APDU), mbus(APDU, 8)])
def test_any_truncation_is_found(framed: bytes) -> None:
    for end in range(2, len(framed)):
        assert rejection(framed[:end]) in (Reason.MALFORMED, Reason.EMPTY)


@pytest.mark.parametrize("framed", [hdlc(APDU), wrapper(APDU), mbus(APDU)])
def test_bytes_too_many_are_found(framed: bytes) -> None:
    assert rejection(framed + b"x") is Reason.MALFORMED


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\x7e\x7e\x7e", Reason.EMPTY),
        (bytes(LARGEST_PAYLOAD_BYTES + 1), Reason.TOO_LARGE),
        (wrapper(APDU) * (MOST_APDUS + 1), Reason.TOO_LARGE),
        (hdlc_frame(APDU), Reason.MALFORMED),  # without an LLC header
        (hdlc_frame(LLC + APDU, control=0x93), Reason.UNSUPPORTED),  # SNRM
        (RECEIVE_READY, Reason.UNSUPPORTED),
        (wrapper(b""), Reason.MALFORMED),
        (b"\x00\x01\x00\x01", Reason.MALFORMED),
        (bytes.fromhex("68 06 06 68 53ff72016700 2c 16"), Reason.UNSUPPORTED),  # CI 0x72: an M-Bus telegram
    ],
)
def test_what_is_no_push(payload: bytes, reason: Reason) -> None:
    assert rejection(payload) is reason
