"""Samples as integers: how the values of each quantity are counted."""

from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Kind, Quantity
from streams.cells import most_steps
from streams.contract import Mask

MOST_INTERVALS = 3
"""No stretch between two samples is metered that is longer than so many reporting intervals."""
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
