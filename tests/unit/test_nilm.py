"""What holds for `nilm` whatever a home does: sums, gaps, restarts, and any split into turns."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS, HOUR_MS
from schemas.results import ApplianceEnergyBlock, ApplianceEventBlock
from streams.contract import Elapsed, Labels, Meters, Released, Result, Rows, State
from streams.nilm.library import library_of, load_library
from streams.nilm.operator import Nilm, split
from streams.registry import OPERATORS

CATALOGUE = load_catalogue()
QUANTITIES = tuple(CATALOGUE.quantities[name] for name in CATALOGUE.profiles["nilm_meter"].quantities)
POWER, VOLTAGE = ([quantity.name for quantity in QUANTITIES].index(name) for name in ("active_power_w", "voltage_v"))
BEGIN = 1_700_000_100_000 // 900_000 * 900_000
MIDNIGHT = BEGIN // DAY_MS * DAY_MS
PAUSES = [2, 3, 4, 5, 20, 300, 1_000, 4_000]
"""Between two rows, in reporting intervals."""
POWERS_W = [0.0, 60.0, 110.0, 800.0, 1_250.0, 2_000.0, 2_050.0, 2_700.0, 8_500.0, -1_500.0, -3_500.0]


def meters(interval_ms: int) -> Meters:
    return Meters("nilm_meter", QUANTITIES, ["m1"], [None], [None], np.array([interval_ms]))


def released(
    at: Int64s, power_w: Float64s, watermark: int | None = None, voltage_v: Float64s | float = np.nan
) -> Released:
    values = np.full((len(at), len(QUANTITIES)), np.nan)
    values[:, POWER], values[:, VOLTAGE] = power_w, voltage_v
    none = np.zeros(len(at), np.int64)
    rows = Rows(none, at, at, none.astype(np.int32), values)
    return Released(rows, np.zeros(1, np.int64), np.array([watermark if watermark is not None else at[-1]]))


def run(
    at: Int64s,
    power_w: Float64s,
    interval_ms: int,
    cuts: Sequence[int] = (),
    ahead: float = 0.0,
    swing_v: float = np.nan,
) -> tuple[State, list[Result]]:
    """The state and results after these rows, in turns that end at the cuts, and after the home fell silent for days.

    After each turn the watermark moves on towards the next row, as far as `ahead` says, in a turn of its own. The
    voltage swings by `swing_v` within ten minutes; NaN: it is not measured.
    """
    voltage_v = 230 + swing_v * np.sin(at / 95_000)
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    results: list[Result] = []
    for begin, end in zip([0, *cuts], [*cuts, len(at)], strict=True):
        if end > begin:
            turn = released(at[begin:end], power_w[begin:end], voltage_v=voltage_v[begin:end])
            results += operator.on_released(state, meters(interval_ms), turn)
            state = np.frombuffer(state.tobytes(), state.dtype).copy()
        if 0 < end < len(at):
            watermark = int(at[end - 1] + ahead * (at[end] - 1 - at[end - 1]))
            results += operator.on_released(state, meters(interval_ms), released(at[:0], power_w[:0], watermark))
    silent = released(at[:0], power_w[:0], int(at[-1]) + HOUR_MS)
    results += operator.on_released(state, meters(interval_ms), silent)
    return state, results + operator.on_time(state, meters(interval_ms), Elapsed(np.array([2 * DAY_MS])))


def label(appliance: str, power_w: float, number: int = 0) -> Labels:
    """Someone says so at the beginning."""
    one = np.zeros(1, np.int64)
    return Labels(one, one + BEGIN, one + number, np.array([power_w]), [appliance])


def energies(results: Sequence[Result]) -> dict[tuple[str, int, str], tuple[int, float, int]]:
    """Revision, energy and time covered of each window, start and appliance; a revision says one thing, and the last
    counts."""
    found: dict[tuple[str, int, str], tuple[int, float, int]] = {}
    for block in results:
        if isinstance(block, ApplianceEnergyBlock):
            for row, revision in enumerate(block.revision.tolist()):
                window = block.windows[block.row_window[row]]
                key = (window, int(block.start[row]), block.appliances[block.row_appliance[row]])
                assert revision > found.get(key, (-1,))[0]
                found[key] = (revision, float(block.energy_wh[row]), int(block.covered_ms[row]))
    return found


def total_wh(results: Sequence[Result], window: str) -> float:
    return sum(wh for (kind, _, _), (_, wh, _) in energies(results).items() if kind == window)


def covered_ms(results: Sequence[Result], window: str) -> int:
    found = energies(results).items()
    return sum(ms for (kind, _, name), (_, _, ms) in found if (kind, name) == (window, "remainder"))


def events(results: Sequence[Result]) -> list[tuple[object, ...]]:
    return [
        (
            block.number[i],
            block.revision[i],
            block.state[i],
            block.appliance[i],
            block.decided_at[i],
            block.start[i],
            block.end[i],
            block.power_w[i],
            block.energy_wh[i],
            block.confidence[i],
        )
        for block in results
        if isinstance(block, ApplianceEventBlock)
        for i in range(len(block.number))
    ]


@st.composite
def homes(draw: st.DrawFn) -> tuple[Int64s, Float64s, int]:
    """A home in which things come and go: times, mains, interval."""
    interval_ms = draw(st.sampled_from([1_000, 10_000, 60_000]))
    lengths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=12))
    levels = draw(st.lists(st.sampled_from(POWERS_W), min_size=len(lengths), max_size=len(lengths)))
    noise = draw(st.integers(0, 2**31))
    power_w = 80.0 + np.repeat(levels, lengths) + np.random.default_rng(noise).integers(-40, 40, sum(lengths)) / 10
    kept = np.ones(len(power_w), np.bool_)
    kept[draw(st.lists(st.integers(0, len(power_w) - 1), max_size=6))] = False
    pauses = np.ones(len(power_w), np.int64)
    for place in draw(st.lists(st.integers(0, len(power_w) - 1), max_size=3)):
        pauses[place] = draw(st.sampled_from(PAUSES))
    at = BEGIN + draw(st.integers(0, 96)) * 900_000 + interval_ms * np.cumsum(pauses)
    return at[kept], power_w[kept], interval_ms


SWINGS = st.sampled_from([np.nan, 0.0, 10.0, 50.0])
kept_homes = homes().filter(lambda home: len(home[0]) > 1)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20),
    st.lists(st.floats(0, 12_000), min_size=3, max_size=3),
)
def test_every_sample_is_shared_out_whole(mains: list[int], drawn: list[float]) -> None:
    steps, drawn_w = np.array(mains, np.int64), np.array([0.0, *drawn])
    feeds_in = np.arange(len(steps)) % 2 == 0
    parts = split(steps, drawn_w, feeds_in)
    assert (parts.sum(axis=1) == steps).all()
    assert (parts[:, 1:] >= 0).all()
    assert (parts[~feeds_in, 1:].sum(axis=1) <= np.maximum(steps[~feeds_in], 0)).all()
    assert np.abs(parts[feeds_in, 1:] - 10 * drawn_w[1:]).max() <= 1


@settings(max_examples=60, deadline=None)
@given(kept_homes, SWINGS)
def test_quarters_add_up_to_the_mains(home: tuple[Int64s, Float64s, int], swing_v: float) -> None:
    at, power_w, interval_ms = home
    _, results = run(*home, swing_v=swing_v)
    found = energies(results)
    near = np.diff(at) <= max(3 * interval_ms, 60_000)
    expected_wh = (np.rint(power_w[1:] * 10) / 10 * np.diff(at) * near).sum() / 3_600_000
    for window in ("15min", "1d"):
        assert total_wh(results, window) == pytest.approx(expected_wh)
        assert covered_ms(results, window) == (np.diff(at) * near).sum()
    assert all(wh >= 0 for (_, _, name), (_, wh, _) in found.items() if name != "remainder")
    if (power_w >= 0).all():
        assert all(wh >= 0 for _, wh, _ in found.values())


@settings(max_examples=60, deadline=None)
@given(kept_homes)
def test_no_load_ends_before_it_began(home: tuple[Int64s, Float64s, int]) -> None:
    for *_, start, end, power_w, energy_wh, _ in events(run(*home)[1]):
        assert end == 0 or end >= start
        assert power_w >= 0 and energy_wh >= 0


@settings(max_examples=60, deadline=None)
@given(kept_homes, st.data())
def test_turns_and_restarts_change_nothing(home: tuple[Int64s, Float64s, int], data: st.DataObject) -> None:
    after_gaps = np.flatnonzero(np.diff(home[0]) > max(3 * home[2], 60_000)) + 1
    cuts = data.draw(st.lists(st.integers(0, len(home[0])), max_size=6)) + after_gaps.tolist()
    swing_v, ahead = data.draw(SWINGS), data.draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    state, results = run(*home, swing_v=swing_v)
    again, in_pieces = run(*home, cuts=sorted(cuts), ahead=ahead, swing_v=swing_v)
    assert again.tobytes() == state.tobytes()
    assert events(in_pieces) == events(results)
    assert energies(in_pieces) == energies(results)


def test_state_of_a_home_is_at_most_4_kib() -> None:
    assert Nilm().dtype(QUANTITIES).itemsize <= 4_096


def test_a_meter_without_power_has_no_state_to_speak_of() -> None:
    heat = tuple(CATALOGUE.quantities[name] for name in CATALOGUE.profiles["water"].quantities)
    assert Nilm().dtype(heat).itemsize == 1


def test_a_gap_is_no_data_and_not_all_off() -> None:
    at = BEGIN + 1_000 * np.concatenate([np.arange(120), np.arange(400, 500)])
    power_w = np.where(np.arange(220) < 60, 100.0, 2_600.0) + np.arange(220) % 3
    _, results = run(at, power_w, 1_000)
    lost = [event for event in events(results) if event[2] == "lost"]
    assert lost and lost[0][6] == at[119]
    assert covered_ms(results, "15min") == (119 + 99) * 1_000


def test_a_meter_that_misses_some_rows_goes_on() -> None:
    """Two minutes of 2.5 kW at 1 Hz; every 40 s some rows are missing, up to 26, which is more than three intervals."""
    second = np.arange(3_000)
    kept = second % 40 >= second // 40 % 27
    power_w = np.where((second >= 1_030) & (second < 1_150), 2_600.0, 100.0) + second % 3
    _, results = run(BEGIN + 1_000 * second[kept], power_w[kept], 1_000)
    last = {event[0]: event for event in events(results)}
    ((_, _, state, _, _, start, end, *_),) = last.values()
    assert (state, start, end) == ("off", BEGIN + 1_030_000, BEGIN + 1_149_000)
    assert covered_ms(results, "15min") == 2_999_000


def test_that_an_end_was_not_seen_is_decided_when_the_gap_has_lasted_a_minute() -> None:
    """Whether the row after it comes in the same turn or not: what was told first of the last row stays."""
    at = BEGIN + 1_000 * np.concatenate([np.arange(120), np.arange(400, 500)])
    power_w = np.where(np.arange(220) < 60, 100.0, 2_600.0) + np.arange(220) % 3
    for ahead in (0.0, 1.0):
        _, results = run(at, power_w, 1_000, cuts=[120], ahead=ahead)
        assert next(event[4] for event in events(results) if event[2] == "lost") == at[119] + 60_000


def test_a_quarter_that_a_gap_interrupts_is_told_when_it_is_over() -> None:
    """Rows of seconds 301 to 419 are missing, and the turn in which that is seen ends before the quarter does."""
    second = np.concatenate([np.arange(301), np.arange(420, 1_000)])
    at, power_w = BEGIN + 1_000 * second, 100.0 + second % 3
    _, results = run(at, power_w, 1_000, cuts=[301], ahead=0.6)
    found = energies(results)
    assert found["15min", BEGIN, "remainder"][0] == 0
    assert found["15min", BEGIN, "remainder"][2] == (300 + 900 - 420) * 1_000
    assert total_wh(results, "15min") == pytest.approx(total_wh(run(at, power_w, 1_000)[1], "15min"))


def test_a_day_is_told_when_its_last_quarter_has_left() -> None:
    """At a quarter to one, by the rows of the next day; not by those of a minute before."""
    minute = np.arange(-60, 24 * 60 + 47)
    at, power_w = MIDNIGHT + 60_000 * minute, 100.0 + minute % 3
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    before = operator.on_released(state, meters(60_000), released(at[:-1], power_w[:-1]))
    assert [start for window, start, _ in energies(before) if window == "1d"] == [MIDNIGHT - DAY_MS]
    after = operator.on_released(state, meters(60_000), released(at[-1:], power_w[-1:]))
    assert energies(after)["1d", MIDNIGHT, "remainder"][::2] == (0, DAY_MS)


def test_the_day_of_a_home_that_fell_silent_is_told_by_the_time_that_passes_and_anew_if_it_brings_what_it_kept() -> (
    None
):
    minute = np.arange(12 * 60)
    at, power_w = MIDNIGHT + 60_000 * minute, 100.0 + minute % 3
    operator, home = Nilm(), meters(60_000)
    state = np.zeros(1, operator.dtype(QUANTITIES))
    operator.on_released(state, home, released(at, power_w))
    operator.on_released(state, home, released(at[:0], power_w[:0], int(at[-1]) + HOUR_MS))
    silent_for = MIDNIGHT + DAY_MS + 45 * 60_000 - int(at[-1])
    assert not operator.on_time(state, home, Elapsed(np.array([silent_for - 1])))
    told = energies(operator.on_time(state, home, Elapsed(np.array([silent_for]))))
    assert told["1d", MIDNIGHT, "remainder"][::2] == (0, int(at[-1] - at[0]))
    assert not operator.on_time(state, home, Elapsed(np.array([silent_for + DAY_MS])))
    kept = at + 14 * HOUR_MS
    again = energies(operator.on_released(state, home, released(kept, power_w)))
    assert again["1d", MIDNIGHT, "remainder"][::2] == (1, int(at[-1] - at[0]) + 10 * HOUR_MS)


def test_a_stuck_meter_is_no_data() -> None:
    power_w = np.concatenate([100.0 + np.arange(60) % 2, np.full(3 * 3_600 // 60, 2_600.0), 100.0 + np.arange(60) % 2])
    at = BEGIN + 60_000 * np.arange(len(power_w), dtype=np.int64)
    _, results = run(at, power_w, 60_000)
    assert covered_ms(results, "15min") == at[-1] - at[0] - (3 * 3_600_000 - 3_600_000 + 60_000)


def test_a_heater_is_one_load_whatever_the_voltage_does() -> None:
    """A quarter of an hour of 2 kW at 230 V, while the voltage falls by 20 V in two steps and comes back."""
    second = np.arange(5_400)
    voltage_v = 238.0 - 10.0 * ((second > 1_900) & (second < 2_600)) - 10.0 * ((second > 2_100) & (second < 2_300))
    heating = (second >= 1_800) & (second < 2_700)
    power_w = np.where(heating, 2_000 * (voltage_v / 230) ** 2, 0.0) + 100 + second % 3
    at = BEGIN + 1_000 * second
    state = np.zeros(1, Nilm().dtype(QUANTITIES))
    results = Nilm().on_released(state, meters(1_000), released(at, power_w, voltage_v=voltage_v))
    told = {event[0] for event in events(results)}
    assert len(told) == 1
    off = events(results)[-1]
    assert (off[2], off[5], off[6]) == ("off", at[1_800], at[2_699])
    assert off[7] == pytest.approx(2_000, abs=5)
    blind = Nilm().on_released(np.zeros(1, Nilm().dtype(QUANTITIES)), meters(1_000), released(at, power_w))
    assert len(events(blind)) > len(events(results))


@pytest.mark.parametrize("generated_w", [0.0, 2_400.0, 6_000.0])
def test_a_kettle_is_a_kettle_whatever_the_home_generates(generated_w: float) -> None:
    """Two minutes of 2,200 W; with the sun the mains stays below zero, or rises above it."""
    row = np.arange(400)
    kettle = (row >= 200) & (row < 212)
    at, power_w = BEGIN + 10_000 * row, 100.0 + row % 3 + np.where(kettle, 2_200.0, 0.0) - generated_w
    _, results = run(at, power_w, 10_000)
    (off,) = [event for event in events(results) if event[2] == "off"]
    assert (off[3], off[5], off[6]) == ("kettle", at[200], at[211])
    assert off[7] == pytest.approx(2_200, abs=5)
    found = energies(results)
    assert sum(wh for (kind, _, name), (_, wh, _) in found.items() if (kind, name) == ("1d", "kettle")) == (
        pytest.approx(2_200 * 120 / 3_600, rel=0.02)
    )
    assert total_wh(results, "1d") == pytest.approx((np.rint(power_w[1:] * 10) / 10).sum() / 360)


@pytest.mark.parametrize("interval_ms", [10_000, 60_000])
def test_clouds_are_no_appliances(interval_ms: int) -> None:
    """Eight hours of sun behind clouds that drift; in the home hardly anything is on."""
    rng = np.random.default_rng(1)
    kept = 0.97 ** (interval_ms / 10_000)
    rows = 8 * HOUR_MS // interval_ms
    depth = np.zeros(rows)
    for row in range(1, rows):
        depth[row] = kept * depth[row - 1] + rng.normal(0, np.sqrt(1 - kept * kept))
    sun_w = 3_000 / (1 + np.exp(-2 * depth - 1))
    at = BEGIN + interval_ms * np.arange(rows)
    named = {event[3] for event in events(run(at, 150.0 - sun_w, interval_ms)[1])} - {"unknown"}
    assert not named


def test_a_load_that_turns_out_otherwise_takes_its_energy_along() -> None:
    """2.6 kW might be a kettle; after an hour it is not."""
    power_w = np.where((np.arange(7_000) >= 800) & (np.arange(7_000) < 5_000), 2_700.0, 100.0) + np.arange(7_000) % 3
    at = BEGIN + 1_000 * np.arange(7_000, dtype=np.int64)
    _, results = run(at, power_w, 1_000)
    first_load = min(event[0] for event in events(results))
    told = [event for event in events(results) if event[0] == first_load]
    assert told[0][3] == "kettle"
    assert told[-1][3] != "kettle"
    revision, kettle_wh, _ = energies(results)["15min", BEGIN, "kettle"]
    assert revision >= 1
    assert kettle_wh == 0


def test_a_heater_that_heats_once_more_is_a_dishwasher_whatever_cluster_its_power_falls_into() -> None:
    at = BEGIN + np.arange(12 * 1_440) * 60_000
    mains = np.full(len(at), 100.0) + np.arange(len(at)) % 7
    for day in range(12):
        first, second = day * 1_440 + 400 + 37 * (day % 5), day * 1_440 + 450 + 37 * (day % 5)
        mains[first : first + 9] += 2_320 + 5 * (day % 3)
        mains[second : second + 15] += 2_195 + 5 * (day % 3)
    _, results = run(at, mains, 60_000)
    last = {event[0]: event for event in events(results) if event[2] == "off"}
    named = [event[3] for event in last.values() if event[5] >= at[8 * 1_440]]
    assert named == ["dishwasher"] * 8


def test_a_label_teaches_the_home() -> None:
    """A 1250 W load of two minutes is a microwave, unless the user has said what it is here."""
    power_w = np.tile(np.concatenate([np.full(1_200, 100.0), np.full(110, 1_350.0)]), 3) + np.arange(3_930) % 3
    at = BEGIN + 1_000 * np.arange(len(power_w), dtype=np.int64)
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    operator.on_labels(state, meters(1_000), label("toaster", 1_250.0))
    taught = events(operator.on_released(state, meters(1_000), released(at, power_w)))
    untaught = events(run(at, power_w, 1_000)[1])
    assert {event[3] for event in untaught} == {"microwave"}
    assert {event[3] for event in taught} == {"toaster"}


def test_what_is_known_of_a_home_can_be_told() -> None:
    power_w = np.repeat([100.0, 2_600.0, 100.0, 2_600.0], [60, 100, 600, 30])
    at = BEGIN + 1_000 * np.arange(len(power_w), dtype=np.int64)
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    assert operator.describe(state[0], QUANTITIES)["loads"] == []
    operator.on_released(state, meters(1_000), released(at, power_w))
    before = state.tobytes()
    told = operator.describe(state[0], QUANTITIES)
    assert state.tobytes() == before
    assert [(load["appliance"], load["power_w"]) for load in told["loads"]] == [("kettle", 2_500.0)]
    assert told["known"][0]["power_w"] == 2_500 and told["known"][0]["kettle"] > 0.5


def test_a_label_for_what_is_no_appliance_is_passed_over() -> None:
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    before = state.tobytes()
    assert not operator.on_labels(state, meters(1_000), label("perpetuum_mobile", 1.0))
    assert state.tobytes() == before


def test_labels_of_two_appliances_of_one_power_end_where_the_loads_are() -> None:
    """Two thirds of a thousand labels are of the dishwasher, and no label of the other outweighs them."""
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    for said in range(999):
        name = "washing_machine" if said % 3 == 2 else "dishwasher"
        operator.on_labels(state, meters(1_000), label(name, 2_000.0))
    (known,) = operator.describe(state[0], QUANTITIES)["known"]
    assert known["washing_machine"] == pytest.approx(1 / 3, abs=0.02)
    assert known["loads"] == pytest.approx(1_000, rel=0.02)


def test_one_label_outweighs_all_that_was_believed() -> None:
    operator = Nilm()
    state = np.zeros(1, operator.dtype(QUANTITIES))
    for name in ["kettle"] * 500 + ["toaster"]:
        operator.on_labels(state, meters(1_000), label(name, 1_500.0))
    (known,) = operator.describe(state[0], QUANTITIES)["known"]
    assert known["toaster"] == pytest.approx(2 / 3, abs=0.01)


def test_a_library_names_only_its_own_appliances() -> None:
    with pytest.raises(ValueError, match="not in"):
        library_of({"appliances": ["unknown"], "modes": [{"appliance": "kettle"}]})


def test_the_operator_is_registered() -> None:
    assert OPERATORS["nilm"].name == "nilm"
    assert load_library().appliances[0] == "unknown"
