"""Results go where they can go, whatever the topics' numbers of partitions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.partition import partition_of
from schemas.results import HourlyLoadBlock, LoadBlock, PartialLoadBlock, ReliabilityBlock
from schemas.topology import load_topology
from streams.contract import Result
from streams.results import outgoing

TOPOLOGY = load_topology(Path(__file__).parents[2] / "topology.yaml", env={})
ONE, ONE_32, ONE_FLOAT = np.ones(1, np.int64), np.ones(1, np.int32), np.ones(1)
NAMES = [f"S{i}" for i in range(20)]


def load(substation: str) -> LoadBlock:
    return LoadBlock(1, substation, ["F1"], ONE, ONE_32, ONE, ONE_FLOAT, ONE, ONE_FLOAT)


def reliability(substation: str) -> ReliabilityBlock:
    return ReliabilityBlock(1, substation, ["F1"], ONE, ONE_32, *[ONE] * 5)


def part(substation: str) -> PartialLoadBlock:
    return PartialLoadBlock(1, 0, substation, ["F1"], ONE, ONE, ONE, ONE)


def hourly(substation: str) -> HourlyLoadBlock:
    return HourlyLoadBlock(1, substation, "water", ["m1"], ["F1"], np.zeros(1, np.int32), ONE, ONE_FLOAT)


def placed(result: Result, stream: str, partitions: int, own: int) -> int:
    """The partition that a result goes to where its topic has so many, and its input partition is `own`."""
    entry = TOPOLOGY.streams[stream]
    name = TOPOLOGY.topic_of(type(result).__name__, entry.outputs).name
    topics = TOPOLOGY.topics | {name: replace(TOPOLOGY.topics[name], partitions=partitions)}
    (record,) = outgoing(result, entry, replace(TOPOLOGY, topics=topics), own)
    return record.partition


@pytest.mark.parametrize(
    ("made", "stream"), [(load, "grid"), (reliability, "grid"), (part, "metering"), (hourly, "anomaly")]
)
@pytest.mark.parametrize("partitions", [3, 8])
def test_what_is_about_a_substation_goes_by_it(made: Callable[[str], Result], stream: str, partitions: int) -> None:
    """The input of stream grid is cut the same way: with as many partitions loads stay in their own."""
    for name in NAMES:
        assert placed(made(name), stream, partitions, own=7) == partition_of(name, partitions)
