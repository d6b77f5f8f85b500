"""M-Bus from end to end: golden folders of tests/cases/mbus and wmbus, any bytes, any flipped bit, published telegrams.

A folder holds `telegram.hex` (white space and lines that begin with # do not count) and `expected.json`, which says
also what the decoder was told: keys by meter, framing, time zone. A bug report becomes a folder; no code.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.conformance_mbus import conformance
from bench.fuzz_mbus import guard_wired, guard_wireless, repair_wired, repair_wireless
from connectors.decode.mbus import Framing, decode_mbus, decode_wmbus
from connectors.decode.mbus.application import LARGEST_PAYLOAD_BYTES
from connectors.decode.telegram import Telegram
from schemas.catalogue import load_catalogue
from schemas.errors import Reason, Rejected
from tests.mbus_frames import (
    KEY,
    METER,
    WATER,
    ell,
    ell_ctr,
    format_a,
    format_b,
    long_header,
    mode_5,
    mode_7,
    short_header,
    stripped,
    wired,
)

CASES = Path(__file__).parent.parent / "cases"
PUBLISHED = Path(os.environ.get("FLEXMETER_DATA", "../shared/data"))


def known(meter: str) -> tuple[bytes, ...]:
    return (KEY,) if meter == METER else ()


def decoded(protocol: str, payload: bytes, told: dict[str, Any]) -> tuple[Telegram, ...]:
    keys = {meter: tuple(map(bytes.fromhex, written)) for meter, written in told.get("keys", {}).items()}
    zone = ZoneInfo(told["zone"]) if "zone" in told else None
    if protocol == "mbus":
        return decode_mbus(payload, lambda meter: keys.get(meter, ()), zones=lambda meter: zone)
    framing = Framing(told.get("framing", "any"))
    return decode_wmbus(payload, lambda meter: keys.get(meter, ()), framing, zones=lambda meter: zone)


@pytest.mark.parametrize("case", sorted(CASES.glob("*mbus/*")), ids=lambda case: f"{case.parent.name}-{case.name}")
def test_case(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    lines = (case / "telegram.hex").read_text("utf-8").splitlines()
    payload = bytes.fromhex("".join(line for line in lines if not line.startswith("#")))
    try:
        answer: Any = [asdict(telegram) for telegram in decoded(case.parent.name, payload, expected["told"])]
    except Rejected as rejected:
        answer = {"reason": rejected.reason.value, "detail": rejected.detail}
    assert said(json.loads(json.dumps(answer))) == said(expected["answer"])


def said(answer: Any) -> Any:
    """Telegrams without the fields that say nothing; a rejection as it is."""
    if isinstance(answer, dict):
        return answer
    return [{name: value for name, value in one.items() if value not in ("", [], None, -1)} for one in answer]


def test_every_reason_has_a_case() -> None:
    answers = [json.loads(file.read_text("utf-8"))["answer"] for file in CASES.glob("*mbus/*/expected.json")]
    seen = {answer["reason"] for answer in answers if isinstance(answer, dict)}
    assert seen == {"malformed", "checksum", "unsupported", "key", "decrypt", "field", "empty"}


@pytest.mark.parametrize("decode", [decode_mbus, decode_wmbus])
def test_payloads_are_bounded(decode: Any) -> None:
    payload = wired(b"\x78" + WATER) * (LARGEST_PAYLOAD_BYTES // 30)
    assert len(payload) > LARGEST_PAYLOAD_BYTES
    with pytest.raises(Rejected) as rejected:
        decode(payload, known)
    assert rejected.value.reason is Reason.TOO_LARGE


def test_the_hour_that_comes_twice() -> None:
    """2013-10-27 02:13 in Stockholm: in summer time it is 00:13 UTC, in standard time an hour later."""
    stockholm = ZoneInfo("Europe/Stockholm")
    for flag, hour in ((0x80, 0), (0x00, 1)):
        clock = bytes([0x0D, 0x02 | flag, 0xBB, 0x1A])
        (telegram,) = decode_wmbus(stripped(b"\x78\x04\x6d" + clock), known, zones=lambda meter: stockholm)
        assert telegram.at == datetime(2013, 10, 27, hour, 13, tzinfo=UTC).timestamp() * 1000
        assert telegram.local_time == "2013-10-27T02:13:00"


def told_apart(telegrams: tuple[Telegram, ...]) -> list[Any]:
    for telegram in telegrams:
        for one in telegram.measured:
            assert not one.quantity or load_catalogue().quantities[one.quantity].unit == one.unit
    return [asdict(telegram) for telegram in telegrams]


@settings(max_examples=400)
@given(st.binary(max_size=300), st.sampled_from(Framing))
def test_any_bytes_are_decoded_or_rejected(payload: bytes, framing: Framing) -> None:
    for decode in (lambda: decode_mbus(payload, known), lambda: decode_wmbus(payload, known, framing)):
        try:
            told_apart(decode())
        except Rejected as rejected:
            assert rejected.detail


CHAINS = st.lists(st.integers(0x80, 0xFF), max_size=11).map(bytes)
RECORDS = st.lists(
    st.tuples(st.integers(0, 255), CHAINS, st.integers(0, 255), CHAINS, st.binary(max_size=20)).map(
        lambda parts: bytes([parts[0]]) + parts[1] + bytes([parts[2]]) + parts[3] + parts[4]
    ),
    max_size=6,
).map(b"".join)


@settings(max_examples=400)
@given(RECORDS, st.sampled_from([b"\x78", short_header(), long_header(), b"\x7b" + short_header()[1:]]))
@example(bytes.fromhex("04FDFF7F00000000"), b"\x78")
@example(bytes.fromhex("04FBFC7C00000000"), b"\x78")
@example(bytes.fromhex("0493FC 00000000"), b"\x78")
def test_any_records_are_decoded_or_rejected(records: bytes, header: bytes) -> None:
    message = (header + records)[:240]
    for payload, decode in ((wired(message), decode_mbus), (format_a(message), decode_wmbus)):
        try:
            told_apart(decode(payload, known))
        except Rejected as rejected:
            assert rejected.detail


MESSAGES = [
    short_header() + WATER,
    long_header() + WATER * 5,
    ell(b"\x78" + WATER),
    ell_ctr(b"\x78" + WATER),
    mode_5(WATER),
    mode_7(WATER),
]


def assert_no_flipped_bit_matters(payload: bytes, decode: Any, octets: Iterable[int]) -> None:
    """Whichever bit of these bytes is flipped, the payload is rejected, or says the same."""
    good = told_apart(decode(payload))
    for at in octets:
        for bit in range(8):
            flipped = payload[:at] + bytes([payload[at] ^ 1 << bit]) + payload[at + 1 :]
            try:
                assert told_apart(decode(flipped)) == good, (at, bit)
            except Rejected:
                continue


@pytest.mark.parametrize("framing", [Framing.A, Framing.ANY])
@pytest.mark.parametrize("message", MESSAGES)
def test_a_flipped_bit_in_format_a_is_rejected(message: bytes, framing: Framing) -> None:
    payload = format_a(message)
    assert_no_flipped_bit_matters(payload, partial(decode_wmbus, keys=known, framing=framing), range(len(payload)))


@pytest.mark.parametrize("message", MESSAGES)
def test_a_flipped_bit_in_format_b_is_rejected(message: bytes) -> None:
    payload = format_b(message)
    assert_no_flipped_bit_matters(payload, partial(decode_wmbus, keys=known, framing=Framing.B), range(len(payload)))


@pytest.mark.parametrize("message", [long_header() + WATER, mode_5(WATER, layout="long"), b"\x73" + bytes(16)])
def test_a_flipped_bit_on_the_wire_is_rejected(message: bytes) -> None:
    payload = wired(message)
    assert_no_flipped_bit_matters(payload, partial(decode_mbus, keys=known), range(len(payload)))


@pytest.mark.parametrize(("message", "uncovered"), [(mode_7(WATER), ()), (ell_ctr(b"\x78" + WATER), (12,))])
def test_a_flipped_bit_under_a_tag_is_rejected_without_crcs_too(message: bytes, uncovered: tuple[int, ...]) -> None:
    """But for what no tag covers: the link layer's own ten bytes, and the access number of the extended one."""
    payload = stripped(message)
    covered = sorted(set(range(10, len(payload))) - set(uncovered))
    assert_no_flipped_bit_matters(payload, partial(decode_wmbus, keys=known), covered)


