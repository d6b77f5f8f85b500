"""Bytes that a worker writes to its state topic beside those that it reads, both as they lie compressed on the broker.

Counted in the broker's own files, over whole rounds: from one save of a partition to a later one, and the input from
where the first of them went on to where the last did. A worker at full speed lives through many times as much as a city
sends in the same time; so its clock for saving is made quicker by as much, and it saves as often, by the readings, as
at live rate.
"""

import struct
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from os import SEEK_CUR
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from bench.contestants import PARTITIONS, metering
from bench.engine import SAVE_S, Bench, say
from bench.engine_topics import Input, provide
from bench.heat import Running, started
from bench.workload import STEP_MS
from schemas.codec import decode
from schemas.errors import Unavailable
from schemas.results import StateCommit

SAVES = 3
"""Whole rounds of each partition."""
STEPS_A_SAVE = 25
"""How often a meter reports until it has brought as many bytes as its state has, at the most."""
PATIENCE_S = 600.0
UNCLEANED = {"min.compaction.lag.ms": str(2**62)}
"""What was written is still there when it is counted."""

Commits = Mapping[int, list[tuple[int, int]]]
"""By partition: the offset of each commit record, and the input's next offset that it tells."""
_HEAD = struct.Struct(">qi")


def traffic(bench: Bench, meters: int, warm_up_steps: int, block_rows: int, rows_per_s: float) -> dict[str, float]:
    """State written and input read of the stream `metering` that knows all its meters."""
    readings = (warm_up_steps + STEPS_A_SAVE * (SAVES + 1)) * meters
    given = Input(meters, PARTITIONS, readings, block_rows)
    provide(bench.bootstrap, bench.folder, given, say)
    contestant = metering()
    _, env = bench.place(contestant, given.topic, UNCLEANED)
    state, faster = f"{env['BENCH_NAME']}.state", rows_per_s / (meters / STEP_MS * 1_000)
    with started(contestant, bench.folder, {**env, "BENCH_SAVE_S": f"{SAVE_S / faster:.2f}"}) as running:
        saves = commits(bench.bootstrap, state, running, warm_up_steps * meters)
    logs = bench.folder / "kafka" / "logs"
    written = sum(_bytes(logs / f"{state}-{number}", at[0][0] + 1, at[-1][0] + 1) for number, at in saves.items())
    read = sum(_bytes(logs / f"{given.topic}-{number}", at[0][1], at[-1][1]) for number, at in saves.items())
    return {
        "meters": meters,
        "saves": sum(len(at) - 1 for at in saves.values()),
        "state_bytes": written,
        "input_bytes": read,
        "ratio": round(written / read, 2),
    }


def commits(bootstrap: str, topic: str, running: Running, warm_up: int) -> Commits:
    """Of each partition the saves after the warm-up, once there are enough.

    Raises:
        Unavailable: there are not in time.
    """
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    deadline = time.monotonic() + PATIENCE_S
    with closing(Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-state"})) as consumer:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        while len(found) < PARTITIONS or min(map(len, found.values())) <= SAVES:
            if time.monotonic() > deadline:
                raise Unavailable(topic, f"only {dict(found)} was saved in {PATIENCE_S:.0f} s")
            told = running.told()
            is_warm = bool(told) and told[-1].readings >= warm_up
            for message in consumer.consume(100, 0.2):
                record = decode(message.value() or b"") if message.error() is None else None
                if is_warm and isinstance(record, StateCommit):
                    found[message.partition() or 0].append((message.offset() or 0, record.next_offset))
    return found


def batches(folder: Path) -> Iterator[tuple[int, int]]:
    """First offset and bytes of each batch of a partition's log (Kafka, "Message Format": baseOffset, batchLength)."""
    for segment in sorted(folder.glob("*.log")):
        with segment.open("rb") as file:
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                offset, length = _HEAD.unpack(head)
                yield offset, _HEAD.size + length
                file.seek(length, SEEK_CUR)


def _bytes(folder: Path, first: int, end: int) -> int:
    """Of the batches that begin there or later, and before the end."""
    return sum(size for offset, size in batches(folder) if first <= offset < end)
