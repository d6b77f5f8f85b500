"""Cells: what a window of samples comes to, as integers, so that any grouping of the same samples gives the same bits.

A cell holds for each quantity four sums (`COUNT`, `TOTAL`, `METERED`, `COVERED`), two extremes and quality bits. Values
are in steps of the quantity's resolution; `METERED` is the energy of a power in steps x ms, or what a register counted
in steps; `COVERED` is in ms. A register has no `TOTAL`: only its differences mean something. The highest value is kept
negated, so that both extremes are minima.

In the state a cell is packed: what a quantity cannot have takes no room, and what is small is kept small (`Layout`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int32s, Int64s
from schemas.catalogue import Kind, Quantity
from streams.contract import Mask, State

COUNT, TOTAL, METERED, COVERED = range(4)
NO_EXTREME = np.iinfo(np.int64).max
NO_NARROW_EXTREME = np.iinfo(np.int32).max
_SAMPLES_OF_A_MINUTE = np.uint16
"""A meter has one sample per ms, but for a few whose time is the bridge's: a minute's samples and covered ms fit."""


class Cells(NamedTuple):
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

    def take(self, which: Mask | Int64s) -> "Cells":
        """The cells that a mask or positions select."""
        return Cells(self.meter[which], self.id[which], self.sums[which], self.extremes[which], self.quality[which])


class Packed(NamedTuple):
    """The packed cells of all n meters, column by column; shape (n,), or (n, slots) of several cells a meter."""

    id: npt.NDArray[np.int32]
    """Start of the window in units of its length; 0 = no cell, and the rest means nothing."""
    samples: npt.NDArray[Any]
    covered: npt.NDArray[Any]
    total: Int64s
    metered: Int64s
    narrow: Int32s
    wide: Int64s
    quality: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, state: State) -> "Packed":
        """The columns of a state that has a `Layout.dtype`; they write through."""
        return cls(*(state[name] for name in cls._fields))


class Layout(NamedTuple):
    """How cells of q quantities are packed: where each stands in a field, -1 = it has none. Shape (q,) each."""

    total: Int64s
    """Gauges have a mean."""
    metered: Int64s
    """Powers and registers count something."""
    narrow: Int64s
    """The extremes of those whose values, in steps, fit an int32 (`most_steps`)."""
    wide: Int64s

    @classmethod
    def of(cls, quantities: Sequence[Quantity]) -> "Layout":
        """The layout for these quantities."""
        register = np.array([quantity.kind is Kind.REGISTER for quantity in quantities], np.bool_)
        power = np.array([quantity.unit == "W" for quantity in quantities], np.bool_) & ~register
        narrow = np.array([most_steps(quantity) == NO_NARROW_EXTREME for quantity in quantities], np.bool_)
        chosen = (~register, register | power, narrow, ~narrow)
        return cls(*(np.where(which, np.cumsum(which) - 1, -1) for which in chosen))

    def dtype(self, of_a_minute: bool = False) -> np.dtype[Any]:
        """A packed cell."""
        small = _SAMPLES_OF_A_MINUTE if of_a_minute else np.uint32
        q = len(self.total)
        totals, metered, narrow, wide = (int(place.max(initial=-1)) + 1 for place in self)
        return np.dtype(
            [
                ("id", "i4"),
                ("samples", small, (q,)),
                ("covered", small, (q,)),
                ("total", "i8", (totals,)),
                ("metered", "i8", (metered,)),
                ("narrow", "i4", (2, narrow)),
                ("wide", "i8", (2, wide)),
                ("quality", "u1", (q,)),
            ]
        )


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
