"""Event-time order of each meter: repeats dropped, late rows told apart, the rest released in order.

Every meter has a watermark of its own: its newest event time minus the lateness. A row at or behind it is late; the
others wait until the watermark passes them. Whether a row is late depends on the rows before it alone, never on where a
turn ends, so any split of the same rows gives the same result. Two limits keep the state bounded, both far above what
a meter does that keeps its reporting interval: repeats are recognised among a meter's last `SEEN` rows (an older one
counts as late), and at most `PENDING` rows wait (more, and the oldest are released at the end of the turn).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.blocks import Float64s, Int32s, Int64s
from schemas.catalogue import Quantity
from schemas.quality import Quality
from streams import readable
from streams.contract import Mask, Released, Rows, State, joined

PENDING = 8
SEEN = 64
_TIME_BITS = 44
"""Event times in ms stay below 2**44 until the year 2527."""
_DIGEST_PRIME = np.uint64(0x9E3779B97F4A7C15)


def dtype(quantities: Sequence[Quantity]) -> np.dtype[Any]:
    """Order's state of one meter; zeros mean that nothing has come yet."""
    q = len(quantities)
    return np.dtype(
        [
            ("newest_at", "i8"),
            ("watermark", "i8"),
            ("pending_at", "i8", (PENDING,)),
            ("pending_received_at", "i8", (PENDING,)),
            ("pending_quality", "i4", (PENDING,)),
            ("pending_values", "f8", (PENDING, q)),
            ("seen_key", "i8", (SEEN,)),
            ("seen_digest", "u4", (SEEN,)),
            ("seen_next", "i4"),
        ]
    )


