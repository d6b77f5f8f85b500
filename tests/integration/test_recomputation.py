"""Late rows: after recomputation the views equal the truth, and show that they were revised."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flexmeter.recomputation.answers import Answers
from flexmeter.recomputation.loop import together
from flexmeter.recomputation.open_requests import MeterHour, OpenRequests, SubstationHour
from schemas.catalogue import load_catalogue
from streams.revision import RECOMPUTED
from tests.recomputation import FACTS, METERING, Stored, as_log, asked, delayed, streams
from tests.streams_log import BEGIN, Row

pytestmark = pytest.mark.integration

MINUTE, HOUR = 60_000, 3_600_000
NAN = float("nan")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    opened = Stored(tmp_path / "chdb")
    yield opened
    opened.close()


SIGNS_OF_LIFE = (100, 101)
"""Minutes in which home 3 reports in the midst of its absence."""


class District:
    """Two homes on each of two feeders, a water meter, and the substation's own meter; an hour is 60 of their rows.

    Home 3 is away from 0:50 to 3:20, but for two minutes. The water meter reports every 5 minutes, at night not at all.
    """

    def __init__(self, seed: int, hours: int) -> None:
        self.rng = random.Random(seed)
        self.rows = [row for minute in range(60 * hours) for row in self._minute(minute)]

    def _minute(self, minute: int) -> Iterator[Row]:
        for home in range(4):
            away = home == 3 and 50 <= minute < 200 and minute not in SIGNS_OF_LIFE
            if not away and (self.rng.random() > 0.02 or minute in SIGNS_OF_LIFE):
                powers = (self.rng.randint(0, 20_000) / 10, NAN if self.rng.random() < 0.1 else 75.5, 10.0)
                register = NAN if self.rng.random() < 0.1 else 1_000.0 + 2 * minute
                yield self._row(f"home-{home}", minute, (register, 5.0, *powers, 230.0, 231.0, 229.0), f"F{home % 2}")
        yield self._row("own", minute, tuple(self.rng.randint(0, 900) / 10 for _ in range(29)), "", "malmo_substation")
        if minute % 5 == 0 and not 30 < minute < 130:
            yield self._row("tap", minute, (minute / 1_000, 0.5, NAN), "", "water", 300_000)

    def _row(
        self, meter: str, minute: int, values: tuple[float, ...], feeder: str, profile: str = "malmo_household",
        interval_ms: int = MINUTE,
    ) -> Row:  # fmt: skip
        at = BEGIN + minute * MINUTE + self.rng.randint(0, 9_000)
        return Row(meter, at, at, values, interval_ms=interval_ms, profile=profile, feeder=feeder)


def answer(stored: Stored, hours: Sequence[MeterHour]) -> list[Any]:
    """Answer as the loop does; what stays open."""
    answers, requests = Answers(stored, METERING, load_catalogue()), OpenRequests()
    requests.take(0, 0, hours)
    while due := requests.due(held=False):
        for some in list(together(due, requests)):
            first = some[0]
            said = (
                answers.to_substation(first)
                if isinstance(first, SubstationHour)
                else answers.to_meters([hour for hour in some if isinstance(hour, MeterHour)])
            )
            stored.write(said.results)
            requests.done(said.done, said.leading_to)
            requests.hold(said.open)
    return requests.due(held=True)


def truth(stored: Stored, rows: Sequence[Row]) -> dict[str, list[str]]:
    stored.begin()
    stored.write(streams(as_log(rows)))
    return {view: stored.facts(view) for view in FACTS}


@pytest.mark.parametrize("seed", range(2))
def test_late_rows_lead_to_what_would_have_come_of_them_in_time(stored: Stored, seed: int) -> None:
    district = District(seed, hours=9)
    rng = random.Random(seed)
    early = [row for row in district.rows if row.at < BEGIN + 5 * HOUR]
    late = rng.sample(early, len(early) // 50)
    # An hour of one home; and what parts another's absence, so that its register counts less where it is back.
    late += [row for row in early if row.meter == "home-1" and row.at // HOUR == BEGIN // HOUR + 4]
    late += [r for r in early if r.meter == "home-3" and (r.at - BEGIN) // MINUTE in SIGNS_OF_LIFE]
    log = list(as_log(delayed(district.rows, late, BEGIN + 7 * HOUR)))
    results = streams(log)
    stored.write(log)
    stored.write(results)
    hours = asked(results)
    first = {view: stored.facts(view) for view in FACTS}
    assert answer(stored, hours) == []
    found = {view: stored.facts(view) for view in FACTS}
    revised = stored.one("SELECT countIf(revision > 0) FROM flexmeter.aggregates")
    loads = stored.one(f"SELECT countIf(revision >= {RECOMPUTED}) FROM flexmeter.loads")
    assert 0 < revised < len(found["aggregates"]) and 0 < loads <= len(found["loads"])
    written = stored.one("SELECT count() FROM flexmeter.aggregates_raw")
    assert answer(stored, hours) == []
    assert stored.one("SELECT count() FROM flexmeter.aggregates_raw") <= written  # a repeat says nothing
    expected = truth(stored, district.rows)
    assert first != expected
    assert found == expected
