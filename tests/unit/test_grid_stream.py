"""Operators of meters, of parts of loads and of the whole partition in one stream."""

import json

import numpy as np

from schemas.blocks import Beat, EventBlock
from schemas.catalogue import load_catalogue
from schemas.record import Record
from schemas.results import PartialLoadBlock
from streams.outage.tree import Node
from streams.registry import OPERATORS
from streams.shard import Shard
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, PROFILE, SOURCE, events, feed, grid_blocks, hourly_loads, shard

NAMES = ("last_gasp", "outage", "substation_balance", "neighbours")


def grid() -> Shard:
    return Shard("grid", 0, {name: OPERATORS[name] for name in NAMES}, load_catalogue(), 250)


def part(quarter: int) -> PartialLoadBlock:
    one = np.ones(1, np.int64)
    return PartialLoadBlock(1, 0, "S1", ["F1"], BEGIN + one * quarter * 900_000, one, one, one)


def log() -> list[Record]:
    gasps = [events([(f"m{i}", BEGIN + i, "last_gasp")]) for i in range(20)]
    beats = [Beat(SOURCE, BEGIN + i * 1_000) for i in range(20)]
    nodes = [Node("S1", "", "substation"), *(Node(f"n{i}", "S1", "meter", "", f"m{i}") for i in range(20))]
    return [*grid_blocks(nodes), *told_one_by_one(gasps, beats)]


def told_one_by_one(gasps: list[EventBlock], beats: list[Beat]) -> list[Record]:
    hours = [hourly_loads([(f"m{j}", BEGIN + i * 3_600_000, 100.0 + j) for j in range(3)]) for i in range(20)]
    return [record for i in range(20) for record in (gasps[i], part(i), hours[i], beats[i])]


def told(shard: Shard, records: list[Record]) -> list[str]:
    return [repr(result) for record in records for result in shard.take(record) or []]


def test_saved_and_loaded_between_any_two_records_of_both_kinds() -> None:
    whole = told(grid(), log())
    kinds = [sum(word in result for result in whole) for word in ("kind='last_gasp'", "kind='outage'", "LoadBlock")]
    assert kinds[0] == kinds[2] > 10
    assert kinds[1] > 1
    shard, found = grid(), []
    for record in log():
        found += told(shard, [record])
        if shard.cursor == shard.next_offset:
            saved, shard = freeze(shard), grid()
            thaw(saved, shard)
    assert found == whole


def test_what_is_known_of_a_meter_beside_its_neighbours_can_be_told() -> None:
    now = shard({"neighbours": OPERATORS["neighbours"]})
    list(
        feed(
            now,
            [
                hourly_loads([("m1", BEGIN, -250.0), ("m2", BEGIN, 100.0)]),
                Beat(SOURCE, BEGIN),
                Beat(SOURCE, BEGIN + 2_000),
            ],
        )
    )
    (told,) = now.describe("m1")
    assert (told["profile"], told["substation"]) == (PROFILE, "S1")
    assert told["neighbours"]["load"] == -250.0 and told["neighbours"]["hour"] == BEGIN // 3_600_000
    assert json.dumps(told)
    assert now.describe("m") == []
