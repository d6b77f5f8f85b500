"""A-XDR data: every type, by hand and in round trips; bounded whatever the bytes claim."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.decode.dlms import axdr
from connectors.decode.dlms.axdr import BitString, Date, DateTime, Delta, Enum, Time, decode_data
from connectors.decode.dlms.uniform import FEWEST_ROWS, uniform_rows
from schemas.errors import Reason, Rejected
from tests.dlms_encoder import array, encoded, length, number, octets, structure, u16, u32

TYPES = [
    ("00", None),
    ("0100", []),
    ("0102 1105 1106", [5, 6]),
    ("0200", ()),
    ("0202 1105 0a0161", (5, "a")),
    ("0300", False),
    ("0301", True),
    ("040a b540", BitString("1011010101")),
    ("05 fffffffe", -2),
    ("06 fffffffe", 4294967294),
    ("0903 010203", b"\x01\x02\x03"),
    ("098103 010203", b"\x01\x02\x03"),
    ("0a03 616263", "abc"),
    ("0c03 61c3a9", "aé"),
    ("0d 42", 42),
    ("0f fe", -2),
    ("10 fffe", -2),
    ("11 fe", 254),
    ("12 fffe", 65534),
    ("14 fffffffffffffffe", -2),
    ("15 fffffffffffffffe", 2**64 - 2),
    ("16 1e", Enum(30)),
    ("17 3fc00000", 1.5),
    ("18 3ff8000000000000", 1.5),
    ("19 07e5 09 16 03 11 23 1e ff ffc4 00", DateTime(bytes.fromhex("07e509160311231effffc400"))),
    ("1a 07e5 09 16 03", Date(bytes.fromhex("07e5091603"))),
    ("1b 11231eff", Time(bytes.fromhex("11231eff"))),
    ("1c fe", Delta(-2)),
    ("1d fffe", Delta(-2)),
    ("1e fffffffe", Delta(-2)),
    ("1f fe", Delta(254)),
    ("20 fffe", Delta(65534)),
    ("21 fffffffe", Delta(4294967294)),
    ("ff", None),
    # compact-array: a type, the length of the content, the content
    ("13 12 04 0001 0002", [1, 2]),
    ("13 16 02 1b1e", [Enum(27), Enum(30)]),
    ("13 01 0002 11 04 01020304", [[1, 2], [3, 4]]),
    ("13 02 03 11 00 11 04 01020304", [(1, None, 2), (3, None, 4)]),
]


@pytest.mark.parametrize(("written", "value"), TYPES)
def test_every_type(written: str, value: Any) -> None:
    found = decode_data(bytes.fromhex(written))
    assert found == value and type(found) is type(value)


def test_compact_array_of_structures_with_strings() -> None:
    kind = bytes((2, 2, 18, 9))
    content = b"\x00\x01" + b"\x02ab" + b"\x00\x02" + b"\x01c"
    assert decode_data(b"\x13" + kind + length(len(content)) + content) == [(1, b"ab"), (2, b"c")]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=200)
    | st.text(max_size=100),
    lambda inner: st.lists(inner, max_size=20) | st.lists(inner, max_size=20).map(tuple),
    max_leaves=60,
)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    assert decode_data(encoded(value)) == value


@given(VALUES, st.binary(min_size=1, max_size=3))
def test_nothing_may_follow(value: Any, more: bytes) -> None:
    with pytest.raises(Rejected):
        decode_data(encoded(value) + more)


@given(VALUES, st.data())
def test_nothing_may_be_cut_off(value: Any, data: st.DataObject) -> None:
    whole = encoded(value)
    with pytest.raises(Rejected) as rejected:
        decode_data(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert rejected.value.reason is Reason.MALFORMED


CELLS = st.sampled_from(["u16", "i32", "bool", "double", "octets"])


def cell(kind: str, row: int) -> bytes:
    return {
        "u16": u16(row),
        "i32": number(5, -row),
        "bool": bytes((3, row & 1)),
        "double": number(24, row / 7),
        "octets": octets(bytes((row & 0xFF, 0, 0))),
    }[kind]


@given(st.lists(CELLS, min_size=1, max_size=6), st.integers(FEWEST_ROWS, 40), st.integers(0, 60))
def test_rows_alike_by_numpy_are_the_same_as_by_value(kinds: list[str], count: int, odd: int) -> None:
    rows = [structure(*(cell(kind, row) for kind in kinds)) for row in range(count)]
    if odd < count:
        rows[odd] = structure(*(b"\x00" for _ in kinds))
    data = array(*rows)
    shortcut = uniform_rows(data, len(data) - len(b"".join(rows)), count)
    assert (shortcut is None) is (odd < count)
    by_value = [decode_data(row) for row in rows]
    assert decode_data(data) == by_value
    if shortcut is not None:
        assert shortcut.rows == by_value and shortcut.end == len(data)
        assert all(type(a) is type(b) for a, b in zip(shortcut.rows[0], by_value[0], strict=True))


def test_a_last_row_that_is_cut_off() -> None:
    data = array(*[structure(u16(row), u32(row)) for row in range(20)])
    with pytest.raises(Rejected):
        decode_data(data[:-1])


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", Reason.MALFORMED),
        ("0502", Reason.MALFORMED),
        ("0985ffffffffff", Reason.MALFORMED),
        ("0980", Reason.MALFORMED),
        ("01847fffffff", Reason.TOO_LARGE),
        ("0484ffffffff00", Reason.MALFORMED),
        ("0e00", Reason.UNSUPPORTED),
        ("0d4a", Reason.VALUE),
        ("0a01ff", Reason.ENCODING),
        ("0c01ff", Reason.ENCODING),
        ("0201" * 20 + "00", Reason.TOO_LARGE),
        ("13 00 02 0000", Reason.MALFORMED),  # elements of no bytes
        ("13 12 03 000102", Reason.MALFORMED),  # one and a half
        ("13 13 12 02 0001", Reason.MALFORMED),  # within another
        ("13 01ffff 01ffff 00 01 00", Reason.TOO_LARGE),  # 2^32 nulls of no bytes
        ("13" + "02ff" * 30, Reason.MALFORMED),
        ("13 02 02 11 01012c00 0a" + "00" * 10, Reason.TOO_LARGE),  # 300 nulls of no bytes beside each byte
    ],
)
def test_what_is_no_data(written: str, reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        decode_data(bytes.fromhex(written))
    assert rejected.value.reason is reason


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(axdr, "MOST_VALUES", 1000)
    assert len(decode_data(array(*[b"\x00"] * 999))) == 999
    for data in (array(*[b"\x00"] * 1000), array(*[structure(u16(1), u16(2))] * 400)):
        with pytest.raises(Rejected) as rejected:
            decode_data(data)
        assert rejected.value.reason is Reason.TOO_LARGE


@settings(max_examples=500)
@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    try:
        value = decode_data(data)
    except Rejected as rejected:
        assert rejected.detail
    else:
        assert repr(decode_data(data)) == repr(value)
