"""What was computed again, beside what stands: only what differs goes out, as the next revision.

A late row adds to what is known. So a result that would rest on less than the one that stands (the stored rows are past
their retention, a meter was erased) is not given. And repeats of a request change nothing: what it gave stands by then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int64s
from schemas.results import AggregateBlock, LoadBlock
from streams.contract import Mask
from streams.rerun import rows_of_aggregates

RECOMPUTED = 1 << 20
"""Revisions of loads count meters; each recomputation raises them by this, more than meters hang at any substation."""

AGGREGATE_VALUES = (
    "count", "mean", "min", "max", "energy_trapezoid_wh", "register_difference", "covered_ms", "quality",
)  # fmt: skip
_MOST_WINDOWS = 8
_TIME_BITS = 43
"""Times in ms stay below 2**43 until the year 2248."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now of some meters' aggregates, a row a fact; shape (s,) each."""

    meter: Sequence[str]
    quantity: Sequence[str]
    window: Sequence[str]
    start: Int64s
    operator_version: Int64s
    revision: Int64s
    values: Mapping[str, npt.NDArray[np.float64 | np.int64]]
    """By the names of AGGREGATE_VALUES."""


def revised(blocks: Sequence[AggregateBlock], standing: Standing) -> list[AggregateBlock]:
    """The rows that say something else than what stands, in its next revision."""
    names = _Names(standing)
    key = names.keys(standing.meter, standing.quantity, standing.window, standing.start)
    in_order = np.argsort(key, kind="stable")
    found = (_revised(block, standing, names, key[in_order], in_order) for block in blocks)
    return [block for block in found if block is not None]


class _Names:
    """Numbers for the names in keys."""

    def __init__(self, standing: Standing) -> None:
        self._meter = {name: i for i, name in enumerate(dict.fromkeys(standing.meter))}
        self._quantity = {name: i for i, name in enumerate(dict.fromkeys(standing.quantity))}
        self._window = {name: i for i, name in enumerate(dict.fromkeys(standing.window))}

    def keys(
        self, meter: Sequence[str], quantity: Sequence[str], window: Sequence[str], start: Int64s
    ) -> npt.NDArray[np.int64]:
        """A number for each row; -1 where a name does not stand anywhere."""
        places = [
            np.array([table.get(name, -1) for name in names], np.int64)
            for table, names in ((self._meter, meter), (self._quantity, quantity), (self._window, window))
        ]
        known = np.logical_and.reduce([place >= 0 for place in places])
        which = (places[0] * max(len(self._quantity), 1) + places[1]) * _MOST_WINDOWS + places[2]
        return np.where(known, which << _TIME_BITS | start, -1)


def _revised(
    block: AggregateBlock, standing: Standing, names: _Names, key: Int64s, in_order: Int64s
) -> AggregateBlock | None:
    meter = [block.meters[i] for i in block.row_meter.tolist()]
    quantity = [block.quantities[i] for i in block.row_quantity.tolist()]
    window = [block.windows[i] for i in block.row_window.tolist()]
    wanted = names.keys(meter, quantity, window, block.start)
    if not len(key):
        return replace(block, revision=np.ones_like(block.revision))
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    known = key[at] == wanted
    row = in_order[at]
    ours = known & (standing.operator_version[row] == block.operator_version)
    revision = np.where(ours, standing.revision[row], 0) + 1
    outdone = known & (standing.operator_version[row] > block.operator_version)
    less = known & (
        (block.count < standing.values["count"][row]) | (block.covered_ms < standing.values["covered_ms"][row])
    )
    changed = replace(block, revision=revision.astype(np.int32))
    return rows_of_aggregates(changed, ~_same(block, standing, row, ours) & ~outdone & ~less)


def _same(block: AggregateBlock, standing: Standing, row: Int64s, known: Mask) -> Mask:
    same = known.copy()
    for name in AGGREGATE_VALUES:
        new, old = getattr(block, name), standing.values[name][row]
        same &= (new == old) | (np.isnan(new) & np.isnan(old))
    return same


@dataclass(frozen=True, slots=True)
class StandingLoad:
    """What holds now of a feeder's or substation's load in a quarter of an hour."""

    operator_version: int
    revision: int
    counted: int
    energy_wh: float
    covered_ms: int
    infeed_wh: float


def revised_loads(
    blocks: Sequence[LoadBlock], standing: Mapping[tuple[str, str, int], StandingLoad]
) -> list[LoadBlock]:
    """The rows that differ, in the next revision; `standing` by substation, feeder (empty = whole) and start.

    A quarter of a substation in which any row would rest on less stays as it is: its meters hang elsewhere by now.
    """
    found = []
    for block in blocks:
        rows = [standing.get((block.substation, feeder or "", start)) for feeder, start in _places(block)]
        less = {int(block.start[i]) for i, stands in enumerate(rows) if stands and _rests_on_less(block, i, stands)}
        which = np.array(
            [int(block.start[i]) not in less and _differs(block, i, stands) for i, stands in enumerate(rows)], np.bool_
        )
        if which.any():
            found.append(_taken(block, which, [_next(block, stands) for stands in rows]))
    return found


def _places(block: LoadBlock) -> Sequence[tuple[str | None, int]]:
    return list(zip(block.feeder, block.start.tolist(), strict=True))


def _rests_on_less(block: LoadBlock, row: int, stands: StandingLoad) -> bool:
    return bool(block.counted[row] < stands.counted or block.covered_ms[row] < stands.covered_ms)


def _differs(block: LoadBlock, row: int, stands: StandingLoad | None) -> bool:
    if stands is None or stands.operator_version < block.operator_version:
        return True
    if stands.operator_version > block.operator_version:
        return False
    new = (block.counted[row], block.energy_wh[row], block.covered_ms[row], block.infeed_wh[row])
    old = (stands.counted, stands.energy_wh, stands.covered_ms, stands.infeed_wh)
    return not np.array_equal(np.array(new, np.float64), np.array(old, np.float64), equal_nan=True)


def _next(block: LoadBlock, stands: StandingLoad | None) -> int:
    ours = stands is not None and stands.operator_version == block.operator_version
    return ((stands.revision // RECOMPUTED if stands and ours else 0) + 1) * RECOMPUTED


def _taken(block: LoadBlock, which: Mask, raised: Sequence[int]) -> LoadBlock:
    return LoadBlock(
        operator_version=block.operator_version,
        substation=block.substation,
        feeder=[feeder for feeder, taken in zip(block.feeder, which.tolist(), strict=True) if taken],
        start=block.start[which],
        revision=(block.revision + np.array(raised, np.int32))[which],
        counted=block.counted[which],
        energy_wh=block.energy_wh[which],
        covered_ms=block.covered_ms[which],
        infeed_wh=block.infeed_wh[which],
    )
