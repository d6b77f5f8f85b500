"""What `nilm` knows of one home: its open loads, the clusters of loads it has seen, and what ran lately.

In memory it is a `Home`; in the shard's state one record of `dtype()`, lossless, so that saving changes nothing.
"""

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s, Int64s
from schemas.durations import DAY_MS
from streams.nilm import energy
from streams.nilm.library import Library
from streams.nilm.weights import Weights

LOADS = 7
CLUSTERS = 16
RECENT = 6
HOURS_OF_A_BIN = 4
HOUR_BINS = 24 // HOURS_OF_A_BIN
FEEDS_IN_MS = 7 * DAY_MS
"""So long after it fed in, a home may generate unseen: on a dull day all that it generates is used in it."""
NEVER = -(2**50)
"""A time before all others, ms: far enough that differences do not overflow."""

Float16s = npt.NDArray[np.float16]
Float32s = npt.NDArray[np.float32]


@dataclass(slots=True)
class Load:
    """Something that came on and is not off yet. Times are ms UTC."""

    number: int
    start: int
    chain_start: int
    """Start of the first of a chain of pulses that belong together."""
    settled_at: int
    review_at: int
    since: int
    """Until when `energy_ws` is counted."""
    power_w: float
    pulses: float
    """How many short loads had just been, when it came on."""
    dip_at: int = 0
    dip_w: float = 0.0
    """How far it is below its power at the moment."""
    dip_before_w: float = 0.0
    drift_w: float = 0.0
    """By how much it changed since it settled, if what changed was this load."""
    confidence: float = 0.0
    energy_ws: float = 0.0
    revision: int = -1
    recoveries: int = 0
    """How often it came back from a dip: thermostats do, whose pulses are shorter than a slow row."""
    appliance: int = 0
    cluster: int = -1
    settled: bool = False
    falling: bool = False
    """Whether its newest dip may be part of a larger fall, in this run or the next."""
    labelled: bool = False
    """Whether someone in the home said what it is."""
    clouded: bool = False
    """Whether it came on while what the home generates changed: it may be a cloud."""

    @property
    def drawn_w(self) -> float:
        """What it draws at the moment."""
        return self.power_w - self.dip_w


_LOAD_TYPES = {"float": "f8", "int": "i8", "bool": "?"}
_LOAD_SMALL = {"number": "i4", "revision": "i4", "recoveries": "i1", "appliance": "i1", "cluster": "i1"}
LOAD = np.dtype([(f.name, _LOAD_SMALL.get(f.name, _LOAD_TYPES[getattr(f.type, "__name__", str(f.type))]))
                 for f in fields(Load)])  # fmt: skip


_load_values = attrgetter(*(f.name for f in fields(Load)))
_NO_LOADS = [tuple(np.zeros((), LOAD).item())] * LOADS


@dataclass(slots=True)
class Recent:
    """A load that ended lately: another pulse like it goes on with its chain."""

    power_w: float
    start: int
    end: int
    chain_start: int
    cluster: int
    alone: bool
    """Whether another like it may still show that it was not alone."""
    counted: Float16s
    """What it added to its cluster's counts, shape (k,)."""


@dataclass(slots=True)
class Moment:
    """Where the home is between two rows."""

    numbers: int = 0
    """The newest number of a load or cycle. They begin with the minute (since 1970) in which the home was first seen:
    should it withdraw and come back, no number is used twice."""
    power_w: float = 0.0
    """Mains of the last row that was looked at."""
    direction: int = 0
    """1 while the mains rises, -1 while it falls, over neighbouring rows."""
    changes: int = 0
    opening: int = 0
    """Number of the load that is coming on, 0 if none."""
    fallen_w: float = 0.0
    closed_w: float = 0.0
    changed_at: int = NEVER
    pulses: float = 0.0
    pulses_at: int = NEVER
    drum: float = 0.0
    drum_at: int = NEVER
    clouded_at: int = NEVER
    """When a home that feeds in last drew less by more than any load that was on: it generates more than before."""


_MOMENT = np.dtype([(f.name, "f8" if f.type in ("float", float) else "i8") for f in fields(Moment)])


_moment_values = attrgetter(*(f.name for f in fields(Moment)))


@dataclass(slots=True)
class Clusters:
    """The home's own modes: loads of like power. Shape (CLUSTERS,) each; a power of 0 is a free place."""

    power_w: Float64s
    counted_at: Int64s
    ended_at: Int64s
    counts: Float32s
    """How many of its loads were which appliance, with old ones fading, shape (CLUSTERS, k)."""


