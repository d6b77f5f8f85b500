"""A meter's active power, whichever way its profile tells it: as one, by phase, or by direction."""

from functools import lru_cache

import numpy as np

from schemas.blocks import Int64s
from schemas.catalogue import Quantity

SIGNS = {
    ("active_power_w",): (1,),
    ("active_power_l1_w", "active_power_l2_w", "active_power_l3_w"): (1, 1, 1),
    ("active_power_import_w", "active_power_export_w"): (1, -1),
}
"""Quantities whose sum, with these signs, is a meter's active power; the first set that a profile holds counts.

One that was not measured counts as nothing where another was: flats have one phase.
"""
DRAWN = tuple(
    tuple(name for name, sign in zip(names, signs, strict=True) if sign > 0) for names, signs in SIGNS.items()
)
"""Of each set what says how much is drawn."""


@lru_cache
def signs_of(quantities: tuple[Quantity, ...]) -> Int64s:
    """How each quantity of a profile counts: 1, -1, or 0 = not at all.

    >>> from schemas.catalogue import load_catalogue
    >>> catalogue = load_catalogue()
    >>> names = catalogue.profiles["malmo_household"].quantities
    >>> signs_of(tuple(catalogue.quantities[name] for name in names)).tolist()
    [0, 0, 1, 1, 1, 0, 0, 0]
    """
    names = [quantity.name for quantity in quantities]
    signs = np.zeros(len(names), np.int64)
    for wanted, signs_of_these in SIGNS.items():
        if set(wanted) <= set(names):
            signs[[names.index(name) for name in wanted]] = signs_of_these
            break
    return signs
