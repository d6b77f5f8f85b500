"""Likelihoods of single meters, worked out by hand."""

import numpy as np
import pytest

from streams.outage.assumptions import Assumptions
from streams.outage.likelihood import (
    RESTARTS_TELL,
    WAY_KNOWN_MS,
    Scene,
    arrived_by,
    due,
    heard_out_ms,
    log_silence,
    meter_evidence,
    restoration_ms,
    share_within,
    slowest_ms,
)
from streams.outage.loads import LEAST_NOISE, UNKNOWN_NOISE, load_evidence, noise_of, note_load
from streams.outage.state import DELAY_EDGES_MS, State
from streams.outage.tree import Grid, Node
from streams.outage.watch import OutageWatch

ASSUMED = Assumptions(delivery=(0.2, 0.8), delivery_weight=(0.5, 0.5))
BURST = 1_000_000


def grid() -> Grid:
    nodes = [Node("f", "", "fuse"), Node("t", "f", "transformer"), Node("u", "f", "transformer")]
    nodes += [Node(f"{t}{i}", t, "meter", "", f"{t}{i}") for t in "tu" for i in (1, 2)]
    return Grid.of(nodes)


def known(where: Grid) -> State:
    """Meters that read every 10 s until the burst, with delivery 0.9; all events come within the first 250 ms."""
    state = OutageWatch(where, ASSUMED).empty()
    state.meters["read_ms"] = state.meters["counted_ms"] = state.meters["proof_ms"] = BURST
    state.meters["interval_ms"], state.meters["reading_delivery"] = 10_000.0, 0.9
    state.event_delays = np.eye(len(DELAY_EDGES_MS) - 1)[0]
    state.reading_delays = state.event_delays.copy()
    state.alive_ms[:] = BURST + 60_000
    return state


