"""Event-time order against a meter-by-meter, row-by-row model of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.blocks import Int64s
from schemas.catalogue import load_catalogue
from schemas.quality import Quality
from streams import order
from streams.contract import Rows, State

QUANTITIES = [load_catalogue().quantities["active_power_l1_w"]]
BEGIN = 1_700_000_000_000
LATENESS_MS = 60_000
METERS = 3


def rows_of(arrivals: list[tuple[int, int, float]]) -> Rows:
    meter, at, value = (np.array(column) for column in zip(*arrivals, strict=True))
    quality = np.zeros(len(arrivals), np.int32)
    return Rows(meter.astype(np.int64), at.astype(np.int64), at.astype(np.int64), quality, value[:, None].astype(float))


def take(state: State, arrivals: list[tuple[int, int, float]]) -> tuple[order.Verdicts, list[tuple[int, int, float]]]:
    """One turn: the verdicts, and what was released."""
    lateness_ms: Int64s = np.full(METERS, LATENESS_MS)
    rows = rows_of(arrivals)
    verdicts = order.judge(state, rows, np.full(len(arrivals), -1), lateness_ms)
    released = order.release(state, rows.take(verdicts.accepted), lateness_ms).rows
    return verdicts, list(
        zip(released.meter.tolist(), released.at.tolist(), released.values[:, 0].tolist(), strict=True)
    )


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
        masks = {name: getattr(verdicts, name) for name in ("accepted", "duplicate", "conflict", "late", "future")}
        for row in range(len(verdicts.accepted)):
            (name,) = [name for name, mask in masks.items() if mask[row]]
            got.append(name)
        released += out
    expected = [models[meter].verdict(at, value) for meter, at, value in arrivals]
    assert got == expected
    accepted = [row for row, name in zip(arrivals, expected, strict=True) if name == "accepted"]
    for meter, model in enumerate(models):
        mine = sorted(row for row in accepted if row[0] == meter)
        passed = [row for row in mine if row[1] <= model.newest - LATENESS_MS]
        assert [row for row in released if row[0] == meter] == passed


def test_more_waiting_than_there_is_room_for_releases_the_oldest() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    burst = [(0, BEGIN + i, float(i)) for i in range(order.PENDING + 3)]
    _, released = take(state, burst)
    assert released == burst[:3]
    verdicts, _ = take(state, [(0, BEGIN + 2, 9.0), (0, BEGIN + 1_000, 1.0)])
    assert verdicts.conflict.tolist() == [True, False]
    assert verdicts.accepted.tolist() == [False, True]


@pytest.mark.parametrize(("sequence", "duplicate"), [(7, True), (8, False), (-1, False)])
def test_without_a_time_of_its_own_a_row_is_known_by_its_counter(sequence: int, duplicate: bool) -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    rows = rows_of([(0, BEGIN, 5.0), (0, BEGIN + 700, 5.0)])
    rows.quality[:] = Quality.TIME_BY_BRIDGE
    counters = np.array([7 if sequence >= 0 else -1, sequence])
    verdicts = order.judge(state, rows, counters, np.full(METERS, LATENESS_MS))
    assert verdicts.duplicate.tolist() == [False, duplicate]


def test_a_row_from_the_future_moves_nothing_and_hides_no_true_row() -> None:
    state = np.zeros(METERS, order.dtype(QUANTITIES))
    rows = rows_of([(0, BEGIN + 10**9, 5.0), (0, BEGIN, 1.0)])
    rows.quality[0] = Quality.FUTURE
    verdicts = order.judge(state, rows, np.full(2, -1), np.full(METERS, LATENESS_MS))
    assert (verdicts.future.tolist(), verdicts.accepted.tolist()) == ([True, False], [False, True])
    order.release(state, rows.take(verdicts.accepted), np.full(METERS, LATENESS_MS))
    assert state["newest_at"][0] == BEGIN
    verdicts, _ = take(state, [(0, BEGIN + 10**9, 6.0)])
    assert verdicts.accepted.tolist() == [True]
