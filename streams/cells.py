"""Cells: what a window of samples comes to, as integers, so that any grouping of the same samples gives the same bits.

A cell holds for each quantity four sums (`COUNT`, `TOTAL`, `METERED`, `COVERED`), two extremes and quality bits. Values
are in steps of the quantity's resolution; `METERED` is the energy of a power in steps x ms, or what a register counted
in steps; `COVERED` is in ms. A register has no `TOTAL`: only its differences mean something. The highest value is kept
negated, so that both extremes are minima.

In the state a cell is packed: what a quantity cannot have takes no room, and what is small is kept small (`Layout`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.blocks import Int32s, Int64s
from schemas.catalogue import Kind, Quantity
from streams.contract import State

COUNT, TOTAL, METERED, COVERED = range(4)
NO_EXTREME = np.iinfo(np.int64).max
NO_NARROW_EXTREME = np.iinfo(np.int32).max
_SAMPLES_OF_A_MINUTE = np.uint16
"""A meter has one sample per ms at most, so samples and covered ms of a minute stay below 65,536."""


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


@dataclass(frozen=True, slots=True)
class Layout:
    """How cells of these q quantities are packed. Each field lists positions of quantities."""

    q: int
    totalled: Int64s
    """Those that have a mean: gauges."""
    metered: Int64s
    """Those that count something: powers and registers."""
    narrow: Int64s
    """Those whose values, in steps, fit an int32 (`most_steps`)."""
    wide: Int64s

    @classmethod
    def of(cls, quantities: Sequence[Quantity]) -> "Layout":
        """The layout for these quantities."""
        register = np.array([quantity.kind is Kind.REGISTER for quantity in quantities], np.bool_)
        power = np.array([quantity.unit == "W" for quantity in quantities], np.bool_) & ~register
        narrow = np.array([most_steps(quantity) == NO_NARROW_EXTREME for quantity in quantities], np.bool_)
        chosen = (~register, register | power, narrow, ~narrow)
        return cls(len(quantities), *(np.flatnonzero(which) for which in chosen))

    def dtype(self, of_a_minute: bool = False) -> np.dtype[Any]:
        """A packed cell, with the id of its window (start / length); id 0 = no cell."""
        small = _SAMPLES_OF_A_MINUTE if of_a_minute else np.uint32
        return np.dtype(
            [
                ("id", "i4"),
                ("count", small, (self.q,)),
                ("covered", small, (self.q,)),
                ("total", "i8", (len(self.totalled),)),
                ("metered", "i8", (len(self.metered),)),
                ("narrow", "i4", (2, len(self.narrow))),
                ("wide", "i8", (2, len(self.wide))),
                ("quality", "u1", (self.q,)),
            ]
        )

    def load(self, stored: State, meter: Int64s) -> Cells:
        """The cells of these meters, those without one left out. `stored` has shape (n,) or (n, slots)."""
        place = np.nonzero(stored["id"][meter])
        packed = stored[(meter[place[0]], *place[1:])]
        k = len(packed)
        sums = np.zeros((k, 4, self.q), np.int64)
        sums[:, COUNT] = packed["count"]
        sums[:, TOTAL, self.totalled] = packed["total"]
        sums[:, METERED, self.metered] = packed["metered"]
        sums[:, COVERED] = packed["covered"]
        extremes = np.empty((k, 2, self.q), np.int64)
        narrow = packed["narrow"].astype(np.int64)
        extremes[:, :, self.narrow] = np.where(narrow == NO_NARROW_EXTREME, NO_EXTREME, narrow)
        extremes[:, :, self.wide] = packed["wide"]
        id_, quality = packed["id"].astype(np.int64), packed["quality"].astype(np.int32)
        return Cells(meter[place[0]], id_, sums, extremes, quality)

    def store(self, stored: State, cells: Cells, slot: tuple[Int64s, ...] = ()) -> None:
        """Put each cell in its meter's place."""
        packed = np.empty(len(cells.meter), stored.dtype.base)
        packed["id"] = cells.id
        packed["count"] = cells.sums[:, COUNT]
        packed["covered"] = cells.sums[:, COVERED]
        packed["total"] = cells.sums[:, TOTAL, self.totalled]
        packed["metered"] = cells.sums[:, METERED, self.metered]
        packed["narrow"] = np.minimum(cells.extremes[:, :, self.narrow], NO_NARROW_EXTREME)
        packed["wide"] = cells.extremes[:, :, self.wide]
        packed["quality"] = cells.quality
        stored[(cells.meter, *slot)] = packed


def most_steps(quantity: Quantity) -> int:
    """From here on a value is nothing that a meter can mean, in steps of the quantity's resolution.

    An int32 where the plausible range allows, so that extremes take little room; else what an int64 can integrate over
    an hour in ms (in steps of 0.1 W 110 GW), and for registers, which are only subtracted, what a double holds exactly.

    >>> from schemas.catalogue import load_catalogue
    >>> names = ("voltage_l1_v", "active_energy_net_wh", "active_energy_import_wh")
    >>> [most_steps(load_catalogue().quantities[name]) for name in names] == [2**31 - 1, 2**40, 2**53]
    True
    """
    if max(abs(quantity.minimum), abs(quantity.maximum)) / quantity.resolution < NO_NARROW_EXTREME:
        return int(NO_NARROW_EXTREME)
    return 2**53 if quantity.kind is Kind.REGISTER else 2**40


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


def begins(meter: Int64s, id_: Int64s) -> Int64s:
    """Where each run of one meter and window begins."""
    first = np.ones(len(meter), np.bool_)
    first[1:] = (meter[1:] != meter[:-1]) | (id_[1:] != id_[:-1])
    return np.flatnonzero(first)


def by_run(fold: np.ufunc, column: npt.NDArray[Any], starts: Int64s) -> npt.NDArray[Any]:
    """Each run's rows folded into one; nothing to do where every run is one row, as it is in most turns."""
    folded: npt.NDArray[Any] = column if len(starts) == len(column) else fold.reduceat(column, starts)
    return folded


def merged(cells: Cells) -> Cells:
    """Sorted cells, with those of the same meter and window made one."""
    starts = begins(cells.meter, cells.id)
    return Cells(
        cells.meter[starts],
        cells.id[starts],
        by_run(np.add, cells.sums, starts),
        by_run(np.minimum, cells.extremes, starts),
        by_run(np.bitwise_or, cells.quality, starts),
    )
