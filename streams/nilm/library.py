"""The appliances that `nilm` knows before it knows a home: `library.yaml` as arrays over its modes.

A mode is a way of being on: a power, a time on, and how often. Both are log-normal, the power because makers differ by
a factor, the time because people do. Where the numbers come from, and what of them may ship: docs/nilm.md.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from schemas.arrays import Float64s, Int64s
from streams.contract import Mask

UNKNOWN = 0
"""Position of what is no known appliance."""
_USUAL_AGAIN = 0.3
_USUAL_ALONE = 0.75
_USUAL_SLOPE = (0.0, 8.0)


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """m modes of k appliances."""

    appliances: tuple[str, ...]
    appliance: Int64s
    """Of each mode, shape (m,), as all of the next six."""
    log_power: Float64s
    power_spread: Float64s
    log_on_s: Float64s
    on_spread: Float64s
    per_day: Float64s
    only_in_cycle: Mask
    of: Float64s
    """1 where the mode is of the appliance, shape (m, k)."""
    within_ms: Int64s
    """For each appliance: how long after its last time on it is `times` as likely, shape (k,), as all of the next."""
    times: Float64s
    again: Float64s
    alone: Float64s
    recovers: Float64s
    chained: Float64s
    slope: Float64s
    slope_spread: Float64s
    finishing: tuple[int, ...]
    """Appliances whose cycles are told as finished."""

    def position(self, name: str) -> int:
        """Where the appliance stands in `appliances`; ValueError if it is none of them."""
        return self.appliances.index(name)


@cache
def load_library() -> Library:
    """The library that ships.

    >>> load_library().appliances[:3]
    ('unknown', 'kettle', 'microwave')
    """
    return library_of(yaml.safe_load(files("streams.nilm").joinpath("library.yaml").read_text("utf-8")))


def library_of(text: dict[str, Any]) -> Library:
    """A library from the content of such a file. Raises KeyError or ValueError where it is no library."""
    appliances = tuple(text["appliances"])
    modes = text["modes"]
    appliance = np.array([appliances.index(mode["appliance"]) for mode in modes])
    cycles = {name: text["cycles"].get(name, {}) for name in appliances}
    slopes = np.array([text["heating_slope"].get(name, _USUAL_SLOPE) for name in appliances])
    return Library(
        appliances=appliances,
        appliance=appliance,
        log_power=np.log(_column(modes, "power_w")),
        power_spread=_column(modes, "power_spread"),
        log_on_s=np.log(_column(modes, "on_s")),
        on_spread=_column(modes, "on_spread"),
        per_day=_column(modes, "per_day"),
        only_in_cycle=np.array([mode.get("cycle", False) for mode in modes]),
        of=(appliance[:, None] == np.arange(len(appliances))).astype(np.float64),
        within_ms=np.array([cycles[name].get("within_s", 0) * 1_000 for name in appliances]),
        times=np.array([cycles[name].get("times", 1.0) for name in appliances], np.float64),
        again=np.array([text["again"].get(name, _USUAL_AGAIN) for name in appliances]),
        alone=np.array([text["alone"].get(name, _USUAL_ALONE) for name in appliances]),
        recovers=np.array([text["recovers"].get(name, 1.0) for name in appliances]),
        chained=np.array([text["chained"].get(name, 1.0) for name in appliances]),
        slope=slopes[:, 0],
        slope_spread=slopes[:, 1],
        finishing=tuple(i for i, name in enumerate(appliances) if cycles[name].get("finished")),
    )


def _column(modes: list[dict[str, Any]], name: str) -> Float64s:
    return np.array([mode[name] for mode in modes], np.float64)


def normal_below(z: npt.NDArray[np.float64]) -> Float64s:
    """Share of a standard normal variable below z, to 1e-7 (Abramowitz and Stegun, Handbook, 26.2.17).

    >>> normal_below(np.array([-9.0, 0.0, 1.96])).round(3).tolist()
    [0.0, 0.5, 0.975]
    """
    t = 1 / (1 + 0.2316419 * np.abs(z))
    powers = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = np.exp(-0.5 * z * z) * 0.3989422804014327 * powers
    return np.where(z > 0, 1 - tail, tail)
