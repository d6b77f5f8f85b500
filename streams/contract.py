"""What an operator is, and what it is given.

An operator is pure: state and rows in, results out. It has no clock, no I/O, no randomness and no look-ups; what comes
from outside comes as records of the same input partition. That makes a shard a function of its input, so that repeats
after a restart are identical and a paused worker that wakes up does no harm.

The suite in tests/contract runs over every operator of the registry and holds it to: determinism; the same results for
any split of the same rows into blocks and turns; state saved and loaded between any two turns changes nothing; repeated
rows change nothing; rows shuffled within the lateness give what ordered ones give; input is not mutated; state per
meter is bounded; NaN, negative, absurd and far-future values follow a rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from schemas.alert import Alert
from schemas.arrays import Float64s, Int32s, Int64s
from schemas.catalogue import Quantity
from schemas.record import Record
from streams.groups import Groups
from streams.readable import readable

Mask = npt.NDArray[np.bool_]

State = npt.NDArray[Any]
"""One record of the operator's dtype per meter, meter first in memory."""

Result = Record | Alert


@dataclass(frozen=True, slots=True)
class Contributions:
    """What meters add to the load of their feeders, each quarter of an hour once; k rows.

    The shard adds them up over the feeder's meters, and gives the sums as PartialLoadBlock (partial_loads.py).
    """

    meter: Int64s
    """Position of the meter in Meters, shape (k,)."""
    quarter: Int64s
    """Start of the quarter of an hour, in quarters UTC, shape (k,)."""
    energy_steps: Int64s
    """Active energy, negative when fed into the grid, in steps of 0.1 W ms, shape (k,)."""
    covered_ms: Int64s
    """Time that samples cover, shape (k,)."""

    def take(self, which: Mask) -> "Contributions":
        """The rows that a mask selects."""
        return Contributions(self.meter[which], self.quarter[which], self.energy_steps[which], self.covered_ms[which])


@dataclass(frozen=True, slots=True)
class HeardRows:
    """Rows by which meters were heard; h rows. The shard gives them to the grid as HeardBlock (hearing.py)."""

    meter: Int64s
    """Position of the meter in Meters, shape (h,)."""
    at: Int64s
    received_at: Int64s
    voltage_v: Float64s
    active_power_w: Float64s


class Whole(Protocol):
    """What an operator knows of its partition as a whole, where that is not one record a meter."""

    def saved(self) -> dict[str, Any]:
        """All of it, as arrays and JSON values, by name."""


MOST_ROWS = 500
"""Rows of one block of results."""


@dataclass(frozen=True, slots=True)
class Meters:
    """The n meters of one profile in a shard. Rows name them by their position here, which holds for a turn."""

    profile: str
    quantities: tuple[Quantity, ...]
    ids: Sequence[str]
    feeders: Sequence[str | None]
    substations: Sequence[str | None]
    interval_ms: Int64s
    """Reporting interval of each meter, shape (n,)."""


class Rows(NamedTuple):
    """Readings of one profile, one per row; r rows of q quantities."""

    meter: Int64s
    """Position of the row's meter in Meters, shape (r,)."""
    at: Int64s
    """Event time, ms UTC, shape (r,)."""
    received_at: Int64s
    """When the row's block reached the bridge, ms UTC, shape (r,)."""
    quality: Int32s
    """Bits of schemas.quality.Quality, shape (r,)."""
    values: Float64s
    """Base units of the catalogue, NaN = not measured, shape (r, q)."""

    def take(self, which: Mask | Int64s) -> "Rows":
        """The rows that a mask or positions select, in that order."""
        return Rows(self.meter[which], self.at[which], self.received_at[which], self.quality[which], self.values[which])


class Released(NamedTuple):
    """Rows in event-time order, each once, and how far that order is now known.

    A meter has one row of a time; more where the time is the bridge's, by which rows of different counters may meet.
    """

    rows: Rows
    """Sorted by meter, then by event time."""
    moved: Int64s
    """Meters that brought a row or whose watermark moved, sorted, each once, those of `rows` among them. Shape (u,)."""
    watermark: Int64s
    """For each of `moved`: no row with `at <= watermark` will follow, ms UTC. Shape (u,)."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Time that passed, by each meter's own source: it stands still while the source does not beat."""

    since_arrival_ms: Int64s
    """For each meter of Meters: since its last row arrived, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events that meters reported, in order of arrival; e events."""

    meter: Int64s
    at: Int64s
    kind: Sequence[str]
    detail: Sequence[str]
    substations: Sequence[str | None]
    """For each event: the substation of its meter."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What people say that loads of their homes are, in order of arrival; n labels, shape (n,) each."""

    meter: Int64s
    at: Int64s
    """When it was said, ms UTC."""
    number: Int64s
    """The load, by its number in ApplianceEventBlock; 0 = none in particular."""
    power_w: Float64s
    appliance: Sequence[str]


@dataclass(frozen=True, slots=True)
class PartialLoads:
    """Parts of the loads of feeders and substations, in order of arrival; p rows.

    A part is what the meters of one metering partition draw together. Its sums come again when they have grown.
    """

    feeders: Sequence[str | None]
    """For each part of the shard: its feeder; None = the substation's own meters. Shape (n,)."""
    substations: Sequence[str]
    """For each part of the shard: its substation, empty where unknown. Shape (n,)."""
    part: Int64s
    """Position of the row's part in `feeders`, shape (p,)."""
    quarter: Int64s
    """Start of the quarter of an hour, in quarters UTC, shape (p,)."""
    counted: Int64s
    """Meters summed so far, shape (p,)."""
    energy_steps: Int64s
    covered_ms: Int64s


