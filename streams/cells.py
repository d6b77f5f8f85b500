"""Cells: what a window of samples comes to, as integers, so that any grouping of the same samples gives the same bits.

A cell holds for each quantity four sums (`COUNT`, `TOTAL`, `METERED`, `COVERED`), two extremes and quality bits. Values
are in steps of the quantity's resolution; `METERED` is the energy of a power in steps x ms, or what a register counted
in steps; `COVERED` is in ms. The highest value is kept negated, so that both extremes are minima.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.blocks import Int32s, Int64s
from streams.contract import State

COUNT, TOTAL, METERED, COVERED = range(4)
NO_EXTREME = np.iinfo(np.int64).max


def dtype(q: int) -> np.dtype[Any]:
    """A stored cell of q quantities, with the id of its window (start / length); id 0 = no cell."""
    return np.dtype([("id", "i8"), ("sums", "i8", (4, q)), ("extremes", "i8", (2, q)), ("quality", "i4", (q,))])


@dataclass(frozen=True, slots=True)
class Cells:
    """k cells, each of a meter and a window of one length."""

    meter: Int64s
    """Position of the meter, shape (k,)."""
    id: Int64s
    """Start of the window in units of its length, shape (k,)."""
    sums: Int64s
    """Shape (k, 4, q)."""
    extremes: Int64s
    """Lowest, and highest negated; NO_EXTREME without samples. Shape (k, 2, q)."""
    quality: Int32s
    """Shape (k, q)."""

    def take(self, which: Any) -> "Cells":
        """The cells that a mask or positions select."""
        return Cells(self.meter[which], self.id[which], self.sums[which], self.extremes[which], self.quality[which])

    def coarser(self, factor: int) -> "Cells":
        """The same cells, named by windows `factor` times as long."""
        return Cells(self.meter, self.id // factor, self.sums, self.extremes, self.quality)


def load(stored: State, meter: Int64s) -> Cells:
    """The stored cells of these meters, those without a cell left out. `stored` has shape (n,) or (n, slots)."""
    place = np.nonzero(stored["id"][meter])
    at = (meter[place[0]], *place[1:])
    return Cells(at[0], stored["id"][at], stored["sums"][at], stored["extremes"][at], stored["quality"][at])


def store(stored: State, cells: Cells, slot: tuple[Int64s, ...] = ()) -> None:
    """Put each cell in its meter's place."""
    at = (cells.meter, *slot)
    stored["id"][at] = cells.id
    stored["sums"][at] = cells.sums
    stored["extremes"][at] = cells.extremes
    stored["quality"][at] = cells.quality


def joined(a: Cells, b: Cells) -> Cells:
    """The cells of both, sorted by meter and window."""
    both = Cells(
        np.concatenate((a.meter, b.meter)),
        np.concatenate((a.id, b.id)),
        np.concatenate((a.sums, b.sums)),
        np.concatenate((a.extremes, b.extremes)),
        np.concatenate((a.quality, b.quality)),
    )
    return both.take(np.lexsort((both.id, both.meter)))


def merged(cells: Cells) -> Cells:
    """Sorted cells, with those of the same meter and window made one."""
    if not len(cells.meter):
        return cells
    begins = np.ones(len(cells.meter), np.bool_)
    begins[1:] = (cells.meter[1:] != cells.meter[:-1]) | (cells.id[1:] != cells.id[:-1])
    starts = np.flatnonzero(begins)
    return Cells(
        cells.meter[starts],
        cells.id[starts],
        np.add.reduceat(cells.sums, starts),
        np.minimum.reduceat(cells.extremes, starts),
        np.bitwise_or.reduceat(cells.quality, starts),
    )


def rolling(cells: Cells, length: int) -> Cells:
    """For each of sorted cells: it and those of its meter in the `length - 1` windows before it, as one cell."""
    k = len(cells.meter)
    key = cells.meter << 32 | cells.id
    starts = np.searchsorted(key, cells.meter << 32 | (cells.id - length + 1))
    # reduceat over [start, stop) pairs: the odd results, between a stop and the next start, are thrown away.
    pairs = np.stack((starts, np.arange(1, k + 1)), axis=1).ravel()
    return Cells(
        cells.meter,
        cells.id,
        np.add.reduceat(_padded(cells.sums), pairs)[::2],
        np.minimum.reduceat(_padded(cells.extremes), pairs)[::2],
        np.bitwise_or.reduceat(_padded(cells.quality), pairs)[::2],
    )


def _padded(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate((column, column[:1]))
