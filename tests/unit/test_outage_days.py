"""What is published of the reliability by feeder and day, against examples worked out by hand."""

import json
from collections.abc import Iterable

import numpy as np

from bench.outage import figures
from bench.outage_files import Event, Fact
from bench.outage_indices import rows_of
from bench.outage_run import run
from schemas.durations import DAY_MS, MINUTE_MS
from streams.indices import Counts
from streams.outage.days import KEPT_DAYS, Days, customers_of
from streams.outage.results import Interruption
from streams.outage.tree import Grid, Node

THREE = 3 * MINUTE_MS
TODAY = 20_000
NODES = [
    Node("S", "", "substation"),
    *(Node(feeder, "S", "feeder") for feeder in ("F1", "F2")),
    *(Node(f"{f}m{i}", f, "meter", "", f"{f}m{i}", f"{f}u{i}") for f in ("F1", "F2") for i in range(4)),
]
GRID = Grid.of(NODES)
ALL = [node.usage_point_id for node in NODES if node.meter_id]


def lost(start_min: float, end_min: float, points: Iterable[str] = ("F1u0",), day: int = TODAY) -> Interruption:
    """Minutes after the beginning of the day."""
    begin = day * DAY_MS
    names = list(points)
    end = np.full(len(names), begin + int(end_min * MINUTE_MS))
    return Interruption("", "", begin + int(start_min * MINUTE_MS), names, end)


