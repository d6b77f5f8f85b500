"""The workload of bench.engine: both forms hold the same readings, and the direct computation is what it says."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from fastavro import parse_schema, schemaless_reader

from bench.live_blocks import LINGER_MS, LOOK_MS, Bridges
from bench.minute_mean import MinuteMean
from bench.workload import (
    BEGIN_MS,
    QUANTITIES,
    READING_ID,
    READING_SCHEMA,
    STEP_MS,
    City,
    block_log,
    minute_means,
    record_log,
    steps,
)
from schemas.blocks import Beat, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.partition import partition_of
from streams.shard import Shard

CITY = City.of(203, 4)
Row = tuple[str, int, tuple[float, ...]]


def rows_of(block: ReadingBlock) -> list[Row]:
    values = block.rows_by_column().T.tolist()
    return [
        (block.meters[m], at, tuple(v)) for m, at, v in zip(block.row_meter, block.at.tolist(), values, strict=True)
    ]


def of_records(payloads: list[bytes]) -> list[Row]:
    schema = parse_schema(READING_SCHEMA)
    found = []
    for payload in payloads:
        assert payload[:5] == b"\0" + READING_ID.to_bytes(4, "big")
        body = BytesIO(payload[5:])
        record: Any = schemaless_reader(body, schema, None)
        assert not body.read()
        found.append((record["meter"], record["at"], tuple(record[name] for name in QUANTITIES)))
    return found


def blocks_of(payloads: list[bytes]) -> list[ReadingBlock]:
    return [record for record in map(decode, payloads) if isinstance(record, ReadingBlock)]


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_blocks_and_records_hold_the_same_readings(rows: int) -> None:
    source = steps(CITY)
    for step in (next(source), next(source)):
        for partition in range(4):
            blocks = blocks_of(list(block_log(CITY, step, partition, rows)))
            together = [row for block in blocks for row in rows_of(block)]
            assert together == of_records(record_log(CITY, step, partition))
            assert all(partition_of(meter, 4) == partition for meter, _, _ in together)
            assert max(len(block.at) for block in blocks) == min(rows, len(CITY.members[partition]))


def test_every_meter_reports_once_a_step_and_in_order() -> None:
    source = steps(CITY)
    next(source)
    payloads = [payload for partition in range(4) for payload in record_log(CITY, next(source), partition)[:1]]
    assert len(payloads) == 4
    step = next(steps(CITY))
    rows = [row for partition in range(4) for row in of_records(record_log(CITY, step, partition))]
    assert sorted(meter for meter, _, _ in rows) == sorted(CITY.ids)
    assert (np.diff(step.at) >= 0).all() and step.at[0] == BEGIN_MS and step.at[-1] < BEGIN_MS + STEP_MS


def test_a_beat_follows_what_it_is_later_than() -> None:
    log = [decode(payload) for payload in block_log(CITY, next(steps(CITY)), 2, 1)]
    beats = [record for record in log if isinstance(record, Beat)]
    assert [beat.at for beat in beats] == [BEGIN_MS + 1_000 * (second + 1) for second in range(10)]
    now = BEGIN_MS
    for record in log:
        if isinstance(record, Beat):
            now = record.at
        elif isinstance(record, ReadingBlock):
            assert now <= record.at[0] < now + 1_000


def test_values_are_multiples_of_their_resolution() -> None:
    resolution = np.array([load_catalogue().quantities[name].resolution for name in QUANTITIES])
    in_steps = next(steps(CITY)).values / resolution
    assert np.allclose(in_steps, np.rint(in_steps), rtol=0, atol=1e-4)


def test_bridges_lose_and_double_nothing_and_linger() -> None:
    bridges, source = Bridges(CITY, 3), steps(CITY)
    expected: list[Row] = []
    sent = []
    for step in (next(source), next(source)):
        sent += list(bridges.send(step))
        expected += [row for partition in range(4) for row in of_records(record_log(CITY, step, partition))]
    left = [packed.block for packer in bridges.packers for packed in packer.take_all()]
    blocks = blocks_of([payload for _, payload in sent]) + [b for b in left if isinstance(b, ReadingBlock)]
    assert sorted(row for block in blocks for row in rows_of(block)) == sorted(expected)
    assert all(block.at[-1] - block.received_at <= LINGER_MS + LOOK_MS for block in blocks)
    assert max(len(block.at) for block in blocks) > 1
    for partition, payload in sent:
        record = decode(payload)
        assert not isinstance(record, ReadingBlock) or {partition_of(m, 4) for m in record.meters} == {partition}


def test_the_direct_computation_is_a_mean() -> None:
    city = City.of(3, 1)
    found = minute_means(city, 2)
    source = steps(city)
    values = [next(source).values[1] for _ in range(12)]
    assert len(found) == 6
    second = [sum(step[q] for step in values[6:]) / 6 for q in range(len(QUANTITIES))]
    assert found[city.ids[1], BEGIN_MS + 60_000] == pytest.approx(second, rel=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_the_operator_comes_to_the_direct_computation(rows: int) -> None:
    minutes = 5
    found: dict[tuple[str, int], tuple[float, ...]] = {}
    source, shards = steps(CITY), [_shard(partition) for partition in range(4)]
    for _ in range(6 * (minutes + 2)):
        step = next(source)
        for partition, shard in enumerate(shards):
            for payload in block_log(CITY, step, partition, rows):
                for result in shard.take(decode(payload)) or []:
                    for meter, at, means in rows_of(result) if isinstance(result, ReadingBlock) else []:
                        assert (meter, at) not in found
                        found[meter, at] = means
    for key, means in minute_means(CITY, minutes).items():
        assert found[key] == pytest.approx(means, rel=1e-12)


def test_minutes_that_newer_rows_overtake_are_not_lost() -> None:
    """A turn of many minutes of one meter: all but the open one come out at once."""
    city, shard = City.of(1, 1), _shard(0)
    source = steps(city)
    found: dict[tuple[str, int], tuple[float, ...]] = {}
    for _ in range(300):
        for payload in block_log(city, next(source), 0, 1):
            record = decode(payload)
            if isinstance(record, ReadingBlock):
                assert shard.take(record) is None
    for second in (1, 2):
        for result in shard.take(Beat("mqtt_malmo", BEGIN_MS + 4_000_000 + second * 1_000)) or []:
            if isinstance(result, ReadingBlock):
                found |= {(meter, at): means for meter, at, means in rows_of(result)}
    expected = minute_means(city, 48)
    assert {key: found[key] for key in expected} == {k: pytest.approx(v, rel=1e-12) for k, v in expected.items()}


def _shard(partition: int) -> Shard:
    return Shard("bench", partition, {MinuteMean.name: MinuteMean()}, load_catalogue(), 1_000)
