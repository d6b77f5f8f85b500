"""What a turn brings, and what is kept of it per meter.

Only extremes of event times are kept (the newest proof of supply, the first last gasp after it), so repeats change
nothing, and neither does the order within a turn.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from schemas.arrays import Float64s, Int64s

MOST_BURSTS = 6
"""Bursts under one root that are weighed together."""
SETTLED = MOST_BURSTS
"""The place of `back_ms` for an outage that is followed by itself."""
FUTURE_MS = 5_000
"""An event time further ahead of its arrival is taken to be the arrival."""
LOW_VOLTAGE = 0.5
"""Share of a meter's usual voltage below which it counts as dark: less than that reaches it only through neighbours."""
LEAST_V = 50.0
"""What no supply is below, in V: the usual voltage of a meter that has told none but lower ones stays unknown."""
CONTRADICTED = 3
"""So many voltages in a row that cannot be of the same supply make another one the usual one: the first ones may have
been spikes, or what is left of a voltage while the supply fails."""
LEARNING = 0.05
MOST_MISSED = 20
REPEATED_MS = 300_000
"""A last gasp so much later than the one before, which nothing contradicted, is another interruption."""
NEVER = np.iinfo(np.int64).max


class Kind(IntEnum):
    """What a row of evidence is."""

    READING = 0
    VOLTAGE = 1
    RESTORED = 2
    LAST_GASP = 3


@dataclass(frozen=True)
class Evidence:
    """Rows about meters, in any order; r rows."""

    meter: Int64s
    """Position in the grid's meters, shape (r,)."""
    kind: Int64s
    """A Kind, shape (r,)."""
    at: Int64s
    """Event time, ms UTC, shape (r,)."""
    received_at: Int64s
    """When it reached the bridge, ms UTC, shape (r,)."""
    volts: Float64s
    """For VOLTAGE, shape (r,)."""


METER = np.dtype(
    [
        ("read_ms", "i8"),
        ("counted_ms", "i8"),
        ("proof_ms", "i8"),
        ("restored_ms", "i8"),
        ("gasp_ms", "i8"),
        ("gasped_last_ms", "i8"),
        ("excused_ms", "i8"),
        ("interval_ms", "f8"),
        ("reading_delivery", "f8"),
        ("usual_v", "f8"),
        ("usual_told", "i4"),
        ("usual_contradicted", "i4"),
        ("gasps_expected", "f8"),
        ("gasps", "f8"),
        ("lies", "f8"),
        ("gap_from_ms", "i8"),
        ("gap_to_ms", "i8"),
        ("back_ms", "i8", (MOST_BURSTS + 1,)),
    ]
)
"""A meter's newest reading, from when its silence counts, newest proof of supply and newest restoration; its first last
gasp after that proof, and its last one; until when the calendar excuses it; its reporting interval and the share of
readings that come; usual voltage (0 = unknown), how many told it, how many in a row told another; last gasps that were
to be expected, that came, and that were none; the readings before and after the newest gap in which one was missed or
supply came back; and its first proof of supply after each burst."""
TIMES = tuple(name for name in METER.names or () if name.endswith("_ms") and METER[name].base.kind == "i")
"""Those of its fields that are times, ms UTC."""

Meters = npt.NDArray[np.void]


def new_meters(count: int) -> Meters:
    """Meters of which nothing is known; a reporting interval of 0 is unknown, and learned."""
    meters = np.zeros(count, METER)
    meters["reading_delivery"] = 0.9
    return meters


def settled_times(at: Int64s, received_at: Int64s) -> Int64s:
    """Event times, none from the future.

    >>> settled_times(np.array([7_000, 90_000]), np.array([8_000, 9_000])).tolist()
    [7000, 9000]
    """
    return np.where(at > received_at + FUTURE_MS, received_at, at)