def describe(state: Any, quantities: Sequence[Quantity]) -> dict[str, Any]:
    """One meter's state for people: how far its order is known, and the rows that wait."""
    waiting = state["pending_at"] > 0
    rows = zip(state["pending_at"][waiting].tolist(), state["pending_values"][waiting].tolist(), strict=True)
    names = [quantity.name for quantity in quantities]
    return {
        "newest_at": readable.time(int(state["newest_at"])),
        "watermark": readable.time(int(state["watermark"])),
        "waiting": [{"at": readable.time(at)} | dict(zip(names, values, strict=True)) for at, values in rows],
    }


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of each row: exactly one mask holds it. Shape (r,) each."""

    accepted: Mask
    duplicate: Mask
    conflict: Mask
    late: Mask
    future: Mask


def digests(values: Float64s) -> npt.NDArray[np.uint32]:
    """32 bits that tell rows of values apart, shape (r,)."""
    bits: npt.NDArray[np.uint64] = np.ascontiguousarray(values).view(np.uint64)
    place = np.arange(1, values.shape[1] + 1, dtype=np.uint64) * _DIGEST_PRIME
    mixed = (bits ^ (bits >> np.uint64(29))) * (place | np.uint64(1))
    folded: npt.NDArray[np.uint64] = np.bitwise_xor.reduce(mixed ^ (mixed >> np.uint64(32)), axis=1)
    return folded.astype(np.uint32)


def keys(at: Int64s, sequence: Int64s, quality: Int32s, digest: npt.NDArray[np.uint32]) -> Int64s:
    """What makes a row the same row again: its event time; without a time of its own, counter and values.

    Rows from the future are kept apart, so that the true row of that time is no repeat of theirs. Event times are
    positive, the other two kinds fall in ranges of their own below zero.
    """
    counted = ((quality & Quality.TIME_BY_BRIDGE) != 0) & (sequence >= 0)
    by_counter = -1 - ((sequence & 0x3FFFFFFFFFF) << 20 | (digest & np.uint32(0xFFFFF)).astype(np.int64))
    future = (quality & Quality.FUTURE) != 0
    return np.where(counted, by_counter, np.where(future, -(1 << 62) - at, at))


def judge(state: State, rows: Rows, sequence: Int64s, lateness_ms: Int64s) -> Verdicts:
    """Tell repeats and late rows, in order of arrival, and remember the new ones.

    `lateness_ms` is per meter, shape (n,).
    """
    digest = digests(rows.values)
    key = keys(rows.at, sequence, rows.quality, digest)
    if _all_new(state, rows, key):
        _remember(state, rows.meter, key, digest)
        none = np.zeros(len(key), np.bool_)
        return Verdicts(~none, none, none, none, none)
    first = _first_occurrence(rows.meter, key)
    original = digest[first]
    known = np.zeros(len(key), np.bool_)
    # A row that is newer than all before it is in nobody's memory; nearly all are.
    doubtful = np.flatnonzero((key <= 0) | (key <= state["newest_at"][rows.meter]))
    hit = state["seen_key"][rows.meter[doubtful]] == key[doubtful, None]
    known[doubtful] = hit.any(axis=1)
    seen = doubtful[known[doubtful]]
    original[seen] = state["seen_digest"][rows.meter[seen], hit[known[doubtful]].argmax(axis=1)]
    repeated = known | (first != np.arange(len(key)))
    equal = digest == original
    _remember(state, rows.meter[~repeated], key[~repeated], digest[~repeated])
    future = ~repeated & ((rows.quality & Quality.FUTURE) != 0)
    moving = np.flatnonzero(~repeated & ~future)
    late = np.zeros(len(key), np.bool_)
    late[moving] = rows.at[moving] <= _watermark_before(state, rows.meter[moving], rows.at[moving], lateness_ms)
    return Verdicts(~repeated & ~future & ~late, repeated & equal, repeated & ~equal, late, future)


def _all_new(state: State, rows: Rows, key: Int64s) -> bool:
    """The usual turn: one row a meter, newer than all of it that came before. None can be a repeat, late or future."""
    newer = (key == rows.at) & (rows.at > state["newest_at"][rows.meter])
    return bool(newer.all()) and len(np.unique(rows.meter)) == len(key)


def release(state: State, accepted: Rows, lateness_ms: Int64s) -> Released:
    """Take accepted rows in, move their meters' watermarks, and hand out what these have passed."""
    moved, inverse = np.unique(accepted.meter, return_inverse=True)
    newest = state["newest_at"][moved]
    np.maximum.at(newest, inverse, accepted.at)
    state["newest_at"][moved] = newest
    watermark = np.maximum(state["watermark"][moved], newest - lateness_ms[moved])
    return _hand_out(state, accepted, moved, watermark)


def advance(state: State, meters: Int64s, watermark: Int64s) -> Released:
    """Move the watermarks of idle meters on to `watermark`, and hand out what they pass. `meters` is sorted."""
    q = state["pending_values"].shape[2]
    nothing = np.empty(0, np.int64)
    none = Rows(nothing, nothing, nothing, np.empty(0, np.int32), np.empty((0, q)))
    return _hand_out(state, none, meters, np.maximum(state["watermark"][meters], watermark))


def waiting(state: State, meter: Int64s) -> Int64s:
    """How many rows of each of these meters wait."""
    count: Int64s = np.count_nonzero(state["pending_at"][meter], axis=1)
    return count


def _hand_out(state: State, accepted: Rows, moved: Int64s, watermark: Int64s) -> Released:
    """What the watermarks pass, of the rows that wait and of those just accepted; the others of these begin to wait."""
    waiting_at = state["pending_at"][moved]
    place = np.searchsorted(moved, accepted.meter)
    stays = accepted.at > watermark[place]
    wait = np.bincount(place[stays], minlength=len(moved)) + (waiting_at > watermark[:, None]).sum(axis=1)
    if (wait > PENDING).any():
        watermark = _watermark_for_room(waiting_at, accepted.at, place, watermark)
        stays = accepted.at > watermark[place]
    passed_place, slot = np.nonzero((waiting_at > 0) & (waiting_at <= watermark[:, None]))
    passed = joined([_pending(state, moved[passed_place], slot), accepted.take(~stays)])
    state["pending_at"][moved[passed_place], slot] = 0
    _begin_to_wait(state, accepted.take(stays))
    state["watermark"][moved] = watermark
    return Released(passed.take(np.lexsort((passed.at, passed.meter))), moved, watermark)