@dataclass(slots=True)
class Home:
    """One home. Arrays are views of the state and write through."""

    weights: Weights
    interval_s: float
    now: Moment
    loads: list[Load]
    recent: list[Recent]
    clusters: Clusters
    hours: Float32s
    """How often each appliance ran by time of day (UTC), shape (HOUR_BINS, k)."""
    last_on: Int64s
    """When each appliance's heater was last on, shape (k,)."""
    cycle_start: Int64s
    """Start of the cycle that runs, 0 if none, shape (finishing appliances,), as the next."""
    cycle_ws: Float64s
    quarters: npt.NDArray[Any]
    before_at: int
    """The row before the one that is looked at."""
    feeds_in: bool
    """Something generates: what loads draw together cannot be told from the mains, only what changes."""
    remembers_more: bool = False
    """Whether `recent` is not what the state holds."""

    def new_number(self) -> int:
        """A number that no load and no cycle of this home has had."""
        self.now.numbers += 1
        return self.now.numbers

    @property
    def is_fast(self) -> bool:
        """Whether rows are close enough together that a load is on within a few of them."""
        return self.interval_s < 20

    @property
    def opening(self) -> Load | None:
        """The load that is coming on."""
        return next((load for load in self.loads if load.number == self.now.opening), None)


def dtype(library: Library) -> np.dtype[Any]:
    """The state of one home."""
    k, finishing = len(library.appliances), len(library.finishing)
    recent = [*[(name, "f8" if name == "power_w" else "i8") for name in ("power_w", "start", "end", "chain_start")]]
    recent += [("cluster", "i1"), ("alone", "?")]
    return np.dtype(
        [
            ("last_at", "i8"),
            ("last_steps", "i8"),
            ("last_level_w", "f8"),
            ("register_wh", "f8"),
            ("same_since", "i8"),
            ("fed_in_at", "i8"),
            ("known", "?"),
            ("wake_at", "i8"),
            ("floor_w", "f8"),
            ("moment", _MOMENT),
            ("loads", LOAD, (LOADS,)),
            ("recent", [*recent, ("counted", "f2", (k,))], (RECENT,)),
            ("cluster_power_w", "f8", (CLUSTERS,)),
            ("cluster_counted_at", "i8", (CLUSTERS,)),
            ("cluster_ended_at", "i8", (CLUSTERS,)),
            ("cluster_counts", "f4", (CLUSTERS, k)),
            ("hours", "f4", (HOUR_BINS, k)),
            ("last_on", "i8", (k,)),
            ("cycle_start", "i8", (finishing,)),
            ("cycle_ws", "f8", (finishing,)),
            *energy.fields(k),
        ]
    )


def feeds_in(fed_in_at: Any, at: Any) -> Any:
    """Whether a home that last fed in at the one time (0: never) still counts as one that does at the other."""
    return (fed_in_at > 0) & (at - fed_in_at < FEEDS_IN_MS)


def thaw(record: Any, interval_s: float, before_at: int, weights: Weights) -> Home:
    """The home of a record. `before_at` is the row before the one that is looked at, or of a new home that one."""
    moment = Moment(*record["moment"].item())
    if not moment.numbers:  # a new home
        moment = Moment(numbers=before_at // 60_000)
        record["last_on"] = NEVER
        record["cluster_ended_at"] = NEVER
        record["moment"] = _moment_values(moment)
    clusters = Clusters(
        record["cluster_power_w"],
        record["cluster_counted_at"],
        record["cluster_ended_at"],
        record["cluster_counts"],
    )
    loads = [Load(*values) for values in record["loads"][: np.count_nonzero(record["loads"]["number"])].tolist()]
    recent = [_recent(row) for row in record["recent"][: np.count_nonzero(record["recent"]["end"])]]
    return Home(
        weights,
        interval_s,
        moment,
        loads,
        recent,
        clusters,
        record["hours"],
        record["last_on"],
        record["cycle_start"],
        record["cycle_ws"],
        record["quarters"],
        before_at,
        bool(feeds_in(record["fed_in_at"], before_at)),
    )


def _recent(row: Any) -> Recent:
    power_w, start, end, chain_start, cluster, alone, _ = row.tolist()
    return Recent(power_w, start, end, chain_start, cluster, alone, row["counted"].copy())


def freeze(home: Home, record: Any) -> None:
    """Put the home back into its record."""
    record["moment"] = _moment_values(home.now)
    record["loads"] = [*map(_load_values, home.loads), *(_NO_LOADS[len(home.loads) :])]
    if home.remembers_more:
        record["recent"] = 0
        for place, old in enumerate(home.recent):
            values = (old.power_w, old.start, old.end, old.chain_start, old.cluster, old.alone, old.counted)
            record["recent"][place] = values
        home.remembers_more = False
