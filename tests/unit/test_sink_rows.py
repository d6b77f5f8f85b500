"""Records become the columns that tables/*.sql declare."""

import re
from importlib.resources import files
from typing import get_args

import numpy as np
import pytest

from connectors import tables
from connectors.batch import Batch, NewMeters
from connectors.columns import Words, plain, row_count, rows_of
from connectors.origin import Origin
from connectors.rows import ROWS
from connectors.table_rows import Rows
from schemas.alert import Alert
from schemas.blocks import Beat, TelegramCounter
from schemas.catalogue import load_catalogue
from schemas.master_data import Device, GridBlock
from schemas.record import Record
from schemas.results import StateChunk, StateCommit
from tests.plausible import NOON, aggregate_block, everything, garbage, grid_block, reading_block

ALERT = Alert("a", 2, "last_gasp", "critical", "raised", "m1", None, "S1", NOON, NOON, "Power lost", {"gasps": 1})
RECORDS = [*(record for _, record in everything()), ALERT]


def rows(record: object, offset: int = 7) -> list[Rows]:
    return ROWS[type(record)](record, Origin("t", 1, offset))


def declared() -> dict[str, set[str]]:
    """Columns by table, as the SQL declares them."""
    found: dict[str, set[str]] = {}
    for statement in tables.statements(load_catalogue()):
        if made := re.search(r"TABLE (?:IF NOT EXISTS )?flexmeter\.(\w+)", statement):
            columns = re.findall(r"^ {4}(?:ADD COLUMN IF NOT EXISTS )?`(\w+)`", statement, re.MULTILINE)
            found.setdefault(made[1], set()).update(columns)
    return found


def test_every_column_is_declared_and_filled_in_each_row() -> None:
    tables_seen = set()
    for record in RECORDS:
        for piece in rows(record):
            tables_seen.add(piece.table)
            columns = declared()[piece.table]
            assert set(piece.columns) <= columns
            assert columns - set(piece.columns) <= {"inserted_at", *load_catalogue().quantities}
            assert {len(plain(column)) for column in piece.columns.values()} == {row_count(piece.columns)}
    assert tables_seen == set(declared()) - {"versions"}


def test_every_record_that_travels_has_rows_or_a_reason_not_to() -> None:
    assert set(get_args(Record)) - set(ROWS) == {StateChunk, StateCommit, TelegramCounter, Device}
    assert rows(Beat("mqtt_malmo", NOON)) == []


def test_readings_keep_time_values_and_origin() -> None:
    block = reading_block(2, range(0, 2))
    readings, meters = rows(block, offset=3)
    said = [dict(zip(readings.columns, row, strict=True)) for row in rows_of(readings.columns)]
    assert [(row["meter"], row["at"]) for row in said] == [
        ("E350-00000", NOON), ("E350-00001", NOON), ("E350-00000", NOON + 10_000), ("E350-00001", NOON + 10_000),
    ]  # fmt: skip
    assert [row["active_power_l1_w"] for row in said] == block.rows_by_column()[2].tolist()
    assert {row["received_at"] for row in said} == {block.received_at}
    assert next(rows_of(meters.columns)) == ("E350-00000", "malmo_household", "F1", "S1", 10_000, block.received_at)


def test_versions_fall_along_the_log_so_that_the_first_reading_stays() -> None:
    versions = [plain(rows(reading_block(2, range(0, 2)), offset)[0].columns["version"]) for offset in (3, 4)]
    falling = [*versions[0], *versions[1]]
    assert falling == sorted(falling, reverse=True) and len(set(falling)) == 8


def test_aggregate_versions_order_by_operator_then_revision() -> None:
    low, high = (plain(rows(aggregate_block(1, range(1), revision=r))[0].columns["version"])[0] for r in (0, 5))
    assert (low, high) == (2**32, 2**32 + 5)


def test_devices_of_the_grid_count_who_hangs_at_them_without_a_name() -> None:
    """Of two parts each tells its own: the second has a customer of two meters, and the substation's own meter."""
    whole = grid_block()
    more = GridBlock(
        "S1", whole.at, 1, 2, ["x", "y", "own"], ["F2", "F2", "S1"], ["meter"] * 3, [""] * 3, ["mx", "my", "mo"],
        ["u", "u", "-"], [""] * 3,
    )  # fmt: skip
    (first,), (second,) = rows(whole), rows(more)
    names = ("node", "parent", "customers", "meters")
    assert list(zip(*(plain(first.columns[name]) for name in names), strict=True)) == [
        ("S1", "", 0, 0), ("F1", "S1", 0, 0), ("F2", "S1", 1, 1), ("tie", "S1", 0, 0), ("F1-T1", "F1", 1, 1),
        ("F1-T2", "F1", 1, 1),
    ]  # fmt: skip
    assert list(zip(*(plain(second.columns[name]) for name in names), strict=True)) == [
        ("F2", "", 1, 2), ("S1", "", 0, 1),
    ]  # fmt: skip


def test_dead_letters_keep_their_bytes() -> None:
    (piece,) = rows(garbage())
    assert piece.columns["payload"] == [b"\xff\x00{nonsense"]
    assert plain(piece.columns["offset"]) == [7]


def test_a_batch_joins_what_fits_together_and_knows_each_rows_record() -> None:
    batch = Batch()
    for offset, count in ((5, 3), (6, 2)):
        origin = Origin("t", 0, offset)
        batch.add(rows(reading_block(count, range(0, 1)), offset)[0], origin)
        batch.read(origin)
    other = Rows("readings_raw", {"meter": ["w1"], "water_volume_m3": np.array([1.0])})
    batch.add(other, Origin("t", 1, 9))
    household, water = batch.blocks()
    assert (len(household), len(water), batch.rows) == (5, 1, 6)
    assert [household.origin(row).offset for row in range(5)] == [5, 5, 5, 6, 6]
    first, second = household.halves()
    assert [first.origin(row).offset for row in range(len(first))] == [5, 5]
    assert [second.origin(row).offset for row in range(len(second))] == [5, 6, 6]
    assert [*rows_of(first.columns), *rows_of(second.columns)] == list(rows_of(household.columns))
    assert batch.next_offsets == {("t", 0): 7}


def test_meters_pass_once_until_they_move() -> None:
    meters, block = NewMeters(), reading_block(3, range(0, 1))
    assert row_count(meters.only_new(rows(block)[1]).columns) == 3
    assert row_count(meters.only_new(rows(block)[1]).columns) == 0
    block.feeders[1] = "F9"
    assert plain(meters.only_new(rows(block)[1]).columns["meter"]) == ["E350-00001"]


def test_names_that_repeat_are_told_once() -> None:
    column = rows(reading_block(6, range(0, 1)))[0].columns["meter"]
    assert isinstance(column, Words) and len(set(column.words)) == len(column.words)


@pytest.mark.parametrize("name", sorted(f.name for f in files(tables).iterdir() if f.name.endswith(".sql")))
def test_each_file_makes_a_table_of_repeats_and_a_view_of_facts(name: str) -> None:
    view = name.removesuffix(".sql")
    text = files(tables).joinpath(name).read_text()
    assert f"flexmeter.{view}_raw" in text and f"VIEW flexmeter.{view} AS" in text
    assert "ReplacingMergeTree" in text and "FINAL" in text
