"""Energy of each appliance per quarter of an hour and per day, in integers: any split of the rows adds up alike.

A row's power holds for the stretch since the row before it, as far as that is no gap; a stretch over a quarter's end is
split there. The last `QUARTERS` quarters stay open to amendments: a load that turns out to have been something else
takes its energy along, within what the quarter holds, so that appliances and remainder always add up to the mains.
A quarter that leaves is added to its day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.blocks import Int64s
from schemas.durations import DAY_MS, QUARTER_MS

QUARTERS = 4
STEPS_PER_WATT = 10
"""Power is counted in 0.1 W, energy in 0.1 W x 1 ms."""
STEPS_PER_WH = STEPS_PER_WATT * 3_600_000

REMAINDER = 0
"""Column of what no appliance explains; library.UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Window:
    """A quarter or a day that is told."""

    kind: str
    start: int
    end: int
    revision: int
    said: int
    """Bits of the columns that ever held anything."""
    energy: Int64s
    """Steps of each column, shape (k,)."""
    covered_ms: int


def fields(k: int) -> list[Any]:
    """What a home's state needs."""
    quarter = [("id", "i4"), ("revision", "i2"), ("told", "?"), ("said", "u4"), ("covered_ms", "i4")]
    day = [("id", "i4"), ("said", "u4"), ("covered_ms", "i4"), ("energy", "i8", (k,))]
    return [("quarters", [*quarter, ("energy", "i8", (k,))], (QUARTERS,)), ("day", day)]


def pieces(before: Int64s, at: Int64s) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """The stretches (before, at], at most one quarter long, cut at the quarters' ends.

    Returns for each the quarter and length of its first piece, and of its second, which may be 0 long.

    >>> [int(x[0]) for x in pieces(np.array([899_000]), np.array([901_000]))]
    [0, 1000, 1, 1000]
    """
    last = (at - 1) // QUARTER_MS
    first = np.minimum(before // QUARTER_MS, last)
    second_ms = np.where(first < last, at - last * QUARTER_MS, 0)
    return first, at - before - second_ms, last, second_ms


def add(record: Any, quarter: int, energy: Int64s, covered_ms: int) -> list[Window]:
    """Add to a quarter; what that closes. Quarters come in order."""
    windows: list[Window] = []
    quarters = record["quarters"]
    slot = quarters[quarter % QUARTERS]
    if slot["id"] != quarter:
        windows = close(record, quarter)
        slot["id"], slot["revision"], slot["told"], slot["said"], slot["covered_ms"] = quarter, 0, False, 0, 0
        slot["energy"] = 0
    slot["energy"] += energy
    slot["covered_ms"] += covered_ms
    return windows


def close(record: Any, quarter: int) -> list[Window]:
    """Close all quarters before this one, and add those to their days that it is too late to amend."""
    windows = []
    for slot in sorted((s for s in record["quarters"] if s["id"]), key=lambda s: int(s["id"])):
        if slot["id"] < quarter and not slot["told"]:
            slot["told"] = True
            windows.append(_told(slot))
        if slot["id"] <= quarter - QUARTERS:
            windows += _leave(record, slot)
    return windows


def _told(slot: Any) -> Window:
    slot["said"] |= _bits(slot["energy"])
    start = int(slot["id"]) * QUARTER_MS
    return Window(
        "15min",
        start,
        start + QUARTER_MS,
        int(slot["revision"]),
        int(slot["said"]),
        slot["energy"].copy(),
        int(slot["covered_ms"]),
    )


def _leave(record: Any, slot: Any) -> list[Window]:
    day, windows = record["day"], []
    id_ = int(slot["id"]) * QUARTER_MS // DAY_MS
    if day["id"] != id_:
        if day["id"]:
            start = int(day["id"]) * DAY_MS
            said = int(day["said"])
            windows.append(Window("1d", start, start + DAY_MS, 0, said, day["energy"].copy(), int(day["covered_ms"])))
        day["id"], day["said"], day["covered_ms"], day["energy"] = id_, 0, 0, 0
    day["energy"] += slot["energy"]
    day["covered_ms"] += slot["covered_ms"]
    day["said"] |= _bits(slot["energy"])
    slot["id"] = 0
    return windows


def move(quarters: npt.NDArray[Any], old: int, new: int, start: int, end: int, power_w: float) -> Iterator[Window]:
    """A load was not `old` but `new`: its energy moves, in the quarters that can still be amended."""
    for slot in sorted((s for s in quarters if s["id"]), key=lambda s: int(s["id"])):
        begin = int(slot["id"]) * QUARTER_MS
        overlap_ms = min(end, begin + QUARTER_MS) - max(start, begin)
        amount = min(max(int(slot["energy"][old]), 0), int(power_w * STEPS_PER_WATT) * max(overlap_ms, 0))
        if amount <= 0:
            continue
        slot["energy"][old] -= amount
        slot["energy"][new] += amount
        if slot["told"]:
            slot["revision"] += 1
            yield _told(slot)


def _bits(energy: Int64s) -> int:
    return int((np.flatnonzero(energy)[:, None] == np.arange(32)).any(axis=0) @ (1 << np.arange(32)))
