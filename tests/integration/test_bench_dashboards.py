"""The city that bench.dashboards_speed makes up has something for each panel and variable: none is timed on nothing."""

from collections.abc import Iterator

import pytest

from bench import dashboards_data as data
from bench.dashboards_speed import boards, chosen, estimate, fill, found_nothing, panels, size, windows
from connectors.chdb_store import ChdbStore
from dashboards.macros import Range, expand
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS

pytestmark = pytest.mark.integration

METERS, INTERVAL_S = 40, 300


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChdbStore, Range]]:
    """A day of it."""
    store = ChdbStore(tmp_path_factory.mktemp("city") / "chdb")
    end_ms, _ = fill(store, METERS, 1, INTERVAL_S)
    yield store, Range(end_ms - DAY_MS, end_ms, 60_000)
    store.close()


@pytest.mark.parametrize("uid", [board["uid"] for board in boards()])
def test_every_panel_finds_something(city: tuple[ChdbStore, Range], uid: str) -> None:
    store, day = city
    (board,) = (board for board in boards() if board["uid"] == uid)
    values = chosen(store, board, day)
    empty = [
        name for name, sql, _ in panels(board) if found_nothing(store.read(expand(sql, day, values), "JSONCompact", {}))
    ]
    assert empty == []


def test_as_many_rows_as_were_estimated(city: tuple[ChdbStore, Range]) -> None:
    told = data.rows_a_day(load_catalogue(), METERS, INTERVAL_S, windows(load_catalogue()))
    assert told == {table: rows for table, rows in size(city[0]).items() if table in told}
    assert estimate([10, METERS], 1, INTERVAL_S).startswith(f"40 meters over 1 days: {told['readings_raw']:,} readings")


def test_what_panels_read_of_the_aggregates() -> None:
    found = data.asked_for(
        load_catalogue(),
        [
            "SELECT mean FROM aggregates WHERE window = '1h' AND quantity = 'heat_power_w'",
            "SELECT * FROM voltages_10min",
        ],
    )
    assert {window: [each.name for each in read] for window, read in found.items()} == {
        "1min": ["voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "voltage_v"],
        "1h": ["heat_power_w"],
    }
