"""Event-time order against a meter-by-meter, row-by-row model of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arrays import Int64s
from schemas.catalogue import load_catalogue
from schemas.quality import Quality
from streams import order
from streams.contract import Rows, State
from streams.order import Verdict

QUANTITIES = [load_catalogue().quantities["active_power_l1_w"]]
BEGIN = 1_700_000_000_000
LATENESS_MS = 60_000
METERS = 3
LATENESSES_MS: Int64s = np.full(METERS, LATENESS_MS)


def rows_of(arrivals: list[tuple[int, int, float]]) -> Rows:
    meter, at, value = (np.array(column) for column in zip(*arrivals, strict=True))
    quality = np.zeros(len(arrivals), np.int32)
    return Rows(meter.astype(np.int64), at.astype(np.int64), at.astype(np.int64), quality, value[:, None].astype(float))


def take(state: State, arrivals: list[tuple[int, int, float]]) -> tuple[list[str], list[tuple[int, int, float]]]:
    """One turn: the verdicts, and what was released."""
    taken = order.take(state, rows_of(arrivals), np.full(len(arrivals), -1), LATENESSES_MS)
    rows = taken.released.rows
    return names(taken), list(zip(rows.meter.tolist(), rows.at.tolist(), rows.values[:, 0].tolist(), strict=True))


def names(taken: order.Taken) -> list[str]:
    return [Verdict(verdict).name.lower() for verdict in taken.verdict]


class Model:
    """The same for one meter, as its description says it."""

    def __init__(self) -> None:
        self.newest = 0
        self.values: dict[int, float] = {}

    def verdict(self, at: int, value: float) -> str:
        if at in self.values:
            return "duplicate" if self.values[at] == value else "conflict"
        self.values[at] = value
        if at <= self.newest - LATENESS_MS:
            return "late"
        self.newest = max(self.newest, at)
        return "accepted"


@pytest.mark.parametrize(("ahead_ms", "late"), [(243_000, 18), (65_000, 0), (53_000, 0)])
def test_a_clock_that_is_ahead_costs_nothing_until_it_is_set_back_by_more_than_the_lateness(
    ahead_ms: int, late: int
) -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    times = range(BEGIN, BEGIN + 900_000, 10_000)
    ahead, _ = take(state, [(0, at + ahead_ms, 1.0) for at in times])
    set_right, _ = take(state, [(0, at + 900_000, 1.0) for at in times])
    assert ahead == ["accepted"] * 90
    assert set_right == ["late"] * late + ["accepted"] * (90 - late)


arrivals_of_three_meters = st.lists(
    st.tuples(
        st.integers(0, METERS - 1), st.integers(0, 20).map(lambda i: BEGIN + i * 10_000), st.sampled_from([1.0, 2.0])
    ),
    min_size=1,
    max_size=60,
)


@given(arrivals_of_three_meters, st.integers(1, 60))
def test_verdicts_do_not_depend_on_turns(arrivals: list[tuple[int, int, float]], turn_rows: int) -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    models = [Model() for _ in range(METERS)]
    got: list[str] = []
    released: list[tuple[int, int, float]] = []
    for i in range(0, len(arrivals), turn_rows):
        verdicts, out = take(state, arrivals[i : i + turn_rows])
        got += verdicts
        released += out
    expected = [models[meter].verdict(at, value) for meter, at, value in arrivals]
    assert got == expected
    accepted = [row for row, name in zip(arrivals, expected, strict=True) if name == "accepted"]
    for meter, model in enumerate(models):
        mine = sorted(row for row in accepted if row[0] == meter)
        passed = [row for row in mine if row[1] <= model.newest - LATENESS_MS]
        assert [row for row in released if row[0] == meter] == passed


@given(st.integers(1, 200), st.integers(0, 12), st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_no_row_is_accepted_twice_however_much_comes_again(rows: int, places: int, seed: int, turn_rows: int) -> None:
    """As MQTT sends again all that a killed bridge had not acknowledged: more than a meter's memory holds."""
    in_disorder = np.argsort(np.arange(rows) + np.random.default_rng(seed).uniform(0, places, rows))
    sent = [(0, BEGIN + i * 10_000, float(i)) for i in in_disorder.tolist()]
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    verdicts: list[str] = []
    for i in range(0, 2 * rows, turn_rows):
        verdicts += take(state, (sent * 2)[i : i + turn_rows])[0]
    assert set(verdicts[rows:]) <= {"duplicate", "late"}


