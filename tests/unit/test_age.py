"""A meter whose clock was reset tells of years ago: what of it is taken, and what becomes of the rest."""

from dataclasses import replace

import pytest

from connectors.age import ANY_AGE, AgeLimit, age_limit
from connectors.authority import EACH_ITSELF, Authority
from connectors.decode.readings import Address, Carries, Decoded, MeterEvent, Proof, Reading
from connectors.intake import Intake, Taken
from connectors.source import Delivery
from schemas.durations import DAY_MS
from schemas.errors import Reason, Rejected
from schemas.faults import Faults
from schemas.master_data import Device
from schemas.quality import Quality
from schemas.register import Register
from schemas.topology import load_topology
from tests.bridge_process import ROOT

NOW = 1_795_507_200_000
IN_2001 = 978_307_200_000
LIMIT = AgeLimit(400)
OLDEST = NOW - 400 * DAY_MS


def reading(meter: str, at: int, counter: int = 0) -> Reading:
    return Reading(meter, at, -1, 0, (1.0,), Proof(meter, "key", counter, 1) if counter else None)


def taken(limit: AgeLimit, *rows: Reading | MeterEvent, valid_from: int | None = None) -> Taken:
    """What becomes of a payload that says this."""
    readings = tuple(row for row in rows if isinstance(row, Reading))
    decoded = Decoded(
        readings,
        tuple(row for row in rows if isinstance(row, MeterEvent)),
        tuple(one.proof for one in readings if one.proof is not None),
    )
    devices = {
        name: Device(name, "water", "s", None, None, None, None, 60_000, valid_from=valid_from) for name in ("m1", "m2")
    }
    authority = Authority(lambda: EACH_ITSELF, anonymous=True)
    intake = Intake(Register(devices), {"": {"water": lambda *_: decoded}}, 4, 4, authority, limit)
    return intake.take(Delivery(b"", Address("water", "water", "", Carries.READING)), NOW)


def test_what_is_too_old_is_left_out_and_told_and_the_rest_taken() -> None:
    in_time, at_the_bound = reading("m1", NOW, 1), reading("m1", OLDEST, 2)
    found = taken(LIMIT, reading("m2", IN_2001, 3), in_time, at_the_bound, reading("m2", OLDEST - 1, 4))
    assert [one for _, one in found.readings] == [in_time, at_the_bound]
    assert found.proofs == (in_time.proof, at_the_bound.proof)
    assert found.left_out is not None
    assert found.left_out.reason is Reason.TIME
    assert found.left_out.detail == "m2 at 2001-01-01T00:00:00+00:00, and 1 more: more than 400 days before they came"


def test_a_payload_with_nothing_else_is_rejected() -> None:
    with pytest.raises(Rejected, match="more than 400 days") as rejected:
        taken(LIMIT, reading("m1", IN_2001))
    assert rejected.value.reason is Reason.TIME


def test_an_event_is_news_whatever_the_clock_says() -> None:
    powered, then = (MeterEvent("m1", at, int(Quality.FUTURE), "power_up", "") for at in (IN_2001, OLDEST))
    found = taken(LIMIT, powered, then)
    quality = int(Quality.FUTURE | Quality.TIME_BY_BRIDGE)
    assert [one for _, one in found.events] == [replace(powered, at=NOW, quality=quality), then]
    assert found.left_out is None


def test_without_a_bound_history_is_taken() -> None:
    found = taken(ANY_AGE, reading("m1", IN_2001))
    assert len(found.readings) == 1 and found.left_out is None


def test_the_registers_validity_bounds_it_too() -> None:
    with pytest.raises(Rejected) as rejected:
        taken(ANY_AGE, reading("m1", IN_2001), valid_from=NOW - DAY_MS)
    assert rejected.value.reason is Reason.UNKNOWN_METER


@pytest.mark.parametrize(("days", "limit"), [("30", AgeLimit(30)), ("0", ANY_AGE), ("", ANY_AGE), (None, ANY_AGE)])
def test_a_bridge_says_how_old(days: str | None, limit: AgeLimit) -> None:
    bridge = load_topology(ROOT / "topology.yaml", {}).bridges["amqp_turin"]
    assert age_limit(bridge) == LIMIT
    assert age_limit(replace(bridge, options={} if days is None else {"oldest_days": days})) == limit


@pytest.mark.parametrize("days", ["-1", "1.5", "a year", "٣", "9999999"])
def test_a_bound_that_is_no_number_of_days_is_a_fault(days: str) -> None:
    bridge = load_topology(ROOT / "topology.yaml", {}).bridges["amqp_turin"]
    with pytest.raises(Faults, match="oldest_days"):
        age_limit(replace(bridge, options={"oldest_days": days}))