@pytest.mark.parametrize("payload", [wired(long_header() + WATER), format_a(mode_5(WATER)), format_b(mode_7(WATER))])
def test_whatever_is_cut_off_is_rejected(payload: bytes) -> None:
    decode = decode_mbus if payload[0] == payload[3] == 0x68 else decode_wmbus
    told_apart(decode(payload, known))
    for length in range(len(payload)):
        with pytest.raises(Rejected):
            decode(payload[:length], known)


def test_fuzzing_knows_what_has_a_checksum_and_how_to_mend_it() -> None:
    message = long_header() + WATER
    assert guard_wired(wired(message), known)
    assert guard_wired(wired(message)[:-1], known) is None
    assert guard_wireless(format_a(message), known)
    assert guard_wireless(format_b(message), known)
    assert guard_wireless(stripped(message), known) is None
    assert repair_wired(wired(message)[:-2] + b"\x00\x00") == wired(message)
    assert repair_wireless(b"\x00" + stripped(message)[1:]) == stripped(message)
    assert repair_wired(b"\x68") == repair_wireless(b"\x68") == b"\x68"


@pytest.mark.skipif(not (PUBLISHED / "protocol").exists(), reason=f"no published telegrams at {PUBLISHED}")
def test_published_telegrams() -> None:
    wired_result, wireless = conformance(PUBLISHED)
    for result in (wired_result, wireless):
        assert (result.wrong, result.crashed) == ([], [])
    assert wired_result.equal >= 0.99 * wired_result.values > 400
    assert wireless.equal >= 0.9 * wireless.values > 250
