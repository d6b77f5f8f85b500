"""Link layers of M-Bus: frames, lengths, checksums, CRCs."""

from collections.abc import Callable

import pytest

from connectors.decode.mbus.crc import crc16
from connectors.decode.mbus.wired_link import WiredFrame, wired_frames
from connectors.decode.mbus.wireless_link import Framing, wireless_frames
from schemas.errors import Reason, Rejected
from tests.mbus_frames import ADDRESS, METER, WATER, crc, format_a, format_b, stripped, wired

Build = Callable[..., bytes]

DATA = b"\x78" + WATER
LONG_DATA = b"\x78" + WATER * 6
GOOD = wired(DATA)


@pytest.mark.parametrize("length", [0, 1, 2, 15, 16, 17, 250])
def test_crc_by_table_is_crc_by_definition(length: int) -> None:
    data = bytes((number * 37 + length) & 0xFF for number in range(length))
    assert crc16(data) == int.from_bytes(crc(data), "big")


def test_wired_frames_follow_one_another() -> None:
    assert wired_frames(GOOD + wired(b"\x72", control=0x38, address=250)) == [
        WiredFrame(0x08, 1, DATA),
        WiredFrame(0x38, 250, b"\x72"),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\xe5", Reason.UNSUPPORTED),
        (bytes.fromhex("105B015C16"), Reason.UNSUPPORTED),
        (wired(DATA, control=0x53), Reason.UNSUPPORTED),
        (wired(DATA, control=0x48), Reason.UNSUPPORTED),
        (b"\x68", Reason.MALFORMED),
        (GOOD[:-1], Reason.MALFORMED),
        (GOOD + b"\x00", Reason.MALFORMED),
        (GOOD + b"\x68", Reason.MALFORMED),
        (b"\x00" + GOOD, Reason.MALFORMED),
        (GOOD[:2] + bytes([GOOD[2] + 1]) + GOOD[3:], Reason.MALFORMED),
        (GOOD[:3] + b"\x69" + GOOD[4:], Reason.MALFORMED),
        (bytes.fromhex("6802026808010916"), Reason.MALFORMED),
        (GOOD[:-1] + b"\x17", Reason.MALFORMED),
        (GOOD[:-2] + bytes([GOOD[-2] ^ 1]) + GOOD[-1:], Reason.CHECKSUM),
        (GOOD[:9] + bytes([GOOD[9] ^ 0x80]) + GOOD[10:], Reason.CHECKSUM),
    ],
)
def test_wired_frames_that_are_none(payload: bytes, reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        wired_frames(payload)
    assert rejected.value.reason is reason


@pytest.mark.parametrize("data", [b"\x78", DATA, LONG_DATA], ids=["shortest", "usual", "long"])
@pytest.mark.parametrize("framing", [Framing.ANY, None])
@pytest.mark.parametrize(("build", "own"), [(format_a, Framing.A), (format_b, Framing.B), (stripped, Framing.STRIPPED)])
def test_every_format_gives_the_same_frame(build: Build, own: Framing, framing: Framing | None, data: bytes) -> None:
    (frame,) = wireless_frames(build(data), framing or own)
    assert (frame.control, frame.sender.octets, frame.data) == (0x44, ADDRESS, data)
    assert frame.sender.meter == METER


@pytest.mark.parametrize("build", [format_a, format_b, stripped])
def test_wireless_frames_follow_one_another(build: Build) -> None:
    frames = wireless_frames(build(DATA) + build(LONG_DATA, control=0x46))
    assert [(frame.control, frame.data) for frame in frames] == [(0x44, DATA), (0x46, LONG_DATA)]


def test_lengths_that_fit_format_a_by_chance() -> None:
    """Read as format A, the lengths that stand where frames would begin lead to the end of the payload too."""
    payload = stripped(b"\x78" + b"\x0f" * 20) * 7
    assert len(wireless_frames(payload)) == 7
    with pytest.raises(Rejected) as rejected:
        wireless_frames(payload, Framing.A)
    assert rejected.value.reason is Reason.CHECKSUM


@pytest.mark.parametrize("data", [DATA, DATA + b"\x2f" * 5])
def test_the_last_crc_of_format_a_may_have_stayed(data: bytes) -> None:
    bare = stripped(data)
    last_block = bare[10 + (len(bare) - 11) // 16 * 16 :]
    counted = bytes([bare[0] + 2]) + bare[1:] + crc(last_block)
    assert wireless_frames(counted)[0].data == data


@pytest.mark.parametrize(
    ("payload", "framing", "reason"),
    [
        (b"", Framing.ANY, Reason.EMPTY),
        (bytes.fromhex("0944932678563412330778"), Framing.ANY, Reason.MALFORMED),
        (stripped(DATA)[:-1], Framing.ANY, Reason.MALFORMED),
        (stripped(DATA) + b"\x00", Framing.ANY, Reason.MALFORMED),
        (stripped(DATA), Framing.A, Reason.MALFORMED),
        (stripped(DATA), Framing.B, Reason.CHECKSUM),
        (stripped(b"\x78"), Framing.B, Reason.CHECKSUM),
        (format_a(DATA), Framing.STRIPPED, Reason.MALFORMED),
        (format_a(DATA)[:-1] + b"\x00", Framing.ANY, Reason.CHECKSUM),
        (format_a(DATA, control=0x40), Framing.ANY, Reason.UNSUPPORTED),
        (stripped(DATA, control=0x53), Framing.ANY, Reason.UNSUPPORTED),
    ],
)
def test_wireless_frames_that_are_none(payload: bytes, framing: Framing, reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        wireless_frames(payload, framing)
    assert rejected.value.reason is reason
