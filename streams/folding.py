"""Rows folded into cells, cells into longer ones: loops over the rows of a turn, meter by meter in event-time order.

A sample counts in the minute [start, end) that holds its time. The stretch between two consecutive rows that both
measured the quantity, no more than `MOST_INTERVALS` reporting intervals apart, is split at the minutes' boundaries: a
power by trapezoid, a register's increment in proportion to time. A register's increment over anything longer belongs
whole to the minute of the later reading, so that the increments of all windows always add up to the register's. A
register that goes backwards was reset or exchanged: it counts nothing there, and the minute is flagged.

A meter has one open cell of each length. The next one closes it, or the frontier: nothing comes before that any more.
"""

from typing import NamedTuple

import numpy as np

from schemas.arrays import Int64s
from schemas.compiled import compiled, kernel
from schemas.durations import MINUTE_MS
from schemas.quality import Quality
from streams.cells import COUNT, COVERED, METERED, NO_EXTREME, NO_NARROW_EXTREME, TOTAL, Cells, Layout, Packed
from streams.contract import Mask, Released
from streams.samples import MISSING, MOST_INTERVALS

Place = int | tuple[int, int]
"""Where a packed cell lies: its meter, or its meter and slot."""
_GAP, _REGISTER_RESET = int(Quality.GAP), int(Quality.REGISTER_RESET)


class Last(NamedTuple):
    """The last row of all n meters."""

    at: Int64s
    """Event time, ms UTC; 0 = there was none, and the rest means nothing. Shape (n,)."""
    steps: Int64s
    """MISSING where not measured, shape (n, q)."""
    register: Int64s
    """What each register read when it was last measured, MISSING if never; shape (n, registers)."""


class Kinds(NamedTuple):
    """What the q quantities are; shape (q,) each."""

    is_power: Mask
    register: Int64s
    """Position among the registers, -1 = none."""