def take(meters: Meters, evidence: Evidence) -> Int64s:
    """Keep what the rows say. Positions of meters of whose supply they say something new; sorted.

    A voltage is a reading; a low one is a last gasp too, if the meter showed before that it has supply. Of a meter that
    is dark already it says nothing new.
    """
    at = settled_times(evidence.at, evidence.received_at)
    low = _is_low(meters, evidence)
    supplied = (meters["usual_v"] > 0) | (meters["proof_ms"] > 0)
    heard = (evidence.kind == Kind.READING) | (evidence.kind == Kind.VOLTAGE)
    restored = evidence.kind == Kind.RESTORED
    _learn_intervals(meters, evidence.meter[heard], at[heard])
    proof = (heard & ~low) | restored
    told = np.unique(evidence.meter)
    before, proved = _supply(meters[told]), meters["proof_ms"].copy()
    np.maximum.at(meters["proof_ms"], evidence.meter[proof], at[proof])
    np.maximum.at(meters["restored_ms"], evidence.meter[restored], at[restored])
    low &= supplied[evidence.meter]
    if low.any():
        first_proof = _first(meters, evidence.meter[proof], at[proof])
        dark_from = np.where(meters["gasp_ms"] > proved, meters["gasp_ms"], NEVER)
        again = low & (at >= dark_from[evidence.meter]) & (at < first_proof[evidence.meter])
        np.maximum.at(meters["gasped_last_ms"], evidence.meter[again], at[again])
        low &= ~again
    gasped = (evidence.kind == Kind.LAST_GASP) | low
    if gasped.any() or before[2].any():
        _keep_gasps(meters, evidence.meter[gasped], at[gasped], proved)
    news: Int64s = told[(before != _supply(meters[told])).any(axis=0)]
    return news


def heard_before_return(meters: Meters) -> Int64s:
    """The last reading before each meter's newest restoration; 0 where it is not known."""
    inside = (meters["gap_from_ms"] < meters["restored_ms"]) & (meters["restored_ms"] <= meters["gap_to_ms"])
    since = np.where(inside, meters["gap_from_ms"], 0)
    found: Int64s = np.where(meters["restored_ms"] > meters["read_ms"], meters["read_ms"], since)
    return found


