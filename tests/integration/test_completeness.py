"""How complete what is new is, as the panel of the fleet's page tells it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors import tables
from connectors.chdb_store import ChdbStore
from dashboards.macros import Range, expand
from schemas.catalogue import load_catalogue
from schemas.results import PresenceBlock
from tests.grafana import PANELS
from tests.plausible import reading_block
from tests.stored import insert_all

pytestmark = pytest.mark.integration

DAY, MINUTES = 86_400_000, 60_000
BEGAN = time.time_ns() // 1_000_000 - 20 * MINUTES
(SQL,) = (
    shown.panel["targets"][0]["rawSql"]
    for shown in PANELS
    if (shown.board["uid"], shown.panel["title"]) == ("flexmeter-fleet", "Completeness")
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path / "chdb")
    made.migrate(tables.statements(load_catalogue()))
    yield made
    made.close()


def heard(store: ChdbStore, count: int, turns: range, **changes: Any) -> None:
    """A reading of each meter every 10 s, and that it was heard then."""
    block = replace(reading_block(count, turns, BEGAN), **changes)
    since = np.full(count, block.received_at, np.int64)
    resumed = PresenceBlock(
        operator_version=2,
        meters=block.meters,
        feeders=block.feeders,
        row_meter=np.arange(count, dtype=np.int32),
        number=since // 2_000 * 2,
        state=["resumed"] * count,
        since=since,
        last_at=since,
    )
    insert_all(store, [block, resumed], turns.stop)


def completeness(store: ChdbStore, until: int) -> list[list[Any]]:
    """Of the day before."""
    asked = expand(SQL, Range(until - DAY, until, 60_000), {"profile": ["malmo_household", "water"]})
    found: list[list[Any]] = json.loads(store.read(asked, "JSONCompact", {}))["data"]
    return found


def test_a_day_of_which_twenty_minutes_are_there(store: ChdbStore) -> None:
    assert completeness(store, BEGAN) == []
    heard(store, 4, range(120))
    assert completeness(store, BEGAN + 5_000) == [], "nothing is due yet"
    assert completeness(store, BEGAN + 20 * MINUTES) == [[1]]


def test_a_meter_that_falls_silent_lacks_what_it_should_have_sent(store: ChdbStore) -> None:
    heard(store, 4, range(120))
    heard(store, 3, range(120, 240))
    assert completeness(store, BEGAN + 40 * MINUTES) == [[pytest.approx(7 / 8, abs=0.005)]]


def test_a_fleet_that_falls_silent_lacks_it_too(store: ChdbStore) -> None:
    heard(store, 4, range(120))
    assert completeness(store, BEGAN + 80 * MINUTES) == [[pytest.approx(1 / 4, abs=0.005)]]


def test_a_backlog_of_one_profile_makes_no_other_incomplete(store: ChdbStore) -> None:
    heard(store, 4, range(120))
    heard(store, 4, range(-1_080, 120), profile="water", meters=["W-1", "W-2", "W-3", "W-4"])
    assert completeness(store, BEGAN + 20 * MINUTES) == [[1]]


def test_a_meter_of_before_makes_no_new_one_incomplete(store: ChdbStore) -> None:
    heard(store, 1, range(-1_080, 0))
    heard(store, 4, range(120))
    assert completeness(store, BEGAN + 20 * MINUTES) == [[1]]
