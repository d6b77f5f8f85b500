"""bench.latency knows which message completes a minute; bench.state_traffic reads what lies in a log."""

import struct
from pathlib import Path

import numpy as np

from bench.latency import waits_ms
from bench.latency_devices import MINUTE_MS, Devices
from bench.state_traffic import batches
from bench.workload import BEGIN_MS, SOURCE, STEP_MS, City, block_log, steps
from schemas.blocks import Beat, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import decode, encode
from schemas.results import AggregateBlock
from streams.registry import OPERATORS
from streams.shard import Shard

METERS, STEPS = 7, 26


def told_by_turn() -> list[tuple[int, AggregateBlock]]:
    """A turn for each message: its event time, and the aggregates that came with it."""
    names = ("rolling_load", "feeder_load", "presence", "heard")
    shard = Shard("metering", 0, {name: OPERATORS[name] for name in names}, load_catalogue(), turn_ms=1_000)
    city, source, clock, found = City.of(METERS, 1), steps(City.of(METERS, 1)), BEGIN_MS, []
    shard.take(Beat(SOURCE, clock))
    for _ in range(STEPS):
        for record in map(decode, block_log(city, next(source), 0, 1)):
            if isinstance(record, ReadingBlock):
                clock += 1_000
                assert shard.take(record) is None
                results = shard.take(Beat(SOURCE, clock)) or []
                found += [(int(record.at[0]), one) for one in results if isinstance(one, AggregateBlock)]
    return found


def test_a_minute_is_told_with_the_message_that_completes_it() -> None:
    devices, told = Devices(METERS, BEGIN_MS), told_by_turn()
    number = {meter: i for i, meter in enumerate(City.of(METERS, 1).ids)}
    minutes = 0
    for at, block in told:
        here = (block.row_window == block.windows.index("1min")) & (block.row_quantity == 0)
        meters = np.array([number[block.meters[i]] for i in block.row_meter[here]])
        assert devices.completes(meters, block.end[here]).tolist() == [at] * len(meters)
        minutes += len(meters)
    assert minutes == METERS * ((STEPS - 1) * STEP_MS // MINUTE_MS - 1)


def test_a_wait_runs_from_when_the_message_was_due() -> None:
    devices, begin_s = Devices(METERS, BEGIN_MS), 500.0
    late_s = 0.25
    seen = [(begin_s + (at - BEGIN_MS) / 1_000 + late_s, encode(block)) for at, block in told_by_turn()]
    waited_ms = waits_ms(seen, devices, begin_s)
    assert len(waited_ms) == METERS * 2, "the minutes of the first 140 s are the warm-up's"
    np.testing.assert_allclose(waited_ms, late_s * 1_000, atol=1e-6)


def test_batches_of_a_log_are_found_in_all_its_segments(tmp_path: Path) -> None:
    for name, lengths in (("0", {0: 5, 3: 700}), ("4", {4: 61})):
        with (tmp_path / f"{name.zfill(20)}.log").open("wb") as file:
            for offset, length in lengths.items():
                file.write(struct.pack(">qi", offset, length) + bytes(length))
    assert list(batches(tmp_path)) == [(0, 17), (3, 712), (4, 73)]
