"""Whether a contestant's means are right: a few meters for some minutes, held against the direct computation."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, cast

from fastavro import parse_schema, schemaless_reader

from bench.contestants import PARTITIONS
from bench.engine_topics import read_topic
from bench.workload import MEAN_SCHEMA, QUANTITIES
from schemas.blocks import ReadingBlock
from schemas.catalogue import Kind, load_catalogue
from schemas.codec import decode
from schemas.results import AggregateBlock

METERS, MINUTES = 60, 8
OPEN_MINUTES = 3
"""The last minutes may be open still: the lateness and the row that closes a window are ahead."""
WITHIN_S = 120.0
PRECISION = 1e-9

Means = dict[tuple[str, int], tuple[float, ...]]
"""By meter and start of the minute, ms UTC."""


def means_of(payload: bytes) -> Iterator[tuple[tuple[str, int], tuple[float, ...]]]:
    """The means in one record of an output topic: a peer's MinuteMean, or a block of ours."""
    if payload[1:5] == (1_002).to_bytes(4, "big"):
        record = cast(dict[str, Any], schemaless_reader(BytesIO(payload[5:]), parse_schema(MEAN_SCHEMA), None))
        yield (record["meter"], record["start"]), tuple(record[name] for name in QUANTITIES)
        return
    block = decode(payload)
    if isinstance(block, ReadingBlock):
        for row, (meter, at) in enumerate(zip(block.row_meter, block.at, strict=True)):
            yield (block.meters[meter], int(at)), tuple(block.rows_by_column()[:, row].tolist())
    elif isinstance(block, AggregateBlock):
        yield from _minutes(block)


def _minutes(block: AggregateBlock) -> Iterator[tuple[tuple[str, int], tuple[float, ...]]]:
    """The rows of one minute, each of one quantity, NaN in the other places."""
    for row, meter in enumerate(block.row_meter):
        if block.windows[block.row_window[row]] != "1min":
            continue
        values = [math.nan] * len(QUANTITIES)
        values[QUANTITIES.index(block.quantities[block.row_quantity[row]])] = float(block.mean[row])
        yield (block.meters[meter], int(block.start[row])), tuple(values)


def merged(old: tuple[float, ...] | None, new: tuple[float, ...]) -> tuple[float, ...]:
    """What is known of a minute, when more of it comes: what is said last counts."""
    return new if old is None else tuple(b if not math.isnan(b) else a for a, b in zip(old, new, strict=True))


def of_gauges(expected: Mapping[tuple[str, int], tuple[float, ...]]) -> Means:
    """What rolling_load must come to: it says no mean of a register, so NaN there is not compared."""
    quantities = [load_catalogue().quantities[name] for name in QUANTITIES]
    return {
        key: tuple(
            math.nan if quantity.kind is Kind.REGISTER else mean
            for quantity, mean in zip(quantities, means, strict=True)
        )
        for key, means in expected.items()
    }


def faults(found: Means, expected: Mapping[tuple[str, int], tuple[float, ...]]) -> list[str]:
    """What differs, in words. All minutes that are expected must be there; where NaN is expected, anything may be."""
    missing = [f"{key} is missing" for key in expected if key not in found]
    wrong = [
        f"{key}: {found[key]} instead of {means}"
        for key, means in expected.items()
        if key in found
        and not all(
            math.isnan(b) or math.isclose(a, b, rel_tol=PRECISION) for a, b in zip(found[key], means, strict=True)
        )
    ]
    return missing + wrong


def await_agreement(bootstrap: str, output: str, expected: Means, still_runs: Callable[[], object]) -> list[str]:
    """Read the output until it agrees with `expected`; what differs when the time is up."""
    found: Means = {}
    deadline = time.monotonic() + WITHIN_S
    batches = read_topic(bootstrap, output, PARTITIONS)
    for batch in batches:
        for key, means in (mean for payload in batch for mean in means_of(payload)):
            found[key] = merged(found.get(key), means)
        if not batch:
            still_runs()
            if time.monotonic() > deadline or not faults(found, expected):
                break
    batches.close()
    return faults(found, expected)
