"""Evenings on odd grids, oddly reported: what can be found is found, and nothing else."""

import json
import random
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any

import pytest

from bench.outage import figures, figures_of
from bench.outage_run import Published
from schemas.alert import Alert, decode_alert, encode_alert
from streams.outage.tree import Grid
from tests.odd_outages import EVENINGS, MOMENTARY, QUIET, Evening, campaign, played, shuffled

Draw = Callable[[random.Random], Evening]


@cache
def evening_of(draw: Draw) -> tuple[Evening, Grid, Published]:
    """An evening, and all that was said of it."""
    evening = draw(random.Random(1))
    grid = Grid.of(evening.nodes)
    return evening, grid, played(grid, evening.events)


def found_in(draw: Draw) -> dict[str, Any]:
    """Its figures."""
    evening, grid, out = evening_of(draw)
    found = figures_of(grid, evening.events, evening.truth, out, "en50160")
    assert json.loads(json.dumps(found, allow_nan=False)) is not None
    part: dict[str, Any] = found["outage"]
    return part


@pytest.mark.parametrize("name", EVENINGS)
def test_what_opened_is_found_and_nothing_else(name: str) -> None:
    found = found_in(EVENINGS[name])
    assert found["outages"] > 0
    assert (found["located_exactly"], found["missed"]) == (found["outages"], 0)
    assert found["false_sustained"]["count"] == 0
    assert found["false_provisional"]["count"] == 0


@pytest.mark.parametrize("name", [name for name in EVENINGS if name.startswith("silence")])
def test_what_only_silence_told_ends_as_restored_and_counts(name: str) -> None:
    endings = {alert.evidence["ending"] for alert in evening_of(EVENINGS[name])[2].alerts if alert.state == "cleared"}
    assert endings == {"restored"}
    assert abs(found_in(EVENINGS[name])["customer_minutes"]["error"]) < 0.1


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_said_of_nothing(name: str) -> None:
    assert found_in(QUIET[name])["alerts"] == 0


@pytest.mark.parametrize("name", MOMENTARY)
def test_what_does_not_last_is_never_called_sustained(name: str) -> None:
    phases = {alert.evidence["phase"] for alert in evening_of(MOMENTARY[name])[2].alerts}
    assert phases <= {"provisional", "located", "closed"}


def test_a_recording_that_is_not_in_order_of_arrival() -> None:
    evening = shuffled(random.Random(1))
    found = figures(Grid.of(evening.nodes), evening.events, evening.truth, "en50160")["outage"]
    assert (found["outages"], found["located_exactly"], found["false_provisional"]["count"]) == (1, 1, 0)


def test_a_campaign_is_learned_and_hides_no_outage() -> None:
    found = found_in(campaign)
    assert (found["outages"], found["located_exactly"]) == (1, 1)
    assert found["false_provisional"]["count"] <= 4
    assert found["false_sustained"]["count"] == 0


@pytest.mark.parametrize("name", [*EVENINGS, *MOMENTARY])
def test_alerts_are_whole_whatever_the_evening(name: str) -> None:
    """Versions count from one, each alert ends at most once and then says nothing more, chances are chances."""
    said = sorted(evening_of({**EVENINGS, **MOMENTARY}[name])[2].alerts, key=lambda alert: alert.id)
    for _, versions in groupby(said, key=lambda alert: alert.id):
        _is_whole(list(versions))


def _is_whole(versions: list[Alert]) -> None:
    assert [alert.number for alert in versions] == list(range(1, len(versions) + 1))
    assert [alert.state for alert in versions[:-1]] == ["raised", *["updated"] * (len(versions) - 2)][
        : len(versions) - 1
    ]
    for alert in versions:
        assert decode_alert(encode_alert(alert)[0]) == alert
        said = alert.evidence
        assert 0 <= said["confidence"] <= said["probability_of_outage"] + 1e-3 <= 1.001
        assert 0 <= said["probability_still_dark"] <= 1
        assert (said["end_ms"] is None) == (alert.state != "cleared")
        assert 0 <= said["customers_dark"] <= said["customers"] or said["dark"]