@kernel
def fold_rows(
    minute: Packed,
    last: Last,
    layout: Layout,
    kinds: Kinds,
    released: Released,
    steps: Int64s,
    interval_ms: Int64s,
) -> tuple[Cells, Int64s]:
    """The minutes that are closed now, and for each of `released.moved` the first that is still open.

    `steps` are the rows' values in whole steps, shape (r, q); `interval_ms` is per meter.
    """
    rows, row, closed = released.rows, 0, 0
    out = _cells(_most_closed(last, released, interval_ms), steps.shape[1])
    frontier = np.empty_like(released.moved)
    for i, meter in enumerate(released.moved):
        reach_ms = MOST_INTERVALS * interval_ms[meter]
        while row < len(rows.meter) and rows.meter[row] == meter:
            start, end = last.at[meter], rows.at[row]
            short = 0 < start < end <= start + reach_ms
            if short:
                for id_ in range(start // MINUTE_MS, (end - 1) // MINUTE_MS + 1):
                    closed = _open(minute, layout, meter, id_, out, closed)
                    piece = max(start, id_ * MINUTE_MS) - start, min(end, (id_ + 1) * MINUTE_MS) - start, end - start
                    _cover(minute, layout, kinds, meter, last.steps[meter], steps[row], piece)
            closed = _open(minute, layout, meter, end // MINUTE_MS, out, closed)
            bits = rows.quality[row] if short or start in (0, end) else rows.quality[row] | _GAP
            _sample(minute, layout, kinds, meter, last, steps[row], bits, short)
            last.at[meter] = end
            row += 1
        reached = last.at[meter]
        if released.watermark[i] - reached > reach_ms:
            reached = max(reached, released.watermark[i])
        frontier[i] = reached // MINUTE_MS
        if 0 < minute.id[meter] < frontier[i]:
            closed = _close(minute, layout, meter, out, closed)
    return _first(out, closed), frontier


@kernel
def fold_cells(stored: Packed, layout: Layout, new: Cells, times: int, moved: Int64s, frontier: Int64s) -> Cells:
    """Fold closed cells into windows `times` as long; those of these that are closed now.

    `frontier` is the first open window of the shorter length, for each meter of `moved`.
    """
    out, closed, cell = _cells(len(new.meter) + len(moved), new.quality.shape[1]), 0, 0
    for i, meter in enumerate(moved):
        while cell < len(new.meter) and new.meter[cell] == meter:
            closed = _open(stored, layout, meter, new.id[cell] // times, out, closed)
            _add(stored, layout, meter, new, cell)
            cell += 1
        if 0 < stored.id[meter] < frontier[i] // times:
            closed = _close(stored, layout, meter, out, closed)
    return _first(out, closed)


@kernel
def roll(recent: Packed, layout: Layout, minutes: Cells, length: int) -> Cells:
    """The windows of `length` minutes that end with each of these closed minutes that holds a sample.

    `recent` are a meter's last closed minutes, each at its number modulo their count, which is `length` - 1: a minute
    takes the place of the one that its own window just still holds.
    """
    slots = recent.id.shape[1]
    out, found = _cells(len(minutes.meter), minutes.quality.shape[1]), 0
    for cell, meter in enumerate(minutes.meter):
        place = (meter, minutes.id[cell] % slots)
        sampled = minutes.sums[cell, COUNT].any()
        if sampled:
            _begin(out, found, meter, minutes.id[cell])
            for slot in range(slots):
                if recent.id[meter, slot] > max(0, minutes.id[cell] - length):
                    _add_packed(out, found, recent, layout, (meter, slot))
        _clear(recent, place, minutes.id[cell])
        _add(recent, layout, place, minutes, cell)
        if sampled:
            _add_packed(out, found, recent, layout, place)
            found += 1
    return _first(out, found)


@compiled
def _cover(
    minute: Packed,
    layout: Layout,
    kinds: Kinds,
    meter: int,
    before: Int64s,
    after: Int64s,
    piece: tuple[int, int, int],
) -> None:
    """Add what is metered over a piece of a stretch: its begin, its end and the stretch's, from the stretch's start."""
    left, right, span = piece
    for i in range(len(before)):
        if before[i] == MISSING or after[i] == MISSING:
            continue
        minute.covered[meter, i] += right - left
        if kinds.is_power[i]:
            energy = _energy(right, span, before[i], after[i]) - _energy(left, span, before[i], after[i])
            minute.metered[meter, layout.metered[i]] += energy
        elif kinds.register[i] >= 0:
            increase = max(after[i] - before[i], 0)
            counted = _increase(right, span, increase) - _increase(left, span, increase)
            minute.metered[meter, layout.metered[i]] += counted


@compiled
def _energy(part: int, span: int, before: int, after: int) -> int:
    """Under the line between two powers until `part` of the span, in steps x ms; the pieces add up to the whole."""
    if part == 0:
        return 0
    if part == span:
        return (before + after) * span // 2
    return int(np.rint(before * part + (after - before) * part * (part / (2 * span))))


@compiled
def _increase(part: int, span: int, increase: int) -> int:
    """A register's increase in proportion to time, in whole steps; the pieces add up to the whole."""
    if part in (0, span):
        return increase if part else 0
    return int(np.floor(increase * (part / span)))


@compiled
def _sample(
    minute: Packed,
    layout: Layout,
    kinds: Kinds,
    meter: int,
    last: Last,
    steps: Int64s,
    quality: int,
    short: bool,
) -> None:
    """Count a row in its minute; it is the last one then. `short`: the stretch before it was covered."""
    is_first = last.at[meter] == 0
    for i in range(len(steps)):
        register, before = kinds.register[i], last.steps[meter, i]
        last.steps[meter, i] = steps[i]
        if is_first and register >= 0:
            last.register[meter, register] = MISSING
        if steps[i] == MISSING:
            continue
        minute.samples[meter, i] += 1
        bits = quality
        if layout.total[i] >= 0:
            minute.total[meter, layout.total[i]] += steps[i]
        _widen(minute, layout, meter, i, steps[i], -steps[i])
        if register >= 0:
            known, covered = last.register[meter, register], short and before != MISSING
            if known != MISSING and steps[i] < known:
                bits |= _REGISTER_RESET
            elif known != MISSING and not covered:
                minute.metered[meter, layout.metered[i]] += steps[i] - known
            last.register[meter, register] = steps[i]
        minute.quality[meter, i] |= bits


@compiled
def _most_closed(last: Last, released: Released, interval_ms: Int64s) -> int:
    """No more minutes than this can close."""
    rows, most = released.rows, len(released.moved)
    for row, meter in enumerate(rows.meter):
        start = rows.at[row - 1] if row > 0 and rows.meter[row - 1] == meter else last.at[meter]
        short = start > 0 and rows.at[row] - start <= MOST_INTERVALS * interval_ms[meter]
        most += (rows.at[row] // MINUTE_MS - start // MINUTE_MS if short else 0) + 1
    return most


@compiled
def _open(stored: Packed, layout: Layout, meter: int, id_: int, out: Cells, closed: int) -> int:
    """Make the cell of this window the meter's open one; another is closed. How many are closed then."""
    if stored.id[meter] == id_:
        return closed
    if stored.id[meter] > 0:
        closed = _close(stored, layout, meter, out, closed)
    _clear(stored, meter, id_)
    return closed


@compiled
def _close(stored: Packed, layout: Layout, meter: int, out: Cells, closed: int) -> int:
    """Move the meter's open cell to `out`. How many are closed then."""
    _begin(out, closed, meter, stored.id[meter])
    _add_packed(out, closed, stored, layout, meter)
    stored.id[meter] = 0
    return closed + 1


@compiled
def _clear(stored: Packed, place: Place, id_: int) -> None:
    """An empty packed cell of this window."""
    stored.id[place] = id_
    stored.samples[place][:], stored.covered[place][:], stored.quality[place][:] = 0, 0, 0
    stored.total[place][:], stored.metered[place][:] = 0, 0
    stored.narrow[place][:], stored.wide[place][:] = NO_NARROW_EXTREME, NO_EXTREME


@compiled
def _add(stored: Packed, layout: Layout, place: Place, cells: Cells, cell: int) -> None:
    """Add a cell to a packed one."""
    for i in range(cells.quality.shape[1]):
        stored.samples[place][i] += cells.sums[cell, COUNT, i]
        stored.covered[place][i] += cells.sums[cell, COVERED, i]
        if layout.total[i] >= 0:
            stored.total[place][layout.total[i]] += cells.sums[cell, TOTAL, i]
        if layout.metered[i] >= 0:
            stored.metered[place][layout.metered[i]] += cells.sums[cell, METERED, i]
        if cells.sums[cell, COUNT, i] > 0:
            _widen(stored, layout, place, i, cells.extremes[cell, 0, i], cells.extremes[cell, 1, i])
        stored.quality[place][i] |= cells.quality[cell, i]


@compiled
def _widen(stored: Packed, layout: Layout, place: Place, i: int, lowest: int, highest_negated: int) -> None:
    """Stretch a packed cell's extremes of one quantity to these."""
    narrow, wide = layout.narrow[i], layout.wide[i]
    if narrow >= 0:
        stored.narrow[place][0, narrow] = min(stored.narrow[place][0, narrow], lowest)
        stored.narrow[place][1, narrow] = min(stored.narrow[place][1, narrow], highest_negated)
    else:
        stored.wide[place][0, wide] = min(stored.wide[place][0, wide], lowest)
        stored.wide[place][1, wide] = min(stored.wide[place][1, wide], highest_negated)


@compiled
def _begin(out: Cells, cell: int, meter: int, id_: int) -> None:
    """An empty cell."""
    out.meter[cell], out.id[cell] = meter, id_
    out.sums[cell], out.extremes[cell], out.quality[cell] = 0, NO_EXTREME, 0


@compiled
def _add_packed(out: Cells, cell: int, stored: Packed, layout: Layout, place: Place) -> None:
    """Add a packed cell to one."""
    for i in range(out.quality.shape[1]):
        out.sums[cell, COUNT, i] += stored.samples[place][i]
        out.sums[cell, COVERED, i] += stored.covered[place][i]
        if layout.total[i] >= 0:
            out.sums[cell, TOTAL, i] += stored.total[place][layout.total[i]]
        if layout.metered[i] >= 0:
            out.sums[cell, METERED, i] += stored.metered[place][layout.metered[i]]
        for end in range(2):
            if stored.samples[place][i] == 0:
                continue
            if layout.narrow[i] >= 0:
                extreme = np.int64(stored.narrow[place][end, layout.narrow[i]])
            else:
                extreme = stored.wide[place][end, layout.wide[i]]
            out.extremes[cell, end, i] = min(out.extremes[cell, end, i], extreme)
        out.quality[cell, i] |= stored.quality[place][i]


@compiled
def _cells(count: int, q: int) -> Cells:
    places = np.empty((2, count), np.int64)
    sums, extremes = np.empty((count, 4, q), np.int64), np.empty((count, 2, q), np.int64)
    return Cells(places[0], places[1], sums, extremes, np.empty((count, q), np.int32))


@compiled
def _first(cells: Cells, count: int) -> Cells:
    return Cells(
        cells.meter[:count], cells.id[:count], cells.sums[:count], cells.extremes[:count], cells.quality[:count]
    )
