"""Meters that no longer report: all that was open of them is told, however slow they were."""

from collections.abc import Iterable

import numpy as np
import pytest

from schemas.blocks import Beat
from schemas.catalogue import load_catalogue
from schemas.results import AggregateBlock
from streams import beats, gather
from streams.registry import OPERATORS
from streams.rerun import Stored, meters_of, rerun
from tests.streams_log import BEGIN, SOURCE, Row, block, feed, shard

HOUR_MS = 3_600_000
CATALOGUE = load_catalogue()
OPERATOR = OPERATORS["rolling_load"]
LAST = BEGIN + 1_000
WINDOWS_OF_LAST = {("1min", BEGIN), ("15min", BEGIN), ("1h", BEGIN)}
every_pace = pytest.mark.parametrize("profile", ["malmo_household", "gas", "heat_cost_allocator"])


def rows_until_last(profile: str) -> list[Row]:
    known = CATALOGUE.profiles[profile]
    times = [LAST - step * known.interval_ms for step in (2, 1, 0)]
    return [Row("m1", at, at, (7.0,) * len(known.quantities), 0, known.interval_ms, profile) for at in times]


def windows(results: Iterable[object]) -> set[tuple[str, int]]:
    blocks = [result for result in results if isinstance(result, AggregateBlock)]
    return {
        (told.windows[window], start)
        for told in blocks
        for window, start in zip(told.row_window, told.start.tolist(), strict=True)
    }


@every_pace
def test_the_windows_of_the_last_row_are_told(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "MOST_MS", HOUR_MS)
    hours = [Beat(SOURCE, LAST + hour * HOUR_MS) for hour in range(100)]
    log = [*(block([row]) for row in rows_until_last(profile)), *hours]
    assert windows(feed(shard({OPERATOR.name: OPERATOR}), log)) >= WINDOWS_OF_LAST


@every_pace
def test_the_windows_of_the_last_row_are_computed_again(profile: str) -> None:
    known, rows = CATALOGUE.profiles[profile], rows_until_last(profile)
    quantities = [CATALOGUE.quantities[name] for name in known.quantities]
    table = meters_of(known, quantities, [OPERATOR], ["m1"], [None], [None], np.array([known.interval_ms]))
    stored = Stored(table, *gather.readings(table, [block([row]) for row in rows]))
    assert windows(rerun(known, [OPERATOR], stored)) >= WINDOWS_OF_LAST
