"""Evenings on odd grids, oddly reported: what can be found is found, and nothing else."""

import json
import random
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from bench.outage import figures
from bench.outage_run import run
from schemas.alert import Alert, decode_alert, encode_alert
from streams.outage.tree import Grid
from tests.odd_outages import EVENINGS, MOMENTARY, QUIET, Evening, campaign

Draw = Callable[[random.Random], Evening]


def found_in(draw: Draw, seed: int) -> dict[str, Any]:
    evening = draw(random.Random(seed))
    found = figures(Grid.of(evening.nodes), evening.events, evening.truth, "en50160")
    assert json.loads(json.dumps(found, allow_nan=False)) is not None
    part: dict[str, Any] = found["outage"]
    return part


@pytest.mark.parametrize("name", EVENINGS)
def test_what_opened_is_found_and_nothing_else(name: str) -> None:
    found = found_in(EVENINGS[name], 1)
    assert found["outages"] > 0
    assert (found["located_exactly"], found["missed"]) == (found["outages"], 0)
    assert found["false_sustained"]["count"] == 0
    assert found["false_provisional"]["count"] == 0


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_said_of_nothing(name: str) -> None:
    assert found_in(QUIET[name], 2)["alerts"] == 0


@pytest.mark.parametrize("name", MOMENTARY)
def test_what_does_not_last_is_never_called_sustained(name: str) -> None:
    evening = MOMENTARY[name](random.Random(3))
    phases = {alert.evidence["phase"] for alert in run(Grid.of(evening.nodes), evening.events).alerts}
    assert phases <= {"provisional", "located", "closed"}


def test_a_campaign_is_learned_and_hides_no_outage() -> None:
    found = found_in(campaign, 5)
    assert (found["outages"], found["located_exactly"]) == (1, 1)
    assert found["false_provisional"]["count"] <= 4
    assert found["false_sustained"]["count"] == 0


@pytest.mark.parametrize("name", [*EVENINGS, *MOMENTARY])
def test_alerts_are_whole_whatever_the_evening(name: str) -> None:
    """Versions count from one, each alert ends at most once and then says nothing more, chances are chances."""
    evening = {**EVENINGS, **MOMENTARY}[name](random.Random(4))
    by_id = sorted(run(Grid.of(evening.nodes), evening.events).alerts, key=lambda alert: alert.id)
    for _, versions in groupby(by_id, key=lambda alert: alert.id):
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
