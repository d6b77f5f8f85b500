"""A meter's active power, whichever way its profile tells it: as one, by phase, or by direction."""

from functools import lru_cache

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Quantity

SIGNS = {
    ("active_power_w",): (1,),
    ("active_power_l1_w", "active_power_l2_w", "active_power_l3_w"): (1, 1, 1),
    ("active_power_import_w", "active_power_export_w"): (1, -1),
}
"""Quantities whose sum, with these signs, is a meter's active power; the first set that a profile holds counts.

One that was not measured counts as nothing where another was: flats have one phase.
"""
PHASES = ("active_power_l1_w", "active_power_l2_w", "active_power_l3_w")


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


@lru_cache
def directed(quantities: tuple[Quantity, ...]) -> Int64s:
    """The k powers of which each has a direction of its own: those of the phases, else the one of the meter.

    By the signs with which each of the q quantities counts in it, shape (k, q).

    >>> from schemas.catalogue import load_catalogue
    >>> catalogue = load_catalogue()
    >>> names = catalogue.profiles["obis_adapter"].quantities
    >>> directed(tuple(catalogue.quantities[name] for name in names)).tolist()
    [[0, 0, 1, -1, 0, 0, 0, 0, 0, 0, 0, 0]]
    """
    names = [quantity.name for quantity in quantities]
    phases = [place for place, name in enumerate(names) if name in PHASES]
    if phases:
        return np.eye(len(names), dtype=np.int64)[phases]
    signs = signs_of(quantities)
    return signs[None, :] if signs.any() else np.zeros((0, len(names)), np.int64)


def signed_sum(values: Float64s, signs: Int64s) -> Float64s:
    """The sum of each row's values with these signs, (r,); NaN where none of them was measured.

    >>> signed_sum(np.array([[300.0, np.nan], [0.0, 50.0], [np.nan, np.nan]]), np.array([1, -1]))
    array([300., -50.,  nan])
    """
    parts = values[:, signs != 0] * signs[signs != 0]
    measured = np.isfinite(parts)
    found: Float64s = np.where(measured.any(axis=1), np.where(measured, parts, 0.0).sum(axis=1), np.nan)
    return found
