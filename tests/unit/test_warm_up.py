"""The warm-up goes through the inner loops: windows of each length close in it."""

from schemas.catalogue import load_catalogue
from schemas.results import AggregateBlock
from streams.rolling_load import WINDOWS
from streams.warm_up import warm_up


def test_windows_of_each_length_close_in_it() -> None:
    aggregates = [result for result in warm_up(load_catalogue()) if isinstance(result, AggregateBlock)]
    assert {window for block in aggregates for window in block.windows} == {window.name for window in WINDOWS}
