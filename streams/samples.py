"""From rows in event-time order to one-minute cells: samples, and the stretches between them.

A sample counts in the minute [start, end) that holds its time. The stretch between two consecutive rows that both
measured the quantity, no more than `MOST_INTERVALS` reporting intervals apart, is split at the minutes' boundaries: a
power by trapezoid, a register's increment in proportion to time. A register's increment over anything longer belongs
whole to the minute of the later reading, so that the increments of all windows always add up to the register's. A
register that goes backwards was reset or exchanged: it counts nothing there, and the minute is flagged.
"""

from dataclasses import dataclass

import numpy as np

from schemas.blocks import Float64s, Int64s
from schemas.catalogue import Kind, Quantity
from schemas.quality import Quality
from streams.cells import COUNT, COVERED, METERED, NO_EXTREME, TOTAL, Cells, begins, by_run, joined, merged, most_steps
from streams.contract import Mask, Rows

MINUTE_MS = 60_000
MOST_INTERVALS = 3
MISSING = np.iinfo(np.int64).min
"""The sample of a quantity that was not measured."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How the q quantities of a profile are counted; shape (q,) each."""

    steps_per_unit: Float64s
    most_steps: Float64s
    """A value from here on counts as not measured."""
    is_power: Mask
    is_register: Mask

    @classmethod
    def of(cls, quantities: tuple[Quantity, ...]) -> "Scale":
        """The scale of these quantities."""
        steps = [1 / quantity.resolution for quantity in quantities]
        return cls(
            np.array([round(step) if step >= 1 else step for step in steps], np.float64),
            np.array([most_steps(quantity) for quantity in quantities], np.float64),
            np.array([quantity.unit == "W" and quantity.kind is Kind.GAUGE for quantity in quantities], np.bool_),
            np.array([quantity.kind is Kind.REGISTER for quantity in quantities], np.bool_),
        )

    def steps(self, values: Float64s) -> Int64s:
        """Values as integers in steps of their resolution; MISSING for NaN and from `most_steps` on."""
        scaled = values * self.steps_per_unit
        usable = np.abs(scaled) <= self.most_steps - 1
        return np.where(usable, np.rint(np.where(usable, scaled, 0)), MISSING).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Stretches:
    """What lies between each of r rows and the row of its meter before it."""

    meter: Int64s
    start: Int64s
    """Event time of the row before, ms UTC; 0 where there is none. Shape (r,)."""
    end: Int64s
    before: Int64s
    """Steps of the row before, MISSING where not measured, shape (r, q)."""
    after: Int64s
    short: Mask
    """Whether the stretch is at most MOST_INTERVALS reporting intervals long, shape (r,)."""


def minute_cells(rows: Rows, steps: Int64s, stretches: Stretches, registers: Int64s, scale: Scale) -> Cells:
    """The cells of all minutes that the rows and stretches touch.

    `registers` is what each register read when it was last measured before each row, MISSING if never, shape (r, q).
    """
    return merged(joined(_sample_cells(rows, steps, stretches, registers, scale), _stretch_cells(stretches, scale)))


def _sample_cells(rows: Rows, steps: Int64s, stretches: Stretches, registers: Int64s, scale: Scale) -> Cells:
    """One cell for each minute with samples; the rows are sorted, so a minute's stand together."""
    measured = steps != MISSING
    known = scale.is_register & measured & (registers != MISSING)
    increment = np.where(known, steps - np.where(known, registers, 0), 0)
    bridged = stretches.short[:, None] & (stretches.before != MISSING)
    quality = np.where(measured, rows.quality[:, None], 0).astype(np.int32)
    quality[increment < 0] |= Quality.REGISTER_RESET
    quality[(~stretches.short & (stretches.start > 0))[:, None] & measured] |= Quality.GAP
    minute = rows.at // MINUTE_MS
    starts = begins(rows.meter, minute)
    sums = np.zeros((len(starts), 4, steps.shape[1]), np.int64)
    extremes = np.empty((len(starts), 2, steps.shape[1]), np.int64)
    sums[:, COUNT] = by_run(np.add, measured.astype(np.int64), starts)
    sums[:, TOTAL] = by_run(np.add, np.where(measured & ~scale.is_register, steps, 0), starts)
    sums[:, METERED] = by_run(np.add, np.where(bridged, 0, np.maximum(increment, 0)), starts)
    extremes[:, 0] = by_run(np.minimum, np.where(measured, steps, NO_EXTREME), starts)
    extremes[:, 1] = by_run(np.minimum, np.where(measured, -steps, NO_EXTREME), starts)
    quality = by_run(np.bitwise_or, quality, starts)
    return Cells(rows.meter[starts], minute[starts], sums, extremes, quality)


def _stretch_cells(stretches: Stretches, scale: Scale) -> Cells:
    """One cell for each minute that short stretches lie in, these cut at the minutes' boundaries."""
    usable = np.flatnonzero(stretches.short & (stretches.end > stretches.start))
    first = stretches.start[usable] // MINUTE_MS
    pieces = (stretches.end[usable] - 1) // MINUTE_MS - first + 1
    of = np.repeat(usable, pieces)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    minute = np.repeat(first, pieces) + nth
    start, end = stretches.start[of], stretches.end[of]
    left = np.maximum(start, minute * MINUTE_MS)
    right = np.minimum(end, (minute + 1) * MINUTE_MS)
    before, after = stretches.before[of], stretches.after[of]
    both = (before != MISSING) & (after != MISSING)
    before, after = np.where(both, before, 0), np.where(both, after, 0)
    metered = _metered_until(right, start, end, before, after, scale)
    metered -= _metered_until(left, start, end, before, after, scale)
    starts = begins(stretches.meter[of], minute)
    sums = np.zeros((len(starts), 4, metered.shape[1]), np.int64)
    sums[:, METERED] = by_run(np.add, metered, starts)
    sums[:, COVERED] = by_run(np.add, np.where(both, (right - left)[:, None], 0), starts)
    extremes = np.full((len(starts), 2, metered.shape[1]), NO_EXTREME, np.int64)
    quality = np.zeros((len(starts), metered.shape[1]), np.int32)
    return Cells(stretches.meter[of][starts], minute[starts], sums, extremes, quality)


def _metered_until(at: Int64s, start: Int64s, end: Int64s, before: Int64s, after: Int64s, scale: Scale) -> Int64s:
    """Metered from the stretches' start until `at`; exact at both ends, so that the pieces add up to the whole."""
    span = (end - start)[:, None]
    part = (at - start)[:, None]
    metered = np.zeros_like(before)
    for which, until in ((scale.is_power, _energy_until), (scale.is_register, _increase_until)):
        columns = np.flatnonzero(which)
        metered[:, columns] = until(part, span, before[:, columns], after[:, columns])
    return metered


def _energy_until(part: Int64s, span: Int64s, before: Int64s, after: Int64s) -> Int64s:
    """Under the straight line between two powers, in steps x ms."""
    so_far = np.rint(before * part + (after - before) * part * (part / (2 * span)))
    energy: Int64s = np.where(part == span, (before + after) * span // 2, so_far.astype(np.int64))
    return energy


def _increase_until(part: Int64s, span: Int64s, before: Int64s, after: Int64s) -> Int64s:
    """A register's increase in proportion to time, in whole steps."""
    increase = np.maximum(after - before, 0)
    counted: Int64s = np.where(part == span, increase, np.floor(increase * (part / span)).astype(np.int64))
    return counted
