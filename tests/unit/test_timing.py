"""When rows were measured: no telegram that says something new shares its meter's time with another one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.authority import EACH_ITSELF, Authority
from connectors.decode.readings import Address, Carries, Reading
from connectors.decode.telegram import TIME_AMBIGUOUS, Telegram
from connectors.decode.timing import Clock, registered_clocks, row_times
from connectors.intake import Intake
from connectors.registry import DECODERS
from connectors.source import Delivery
from schemas.errors import Reason, Rejected
from schemas.quality import Quality
from schemas.register import Device, Register
from tests.dlms_encoder import WH, array, attribute, date_time, notification, octets, scale, structure, u32
from tests.mbus_frames import METER, long_header, short_header, stripped, wired

ROME = ZoneInfo("Europe/Rome")
BY_BRIDGE = int(Quality.TIME_BY_BRIDGE)
VOLUME = bytes.fromhex("0C13 45230100")


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


NOON = ms(2026, 11, 25, 12)


def intake(decoder: str, profile: str, interval_ms: int, zone: str | None = None, default: str = "") -> Intake:
    devices = [
        Device(meter, profile, "s", None, None, None, None, interval_ms, time_zone=zone) for meter in ("E1", METER)
    ]
    register = Register({one.meter_id: one for one in devices})
    decoders = DECODERS[decoder](clocks=registered_clocks(register, default))
    return Intake(register, {"": decoders}, 4, 4, Authority(lambda: EACH_ITSELF, anonymous=True))


def taken(intake: Intake, payload: bytes, profile: str, meter: str = "", at: int = NOON) -> list[Reading]:
    delivery = Delivery(payload, Address("x", profile, meter, Carries.READING))
    return [reading for _, reading in intake.take(delivery, at).readings]


def profile_of(clocks: Sequence[bytes], watt_hours: Sequence[int]) -> bytes:
    """A concentrator's batch: rows of a clock and an energy."""
    columns = array(attribute(8, "0-0:1.0.0"), attribute(3, "1-0:1.8.0"))
    scales = array(scale(0, 255), scale(0, WH))
    rows = array(*(structure(octets(clock), u32(energy)) for clock, energy in zip(clocks, watt_hours, strict=True)))
    return notification(structure(columns, scales, rows))


SECONDS = [date_time(2026, 11, 25, 12, 59, second) for second in range(10)]
ELECTRICITY = "turin_electricity_single_phase"


def test_a_batch_of_local_times_without_a_zone_keeps_its_seconds() -> None:
    rows = taken(intake("dlms", ELECTRICITY, 1_000), profile_of(SECONDS, [100] * 10), ELECTRICITY, "E1")
    assert [row.at for row in rows] == [NOON - 1_000 * (9 - second) for second in range(10)]
    assert {row.quality for row in rows} == {BY_BRIDGE}


@pytest.mark.parametrize(
    ("of_meter", "of_bridge"), [("Europe/Rome", ""), (None, "Europe/Rome"), ("Europe/Rome", "UTC")]
)
def test_a_batch_of_local_times_with_the_zone_has_the_meters_time(of_meter: str | None, of_bridge: str) -> None:
    rows = taken(
        intake("dlms", ELECTRICITY, 1_000, of_meter, of_bridge), profile_of(SECONDS, range(10)), ELECTRICITY, "E1"
    )
    assert [row.at for row in rows] == [ms(2026, 11, 25, 11, 59, second) for second in range(10)]
    assert {row.quality for row in rows} == {0}


def autumn(*minutes: int) -> bytes:
    """Rows at these minutes past 2 o'clock of the day when summer time ends, from a clock without status."""
    clocks = [date_time(2026, 10, 25, 2, minute, 0, status=0xFF) for minute in minutes]
    return profile_of(clocks, range(len(clocks)))


@pytest.mark.parametrize(
    ("minutes", "arrival", "utc", "ambiguous"),
    [
        ((30, 45, 0, 15), ms(2026, 10, 25, 12), ((0, 30), (0, 45), (1, 0), (1, 15)), False),
        ((30, 30), ms(2026, 10, 25, 12), ((0, 30), (1, 30)), False),
        ((0, 15, 30), ms(2026, 10, 25, 0, 31), ((0, 0), (0, 15), (0, 30)), True),
        ((0, 15, 30), ms(2026, 10, 25, 1, 31), ((1, 0), (1, 15), (1, 30)), True),
    ],
)
def test_the_hour_that_comes_twice(
    minutes: tuple[int, ...], arrival: int, utc: tuple[tuple[int, int], ...], ambiguous: bool
) -> None:
    """The clock's step back tells, else the arrival."""
    rows = taken(intake("dlms", ELECTRICITY, 1_000, "Europe/Rome"), autumn(*minutes), ELECTRICITY, "E1", arrival)
    assert [row.at for row in rows] == [ms(2026, 10, 25, hour, minute) for hour, minute in utc]
    assert {bool(row.quality & Quality.TIME_AMBIGUOUS) for row in rows} == {ambiguous}


def test_rows_of_which_nothing_is_known_of_the_time_are_rejected() -> None:
    with pytest.raises(Rejected) as rejected:
        taken(intake("dlms", ELECTRICITY, 1_000), profile_of([b"\xff" * 12] * 2, [1, 2]), ELECTRICITY, "E1")
    assert rejected.value.reason is Reason.TIME


