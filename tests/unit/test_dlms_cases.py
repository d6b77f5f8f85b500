"""The golden folders of tests/cases/dlms: what each push says, or why it is rejected.

A folder holds `telegram.hex` (digits, with white space as one likes) and `expected.json`: `about`; `keys`, by system
title; `zone`, of the meter's clock; and the `telegrams`, or why it is `rejected` and what the `detail` names. Of what
a telegram has, the expectation leaves out what is empty. A bug report becomes a folder; no code.
"""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.decode.dlms.decoder import LONGEST_LIST, decode_dlms
from connectors.decode.telegram import Telegram
from schemas.errors import Reason, Rejected
from tests.described import described
from tests.dlms_encoder import EK, array, hdlc, notification, structure, u16

CASES = Path(__file__).parent.parent / "cases" / "dlms"
FOLDERS = sorted(CASES.iterdir())


def payload(case: Path) -> bytes:
    return bytes.fromhex((case / "telegram.hex").read_text("ascii"))


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_case(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    keys = {title: [bytes.fromhex(key) for key in known] for title, known in expected.get("keys", {}).items()}
    zone = ZoneInfo(expected["zone"]) if "zone" in expected else None
    try:
        telegrams = decode_dlms(payload(case), lambda title: keys.get(title, []), zones=lambda meter: zone)
    except Rejected as rejected:
        assert (rejected.reason.value, True) == (expected.get("rejected"), expected["detail"] in rejected.detail), (
            rejected
        )
    else:
        assert [described(telegram) for telegram in telegrams] == expected.get("telegrams")


def test_every_reason_has_a_case() -> None:
    seen = {json.loads(file.read_text("utf-8")).get("rejected") for file in CASES.glob("*/expected.json")}
    elsewhere = {
        "unknown_profile",
        "unknown_meter",
        "wrong_profile",
        "forbidden",
        "key_reused",
        "replayed",
        "unknown_event",
        "unit",
        "schema",
        "insert",
        "undelivered",
    }
    assert seen - {None} | elsewhere == {reason.value for reason in Reason}


SEEDS = [payload(case) for case in FOLDERS]


@settings(max_examples=1000)
@given(st.sampled_from(SEEDS), st.data())
def test_damaged_telegrams_are_decoded_or_rejected(seed: bytes, data: st.DataObject) -> None:
    """Whatever is changed, nothing but Rejected is raised."""
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged)))
        cut = data.draw(st.integers(0, 4))
        damaged[place : place + cut] = data.draw(st.binary(max_size=4))
    outcome(bytes(damaged))


@settings(max_examples=500)
@given(st.binary(max_size=120))
def test_any_bytes_are_decoded_or_rejected(body: bytes) -> None:
    outcome(body)
    outcome(notification(body))
    outcome(hdlc(notification(b"\x02" + body)))


def outcome(telegram: bytes) -> tuple[Telegram, ...] | None:
    try:
        return decode_dlms(telegram, lambda title: [EK])
    except Rejected as rejected:
        assert rejected.detail
        return None


PROTECTED = (
    "objects_in_hdlc_segments",
    "objects_in_blocks",
    "objects_ciphered",
    "objects_authenticated",
    "profile_batch",
)


@pytest.mark.parametrize("name", PROTECTED)
def test_flipped_bits_and_truncation_are_rejected_or_change_nothing(name: str) -> None:
    """HDLC has its checksums, ciphered APDUs their tag."""
    whole = payload(CASES / name)
    keys = json.loads((CASES / name / "expected.json").read_text("utf-8")).get("keys", {})

    def read(telegram: bytes) -> tuple[Telegram, ...] | None:
        try:
            return decode_dlms(telegram, lambda title: [bytes.fromhex(key) for key in keys.get(title, ())])
        except Rejected:
            return None

    expected = read(whole)
    assert expected
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        assert read(bytes(damaged)) in (None, expected), f"bit {bit}"
    assert {read(whole[:end]) for end in range(len(whole))} == {None}


def test_lists_are_bounded() -> None:
    assert outcome(notification(structure(*[u16(1)] * LONGEST_LIST))) is not None
    with pytest.raises(Rejected) as rejected:
        decode_dlms(notification(array(*[u16(1)] * (LONGEST_LIST + 1))), lambda title: [])
    assert rejected.value.reason is Reason.TOO_LARGE