def test_a_repeat_of_what_waits_is_told_after_any_number_of_repeats() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    sent = [(0, BEGIN + i * 10_000, float(i)) for i in range(order.SEEN + 40)]
    assert take(state, sent)[0] == ["accepted"] * len(sent)
    again, released = take(state, sent)
    assert (again[-6:], released) == (["duplicate"] * 6, [])
    assert take(state, [(0, sent[-1][1], -1.0)])[0] == ["conflict"]


def test_more_waiting_than_there_is_room_for_releases_the_oldest() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    burst = [(0, BEGIN + i, float(i)) for i in range(order.PENDING + 3)]
    _, released = take(state, burst)
    assert released == burst[:3]
    verdicts, _ = take(state, [(0, BEGIN + 2, 9.0), (0, BEGIN + 1_000, 1.0)])
    assert verdicts == ["conflict", "accepted"]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 60))
def test_also_what_finds_no_room_does_not_depend_on_turns(times_s: list[int], turn_rows: int) -> None:
    arrivals = [(0, BEGIN + time_s * 1_000, 1.0) for time_s in times_s]
    at_once = take(np.zeros(METERS, order.dtype(QUANTITIES)), arrivals)
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    turns = [take(state, arrivals[i : i + turn_rows]) for i in range(0, len(arrivals), turn_rows)]
    assert ([name for names, _ in turns for name in names], [row for _, out in turns for row in out]) == at_once


@pytest.mark.parametrize(("sequence", "second"), [(7, "duplicate"), (8, "accepted"), (-1, "accepted")])
def test_without_a_time_of_its_own_a_row_is_known_by_its_counter(sequence: int, second: str) -> None:
    rows = rows_of([(0, BEGIN, 5.0), (0, BEGIN + 700, 5.0)])
    rows.quality[:] = Quality.TIME_BY_BRIDGE
    counters = np.array([7 if sequence >= 0 else -1, sequence])
    taken = order.take(np.zeros(METERS, order.dtype(QUANTITIES)), rows, counters, LATENESSES_MS)
    assert names(taken) == ["accepted", second]


def test_a_row_from_the_future_moves_nothing_and_hides_no_true_row() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    rows = rows_of([(0, BEGIN + 10**9, 5.0), (0, BEGIN, 1.0)])
    rows.quality[0] = Quality.FUTURE
    assert names(order.take(state, rows, np.full(2, -1), LATENESSES_MS)) == ["future", "accepted"]
    assert state["newest_at"][0] == BEGIN
    verdicts, _ = take(state, [(0, BEGIN + 10**9, 6.0)])
    assert verdicts == ["accepted"]


def test_what_comes_again_between_newest_row_and_idle_watermark_is_a_repeat() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    take(state, [(1, BEGIN, 1.0)])
    order.advance(state, np.array([1]), np.array([BEGIN + 3_600_000]))
    between = (1, BEGIN + 600_000, 2.0)
    assert take(state, [between])[0] == ["late"]
    assert take(state, [between])[0] == ["duplicate"]
    assert take(state, [(*between[:2], 3.0)])[0] == ["conflict"]


def test_an_idle_meter_hands_out_what_its_watermark_passes() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    take(state, [(1, BEGIN, 1.0), (1, BEGIN + 10_000, 2.0), (1, BEGIN + 30_000, 3.0)])
    taken = order.advance(state, np.array([1]), np.array([BEGIN + 10_000]))
    assert taken.released.rows.values[:, 0].tolist() == [1.0, 2.0]
    assert (taken.released.watermark.tolist(), taken.waiting.tolist()) == ([BEGIN + 10_000], [1])