def frame(access: int, records: bytes = VOLUME) -> bytes:
    return wired(long_header(access=access) + records)


def test_two_frames_without_time_are_two_readings_and_one_frame_twice_is_one() -> None:
    rows = taken(intake("mbus", "water", 900_000), frame(7) + frame(8) + frame(7), "water")
    assert [(row.at, row.sequence, row.quality) for row in rows] == [(NOON, 7, BY_BRIDGE), (NOON + 1, 8, BY_BRIDGE)]


def test_telegrams_that_arrive_in_one_millisecond_are_as_many_readings() -> None:
    bridge = intake("wmbus", "water", 900_000)
    frames = [stripped(short_header(access) + VOLUME) for access in range(12)]
    found = [row.at for payload in frames for row in taken(bridge, payload, "water")]
    assert found == [NOON + place for place in range(12)]
    assert [row.at for row in taken(bridge, frames[0], "water", at=NOON + 60_000)] == [NOON + 60_000]


def test_meters_that_nobody_knows_leave_no_trace() -> None:
    bridge = intake("senml", "water", 900_000)
    for number in range(3):
        with pytest.raises(Rejected):
            taken(bridge, b'[{"n":"nobody-%d/water_volume_m3","v":1}]' % number, "water")
    assert bridge._given == {}


TYPE_F = bytes.fromhex("046D 0D11 593B")
"""17:13 on 2026-11-25: minute, hour, then day and month, each with bits of the year."""


@pytest.mark.parametrize(
    ("interval_ms", "zone", "at", "quality"),
    [
        (300_000, "Europe/Rome", ms(2026, 11, 25, 16, 13), int(Quality.FUTURE)),
        (10_000, "Europe/Rome", NOON, BY_BRIDGE),
        (300_000, None, NOON, BY_BRIDGE),
    ],
)
def test_a_clock_of_minutes_counts_where_the_zone_is_known_and_minutes_tell_readings_apart(
    interval_ms: int, zone: str | None, at: int, quality: int
) -> None:
    rows = taken(intake("mbus", "water", interval_ms, zone), frame(7, TYPE_F + VOLUME), "water")
    assert [(row.at, row.quality) for row in rows] == [(at, quality)]


def test_a_meter_that_reports_often_loses_no_frame_of_one_minute() -> None:
    payload = frame(7, TYPE_F + VOLUME) + frame(8, TYPE_F + VOLUME)
    assert [row.at for row in taken(intake("mbus", "water", 10_000, "Europe/Rome"), payload, "water")] == [
        NOON,
        NOON + 1,
    ]


def local(seconds: int | None, sequence: int = -1, status: tuple[str, ...] = ()) -> Telegram:
    written = "" if seconds is None else (datetime(2026, 11, 25) + timedelta(seconds=seconds)).isoformat()
    return Telegram("m", "", None, sequence, status, (), local_time=written)


@given(st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=1, max_size=12))
def test_no_two_rows_that_the_bridge_times_share_their_time(seconds: list[int | None]) -> None:
    times = row_times([local(one) for one in seconds], NOON)
    assert len({time.at for time in times}) == len(times)
    assert {time.quality for time in times} == {BY_BRIDGE}
    known = [(one, time.at) for one, time in zip(seconds, times, strict=True) if one is not None]
    newest = max((one for one, _ in known), default=0)
    assert all(0 <= at - (NOON - 1_000 * (newest - one)) < len(times) for one, at in known)


def test_a_counter_that_several_rows_share_tells_none_of_them_apart() -> None:
    times = row_times([local(0, 7), local(1, 7), local(2, 8)], NOON)
    assert [time.sequence for time in times] == [-1, -1, 8]


def test_an_ambiguous_time_that_came_alone_is_flagged() -> None:
    telegram = Telegram("m", "", ms(2026, 10, 25, 0, 30), -1, (TIME_AMBIGUOUS,), (), local_time="2026-10-25T02:30:00")
    (time,) = row_times([telegram], ms(2026, 10, 25, 0, 31), lambda meter: Clock(ROME, 1_000))
    assert (time.at, time.quality) == (telegram.at, int(Quality.TIME_AMBIGUOUS))


def test_telegrams_of_one_time_in_one_payload_are_one_reading() -> None:
    temperature = bytes.fromhex("0259 D204")
    rows = taken(
        intake("mbus", "water", 300_000, "Europe/Rome"),
        frame(7, TYPE_F + VOLUME) + frame(8, TYPE_F + temperature),
        "water",
    )
    assert [(row.at, sum(value == value for value in row.values)) for row in rows] == [(ms(2026, 11, 25, 16, 13), 2)]


def test_telegrams_of_one_time_that_say_different_things_stay_two() -> None:
    payload = frame(7, TYPE_F + VOLUME) + frame(8, TYPE_F + bytes.fromhex("0C13 46230100"))
    rows = taken(intake("mbus", "water", 300_000, "Europe/Rome"), payload, "water")
    assert [(row.at, row.sequence) for row in rows] == [(ms(2026, 11, 25, 16, 13), 7), (ms(2026, 11, 25, 16, 13), 8)]
