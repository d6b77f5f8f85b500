"""What falls of the mains do to loads that are on."""

import numpy as np

from streams.nilm.home import Home, dtype, thaw
from streams.nilm.library import load_library
from streams.nilm.loads import look
from streams.nilm.told import Told
from streams.nilm.weights import Weights

LIBRARY = load_library()
BEGIN = 1_700_000_000_000
MINUTE_MS = 60_000


def after(mains_w: list[float]) -> Home:
    """A home whose mains was this, minute by minute."""
    home = thaw(np.zeros((), dtype(LIBRARY)), 60.0, BEGIN, Weights())
    home.now.power_w = mains_w[0]
    for minute, power_w in enumerate(mains_w[1:], 1):
        home.before_at = BEGIN + (minute - 1) * MINUTE_MS
        look(home, LIBRARY, Told(), BEGIN + minute * MINUTE_MS, power_w, mains_w[minute - 1])
    return home


def test_a_load_that_dips_twice_has_dipped_by_both() -> None:
    (load,) = after([100, 2_100, 2_100, 2_100, 1_500, 1_500, 1_100, 1_100]).loads
    assert load.drawn_w == 1_000


def test_falls_of_one_run_are_one_dip() -> None:
    (load,) = after([100, 2_100, 2_100, 2_100, 1_700, 1_300, 1_300]).loads
    assert (load.drawn_w, load.dip_before_w) == (1_200, 0)
