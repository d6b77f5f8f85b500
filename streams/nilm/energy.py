"""Energy of each appliance per quarter of an hour and per day, in integers: any split of the rows adds up alike.

A row's power holds for the stretch since the row before it, as far as that is no gap; a stretch over a quarter's end is
split there. The last `QUARTERS` quarters stay open to amendments: a load that turns out to have been something else
takes its energy along, within what the quarter holds, so that appliances and remainder always add up to the mains.
A quarter that leaves is added to its day, which is told when its last quarter has left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int64s
from schemas.durations import DAY_MS, QUARTER_MS
from streams.contract import Mask, State

QUARTERS = 4
_QUARTERS_OF_A_DAY = DAY_MS // QUARTER_MS
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
    day = [
        ("id", "i4"),
        ("revision", "i2"),
        ("told", "?"),
        ("said", "u4"),
        ("covered_ms", "i4"),
        ("energy", "i8", (k,)),
    ]
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
            windows += _leave(record["day"], slot)
    if quarter >= _amendable_until(int(record["day"]["id"])):
        windows += _tell_day(record["day"])
    return windows


def closing(state: State, homes: Int64s, quarter: Int64s) -> Mask:
    """Which of these homes have a quarter for `close` to close before the given one of each, shape (h,)."""
    id_, told = state["quarters"]["id"][homes], state["quarters"]["told"][homes]
    closing: Mask = ((id_ > 0) & ~told & (id_ < quarter[:, None])).any(axis=1)
    return closing


def days_over(state: State, homes: Int64s, quarter: Int64s) -> Mask:
    """Which of these homes closed all quarters, and did not tell a day that is over by the given one, shape (h,)."""
    id_, told = state["quarters"]["id"][homes], state["quarters"]["told"][homes]
    day_waits = (state["day"]["id"][homes] > 0) & ~state["day"]["told"][homes]
    waits = (told | (id_ == 0)).all(axis=1) & ((id_ > 0).any(axis=1) | day_waits)
    over: Mask = waits & (quarter >= _amendable_until((state["last_at"][homes] - 1) // DAY_MS))
    return over


def _amendable_until(day: Any) -> Any:
    """The quarter that closes a day: its last one leaves then."""
    return (day + 1) * _QUARTERS_OF_A_DAY - 1 + QUARTERS


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


def _leave(day: Any, slot: Any) -> list[Window]:
    """Add the quarter to its day, which is told anew if it was told: a home that was silent may bring what it kept."""
    windows: list[Window] = []
    id_ = int(slot["id"]) // _QUARTERS_OF_A_DAY
    if day["id"] != id_:
        windows = _tell_day(day)
        day["id"], day["revision"], day["told"], day["said"], day["covered_ms"], day["energy"] = id_, 0, False, 0, 0, 0
    if day["told"]:
        day["told"], day["revision"] = False, day["revision"] + 1
    day["energy"] += slot["energy"]
    day["covered_ms"] += slot["covered_ms"]
    day["said"] |= _bits(slot["energy"])
    slot["id"] = 0
    return windows


def _tell_day(day: Any) -> list[Window]:
    """The day, unless there is none or it was told."""
    if not day["id"] or day["told"]:
        return []
    day["told"] = True
    start = int(day["id"]) * DAY_MS
    said, covered_ms = int(day["said"]), int(day["covered_ms"])
    return [Window("1d", start, start + DAY_MS, int(day["revision"]), said, day["energy"].copy(), covered_ms)]


def move(
    quarters: npt.NDArray[Any], old: int, new: int, start: int, end: int, power_w: float, feeds_in: bool
) -> Iterator[Window]:
    """A load was not `old` but `new`: its energy moves, in the quarters that can still be amended.

    As much as `old` has there; of the remainder as much as the load drew, where the home feeds in.
    """
    for slot in sorted((s for s in quarters if s["id"]), key=lambda s: int(s["id"])):
        begin = int(slot["id"]) * QUARTER_MS
        overlap_ms = min(end, begin + QUARTER_MS) - max(start, begin)
        amount = int(power_w * STEPS_PER_WATT) * max(overlap_ms, 0)
        if old != REMAINDER or not feeds_in:
            amount = min(max(int(slot["energy"][old]), 0), amount)
        if amount <= 0:
            continue
        slot["energy"][old] -= amount
        slot["energy"][new] += amount
        if slot["told"]:
            slot["revision"] += 1
            yield _told(slot)


def _bits(energy: Int64s) -> int:
    return int((np.flatnonzero(energy)[:, None] == np.arange(32)).any(axis=0) @ (1 << np.arange(32)))
