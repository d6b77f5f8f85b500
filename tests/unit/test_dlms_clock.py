"""COSEM date-time: what leads to UTC, what does not, and what there cannot be."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.dlms.clock import looks_like_date_time, read_date_time
from schemas.errors import Reason, Rejected
from tests.dlms_encoder import date_time

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOON_MS = 1_795_608_000_000  # 2026-11-25 12:00 UTC


@pytest.mark.parametrize(
    ("written", "at", "local", "status"),
    [
        ("07ea 0b 19 03 0c 00 00 00 0000 00", NOON_MS, "", ()),
        ("07ea 0b 19 03 0d 00 00 00 ffc4 00", NOON_MS, "", ()),  # an hour ahead of UTC: deviation -60
        ("07ea 0b 19 ff 0e 00 00 ff ff88 80", NOON_MS, "", ()),  # daylight saving is no condition
        ("07ea 0b 19 03 07 00 00 32 012c ff", NOON_MS + 500, "", ()),
        ("07ea 0b 19 03 0c 00 ff ff 0000 ff", NOON_MS, "", ()),
        ("07ea 0b 19 03 0c 00 00 00 0000 02", NOON_MS, "", ("clock_doubtful_value",)),
        ("07ea 0b 19 03 0c 00 00 00 0000 0c", NOON_MS, "", ("clock_different_base", "clock_invalid_status")),
        ("07ea 0b 19 03 0c 00 00 00 0000 01", None, "2026-11-25T12:00:00", ("clock_invalid_value",)),
        ("07ea 0b 19 03 0c 00 00 00 8000 00", None, "2026-11-25T12:00:00", ("time_without_offset",)),
        ("ffff 0b 19 03 0c 00 00 00 8000 ff", None, "", ("time_unspecified",)),
        ("07ea fd 19 03 0c 00 00 00 0000 ff", None, "", ("time_unspecified",)),
        ("07ea 0b fe 03 0c 00 00 00 0000 ff", None, "", ("time_unspecified",)),
        ("07ea 0b 19 03 0c ff 00 00 0000 ff", None, "", ("time_unspecified",)),
    ],
)
def test_rules(written: str, at: int | None, local: str, status: tuple[str, ...]) -> None:
    assert read_date_time(bytes.fromhex(written)) == (at, local, status)


@pytest.mark.parametrize(
    "written",
    [
        "07ea 0d 19 03 0c 00 00 00 0000 00",
        "07ea 02 1e 03 0c 00 00 00 0000 00",
        "07ea 0b 19 03 18 00 00 00 0000 00",
        "07ea 0b 19 03 0c 3c 00 00 0000 00",
        "07ea 0b 19 03 0c 00 3c 00 0000 00",
        "07ea 0b 19 03 0c 00 00 64 0000 00",
        "07ea 0b 19 03 0c 00 00 00 0349 00",
        "07cf 0b 19 03 0c 00 00 00 0000 00",
        "0898 0b 19 03 0c 00 00 00 0000 00",
        "0000 0b 19 03 0c 00 00 00 0000 00",
    ],
)
def test_what_there_cannot_be(written: str) -> None:
    with pytest.raises(Rejected) as rejected:
        read_date_time(bytes.fromhex(written))
    assert rejected.value.reason is Reason.TIME


@pytest.mark.parametrize(("status", "hour_utc"), [(0x80, 0), (0x00, 1), (0xFF, 0)])
def test_zone_and_the_hour_that_comes_twice(status: int, hour_utc: int) -> None:
    """2026-10-25 02:30 is 00:30 UTC in daylight saving time and 01:30 UTC after it; unless said, the first."""
    moment = read_date_time(date_time(2026, 10, 25, 2, 30, 0, status=status), STOCKHOLM)
    assert moment.at == 1_792_886_400_000 + 3_600_000 * hour_utc + 1_800_000
    assert moment.local == "2026-10-25T02:30:00"
    assert moment.status == (("time_ambiguous",) if status == 0xFF else ())


def test_a_stated_offset_needs_no_zone() -> None:
    written = date_time(2026, 11, 25, 12, 0, 0, deviation=0)
    assert read_date_time(written, STOCKHOLM) == read_date_time(written)


def test_text_of_twelve_characters_is_no_time() -> None:
    assert not any(map(looks_like_date_time, (b"181220000009", b"AIDON_V00012", b"ABCDEFGHIJKL", bytes(12), bytes(11))))
    assert looks_like_date_time(date_time(2026, 11, 25, 12, 0, 0))


@given(st.binary(min_size=12, max_size=12))
def test_any_bytes(octets: bytes) -> None:
    try:
        moment = read_date_time(octets, STOCKHOLM)
    except Rejected as rejected:
        assert rejected.reason is Reason.TIME
    else:
        assert moment.at is not None or moment.status
