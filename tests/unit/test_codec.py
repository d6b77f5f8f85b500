"""The codec: numpy and fastavro hold the same for the same, and nothing but a record or Rejected comes out."""

import io
import struct
import tracemalloc
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from fastavro import schemaless_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.blocks import Beat, DeadLetter, ReadingBlock
from schemas.codec import avro_reader, avro_writer, decode, encode
from schemas.errors import Reason, Rejected
from schemas.record import Record
from schemas.results import Account, StateChunk, StateCommit
from schemas.shape import ColumnarRecord
from schemas.varint import read_long, write_long
from schemas.versions import current
from tests.columnar_records import COLUMNAR, columnar_records

SLOWLY = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
PLAIN: list[Record] = [
    Beat("mqtt_malmo", 1_795_507_200_000),
    Account("metering", 3, 2**40, -1, *range(8)),
    DeadLetter("mqtt_malmo", "malmo/x", 1, "encoding", "ü", bytes(range(256)), 256, "ab"),
    StateChunk("n", 1, 2, b""),
    StateCommit("n", 1, 2**62, 5, "ff"),
]


def same(one: Record, other: Record) -> bool:
    """Equal field for field, types and the bits of floats included."""
    return type(one) is type(other) and all(
        left.dtype == right.dtype and left.tobytes() == right.tobytes()
        if isinstance(left, np.ndarray)
        else type(left) is type(right) and left == right
        for left, right in ((getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    )


def by_fastavro(record: Record) -> bytes:
    version = current()[type(record).__name__]
    return avro_writer(version.id, version.schema())(record)


def from_fastavro(payload: bytes, kind: type[Record]) -> Record:
    schema = current()[kind.__name__].schema()
    return avro_reader(schema, schema, kind)(payload)


def block(rows: int = 3, **changes: Any) -> ReadingBlock:
    meters = [f"LGZ{index:04d}" for index in range(rows)]
    made = ReadingBlock(
        source="mqtt_malmo",
        profile="malmo_household",
        received_at=1_795_507_200_000,
        meters=meters,
        feeders=[None] * rows,
        substations=[None] * rows,
        intervals_ms=np.full(rows, 10_000),
        row_meter=np.arange(rows, dtype=np.int32),
        at=np.arange(rows) + 1_795_507_200_000,
        sequence=np.full(rows, -1),
        quality=np.zeros(rows, np.int32),
        columns=["active_power_w", "voltage_v"],
        values=np.arange(2.0 * rows),
    )
    return replace(made, **changes)


@pytest.mark.parametrize("kind", COLUMNAR, ids=lambda kind: kind.__name__)
@SLOWLY
@given(data=st.data())
def test_numpy_and_fastavro_are_equal_both_ways(kind: type[ColumnarRecord], data: st.DataObject) -> None:
    record = data.draw(columnar_records(kind))
    payload = encode(record)
    assert payload == by_fastavro(record)
    assert same(decode(payload), record)
    assert same(from_fastavro(payload, kind), record)


@pytest.mark.parametrize("record", PLAIN, ids=lambda record: type(record).__name__)
def test_other_records_come_back_as_they_were(record: Record) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize("cut", [1, 2, 7])
@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("kind", COLUMNAR, ids=lambda kind: kind.__name__)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_arrays_may_come_in_any_blocks(kind: type[ColumnarRecord], sized: bool, cut: int, data: st.DataObject) -> None:
    record = data.draw(columnar_records(kind))
    payload = in_blocks(record, cut, sized)
    assert same(from_fastavro(payload, kind), record)
    assert same(decode(payload), record)


def in_blocks(record: ColumnarRecord, cut: int, sized: bool) -> bytes:
    """The record as another Avro writer may write it: blocks of `cut` items, with their size in bytes if `sized`."""
    version = current()[type(record).__name__]
    out = bytearray(struct.pack(">bI", 0, version.id))
    for field in version.schema()["fields"]:
        value = getattr(record, field["name"])
        if not isinstance(value, list | np.ndarray):
            out += avro(field["type"], value)
            continue
        items = value.tolist() if isinstance(value, np.ndarray) else value
        for start in range(0, len(items), cut):
            some = items[start : start + cut]
            raw = b"".join(avro(field["type"]["items"], item) for item in some)
            out += write_long(-len(some)) + write_long(len(raw)) + raw if sized else write_long(len(some)) + raw
        out += b"\0"
    return bytes(out)


def avro(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, schema["type"] if isinstance(schema, dict) else schema, value)
    return out.getvalue()


@pytest.mark.parametrize("kind", COLUMNAR, ids=lambda kind: kind.__name__)
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_give_rejected_or_a_record_that_fits(kind: type[ColumnarRecord], data: st.DataObject) -> None:
    payload = bytearray(encode(data.draw(columnar_records(kind))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(5, max(5, len(payload) - 1)))
        some = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"\xff" * 9 + b"\x01", b"\x80" * 12, b"\xfe\xff\xff\x7f"])
            )
        )
        payload[at : at + data.draw(st.integers(0, 3))] = some
    outcome = taken_or_rejected(bytes(payload))
    if outcome is not None:
        assert same(decode(encode(outcome)), outcome)
        assert same(from_fastavro(bytes(payload), kind), outcome)


