"""A recording as any number of E350 meters, and the faults of real fleets on request.

Meter i of n replays its own stretch of the recording: it begins on day i D / n (rounded down) of the recording, where
D is how many days it may begin on; of several that begin on one day each begins 7 minutes after the one before. All
stretches are laid on the same calendar days, from `start` on, one reading a minute, meter i (7 i mod 60) s after the
full minute. A minute in which the logger recorded nothing has no reading.

In integers, so that anybody can compute the same: power in 0.1 W, L1 = 5/10 and L2 = 3/10 of the total rounded down,
L3 = the rest; the import register counts 1 Wh for each 36,000 x 0.1 W s of the total, which holds until the next
reading; nothing is exported; a phase's voltage is 230.00 V less 0.01 V for each 4 W of its load, rounded down.

Everything is decided here before anything is sent: `plan` is a pure function of its arguments.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from flexmeter.fleet.grid import build_grid
from flexmeter.fleet.recording import DAY_MINUTES, Recording
from schemas.durations import MINUTE_MS
from schemas.register import Device

Ints = npt.NDArray[np.int64]

EXTRA_MINUTES = 30
"""Sent beyond the days asked for: more than the lateness and the longest gap, so that the last hour closes."""
ENERGY_UNITS_PER_WH = 36_000
FURTHEST_DISORDER = 4
"""Intervals by which a row may be overtaken; below the lateness of 6 with room for the meters' offsets."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of the rows, or how many; 0 = none. `clock_error` is a share of the meters."""

    duplicates: float = 0.0
    disorder: float = 0.0
    late: float = 0.0
    garbage: float = 0.0
    clock_error: float = 0.0
    outages: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that will be sent. Rows stand in the order of sending; `due` = event time at which a row is sent, ms UTC.

    `first`, `offset_ms`, `base_wh`, `clock_ms`: a meter's stretch, its second in the minute, what its register begins
    with, and by how much its clock is wrong. `repeat` marks a row that was or will be sent a second time.
    """

    devices: list[Device]
    start: int
    minutes: int
    first: Ints
    offset_ms: Ints
    base_wh: Ints
    clock_ms: Ints
    meter: Ints
    minute: Ints
    due: Ints
    repeat: npt.NDArray[np.bool_]
    import_wh: Ints
    power_tenths: Ints
    voltage_hundredths: Ints
    outages: list[tuple[str, int, int]]
    late: int
    garbage: int

    @property
    def at(self) -> Ints:
        """Event time of each row, as the meter's clock tells it, ms UTC."""
        return self.start + self.minute * MINUTE_MS + self.offset_ms[self.meter] + self.clock_ms[self.meter]

    @property
    def readings(self) -> int:
        """Distinct rows."""
        return int((~self.repeat).sum())


def newest_start(days: int, now: datetime) -> datetime:
    """The newest Monday from which so many days, and what is sent beyond them, are over at `now`.

    What is in the future bridges would flag; what is very old they would reject.

    >>> newest_start(7, datetime(2026, 11, 26, 12)).isoformat()
    '2026-11-16T00:00:00'
    """
    last = (now - timedelta(days=days, minutes=EXTRA_MINUTES)).replace(hour=0, minute=0, second=0, microsecond=0)
    return last - timedelta(days=last.weekday())