def is_new(meters: Meters, evidence: Evidence) -> npt.NDArray[np.bool_]:
    """Rows newer than all of their kind, before they are taken: repeats are not, and of equal ones only the first."""
    at = settled_times(evidence.at, evidence.received_at)
    newest = np.where(
        evidence.kind == Kind.LAST_GASP,
        meters["gasped_last_ms"][evidence.meter],
        np.where(
            evidence.kind == Kind.RESTORED, meters["restored_ms"][evidence.meter], meters["read_ms"][evidence.meter]
        ),
    )
    order = np.lexsort((evidence.received_at, at, evidence.kind, evidence.meter))
    key = np.stack((evidence.meter, evidence.kind, at))[:, order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    found = at > newest
    found[order[~first]] = False
    return found


def _supply(meters: Meters) -> Int64s:
    """What is known of each meter's supply: its last gasp, its restoration, and whether it is dark."""
    return np.stack((meters["gasp_ms"], meters["restored_ms"], meters["gasp_ms"] > meters["proof_ms"]))


def note_proofs(meters: Meters, rows: slice, slot: int, burst_ms: int, margin_ms: int) -> None:
    """The first proof of supply after a burst, for each of the meters. A last gasp of its own comes before proof."""
    some = meters[rows]
    after = np.maximum(burst_ms + margin_ms, np.where(some["gasp_ms"] >= burst_ms, some["gasp_ms"], 0))
    restored = some["restored_ms"] > np.maximum(burst_ms, np.where(some["gasp_ms"] >= burst_ms, some["gasp_ms"], 0))
    proved = (some["proof_ms"] > after) | restored
    first = np.where(restored, some["restored_ms"], some["proof_ms"])
    back = some["back_ms"][:, slot]
    some["back_ms"][:, slot] = np.where(proved, np.where(back > 0, np.minimum(back, first), first), back)


def _is_low(meters: Meters, evidence: Evidence) -> npt.NDArray[np.bool_]:
    """Whether each row's voltage is that of no supply, by what is usual for its meter; NaN is not."""
    measured: npt.NDArray[np.bool_] = (evidence.kind == Kind.VOLTAGE) & np.isfinite(evidence.volts)
    if not measured.any():
        return measured
    which, place = np.unique(evidence.meter[measured], return_inverse=True)
    highest = np.zeros(len(which))
    np.maximum.at(highest, place, evidence.volts[measured])
    _learn_voltages(meters, which, highest)
    usual = meters["usual_v"][evidence.meter]
    found: npt.NDArray[np.bool_] = measured & (evidence.volts < np.where(usual > 0, LOW_VOLTAGE * usual, LEAST_V))
    return found


def _learn_voltages(meters: Meters, which: Int64s, highest: Float64s) -> None:
    """The usual voltages of some meters, from the highest that each of them told in a turn.

    The first one is the usual one, be it 100 V or 20 kV. Low ones teach nothing once the usual one was told often.
    """
    usual, told = meters["usual_v"][which], meters["usual_told"][which]
    above, below = LOW_VOLTAGE * highest > usual, highest < LOW_VOLTAGE * usual
    agrees = (highest >= LEAST_V) & ~above & ~below
    other = (highest >= LEAST_V) & (above | (below & (told < CONTRADICTED)))
    against = np.where(agrees, 0, meters["usual_contradicted"][which] + other)
    anew = other & ((usual == 0) | (against >= CONTRADICTED))
    meters["usual_v"][which] = np.where(anew, highest, usual + LEARNING * np.where(agrees, highest - usual, 0))
    meters["usual_told"][which] = np.where(anew, 1, np.minimum(told + agrees, CONTRADICTED))
    meters["usual_contradicted"][which] = np.where(anew, 0, against)


def _keep_gasps(meters: Meters, meter: Int64s, at: Int64s, proved: Int64s) -> None:
    """The first last gasp after the newest proof of supply. Where none came after it: the first since the newest proof
    of earlier turns, `proved`, else the newest of all.
    """
    last = meters["gasped_last_ms"].copy()
    np.maximum.at(meters["gasped_last_ms"], meter, at)
    old, proof, newest = meters["gasp_ms"], meters["proof_ms"], meters["gasped_last_ms"]

    def first(since: Int64s) -> Int64s:
        after = at > since[meter]
        found = _first(meters, meter[after], at[after])
        return np.where((old > since) & (found - last < REPEATED_MS), np.minimum(old, found), found)

    dark, before = first(proof), first(proved)
    answered = np.where((newest > last) | (newest > proof), newest, old)
    answered = np.where(before < NEVER, before, answered)
    meters["gasp_ms"] = np.where(dark < NEVER, dark, np.where(old > proof, old, answered))


def _first(meters: Meters, meter: Int64s, at: Int64s) -> Int64s:
    """The earliest of these times of each meter, shape (M,); NEVER where it has none."""
    first = np.full(len(meters), NEVER)
    np.minimum.at(first, meter, at)
    return first


def _learn_intervals(meters: Meters, meter: Int64s, at: Int64s) -> None:
    """Reporting interval and delivery of readings, from the distances between event times."""
    order = np.lexsort((at, meter))
    meter, at = meter[order], at[order]
    starts = np.flatnonzero(np.append(True, np.diff(meter) != 0)) if len(meter) else np.zeros(0, np.int64)
    rank = np.arange(len(meter)) - np.repeat(starts, np.diff(np.append(starts, len(meter))))
    for turn in range(int(rank.max()) + 1 if len(rank) else 0):
        which = rank == turn
        _learn_interval(meters, meter[which], at[which])


def _learn_interval(meters: Meters, meter: Int64s, at: Int64s) -> None:
    """One reading of each meter. Gaps in which the supply failed teach nothing."""
    read = meters["read_ms"][meter]
    gap = np.where(read > 0, at - read, 0)
    interval, delivery = meters["interval_ms"][meter], meters["reading_delivery"][meter]
    dark = (meters["gasp_ms"][meter] > read) | (meters["restored_ms"][meter] > read)
    learns = (gap > 0) & ~(dark & (interval > 0)) & (meters["excused_ms"][meter] <= read)
    ratio = np.divide(gap, interval, out=np.ones(len(gap)), where=interval > 0)
    missed = np.clip(np.rint(ratio), 1, MOST_MISSED)
    new = np.where(ratio < 0.75, interval + 0.5 * (gap - interval), interval + 0.1 * (gap - interval))
    new = np.where(ratio >= 1.5, np.where(ratio >= MOST_MISSED, gap, interval * 1.01), new)
    new = np.where(interval > 0, new, gap)
    meters["interval_ms"][meter] = np.where(learns, new, interval)
    is_gap = (read > 0) & (gap > 0) & ((ratio >= 1.5) | (meters["restored_ms"][meter] > read))
    meters["gap_from_ms"][meter[is_gap]], meters["gap_to_ms"][meter[is_gap]] = read[is_gap], at[is_gap]
    learned = delivery * (1 - LEARNING) ** missed + LEARNING
    meters["reading_delivery"][meter] = np.where(learns, learned, delivery)
    meters["read_ms"][meter] = np.maximum(read, at)
    meters["counted_ms"][meter] = np.maximum(meters["counted_ms"][meter], at)