class Books:
    """The days of the grid, and the newest row that was told of each feeder and day."""

    def __init__(self, grid: Grid = GRID) -> None:
        self.grid, self.days, self.customers = grid, Days(), customers_of(grid)
        self.rows: dict[tuple[str, int], tuple[int, Counts]] = {}
        self.revisions: dict[tuple[str, int], int] = {}
        self.begin(TODAY)

    def begin(self, day: int, after_ms: int = 0) -> None:
        self.tell(self.days.begin(self.customers, day * DAY_MS + after_ms, changed=False))

    def stand(self, day: int) -> None:
        """Time goes on for a minute on a day that need not follow the newest."""
        for second in range(61):
            self.begin(day, 1_000 * second)

    def add(self, *found: Interruption) -> None:
        for one in found:
            self.days = Days.loaded(json.loads(json.dumps(self.days.saved())))
            self.tell(self.days.add(self.grid.place_of, one))

    def tell(self, places: set[tuple[str, str]]) -> None:
        for row in rows_of(self.days.told(self.customers, places, THREE, 1)):
            assert row.start_ms % DAY_MS == 0
            key = (row.feeder, row.start_ms // DAY_MS)
            assert row.revision == self.revisions.get(key, 0) + 1
            self.revisions[key] = row.revision
            self.rows[key] = (row.customers, row.counts)


def test_each_feeder_has_a_row_from_the_beginning_of_the_day() -> None:
    assert Books().rows == {(feeder, TODAY): (4, Counts()) for feeder in ("F1", "F2")}


def test_beats_that_are_days_ahead_for_a_moment_make_nothing_forgotten_and_begin_no_day() -> None:
    books = Books()
    books.add(lost(10, 20))
    told = dict(books.rows)
    for turn in range(1_000):  # its bridge's next beats are behind it; others end turns meanwhile
        books.begin(TODAY + 2 * KEPT_DAYS, 20_000 * (turn > 500))
    books.begin(TODAY)
    assert books.rows == told
    books.add(lost(30, 40))
    assert books.rows["F1", TODAY] == (4, Counts(2, 20 * MINUTE_MS, 0, 20 * MINUTE_MS))
    books.begin(TODAY + 1)
    assert books.rows["F1", TODAY + 1] == (4, Counts())


def test_a_time_that_stands_days_ahead_is_believed_and_left_again() -> None:
    books = Books()
    for day in (TODAY + 2 * KEPT_DAYS, TODAY + 3):
        books.stand(day)
        assert books.rows["F1", day] == (4, Counts())


def test_an_outage_over_the_feeders_counts_at_the_feeder_of_each_customer() -> None:
    books = Books()
    books.add(lost(10, 20, ALL))
    minutes = 40 * MINUTE_MS
    assert books.rows == {(feeder, TODAY): (4, Counts(4, minutes, 0, minutes)) for feeder in ("F1", "F2")}


def test_nested_outages_count_once_whatever_opened_and_on_whatever_day() -> None:
    """The whole substation for an hour over midnight, in it one feeder for longer, a customer the day after."""
    books = Books()
    books.add(lost(23 * 60, 24 * 60, ALL), lost(23 * 60 + 30, 24 * 60 + 10, ALL[:4]))
    books.begin(TODAY + 1)
    books.add(lost(5, 40, ALL[:1], TODAY + 1))
    counted = {
        key: (counts.sustained_interruptions, counts.sustained_ms // MINUTE_MS)
        for key, (_, counts) in books.rows.items()
    }
    assert counted == {
        ("F1", TODAY): (4, 3 * 70 + 100), ("F2", TODAY): (4, 4 * 60),
        ("F1", TODAY + 1): (0, 0), ("F2", TODAY + 1): (0, 0),
    }  # fmt: skip


def test_what_joins_two_days_takes_from_the_one_and_adds_to_the_other() -> None:
    books = Books()
    books.begin(TODAY + 1)
    books.add(lost(5, 40, day=TODAY + 1))
    assert books.rows["F1", TODAY + 1][1].sustained_interruptions == 1
    books.add(lost(23 * 60, 24 * 60 + 10))
    assert books.rows["F1", TODAY + 1] == (4, Counts())
    assert books.rows["F1", TODAY][1] == Counts(1, 100 * MINUTE_MS, 0, 100 * MINUTE_MS)


def test_momentary_interruptions_around_midnight_are_one_event() -> None:
    books = Books()
    books.add(lost(24 * 60 - 0.5, 24 * 60 - 0.4))
    books.begin(TODAY + 1)
    books.add(lost(0.5, 0.6, day=TODAY + 1))
    assert [books.rows["F1", day][1].momentary_events for day in (TODAY, TODAY + 1)] == [1, 0]


def test_rows_that_stay_as_they_are_are_not_told_again() -> None:
    books = Books()
    books.add(lost(10, 20, ALL))
    before = dict(books.revisions)
    books.add(lost(12, 18, ALL))
    assert books.revisions == before


def test_what_began_too_long_ago_is_not_counted_and_what_is_kept_is_bounded() -> None:
    books = Books()
    books.add(lost(10, 20))
    books.stand(TODAY + KEPT_DAYS)
    kept = dict(books.rows)
    books.add(lost(30, 40))
    assert books.rows == kept
    books.begin(TODAY + KEPT_DAYS + 1)
    (feeder, _) = books.days.known.values()
    assert (feeder.interruptions, sorted(feeder.told)) == ([], [TODAY + KEPT_DAYS, TODAY + KEPT_DAYS + 1])


def test_a_customer_with_meters_at_two_feeders_counts_at_one() -> None:
    grid = Grid.of([*NODES, Node("x1", "F1", "meter", "", "x1", "x"), Node("x2", "F2", "meter", "", "x2", "x")])
    assert sum(customers_of(grid).values()) == len(grid.usage_points) == 9


def test_a_customer_of_two_meters_has_supply_when_both_have() -> None:
    """Both gasp; one is back after 10 min, the other, which its transformer keeps dark, after 20."""
    nodes = [Node("S", "", "substation"), *(Node(t, "S", "transformer") for t in "ab")]
    nodes += [Node(f"{t}{i}", t, "meter", "", f"{t}{i}", f"u{i}") for t in "ab" for i in range(3)]
    opened, back = 600_000, {"a": 1_200_000, "b": 1_800_000}
    events = [
        Event(at, at, "reading", f"{t}{i}")
        for t in "ab"
        for i in range(3)
        for at in range(1_000 + 1_700 * i, 3_000_000, 20_000)
        if not opened <= at <= back[t]
    ]
    for t in "ab":
        events += [Event(opened + 200, opened, "last_gasp", f"{t}{i}") for i in range(3)]
        events += [Event(back[t] + 200, back[t], "restored", f"{t}{i}") for i in range(3)]
    rows = rows_of(run(Grid.of(nodes), sorted(events, key=lambda event: event.received_at_ms)).reliability)
    assert [tuple(row.counts[:2]) for row in rows] == [(3, 3 * 1_200_000)]


def test_the_bench_judges_by_feeder_what_was_published() -> None:
    """The substation opens over two feeders, everything is heard."""
    opened, closed = 600_000, 1_200_000
    meters = [node.meter_id for node in NODES if node.meter_id]
    events = [
        Event(at, at, "reading", meter)
        for i, meter in enumerate(meters)
        for at in range(1_000 + 1_500 * i, 2_000_000, 20_000)
        if not opened <= at <= closed
    ]
    events += [Event(opened, opened, "last_gasp", meter) for meter in meters]
    events += [Event(closed, closed, "restored", meter) for meter in meters]
    found = figures(GRID, sorted(events, key=lambda e: e.received_at_ms), [Fact("S", opened, closed)], "en50160")
    said = found["outage"]["indices"]
    assert said.keys() == {"total", "F1", "F2"}
    assert {(pair["true"], pair["told"]) for one in said.values() for pair in [one["saidi_minutes"]]} == {(10.0, 10.0)}