def evidence(state: State, where: Grid, after_ms: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    scene = Scene(where.span(0), np.array([0]), np.array([BURST]), BURST + after_ms)
    found = meter_evidence(where, state, ASSUMED, scene)
    return {"supplied": found[0], "dark": found[1:3], "back": found[3:5]}


def test_silence_and_a_gasp() -> None:
    where = grid()
    state = known(where)
    state.meters["gasp_ms"][0] = BURST + 100
    found = evidence(state, where, 40_000)
    silent = np.log(0.03 + 0.97 * 0.1**3)
    assert found["supplied"][1] == pytest.approx(silent)
    assert found["supplied"][0] == pytest.approx(silent + np.log(ASSUMED.lie))
    assert found["dark"][:, 1] == pytest.approx(np.log([0.8, 0.2]))
    assert found["dark"][:, 0] == pytest.approx(np.log([0.2, 0.8]))


def test_a_reading_after_the_burst_contradicts_darkness() -> None:
    where = grid()
    state = known(where)
    state.meters["back_ms"][1, 0] = state.meters["counted_ms"][1] = BURST + 5_000
    found = evidence(state, where, 10_000)
    assert found["dark"][:, 1] == pytest.approx(np.log([0.8, 0.2]) + np.log(ASSUMED.contradicted))
    assert found["supplied"][1] == 0


def test_restorations_of_neighbours_tell_when_supply_came_back() -> None:
    where = grid()
    back = np.array([0, BURST + 7_000, 0, BURST + 9_000])
    assert restoration_ms(where, where.span(0), back).tolist() == [BURST + 7_000] * 2 + [BURST + 9_000] * 2
    only = np.array([0, BURST + 7_000, 0, 0])
    assert restoration_ms(where, where.span(0), only).tolist() == [BURST + 7_000] * 4


def test_who_was_not_restored_when_others_were() -> None:
    where = grid()
    state = known(where)
    state.meters["restored_ms"][0] = state.meters["back_ms"][0, 0] = BURST + 7_000
    found = evidence(state, where, 11_000)
    assert found["back"][:, 0] == pytest.approx(np.log([0.8, 0.2]) + np.log(0.6))
    assert found["back"][:, 1] == pytest.approx(np.log([0.8, 0.2]) + np.log(0.4))


def test_no_reading_is_due_while_the_way_is_not_known_to_work() -> None:
    where = grid()
    state = known(where)
    state.alive_ms[:] = BURST
    assert evidence(state, where, 60_000)["supplied"].tolist() == [0.0] * 4


def test_the_excused_say_nothing() -> None:
    where = grid()
    state = known(where)
    state.meters["gasp_ms"][0], state.meters["excused_ms"][0] = BURST, BURST + 90_000
    found = evidence(state, where, 40_000)
    assert [found[name].reshape(-1, 4)[:, 0].tolist() for name in found] == [[0.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(("after_ms", "expected"), [(9_000, 0), (12_499, 0), (12_500, 1), (32_500, 3)])
def test_readings_are_due_a_quarter_of_an_interval_late(after_ms: int, expected: int) -> None:
    assert due(np.array([BURST]), np.array([BURST + after_ms]), np.array([10_000.0])).tolist() == [expected]


def test_nothing_is_due_from_a_meter_that_is_not_known() -> None:
    times = np.array([BURST, 0])
    assert due(times, times + 10**9, np.array([0.0, 10_000.0])).tolist() == [0, 0]


def test_silence_has_a_floor() -> None:
    assert log_silence(np.array([1e9]), np.array([0.9]), 0.03) == pytest.approx(np.log(0.03))


def test_absence_counts_less_in_the_first_seconds() -> None:
    at_once = np.eye(len(DELAY_EDGES_MS) - 1)[0]
    assert arrived_by(at_once, np.array([-5, 0, 1_500, 3_000, 9_000])).tolist() == [0, 0, 0.5, 1, 1]


def test_delays_by_what_was_seen() -> None:
    seen = np.zeros(len(DELAY_EDGES_MS) - 1)
    seen[0], seen[2] = 3, 1
    assert share_within(seen, np.array([0, 125, 250, 750, 10**6])).tolist() == [0, 0.375, 0.75, 0.875, 1]
    assert slowest_ms(seen, 0.375) == 125


def test_a_restoration_without_a_gasp_brings_the_readings_missed_before() -> None:
    """Read at the burst, restored 35 s later: of the three readings that were missed, supply has to be told why."""
    where = grid()
    state = known(where)
    state.meters["restored_ms"][0] = state.meters["proof_ms"][0] = BURST + 35_000
    found = evidence(state, where, 40_000)
    missed = log_silence(np.array([3.0]), np.array([0.9]), ASSUMED.mute)[0]
    assert found["supplied"][0] == pytest.approx(np.log(ASSUMED.lie) + missed + found["supplied"][1], abs=1e-9)


def test_meters_are_heard_out_when_each_had_its_turn() -> None:
    where = grid()
    state = known(where)
    by = BURST + 12_500 + slowest_ms(state.reading_delays) + WAY_KNOWN_MS
    assert heard_out_ms(where, state, 0, BURST) == by
    assert heard_out_ms(where, state, 0, BURST + 20_000) == by + 20_000
    state.meters["counted_ms"] = BURST + 5_000
    assert heard_out_ms(where, state, 0, BURST) == 0


def test_restarts_behind_one_gateway_make_the_next_one_a_lie() -> None:
    where = grid()
    state = known(where)
    state.meters["gasp_ms"][0] = BURST
    before = evidence(state, where, 1_000)["supplied"][0]
    state.restarts[0] = 2
    assert evidence(state, where, 1_000)["supplied"][0] == pytest.approx(before + 2 * np.log(RESTARTS_TELL), abs=1e-9)


def test_a_load_counts_by_its_own_noise() -> None:
    """Half of a steady load is gone: of the devices that carry all, half and none of it, the half is the likeliest."""
    where = grid()
    state = known(where)
    for i in range(20):
        note_load(state, 0, BURST + 10_000 * (i - 15), 8_000.0 if i <= 15 else 4_000.0)
    assert noise_of(state, 0) == LEAST_NOISE
    found = load_evidence(where, state, where.span(0), [BURST])[0]
    half, whole, single = where.branch_of["t"], where.branch_of["f"], where.branch_of["t1"]
    assert found[half] > found[single] > found[whole]
    assert noise_of(known_load(where, 5), 0) == UNKNOWN_NOISE


def known_load(where: Grid, values: int) -> State:
    state = known(where)
    for i in range(values):
        note_load(state, 0, BURST + 10_000 * i, 1_000.0)
    return state