def plan(recording: Recording, meters: int, days: int, seed: int, faults: Faults, start: datetime) -> Plan:
    """Decide everything. Days begin at `start`, a midnight of UTC.

    Raises:
        ValueError: the recording is shorter than the days asked for.
    """
    minutes = days * DAY_MINUTES + EXTRA_MINUTES
    fitting = (len(recording.tenths) - minutes) // DAY_MINUTES - 1
    if fitting < 1:
        held = len(recording.tenths) // DAY_MINUTES
        raise ValueError(f"{recording.folder} holds {held} days; {days} are asked for and two more needed")
    index = np.arange(meters)
    day = index * fitting // meters
    begin = int(start.timestamp() * 1000)
    devices = build_grid(meters, 0, seed, MINUTE_MS, stations=False)
    rng = np.random.default_rng((seed, 30))
    first = day * DAY_MINUTES + (index - np.searchsorted(day, day)) * 7 % DAY_MINUTES
    offset_ms = index * 7 % 60 * 1000
    base_wh = rng.integers(1_000_000, 40_000_000, meters)
    wrong = rng.random(meters) < faults.clock_error
    clock_ms = np.where(wrong, rng.integers(-3_600_000, 3_600_000, meters), 0)
    outages = _draw_outages(devices, begin, minutes, faults.outages, rng)
    meter, minute, total = _rows(recording, first, minutes)
    import_wh = base_wh[meter] + _energy(meter, minute, total) // ENERGY_UNITS_PER_WH
    lit = _lit(devices, meter, begin + minute * MINUTE_MS, outages)
    meter, minute, total, import_wh = meter[lit], minute[lit], total[lit], import_wh[lit]
    at = begin + minute * MINUTE_MS + offset_ms[meter]
    due, late = _due(at, faults, rng)
    chosen, due, repeat = _with_repeats(at, due, np.nonzero((rng.random(len(at)) < faults.duplicates) & ~late)[0], rng)
    order = np.lexsort((chosen, due))
    chosen, due, repeat = chosen[order], due[order], repeat[order]
    power = _phases(total[chosen])
    return Plan(
        devices=devices,
        start=begin,
        minutes=minutes,
        first=first,
        offset_ms=offset_ms,
        base_wh=base_wh,
        clock_ms=clock_ms,
        meter=meter[chosen],
        minute=minute[chosen],
        due=due,
        repeat=repeat,
        import_wh=import_wh[chosen],
        power_tenths=power,
        voltage_hundredths=(920_000 - power) // 40,
        outages=outages,
        late=int(late.sum()),
        garbage=round(len(meter) * faults.garbage),
    )


def _rows(recording: Recording, first: Ints, minutes: int) -> tuple[Ints, Ints, Ints]:
    """Meter, minute and total power of every reading, meter by meter."""
    window = recording.tenths[first[:, None] + np.arange(minutes)]
    meter, minute = np.nonzero(window)
    return meter, minute, window[meter, minute]


def _energy(meter: Ints, minute: Ints, total: Ints) -> Ints:
    """0.1 W s counted by each meter before each of its readings: a total holds until the next reading."""
    held = np.zeros(len(meter), np.int64)
    held[1:] = np.where(meter[1:] == meter[:-1], total[:-1] * (minute[1:] - minute[:-1]) * 60, 0)
    run = np.cumsum(held)
    start = np.searchsorted(meter, meter)  # the first row of the same meter
    return run - run[start]


def _phases(total: Ints) -> Ints:
    """Split totals over L1, L2, L3, (rows, 3).

    >>> _phases(np.array([1001])).tolist()
    [[500, 300, 201]]
    """
    one, two = total * 5 // 10, total * 3 // 10
    return np.stack([one, two, total - one - two], axis=1)


def _due(at: Ints, faults: Faults, rng: np.random.Generator) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """When each row is sent, in event time, and which are sent behind the lateness."""
    overtaken = rng.random(len(at)) < faults.disorder
    late = (rng.random(len(at)) < faults.late) & ~overtaken
    by = np.where(overtaken, rng.integers(1, FURTHEST_DISORDER + 1, len(at)), 0)
    by = np.where(late, rng.integers(10, 60, len(at)), by)
    # Half an interval more: just after the row that stands so many places further on.
    return at + by * MINUTE_MS + (by > 0) * MINUTE_MS // 2, late


def _with_repeats(
    at: Ints, due: Ints, twice: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Row numbers with those of `twice` once more, when each is sent, and which are repeats."""
    again = at[twice] + rng.integers(0, FURTHEST_DISORDER + 1, len(twice)) * MINUTE_MS + MINUTE_MS // 4
    rows = np.concatenate([np.arange(len(due)), twice])
    return rows, np.concatenate([due, again]), np.arange(len(rows)) >= len(due)


def _draw_outages(
    devices: list[Device], begin: int, minutes: int, count: int, rng: np.random.Generator
) -> list[tuple[str, int, int]]:
    """(feeder, first ms, last ms) of each outage, 10 to 40 minutes long."""
    feeders = sorted({d.feeder for d in devices if d.feeder})
    drawn = []
    for _ in range(count):
        start = begin + int(rng.integers(0, minutes - 60)) * MINUTE_MS
        drawn.append((str(rng.choice(feeders)), start, start + int(rng.integers(10, 40)) * MINUTE_MS))
    return drawn


def _lit(devices: list[Device], meter: Ints, at: Ints, outages: list[tuple[str, int, int]]) -> npt.NDArray[np.bool_]:
    lit = np.ones(len(meter), bool)
    for feeder, start, end in outages:
        below = np.array([d.feeder == feeder for d in devices])
        lit &= ~(below[meter] & (at >= start) & (at < end))
    return lit