def _watermark_for_room(waiting_at: Int64s, accepted_at: Int64s, place: Int64s, watermark: Int64s) -> Int64s:
    """The watermarks that leave at most PENDING rows of each meter behind them."""
    waiting_place, slot = np.nonzero(waiting_at)
    of = np.concatenate((waiting_place, place))
    at = np.concatenate((waiting_at[waiting_place, slot], accepted_at))
    in_order = np.lexsort((at, of))
    of, at = of[in_order], at[in_order]
    ends = np.searchsorted(of, np.arange(len(watermark)), side="right")
    starts = np.searchsorted(of, np.arange(len(watermark)), side="left")
    too_many = ends - starts > PENDING
    raised = watermark.copy()
    raised[too_many] = np.maximum(watermark[too_many], at[ends[too_many] - PENDING - 1])
    return raised


def _pending(state: State, meter: Int64s, slot: Int64s) -> Rows:
    return Rows(
        meter,
        state["pending_at"][meter, slot],
        state["pending_received_at"][meter, slot],
        state["pending_quality"][meter, slot],
        state["pending_values"][meter, slot],
    )


def _begin_to_wait(state: State, rows: Rows) -> None:
    """Each row takes one of its meter's free slots; there are enough."""
    meters, place = np.unique(rows.meter, return_inverse=True)
    free_first = np.argsort(state["pending_at"][meters] > 0, axis=1, kind="stable")
    by_meter = np.argsort(place, kind="stable")
    nth = np.empty(len(place), np.int64)
    nth[by_meter] = np.arange(len(place)) - np.searchsorted(place[by_meter], place[by_meter], side="left")
    slot = free_first[place, nth]
    state["pending_at"][rows.meter, slot] = rows.at
    state["pending_received_at"][rows.meter, slot] = rows.received_at
    state["pending_quality"][rows.meter, slot] = rows.quality
    state["pending_values"][rows.meter, slot] = rows.values


def _first_occurrence(meter: Int64s, key: Int64s) -> Int64s:
    """For each row: position of the first row with the same meter and key."""
    order = np.lexsort((key, meter))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (meter[order][1:] != meter[order][:-1]) | (key[order][1:] != key[order][:-1])
    first = np.empty(len(order), np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first


def _watermark_before(state: State, meter: Int64s, at: Int64s, lateness_ms: Int64s) -> Int64s:
    """For each row: its meter's watermark just before the row arrived."""
    order = np.argsort(meter, kind="stable")
    m = meter[order]
    newest = state["newest_at"][m]
    begins = np.ones(len(m), np.bool_)
    begins[1:] = m[1:] != m[:-1]
    rank = np.cumsum(begins) - 1
    running = np.maximum.accumulate(rank << _TIME_BITS | np.maximum(at[order], newest))
    before = np.empty(len(m), np.int64)
    before[1:] = running[:-1] & ((1 << _TIME_BITS) - 1)
    before[begins] = newest[begins]
    watermark = np.empty(len(m), np.int64)
    watermark[order] = np.maximum(state["watermark"][m], before - lateness_ms[m])
    return watermark


def _remember(state: State, meter: Int64s, key: Int64s, digest: npt.NDArray[np.uint32]) -> None:
    order = np.argsort(meter, kind="stable")
    m = meter[order]
    nth = np.arange(len(m)) - np.searchsorted(m, m, side="left")
    slot = (state["seen_next"][m] + nth) % SEEN
    state["seen_key"][m, slot] = key[order]
    state["seen_digest"][m, slot] = digest[order]
    ends = np.flatnonzero(np.append(m[1:] != m[:-1], True)) if len(m) else np.empty(0, np.int64)
    state["seen_next"][m[ends]] = (slot[ends] + 1) % SEEN
