"""P1 telegrams: the golden folders of tests/cases/p1, and damage.

A folder holds `payload` (the raw bytes) and `expected.json`, as in tests/cases/dlms.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.decode.p1 import LARGEST_PAYLOAD_BYTES, crc16_arc, decode_p1
from schemas.errors import Reason, Rejected
from tests.described import described
from tests.dlms_encoder import AK, EK, TITLE, ciphered, general_glo

CASES = Path(__file__).parent.parent / "cases" / "p1"
FOLDERS = sorted(CASES.iterdir())


def payload(case: Path) -> bytes:
    return (case / "payload").read_bytes()


def arc_by_bits(data: bytes) -> int:
    crc = 0
    for byte in data:
        for bit in range(8):
            carry = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0xA001 if carry else 0)
    return crc


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_case(case: Path) -> None:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text("utf-8"))
    try:
        telegrams = decode_p1(payload(case), lambda title: ())
    except Rejected as rejected:
        assert rejected.reason.value == expected.get("rejected"), rejected
        assert expected["detail"] in rejected.detail
    else:
        assert [described(telegram) for telegram in telegrams] == expected.get("telegrams")


@given(st.binary(max_size=300))
def test_crc_is_that_of_the_standard(data: bytes) -> None:
    assert crc16_arc(data) == arc_by_bits(data)


METER = payload(CASES / "meter_with_gas")


def test_any_flipped_bit_is_rejected_or_equal() -> None:
    expected = decode_p1(METER, lambda title: ())
    taken = 0
    for bit in range(8 * len(METER)):
        damaged = bytearray(METER)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            found = decode_p1(bytes(damaged), lambda title: ())
        except Rejected:
            continue
        taken += 1
        assert found == expected
    assert taken <= 6, "no more than the case of the CRC's letters, and the last CR"


def test_any_truncation_is_rejected_or_equal() -> None:
    expected = decode_p1(METER, lambda title: ())
    for end in range(len(METER)):
        try:
            found = decode_p1(METER[:end], lambda title: ())
        except Rejected as rejected:
            assert rejected.detail
        else:
            assert found == expected


def test_line_ends_of_a_broker() -> None:
    """Text that lost its CR on the way has another CRC; a telegram without CRC does not mind."""
    old = payload(CASES / "old_without_crc")
    assert decode_p1(old.replace(b"\r\n", b"\n"), lambda title: ()) == decode_p1(old, lambda title: ())


@pytest.mark.parametrize("unpadded", [True, False])
def test_a_crc_that_begins_with_zero(unpadded: bool) -> None:
    body, number = b"", 0
    while not body or arc_by_bits(body) > 0xFFF:
        number += 1
        body = b"/FLX5X\r\n\r\n1-0:1.7.0(%06d*W)\r\n!" % number
    crc = b"%X" % arc_by_bits(body) if unpadded else b"%04X" % arc_by_bits(body)
    assert decode_p1(body + crc + b"\r\n", lambda title: ())[0].values == {"active_power_import_w": number}


def test_encrypted_as_in_luxembourg() -> None:
    sealed = general_glo(ciphered(METER, counter=42))
    found = decode_p1(sealed, lambda title: [EK + AK])
    plain = decode_p1(METER, lambda title: ())
    assert [one.values for one in found] == [one.values for one in plain]
    assert {(one.sequence, one.key_holder) for one in found} == {(42, TITLE.hex().upper())}
    for damaged, keys, reason in (
        (sealed, [], Reason.KEY),
        (sealed, [bytes(32)], Reason.DECRYPT),
        (general_glo(ciphered(METER, 0x20)), [EK], Reason.UNSUPPORTED),
    ):
        with pytest.raises(Rejected) as rejected:
            decode_p1(damaged, lambda title, keys=keys: keys)
        assert rejected.value.reason is reason


@pytest.mark.parametrize(
    ("telegram", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\r\n", Reason.EMPTY),
        (b"x" * (LARGEST_PAYLOAD_BYTES + 1), Reason.TOO_LARGE),
        (b"/FLX5\xff\r\n\r\n!\r\n", Reason.ENCODING),
    ],
)
def test_what_cannot_stand_in_a_text_file(telegram: bytes, reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        decode_p1(telegram, lambda title: ())
    assert rejected.value.reason is reason


@settings(max_examples=500)
@given(st.sampled_from([payload(case).partition(b"!")[0] for case in FOLDERS]), st.data())
def test_damage_behind_a_right_crc(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        place, cut = data.draw(st.integers(0, len(damaged))), data.draw(st.integers(0, 4))
        damaged[place : place + cut] = data.draw(
            st.sampled_from([b"", b"(", b")", b"9", b"*", b"\r\n", b"0-1:24.2.1", b"W"])
        )
    body = bytes(damaged) + b"!"
    try:
        telegrams = decode_p1(body + b"%04X\r\n" % crc16_arc(body), lambda title: ())
    except Rejected as rejected:
        assert rejected.detail
    else:
        assert telegrams
