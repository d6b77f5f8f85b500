"""Late rows: after recomputation the views equal the truth, and show that they were revised."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors import tables
from connectors.batch import Batch
from connectors.chdb_store import ChdbStore
from connectors.columns import Columns
from connectors.database import columns_of_arrow
from connectors.origin import Origin
from connectors.rows import ROWS
from flexmeter.recomputation.answers import Answers
from flexmeter.recomputation.loop import together
from flexmeter.recomputation.open_requests import MeterHour, OpenRequests, SubstationHour
from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.results import Account, PartialLoadBlock, RecomputeRequestBlock
from streams.contract import Result
from streams.registry import OPERATORS
from streams.revision import RECOMPUTED
from streams.shard import Shard
from tests.streams_log import BEGIN, Row, beats, block, feed

pytestmark = pytest.mark.integration

MINUTE, HOUR = 60_000, 3_600_000
NAN = float("nan")
METERING = {name: OPERATORS[name] for name in ("rolling_load", "feeder_load")}
FACTS = {
    "aggregates": "meter, quantity, window, start, end, count, mean, min, max, energy_trapezoid_wh, "
    "register_difference, covered_ms, quality, operator_version",
    "loads": "substation, feeder, start, meters, energy_wh, covered_ms, infeed_wh, operator_version",
}


class Stored:
    """An embedded ClickHouse, asked as recomputation asks it and written as the sink writes it."""

    def __init__(self, folder: Path) -> None:
        self.store = ChdbStore(folder)
        self.offset = 0
        self.begin()

    def begin(self) -> None:
        """Empty tables."""
        self.store.migrate(["DROP DATABASE IF EXISTS flexmeter", *tables.statements(load_catalogue())])

    def ask(self, sql: str) -> Columns:
        return columns_of_arrow(self.store.read(sql, "ArrowStream", {}))

    def close(self) -> None:
        self.store.close()

    def write(self, records: Iterable[Any]) -> None:
        batch = Batch()
        for record in records:
            self.offset += 1
            origin = Origin("t", 0, self.offset)
            for rows in ROWS[type(record)](record, origin):
                batch.add(rows, origin)
        for rows in batch.blocks():
            self.store.insert(rows.table, rows.columns)

    def facts(self, view: str) -> list[str]:
        answer = self.store.read(f"SELECT {FACTS[view]} FROM flexmeter.{view} ORDER BY ALL", "TSV", {})
        return answer.decode().splitlines()

    def one(self, sql: str) -> int:
        return int(self.store.read(sql, "TSV", {}))


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


def as_log(rows: Sequence[Row], length_ms: int = MINUTE) -> Iterator[ReadingBlock]:
    """A block for each profile and so much time, in the order of the rows."""
    pack: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        pack.setdefault((row.profile, row.received_at // length_ms), []).append(row)
    yield from (block(some) for some in pack.values())


def streams(blocks: Iterable[ReadingBlock]) -> list[Result]:
    """What the streams metering and grid make of them."""
    metering = Shard("metering", 0, METERING, load_catalogue(), 1_000)
    grid = Shard("grid", 0, {"substation_balance": OPERATORS["substation_balance"]}, load_catalogue(), 1_000)
    results: list[Result] = []
    for one in blocks:
        found = list(feed(metering, [one, *beats(one.received_at, 2)]))
        parts = [result for result in found if isinstance(result, PartialLoadBlock)]
        results += [result for result in found if not isinstance(result, PartialLoadBlock | Account)]
        results += [r for r in feed(grid, [*parts, *beats(one.received_at, 2)]) if not isinstance(r, Account)]
    return results


def asked(results: Iterable[Result]) -> list[MeterHour]:
    return [
        MeterHour(result.profiles[meter], start, result.meters[meter])
        for result in results
        if isinstance(result, RecomputeRequestBlock)
        for meter, start in zip(result.row_meter.tolist(), result.start.tolist(), strict=True)
    ]


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


def delayed(rows: Sequence[Row], late: Iterable[Row], to: int) -> list[Row]:
    """The log in which these rows come behind all that is older than `to`."""
    held = set(map(id, late))
    on_time = [row for row in rows if id(row) not in held and row.at < to]
    after = [row for row in rows if id(row) not in held and row.at >= to]
    return [*on_time, *(replace(row, received_at=to) for row in rows if id(row) in held), *after]


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
