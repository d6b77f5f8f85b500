"""The rows of a turn, each beside the one of its meter before it, and what lies between: nothing, a change, a gap."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Quantity
from streams.active_power import signs_of
from streams.contract import Mask, Meters, Rows, State
from streams.nilm.energy import STEPS_PER_WATT
from streams.nilm.home import feeds_in
from streams.nilm.loads import LEAST_STEP, LEAST_STEP_W

MOST_INTERVALS = 3
SHORT_PAUSE_MS = 60_000
"""A fast meter misses some rows now and then: what is on goes on meanwhile, as it does for a meter a minute."""
LONGEST_INTERVAL_MS = 300_000
LEAST_FED_IN_W = 20.0
"""With less the meter may be a little wrong at nothing."""
MOST_W = 1e6
"""Beyond this it is no home's mains."""
STUCK_MS = 3_600_000
"""A meter that says exactly the same for so long is stuck."""
REGISTER = "active_energy_import_wh"
NOMINAL_V = 230.0
MOST_DEVIATION = 0.15
"""A supply that complies is never farther below it (EN 50160:2010, 4.2.2.2); above it, 10 % are allowed."""
LEAST_V = 115.0
"""With less there is no supply."""

T = TypeVar("T", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which quantities of a profile say something of the mains; masks over them, shape (q,)."""

    signs: Int64s
    """How each counts in the active power, 0 = not at all."""
    voltage: Mask
    register: Mask
    """The register of energy drawn, which only grows: where it falls, the meter was reset or exchanged."""


@lru_cache
def columns_of(quantities: tuple[Quantity, ...]) -> Columns:
    """The columns of a profile."""
    names = [quantity.name for quantity in quantities]
    voltage = [name == "voltage_v" or name.startswith("voltage_l") for name in names]
    return Columns(signs_of(quantities), np.array(voltage), np.array([name == REGISTER for name in names]))


@dataclass(frozen=True, slots=True)
class Frame:
    """The r usable rows of a turn, each beside the row of its meter before it. Shape (r,) each."""

    meter: Int64s
    at: Int64s
    steps: Int64s
    """Mains as measured, which is counted, in 0.1 W."""
    before_at: Int64s
    level_w: Float64s
    """Mains at nominal voltage, which is judged, W."""
    before_level_w: Float64s
    nominal: Float64s
    """What a heater would draw at nominal voltage, for each watt that it draws."""
    broken: Mask
    """No data lies between the two: a gap, a reset, a stuck meter, or it is the first."""
    stuck: Mask
    same_since: Int64s
    changed: Mask
    """The mains changed by more than its noise."""
    register_wh: Float64s
    """What the register said last, 0 where it never said anything."""
    fed_in_at: Int64s
    """When the home last fed in, the row included; 0 where it never did."""
    feeds_in: Mask
    """Something may generate."""


def frame_of(state: State, rows: Rows, meters: Meters) -> Frame:
    """The rows beside those before them; what is no mains of a home, or comes too seldom, is left out."""
    columns = columns_of(meters.quantities)
    rows = rows.take(_is_usable(rows, columns) & (meters.interval_ms[rows.meter] <= LONGEST_INTERVAL_MS))
    signs = columns.signs
    steps = np.rint(np.nan_to_num(rows.values[:, signs != 0]) @ signs[signs != 0] * STEPS_PER_WATT).astype(np.int64)
    nominal = nominal_of(rows.values[:, columns.voltage])
    level_w = steps / STEPS_PER_WATT * nominal
    first = np.append(True, rows.meter[1:] != rows.meter[:-1])[: len(steps)]
    known = ~first | state["known"][rows.meter]
    before_at = _before(state["last_at"], rows, first, rows.at)
    before_level_w = _before(state["last_level_w"], rows, first, level_w)
    near = known & (rows.at - before_at <= reach_ms(meters.interval_ms[rows.meter]))
    same = near & (steps == _before(state["last_steps"], rows, first, steps))
    same_since = _same_since(state, rows, first, same)
    stuck = rows.at - same_since >= STUCK_MS
    stuck_before = before_at - np.where(same, same_since, _before(state["same_since"], rows, first, same_since))
    register_wh = _register(state, rows, first, columns)
    broken = ~near | stuck | (near & (stuck_before >= STUCK_MS))
    broken |= register_wh < _before(state["register_wh"], rows, first, register_wh)
    noise = np.maximum(LEAST_STEP_W, LEAST_STEP * np.maximum(level_w, before_level_w))
    changed = np.abs(level_w - before_level_w) > noise
    fed_in = fed_in_at(rows.at, steps, first, state["fed_in_at"][rows.meter])
    return Frame(
        rows.meter,
        rows.at,
        steps,
        before_at,
        level_w,
        before_level_w,
        nominal,
        broken,
        stuck,
        same_since,
        changed,
        register_wh,
        fed_in,
        feeds_in(fed_in, rows.at),
    )


def reach_ms(interval_ms: Int64s) -> Int64s:
    """How long after a row the next may come; what is longer is a gap.

    >>> reach_ms(np.array([1_000, 60_000])).tolist()
    [60000, 180000]
    """
    reach: Int64s = np.maximum(MOST_INTERVALS * interval_ms, SHORT_PAUSE_MS)
    return reach


def _is_usable(rows: Rows, columns: Columns) -> Mask:
    """A mains that a home may have. A meter that finds no voltage starts up, or its home has no supply."""
    values, voltage_v = rows.values[:, columns.signs != 0], rows.values[:, columns.voltage]
    measured = ~np.isnan(values)
    absurd = measured & ~(np.abs(values) <= MOST_W)
    dead = ~np.isnan(voltage_v).all(axis=1) & ~(voltage_v >= LEAST_V).any(axis=1)
    usable: Mask = np.any(measured, axis=1) & ~np.any(absurd, axis=1) & ~dead
    return usable


def nominal_of(voltage_v: Float64s) -> Float64s:
    """What a heater would draw at 230 V (IEC 60038) for each watt that it draws, shape (r, phases) -> (r,).

    Its power goes with the square of the voltage. 1 where none was measured that a supply can have.

    >>> nominal_of(np.array([[230.0], [207.0], [np.nan], [0.0]])).round(3).tolist()
    [1.0, 1.235, 1.0, 1.0]
    """
    plausible = np.abs(voltage_v / NOMINAL_V - 1) <= MOST_DEVIATION
    phases = plausible.sum(axis=1)
    mean_v = np.where(plausible, voltage_v, 0.0).sum(axis=1) / np.maximum(phases, 1)
    nominal: Float64s = (NOMINAL_V / np.where(phases > 0, mean_v, NOMINAL_V)) ** 2
    return nominal


def _register(state: State, rows: Rows, first: Mask, columns: Columns) -> Float64s:
    """What each row's meter last said of its register, the row included."""
    if not columns.register.any() or not len(first):
        return np.zeros(len(first))
    said = rows.values[:, int(columns.register.argmax())]
    place = np.arange(len(first))
    newest = np.maximum.accumulate(np.where(first | np.isfinite(said), place, 0))
    register_wh: Float64s = np.where(np.isfinite(said[newest]), said[newest], state["register_wh"][rows.meter])
    return register_wh


def fed_in_at(at: Int64s, steps: Int64s, first: Mask, last: Int64s) -> Int64s:
    """When each row's home last fed in, the row included; `last`: before its first row. Shape (r,) each.

    >>> fed_in_at(np.array([60, 120, 180]), np.array([5, -900, 5]), np.arange(3) == 0, np.zeros(3, int)).tolist()
    [0, 120, 120]
    """
    feeds = steps < -LEAST_FED_IN_W * STEPS_PER_WATT
    newest = np.maximum.accumulate(np.where(first | feeds, np.arange(len(first)), 0)) if len(first) else first
    said: Int64s = np.where(feeds, at, last)[newest]
    return said


def _same_since(state: State, rows: Rows, first: Mask, same: Mask) -> Int64s:
    """Since when each row's meter has said exactly what it says."""
    place = np.arange(len(first))
    starts = np.where(same, np.where(first, place, -1), place)
    start = np.maximum.accumulate(starts) if len(first) else starts
    carried = same[start] if len(first) else same
    since: Int64s = np.where(carried, state["same_since"][rows.meter], rows.at[start])
    return since


def _before(last: NDArray[T], rows: Rows, first: Mask, values: NDArray[T]) -> NDArray[T]:
    """The value of each row's meter in the row before."""
    return np.where(first, last[rows.meter], np.roll(values, 1))
