"""The step in which a meter counts a quantity, learned from what it tells: many are coarser than the catalogue assumes.

All that a meter tells is a multiple of its step, so the step is the greatest common divisor of what it told. That is
too much after a few values, and right after some dozen that vary; a load that only ever showed multiples of one number
is taken to be counted in it. After `CHANGES` values a new divisor takes over, so that neither a garbled value nor the
meter that was there before counts for ever.
"""

from typing import Any

import numpy as np

from schemas.arrays import Int64s
from streams.contract import State

CHANGES = 50

DTYPE: np.dtype[Any] = np.dtype([("step", "i8"), ("newer", "i8"), ("count", "i4")])


def learn(state: State, meter: Int64s, told: Int64s) -> Int64s:
    """The steps of these meters, (k,), in those of the catalogue; 0 where nothing was told yet.

    `told` (k, m) are values of a gauge, or differences of a register; 0 says nothing. `state` is all meters' of DTYPE,
    and is changed in place; no meter comes twice.

    >>> state = np.zeros(1, DTYPE)
    >>> [int(learn(state, np.array([0]), np.array([[told]]))[0]) for told in (0, 12_000, 0, 3_000, 7_000)]
    [0, 12000, 12000, 3000, 1000]
    """
    known = state[meter]
    newer = np.gcd(known["newer"], np.gcd.reduce(told, axis=1))
    count = known["count"] + told.any(axis=1)
    full = count >= CHANGES
    known["step"] = np.where(full, newer, known["step"])
    known["newer"], known["count"] = np.where(full, 0, newer), np.where(full, 0, count)
    state[meter] = known
    steps: Int64s = np.gcd(known["step"], known["newer"])
    return steps
