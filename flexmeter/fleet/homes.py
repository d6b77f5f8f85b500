"""Power of every home at an instant: base load, appliances switched on by people at home, sun on some roofs.

`power_w` depends on nothing but the homes and the time, so the truth of any instant can be had again. Appliance
runs are drawn per day from (seed, day). Powers and cycles are those of common European appliances (REFIT and UK-DALE
show the same shapes); the sun's height follows Spencer's declination formula (1971).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.durations import DAY_MS

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LATITUDE, LONGITUDE = np.deg2rad(55.6), 13.0  # Malmö


@dataclass(frozen=True, slots=True)
class Appliance:
    """A thing people switch on: (minutes, W) of its cycle, runs a day, and the hours (UTC) in which it starts."""

    name: str
    cycle: tuple[tuple[float, float], ...]
    runs_per_day: float
    hours: tuple[float, ...]
    three_phase: bool = False


APPLIANCES = (
    Appliance("kettle", ((2.5, 2000),), 4.0, (5, 6, 7, 10, 14, 17, 18)),
    Appliance("microwave", ((4, 1150),), 1.5, (6, 11, 17)),
    Appliance("stove", ((6, 4500), (4, 600), (3, 3600), (5, 600), (3, 3000)), 1.2, (10, 16, 17), three_phase=True),
    Appliance("dishwasher", ((5, 60), (16, 2050), (35, 80), (13, 2050), (15, 30)), 0.7, (12, 18, 19)),
    Appliance("washing_machine", ((4, 120), (17, 2100), (40, 250), (12, 550)), 0.5, (8, 9, 15, 17)),
    Appliance("television", ((160, 110),), 1.0, (16, 17, 18)),
    Appliance("lights", ((240, 140),), 1.0, (15, 16)),
)
MAX_RUNS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Homes:
    """Parameters of n homes. `share` (n, 3): where one-phase appliances hang; `spread` (n, 3): three-phase ones."""

    seed: int
    base_w: Floats
    fridge_w: Floats
    fridge_period_s: Floats
    fridge_shift_s: Floats
    busy: Floats
    share: Floats
    spread: Floats
    connected: Bools
    sun_w: Floats

    def __len__(self) -> int:
        return len(self.base_w)


def draw_homes(phases: list[str], seed: int) -> Homes:
    """Homes with the given supply phases, such as "L1L2L3" or "L2"; every fifth three-phase one has PV."""
    n, rng = len(phases), np.random.default_rng((seed, 2))
    connected = np.array([[f"L{k}" in p for k in (1, 2, 3)] for p in phases], bool).reshape(n, 3)
    spread = connected / connected.sum(axis=1, keepdims=True).clip(1)
    favoured = rng.integers(0, 3, n)
    share = np.where(connected, 0.2, 0.0)
    share[np.arange(n), favoured] += np.where(connected[np.arange(n), favoured], 0.4, 0.0)
    share /= share.sum(axis=1, keepdims=True).clip(1e-9)
    roofs = (rng.random(n) < 0.2) & connected.all(axis=1)
    return Homes(
        seed=seed,
        base_w=rng.uniform(35, 160, n),
        fridge_w=rng.uniform(60, 110, n),
        fridge_period_s=rng.uniform(2400, 4200, n),
        fridge_shift_s=rng.uniform(0, 4200, n),
        busy=rng.uniform(0.5, 1.5, n),
        share=share,
        spread=spread,
        connected=connected,
        sun_w=np.where(roofs, rng.uniform(3000, 8000, n), 0.0),
    )


def power_w(homes: Homes, at: int, sun: bool = True) -> Floats:
    """Net active power of each home and phase, (n, 3) W; negative where the roof gives more than the home takes.

    Without `sun`, what the homes take alone.
    """
    day, second = at // DAY_MS, at / 1000
    fridge = ((second + homes.fridge_shift_s) % homes.fridge_period_s) < homes.fridge_period_s / 3
    one = homes.base_w + homes.fridge_w * fridge
    three = np.zeros(len(homes))
    for index, appliance in enumerate(APPLIANCES):
        load = _running(homes, index, day, at) + _running(homes, index, day - 1, at)
        one, three = (one, three + load) if appliance.three_phase else (one + load, three)
    noise = np.random.default_rng((homes.seed, 3, at)).normal(1.0, 0.01, (len(homes), 3))
    given = homes.sun_w * sunshine(at) * _cloud(homes.seed, at) * sun
    return (one[:, None] * homes.share + three[:, None] * homes.spread) * noise - given[:, None] * homes.spread


def _running(homes: Homes, index: int, day: int, at: int) -> Floats:
    """W that the runs begun on `day` draw at `at`, for each home."""
    cycle = APPLIANCES[index].cycle
    ends = np.cumsum([minutes * 60_000 for minutes, _ in cycle])
    watts = np.array([w for _, w in cycle] + [0.0])
    elapsed = at - _starts(homes, index, day)
    step = np.searchsorted(ends, elapsed, side="right")
    return np.asarray(np.where(elapsed >= 0, watts[step], 0.0).max(axis=1))


@lru_cache(maxsize=64)
def _starts(homes: Homes, index: int, day: int) -> Int64s:
    """Start of each run of one appliance on one day, (n, MAX_RUNS) ms UTC; never = the far future."""
    appliance, n = APPLIANCES[index], len(homes)
    rng = np.random.default_rng((homes.seed, 4, index, day))
    runs = rng.poisson(appliance.runs_per_day * homes.busy).clip(0, MAX_RUNS)
    hour = rng.choice(np.array(appliance.hours), (n, MAX_RUNS)) + rng.uniform(0, 1.5, (n, MAX_RUNS))
    starts = day * DAY_MS + (hour * 3_600_000).astype(np.int64)
    return np.where(np.arange(MAX_RUNS) < runs[:, None], starts, np.int64(2) ** 62)


def sunshine(at: int) -> float:
    """Sine of the sun's height over Malmö at `at` (ms UTC), 0 at night: share of a roof's peak under a clear sky.

    >>> round(sunshine(1_750_500_000_000), 2), sunshine(1_750_543_200_000)
    (0.82, 0.0)
    """
    hours = at / 3_600_000
    turn = 2 * np.pi * (hours / 24 % 365.2425) / 365.2425
    declination = 0.006918 - 0.399912 * np.cos(turn) + 0.070257 * np.sin(turn) - 0.006758 * np.cos(2 * turn)
    hour_angle = np.deg2rad(15 * (hours % 24 - 12) + LONGITUDE)
    height = np.sin(LATITUDE) * np.sin(declination) + np.cos(LATITUDE) * np.cos(declination) * np.cos(hour_angle)
    return float(max(height, 0.0))


def _cloud(seed: int, at: int) -> float:
    """How much of a clear sky's light comes through, the same over the district, drawn per ten minutes."""
    slot, part = divmod(at / 600_000, 1)
    before, after = (np.random.default_rng((seed, 5, int(slot) + k)).uniform(0.25, 1.0) for k in (0, 1))
    return float(before + (after - before) * part)
