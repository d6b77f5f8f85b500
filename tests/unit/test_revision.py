"""Only what says something else goes out again, above what stands, and never what rests on less."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from schemas.results import AggregateBlock, LoadBlock
from streams.revision import AGGREGATE_VALUES, RECOMPUTED, Standing, StandingLoad, revised, revised_loads
from tests.plausible import aggregate_block, load_block

BLOCK = aggregate_block(2, range(-3, 0))


def standing(block: AggregateBlock, **changed: Any) -> Standing:
    rows = len(block.start)
    block = replace(block, **changed)
    return Standing(
        [block.meters[i] for i in block.row_meter],
        [block.quantities[i] for i in block.row_quantity],
        [block.windows[i] for i in block.row_window],
        block.start,
        np.full(rows, block.operator_version, np.int64),
        block.revision.astype(np.int64),
        {name: getattr(block, name) for name in AGGREGATE_VALUES},
    )


def rows_of(blocks: list[AggregateBlock]) -> int:
    return sum(len(block.start) for block in blocks)


def test_what_stands_already_is_not_said_again() -> None:
    assert revised([BLOCK], standing(BLOCK)) == []
    assert np.isnan(BLOCK.register_difference).all()  # NaN says the same as NaN


def test_what_differs_goes_out_in_the_next_revision() -> None:
    mean = BLOCK.mean.copy()
    mean[4] += 1
    (found,) = revised([BLOCK], standing(BLOCK, mean=mean, revision=np.full(len(mean), 3, np.int32)))
    assert (rows_of([found]), found.revision.tolist()) == (1, [4])
    for field in fields(found):
        if isinstance(column := getattr(found, field.name), np.ndarray) and field.name != "revision":
            assert column[0] == getattr(BLOCK, field.name)[4] or np.isnan(column[0])


def test_what_never_stood_is_above_all_that_the_stream_may_still_say() -> None:
    nothing = standing(aggregate_block(1, range(-900, -899)))
    (found,) = revised([BLOCK], nothing)
    assert rows_of([found]) == len(BLOCK.start) and set(found.revision) == {1}
    empty = Standing([], [], [], *[np.empty(0, np.int64)] * 3, values={n: np.empty(0) for n in AGGREGATE_VALUES})
    assert set(revised([BLOCK], empty)[0].revision) == {1}


def test_what_rests_on_less_is_not_given() -> None:
    for name in ("count", "covered_ms"):
        more = standing(BLOCK, **{name: getattr(BLOCK, name) + 1})
        assert revised([BLOCK], more) == []
    fewer = standing(BLOCK, count=BLOCK.count - 1)
    assert rows_of(revised([BLOCK], fewer)) == len(BLOCK.start)


def test_a_newer_operator_is_not_outdone_and_an_older_one_is() -> None:
    changed = {"mean": BLOCK.mean + 1}
    assert revised([BLOCK], standing(BLOCK, operator_version=2, **changed)) == []
    (found,) = revised([replace(BLOCK, operator_version=2)], standing(BLOCK, **changed))
    assert set(found.revision) == {1}


LOADS = load_block()


def stands(block: LoadBlock, **changed: Any) -> dict[tuple[str, str, int], StandingLoad]:
    block = replace(block, **changed)
    return {
        (block.substation, feeder or "", int(block.start[i])): StandingLoad(
            block.operator_version, int(block.revision[i]), int(block.counted[i]), float(block.energy_wh[i]),
            int(block.covered_ms[i]), float(block.infeed_wh[i]),
        )
        for i, feeder in enumerate(block.feeder)
    }  # fmt: skip


def test_loads_rise_above_any_number_of_meters_each_time() -> None:
    assert revised_loads([LOADS], stands(LOADS)) == []
    (found,) = revised_loads([LOADS], stands(LOADS, energy_wh=LOADS.energy_wh - 1))
    assert found.revision.tolist() == [RECOMPUTED + 2, RECOMPUTED + 3] and found.feeder == ["F1", None]
    (again,) = revised_loads([LOADS], stands(found, energy_wh=LOADS.energy_wh - 1))
    assert again.revision.tolist() == [2 * RECOMPUTED + 2, 2 * RECOMPUTED + 3]
    (first,) = revised_loads([LOADS], {})
    assert first.revision.tolist() == found.revision.tolist()


def test_a_quarter_whose_meters_hang_elsewhere_by_now_stays() -> None:
    counted = LOADS.counted + np.array([1, 0])
    assert revised_loads([LOADS], stands(LOADS, counted=counted, energy_wh=LOADS.energy_wh - 1)) == []