@settings(deadline=None, max_examples=300)
@given(schema_id=st.integers(0, 12), body=st.binary(max_size=60))
def test_any_bytes_give_rejected_or_a_record(schema_id: int, body: bytes) -> None:
    for payload in (body, struct.pack(">bI", 0, schema_id) + body):
        taken_or_rejected(payload)


def taken_or_rejected(payload: bytes) -> Record | None:
    try:
        return decode(payload)
    except Rejected as rejected:
        assert rejected.reason is Reason.SCHEMA
        return None


def test_every_cut_is_rejected() -> None:
    for record in (*PLAIN, block()):
        payload = encode(record)
        for length in range(len(payload)):
            with pytest.raises(Rejected):
                decode(payload[:length])
        with pytest.raises(Rejected):
            decode(payload + b"\0")


@pytest.mark.parametrize("count", [2**31, 2**62, -(2**62), -(2**63)])
@pytest.mark.parametrize("field", ["meters", "feeders", "intervals_ms", "row_meter", "at", "values"])
def test_a_lying_count_allocates_nothing(field: str, count: int) -> None:
    payload = lying(field, count)
    with pytest.raises(Rejected):
        decode(payload)  # what is cached is made before measuring
    tracemalloc.start()
    try:
        with pytest.raises(Rejected):
            decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def lying(lying_field: str, count: int) -> bytes:
    version = current()["ReadingBlock"]
    out = bytearray(struct.pack(">bI", 0, version.id))
    for field in version.schema()["fields"]:
        if field["name"] == lying_field:
            return bytes(out + write_long(count) + bytes(200))
        out += b"\0"  # an empty string, 0, or an empty array
    raise AssertionError(lying_field)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"at": np.zeros(2, np.int64)}, "at has 2 items, row_meter 3"),
        ({"feeders": [None]}, "feeders has 1 items, meters 3"),
        ({"row_meter": np.array([0, 1, 3], np.int32)}, "row_meter points outside meters"),
        ({"row_meter": np.array([0, 1, -1], np.int32)}, "row_meter points outside meters"),
        ({"values": np.zeros(5)}, "values has 5 items, not 3 rows x 2 columns"),
        ({"meters": ["m1", "m2", "m1"]}, "meters names something twice"),
        ({"columns": ["voltage_v"] * 2}, "columns names something twice"),
    ],
)
def test_arrays_that_do_not_fit_are_rejected_and_not_written(changes: dict[str, Any], says: str) -> None:
    wrong = block(3, **changes)
    with pytest.raises(ValueError, match=says):
        encode(wrong)
    with pytest.raises(Rejected, match=says):
        decode(by_fastavro(wrong))


def test_arrays_of_another_type_are_our_bug() -> None:
    with pytest.raises(TypeError, match="int64 where int32"):
        encode(block(3, quality=np.zeros(3, np.int64)))
    with pytest.raises(TypeError, match="float32 where float64"):
        encode(block(3, values=np.zeros(6, np.float32)))
    with pytest.raises(ValueError, match="no 64-bit integer"):
        encode(block(3, received_at=2**63))


def test_an_unknown_id_is_rejected() -> None:
    for payload in (b"", b"\0\0\0\0", b"\1\0\0\0\1", b"\0\0\0\xff\xff" + bytes(9)):
        with pytest.raises(Rejected, match="schema"):
            decode(payload)


@given(st.integers(-(2**63), 2**63 - 1))
def test_varints_come_back(value: int) -> None:
    raw = write_long(value)
    assert read_long(b"\xff" + raw + b"\xff", 1) == (value, 1 + len(raw))
