"""Event-time order of each meter: repeats dropped, late rows told apart, the rest released in order.

Every meter has a watermark of its own: its newest event time minus the lateness. A row at or behind it is late; the
others wait until the watermark passes them. What becomes of a row depends on the rows before it alone, never on where a
turn ends, so any split of the same rows gives the same result; only the reporting interval, which makes the lateness,
is for a whole turn what the meter's last block in it says. Two limits keep the state bounded, both far above what a
meter does that keeps its reporting interval: repeats are recognised among a meter's last `SEEN` rows and those that
wait, and at most `PENDING` rows wait (one more, and the oldest is released before its time). However much comes again,
no row with a time of its own is accepted twice: what is no longer remembered and does not wait is late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int32s, Int64s
from schemas.catalogue import Quantity
from schemas.compiled import compiled, kernel
from schemas.quality import Quality
from streams import readable
from streams.contract import Mask, Released, Rows, State

UInt64s = npt.NDArray[np.uint64]

PENDING = 7
_PLACES = PENDING + 1
"""One is free between rows, for the next to be put in order with those that wait."""
SEEN = 64
_FUTURE, _TIME_BY_BRIDGE = int(Quality.FUTURE), int(Quality.TIME_BY_BRIDGE)
_DIGEST_PRIME = np.uint64(0x9E3779B97F4A7C15)


def dtype(quantities: Sequence[Quantity]) -> np.dtype[Any]:
    """Order's state of one meter; zeros mean that nothing has come yet."""
    q = len(quantities)
    return np.dtype(
        [
            ("newest_at", "i8"),
            ("watermark", "i8"),
            ("pending_at", "i8", (_PLACES,)),
            ("pending_received_at", "i8", (_PLACES,)),
            ("pending_quality", "i4", (_PLACES,)),
            ("pending_values", "f8", (_PLACES, q)),
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


class Verdict(IntEnum):
    """What becomes of a row."""

    ACCEPTED = 0
    DUPLICATE = 1
    CONFLICT = 2
    """The same row as one before it, with other values."""
    LATE = 3
    FUTURE = 4


_ACCEPTED, _DUPLICATE, _CONFLICT, _LATE, _IN_FUTURE = (int(verdict) for verdict in Verdict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a turn's rows."""

    verdict: npt.NDArray[np.uint8]
    """Of each row, shape (r,)."""
    released: Released
    waiting: Int64s
    """How many rows of each meter of `released.moved` wait now."""

    def those(self, verdict: Verdict) -> Mask:
        """The rows that this verdict fell on, shape (r,)."""
        found: Mask = self.verdict == verdict
        return found

    @property
    def new(self) -> Mask:
        """The rows that are no repeats, shape (r,)."""
        return ~self.those(Verdict.DUPLICATE) & ~self.those(Verdict.CONFLICT)


class _Columns(NamedTuple):
    """The state, column by column: what a compiled function can work on whatever the number of quantities."""

    newest_at: Int64s
    watermark: Int64s
    pending_at: Int64s
    pending_received_at: Int64s
    pending_quality: Int32s
    pending_values: npt.NDArray[np.float64]
    seen_key: Int64s
    seen_digest: npt.NDArray[np.uint32]
    seen_next: Int32s
    pending_bits: UInt64s
    """`pending_values`, as bits."""


def _columns(state: State) -> _Columns:
    of_state = {name: state[name] for name in _Columns._fields if name != "pending_bits"}
    return _Columns(**of_state, pending_bits=state["pending_values"].view(np.uint64))


def take(state: State, rows: Rows, sequence: Int64s, lateness_ms: Int64s) -> Taken:
    """Judge each row in the order of arrival; the accepted wait until their meters' watermarks pass them.

    `sequence` is the devices' counters, shape (r,); `lateness_ms` is per meter, shape (n,).
    """
    by_meter = np.argsort(rows.meter, kind="stable")
    bits = rows.values.view(np.uint64)
    return Taken(*_take(_columns(state), by_meter, rows, bits, sequence, lateness_ms))


def advance(state: State, meters: Int64s, watermark: Int64s) -> Taken:
    """Move the watermarks of idle meters on to `watermark`, and hand out what they pass. `meters` is sorted."""
    return Taken(np.empty(0, np.uint8), *_advance(_columns(state), meters, watermark))


@kernel
def _take(
    state: _Columns, by_meter: Int64s, rows: Rows, bits: UInt64s, sequence: Int64s, lateness_ms: Int64s
) -> tuple[npt.NDArray[np.uint8], Released, Int64s]:
    """`by_meter` is the order of the rows by meter, each meter's by arrival; `bits` are the values' own."""
    verdict = np.empty(len(by_meter), np.uint8)
    out, handed_out = _room(state, rows.meter[by_meter], len(by_meter)), 0
    moved, watermark, waiting = np.empty_like(by_meter), np.empty_like(by_meter), np.empty_like(by_meter)
    n_moved = 0
    for place, i in enumerate(by_meter):
        meter = rows.meter[i]
        digest = _digest(bits[i])
        key = _key(rows.at[i], rows.quality[i], sequence[i], digest)
        verdict[i] = _judged(state, meter, rows.at[i], rows.quality[i], key, digest, lateness_ms[meter])
        if verdict[i] == _ACCEPTED:
            handed_out = _wait(state, rows, i, lateness_ms[meter], out, handed_out)
            if n_moved == 0 or moved[n_moved - 1] != meter:
                moved[n_moved] = meter
                n_moved += 1
        ends = place + 1 == len(by_meter) or rows.meter[by_meter[place + 1]] != meter
        if ends and n_moved > 0 and moved[n_moved - 1] == meter:
            handed_out = _hand_out(state, meter, out, handed_out)
            watermark[n_moved - 1], waiting[n_moved - 1] = state.watermark[meter], _waiting(state, meter)
    return verdict, Released(_first(out, handed_out), moved[:n_moved], watermark[:n_moved]), waiting[:n_moved]


@kernel
def _advance(state: _Columns, meters: Int64s, to: Int64s) -> tuple[Released, Int64s]:
    out, handed_out = _room(state, meters, 0), 0
    watermark, waiting = np.empty_like(meters), np.empty_like(meters)
    for i, meter in enumerate(meters):
        state.watermark[meter] = max(state.watermark[meter], to[i])
        handed_out = _hand_out(state, meter, out, handed_out)
        watermark[i], waiting[i] = state.watermark[meter], _waiting(state, meter)
    return Released(_first(out, handed_out), meters, watermark), waiting


@compiled
def _digest(bits: UInt64s) -> np.uint32:
    """32 bits that tell rows of values apart."""
    folded = np.uint64(0)
    for i in range(len(bits)):
        place = np.uint64(i + 1) * _DIGEST_PRIME | np.uint64(1)
        mixed = (bits[i] ^ (bits[i] >> np.uint64(29))) * place
        folded ^= mixed ^ (mixed >> np.uint64(32))
    return np.uint32(folded & np.uint64(0xFFFFFFFF))


@compiled
def _key(at: int, quality: int, sequence: int, digest: np.uint32) -> int:
    """What makes a row the same row again: its event time; without a time of its own, counter and values.

    Rows from the future are kept apart, so that the true row of that time is no repeat of theirs. Event times are
    positive, the other two kinds fall in ranges of their own below zero.
    """
    if quality & _TIME_BY_BRIDGE and sequence >= 0:
        return -1 - ((sequence & 0x3FFFFFFFFFF) << 20 | int(np.int64(digest & np.uint32(0xFFFFF))))
    return -(1 << 62) - at if quality & _FUTURE else at


@compiled
def _judged(state: _Columns, meter: int, at: int, quality: int, key: int, digest: np.uint32, lateness_ms: int) -> int:
    """The verdict on a row; a new one is remembered."""
    # What is newer than all before it is in nobody's memory. Of an idle meter what is late may be that, too.
    if key <= max(state.newest_at[meter], state.watermark[meter]):
        for slot in range(SEEN):
            if state.seen_key[meter, slot] == key:
                return _DUPLICATE if state.seen_digest[meter, slot] == digest else _CONFLICT
        # After many repeats in a row the memory holds nothing else. What waits is known nevertheless.
        for slot in range(_PLACES):
            by_device = not state.pending_quality[meter, slot] & _TIME_BY_BRIDGE
            if by_device and state.watermark[meter] < key == state.pending_at[meter, slot]:
                return _DUPLICATE if _digest(state.pending_bits[meter, slot]) == digest else _CONFLICT
    slot = state.seen_next[meter]
    state.seen_key[meter, slot], state.seen_digest[meter, slot] = key, digest
    state.seen_next[meter] = (slot + 1) % SEEN
    if quality & _FUTURE:
        return _IN_FUTURE
    return _LATE if at <= max(state.watermark[meter], state.newest_at[meter] - lateness_ms) else _ACCEPTED


@compiled
def _wait(state: _Columns, rows: Rows, i: int, lateness_ms: int, out: Rows, handed_out: int) -> int:
    """Row `i` takes one of its meter's places, and moves its watermark. How many rows are handed out then."""
    meter = rows.meter[i]
    state.newest_at[meter] = max(state.newest_at[meter], rows.at[i])
    state.watermark[meter] = max(state.watermark[meter], state.newest_at[meter] - lateness_ms)
    slot = state.pending_at[meter].argmin()
    state.pending_at[meter, slot] = rows.at[i]
    state.pending_received_at[meter, slot] = rows.received_at[i]
    state.pending_quality[meter, slot] = rows.quality[i]
    for column in range(rows.values.shape[1]):  # numba is slow at assigning whole rows
        state.pending_values[meter, slot, column] = rows.values[i, column]
    if _waiting(state, meter) > PENDING:
        handed_out = _hand_out(state, meter, out, handed_out)
    if _waiting(state, meter) > PENDING:
        state.watermark[meter] = state.pending_at[meter].min()
        handed_out = _hand_out(state, meter, out, handed_out)
    return handed_out


@compiled
def _hand_out(state: _Columns, meter: int, out: Rows, handed_out: int) -> int:
    """Put what waits at or before the watermark out, the oldest first. How many rows are handed out then."""
    while True:
        oldest = -1
        for slot in range(_PLACES):
            at = state.pending_at[meter, slot]
            if 0 < at <= state.watermark[meter] and (oldest < 0 or at < state.pending_at[meter, oldest]):
                oldest = slot
        if oldest < 0:
            return handed_out
        out.meter[handed_out], out.at[handed_out] = meter, state.pending_at[meter, oldest]
        out.received_at[handed_out] = state.pending_received_at[meter, oldest]
        out.quality[handed_out] = state.pending_quality[meter, oldest]
        for column in range(out.values.shape[1]):
            out.values[handed_out, column] = state.pending_values[meter, oldest, column]
        state.pending_at[meter, oldest] = 0
        handed_out += 1


@compiled
def _waiting(state: _Columns, meter: int) -> int:
    count = 0
    for slot in range(_PLACES):
        count += state.pending_at[meter, slot] > 0
    return count


@compiled
def _room(state: _Columns, meters: Int64s, more: int) -> Rows:
    """Room for all that waits of these meters, which stand in order, and so many rows more."""
    room = more
    for i, meter in enumerate(meters):
        if i == 0 or meters[i - 1] != meter:
            room += _waiting(state, meter)
    times = np.empty((3, room), np.int64)
    values = np.empty((room, state.pending_values.shape[2]))
    return Rows(times[0], times[1], times[2], np.empty(room, np.int32), values)


@compiled
def _first(rows: Rows, count: int) -> Rows:
    return Rows(
        rows.meter[:count], rows.at[:count], rows.received_at[:count], rows.quality[:count], rows.values[:count]
    )