@dataclass(frozen=True, slots=True)
class HourlyLoads:
    """Mean loads of meters by the hour, in order of arrival; h rows. The n meters are all that ever told one."""

    ids: Sequence[str]
    """Profile and meter, see `id`."""
    feeders: Sequence[str | None]
    substations: Sequence[str | None]
    meter: Int64s
    """Position of the row's meter in `ids`, shape (h,)."""
    hour: Int64s
    """Hours since 1970, shape (h,)."""
    load: Float64s
    """W or m3/h, negative when fed in, shape (h,)."""
    groups: Groups
    """Which meters are neighbours, by their positions in `ids`."""

    def id(self, row: int) -> str:
        """The meter's own id."""
        return self.ids[row].partition("\x1f")[2]


class Operator:
    """An operator overrides the hooks it needs; each is called at most once a turn and profile, with all rows of it.

    `on_released` is called again, for idle meters, where a beat ended the turn.
    `state` is changed in place, everything else is read only.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    takes: ClassVar[frozenset[str]]
    """Record types it works on, by the names of schemas/records. A stream with an operator that takes HomeRequestBlock
    works on the readings of homes that consent, and of no others."""
    gives: ClassVar[frozenset[str]]
    """Record types of its results."""
    reach_ms: ClassVar[int | None] = None
    """How far before and after an hour rows bear on its results of that hour, apart from the stretches to a row's
    neighbours: then these can be computed again from the stored rows (rerun.py). None: they depend on all that came
    before, or on when it came."""

    options: ClassVar[Mapping[str, Sequence[str]]] = {}
    """What a stream of topology.yaml can choose of it, and the values that each choice can have."""

    def chosen(self, options: Mapping[str, str]) -> "Operator":
        """The operator with these of its `options`, the others as usual; called where there are any."""
        return self

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The state of one meter with these quantities; none for an operator of parts. A new meter starts as zeros."""
        return np.dtype([])

    def part_dtype(self) -> np.dtype[Any]:
        """The state of one part of a load. A new part starts as zeros."""
        return np.dtype([])

    def whole(self, saved: Mapping[str, Any] | None = None) -> Whole | None:
        """What is known of the partition as a whole: nothing yet, or what `Whole.saved` gave; None = nothing ever."""
        return None

    def hourly_dtype(self) -> np.dtype[Any]:
        """The state of one meter whose hourly loads come. A new one starts as zeros."""
        return np.dtype([])

    def describe(self, state: Any, quantities: Sequence[Quantity]) -> dict[str, Any]:
        """One meter's state for people, as JSON values."""
        return readable(state, quantities)

    def on_arrivals(self, state: State, meters: Meters, rows: Rows) -> Sequence[Result | HeardRows]:
        """Rows as they came: neither sorted nor complete, repeats left out."""
        return []

    def on_released(self, state: State, meters: Meters, released: Released) -> Sequence[Result | Contributions]:
        """Rows in event-time order, delayed by the profile's lateness."""
        return []

    def on_time(self, state: State, meters: Meters, elapsed: Elapsed) -> Sequence[Result]:
        """Time passed; called at the end of a turn that a beat ended."""
        return []

    def on_events(self, state: State, meters: Meters, events: Events) -> Sequence[Result]:
        """Meters reported events."""
        return []

    def on_labels(self, state: State, meters: Meters, labels: Labels) -> Sequence[Result]:
        """People said what loads of their homes are."""
        return []

    def on_withdrawal(self, state: State, meters: Meters, gone: Int64s) -> Sequence[Result]:
        """The homes of these meters withdrew their consent: what is open of them is closed; their state is erased then.

        `gone`: places of the meters.
        """
        return []

    def on_partial_loads(self, state: State, loads: PartialLoads) -> Sequence[Result]:
        """Parts of loads came. `state` is that of the parts, shape (n,)."""
        return []

    def on_turn(self, whole: Any, records: Sequence[Record], beats: Mapping[str, int] | None) -> Sequence[Result]:
        """A turn is over, for an operator that has a `whole`.

        `records`: those of the turn whose types it takes, in order of arrival. `beats`: the newest beat of each source,
        ms UTC, if a beat ended the turn; None if its rows did, which must change nothing but what waits for the beat.
        """
        return []

    def describe_in(self, whole: Any, meter: str) -> dict[str, Any] | None:
        """What `whole` has of one meter, for people, as JSON values; None = nothing."""
        return None

    def on_hourly_loads(self, state: State, loads: HourlyLoads) -> Sequence[Result]:
        """Hourly loads of meters came. `state` is that of those meters, shape (n,)."""
        return []

    def on_hourly_time(self, state: State, meters: Meters, elapsed: Elapsed) -> Sequence[Result]:
        """An hour or so passed, for the meters whose hourly loads come; their ids are profile and meter.

        Time is that of the source that beat last when a meter's load came: hourly loads have none of their own.
        """
        return []
