"""What the results of a fault run must be, computed straight from the input topics.

Independent on purpose: nothing of `streams` is used, and nothing is done in its way. The rules are written down here a
second time: rows are judged one by one, windows are made per meter over its whole history at once. Numbers are integers
in the catalogue's resolution, so equal means equal bits.

Rules that are left out because the load never needs them, and that would show as differences if it did: a register
split inside a minute at other than whole steps of time, more than eight rows waiting, rows that come after an idle
meter's windows were closed (event time runs five times as fast as the sources' own), minutes of a feeder older than
those kept.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.blocks import Beat, EventBlock, Int64s, ReadingBlock, Record
from schemas.quality import Quality

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MINUTES = {"1min": 1, "15min": 15, "1h": 60, "rolling_15min": 15}
WINDOWS = tuple(MINUTES)
PER_UNIT = np.array([1, 1, 10, 10, 10, 100, 100, 100], np.int64)
IS_REGISTER = np.array([True, True] + [False] * 6)
IS_POWER = np.array([False, False, True, True, True, False, False, False])
LATENESS_INTERVALS, SHORT_INTERVALS, SILENT_INTERVALS = 6, 3, 6
REMEMBERED = 64
TURN_ROWS, TURN_MS, MOST_BEAT_MS = 2_048, 1_000, 2_000
NOTHING = np.iinfo(np.int64).min

AGGREGATE = np.dtype(
    [(name, "i8") for name in ("meter", "quantity", "window", "start", "version", "revision", "end", "count")]
    + [(name, "f8") for name in ("mean", "min", "max", "energy_trapezoid_wh", "register_difference")]
    + [(name, "i8") for name in ("covered_ms", "quality")]
)
"""One aggregate. `meter` and `window` are positions: in the sorted ids of the partition, and in WINDOWS. The versions
are 0 once the highest was taken."""
Aggregates = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]
LoadKey = tuple[str, str | None, int]
"""Substation, feeder (None = the whole substation), start."""
LoadFact = tuple[int, int, int]
"""Meters counted, energy in steps of 0.1 W ms, time covered in ms."""


@dataclass(slots=True)
class Meter:
    """What is known of one meter while its rows are judged."""

    feeder: str | None = None
    substation: str | None = None
    interval_ms: int = 0
    seen: "OrderedDict[tuple[bool, int], bytes]" = field(default_factory=OrderedDict)
    newest_at: int = 0
    arrived_ms: int = 0
    source: str = ""
    received_at: int = 0
    newest_heard_at: int = 0
    changes: int = 0
    accepted: list[tuple[int, tuple[int, ...], int]] = field(default_factory=list)
    """Event time, values in steps (NOTHING = not measured), quality."""


@dataclass(slots=True)
class Source:
    """The time of one source."""

    last: int = 0
    passed_ms: int = 0
    turn_from_ms: int = 0


@dataclass(slots=True)
class Readings:
    """The truth of one partition of readings. Feed `take` in the order of the log."""

    meters: dict[str, Meter] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("received", "duplicates", "conflicts", "late", "future"), 0)
    )
    presence: dict[tuple[str, int], tuple[str, int, int, str | None]] = field(default_factory=dict)
    """(meter, number) -> state, since, last_at, feeder."""
    requests: set[tuple[str, str, int, int]] = field(default_factory=set)
    """Meter, profile, start, end."""
    _heard: dict[str, int] = field(default_factory=dict)
    """Meters of this turn, and when their first new row came in."""
    _turn_rows: int = 0

    def take(self, record: Record) -> None:
        """The next record of the log."""
        if isinstance(record, Beat):
            source = self.sources.setdefault(record.source, Source())
            if source.last:
                source.passed_ms += max(0, min(record.at - source.last, MOST_BEAT_MS))
            source.last = max(source.last, record.at)
            if source.passed_ms - source.turn_from_ms >= TURN_MS:
                for each in self.sources.values():
                    each.turn_from_ms = each.passed_ms
                self._turn_ends(by_beat=True)
        elif isinstance(record, ReadingBlock):
            self._block(record)
            self._turn_rows += len(record.row_meter)
            if self._turn_rows >= TURN_ROWS:
                self._turn_ends(by_beat=False)
        else:
            raise ValueError(f"the load sends no {type(record).__name__} here")

    def _block(self, block: ReadingBlock) -> None:
        passed_ms = self.sources.setdefault(block.source, Source()).passed_ms
        rows = block.rows_by_column().T
        known = ~np.isnan(rows)
        steps = np.where(known, np.rint(np.where(known, rows, 0) * PER_UNIT), NOTHING).astype(np.int64).tolist()
        for i, name in enumerate(block.meters):
            meter = self.meters.setdefault(name, Meter())
            meter.feeder, meter.substation = block.feeders[i], block.substations[i]
            meter.interval_ms = int(block.intervals_ms[i])
        for i, (place, at, quality) in enumerate(
            zip(block.row_meter.tolist(), block.at.tolist(), block.quality.tolist(), strict=True)
        ):
            name = block.meters[place]
            meter = self.meters[name]
            if self._is_new(meter, at, bool(quality & Quality.FUTURE), rows[i].tobytes()):
                meter.source, meter.arrived_ms = block.source, passed_ms
                meter.received_at = max(meter.received_at, block.received_at)
                self._heard.setdefault(name, block.received_at)
                self._judge(name, meter, at, tuple(steps[i]), quality, block.profile)

    def _is_new(self, meter: Meter, at: int, future: bool, values: bytes) -> bool:
        self.counts["received"] += 1
        before = meter.seen.get((future, at))
        if before is not None:
            self.counts["duplicates" if before == values else "conflicts"] += 1
            return False
        meter.seen[future, at] = values
        if len(meter.seen) > REMEMBERED:
            meter.seen.popitem(last=False)
        return True

    def _judge(self, name: str, meter: Meter, at: int, steps: tuple[int, ...], quality: int, profile: str) -> None:
        if quality & Quality.FUTURE:
            self.counts["future"] += 1
            return
        meter.newest_heard_at = max(meter.newest_heard_at, at)
        if at <= meter.newest_at - LATENESS_INTERVALS * meter.interval_ms:
            self.counts["late"] += 1
            for touched in (at - 3 * meter.interval_ms, at, at + 3 * meter.interval_ms):
                hour = touched // HOUR_MS * HOUR_MS
                self.requests.add((name, profile, hour, hour + HOUR_MS))
            return
        meter.newest_at = max(meter.newest_at, at)
        meter.accepted.append((at, steps, quality))

    def _turn_ends(self, by_beat: bool) -> None:
        for name, received_at in self._heard.items():
            if self.meters[name].changes % 2:
                self._changes(name, "resumed", received_at)
        if by_beat:
            for name, meter in self.meters.items():
                elapsed_ms = self.sources[meter.source].passed_ms - meter.arrived_ms
                if elapsed_ms > SILENT_INTERVALS * meter.interval_ms and meter.changes % 2 == 0:
                    self._changes(name, "silent", meter.received_at)
        self._heard, self._turn_rows = {}, 0

    def _changes(self, name: str, state: str, since: int) -> None:
        meter = self.meters[name]
        meter.changes += 1
        self.presence[name, meter.changes] = (state, since, meter.newest_heard_at, meter.feeder)

    def account(self) -> dict[str, int]:
        """What became of the rows, by the names of Account."""
        rows = sum(len(meter.accepted) for meter in self.meters.values())
        pending = sum(
            sum(at > meter.newest_at - LATENESS_INTERVALS * meter.interval_ms for at, _, _ in meter.accepted)
            for meter in self.meters.values()
        )
        return {**self.counts, "released": rows - pending, "pending": pending, "meters": len(self.meters)}

    def aggregates(self) -> Aggregates:
        """All aggregates of closed windows, in no particular order."""
        found = [_aggregates_of(place, self.meters[name]) for place, name in enumerate(sorted(self.meters))]
        return np.concatenate(found) if found else np.empty(0, AGGREGATE)

    def loads(self) -> dict[LoadKey, LoadFact]:
        """What these meters drew, by feeder and minute; the newest minute of each feeder is still open."""
        found: dict[LoadKey, LoadFact] = {}
        for meter in self.meters.values():
            for minute, energy, covered in _load_of(meter):
                key = (meter.substation or "", meter.feeder, minute * MINUTE_MS)
                counted_before, energy_before, covered_before = found.get(key, (0, 0, 0))
                found[key] = (counted_before + 1, energy_before + energy, covered_before + covered)
        newest: dict[tuple[str, str | None], int] = {}
        for substation, feeder, start in found:
            newest[substation, feeder] = max(start, newest.get((substation, feeder), 0))
        return {key: fact for key, fact in found.items() if key[2] < newest[key[:2]]}


@dataclass(frozen=True, slots=True)
class Cells:
    """What k windows of one meter come to, for q quantities; shape (k,) and (k, q)."""

    id: Int64s
    count: Int64s
    total: Int64s
    low: Int64s
    high: Int64s
    metered: Int64s
    covered: Int64s
    quality: Int64s

    def columns(self) -> tuple[Int64s, ...]:
        """All but the id."""
        return self.count, self.total, self.low, self.high, self.metered, self.covered, self.quality


_HIGHEST, _LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_FOLDS = (np.add, np.add, np.minimum, np.maximum, np.add, np.add, np.bitwise_or)
_EMPTY = (0, 0, _HIGHEST, _LOWEST, 0, 0, 0)


def _aggregates_of(place: int, meter: Meter) -> Aggregates:
    at, steps, quality, open_from = _released(meter)
    if not len(at):
        return np.empty(0, AGGREGATE)
    minutes = _minutes(at, steps, quality, meter.interval_ms, IS_POWER, IS_REGISTER)
    sampled = minutes.count.any(axis=1)
    closed = minutes.id < open_from
    return np.concatenate(
        [
            _facts(place, "1min", _select(minutes, sampled & closed)),
            _facts(place, "15min", _folded(minutes, 15, open_from)),
            _facts(place, "1h", _folded(minutes, 60, open_from)),
            _facts(place, "rolling_15min", _select(_rolled(minutes, 15), sampled & closed)),
        ]
    )


def _load_of(meter: Meter) -> Iterator[tuple[int, int, int]]:
    """Minute, energy and covered time of a meter's three phases together."""
    at, steps, quality, open_from = _released(meter)
    if not len(at):
        return
    phases = steps[:, IS_POWER]
    measured = phases != NOTHING
    total = np.where(measured.any(axis=1), np.where(measured, phases, 0).sum(axis=1), NOTHING)
    minutes = _minutes(at, total[:, None], quality, meter.interval_ms, np.array([True]), np.array([False]))
    which = np.flatnonzero((minutes.id < open_from) & (minutes.covered[:, 0] > 0))
    for i in which.tolist():
        yield int(minutes.id[i]), int(minutes.metered[i, 0]), int(minutes.covered[i, 0])


def _released(meter: Meter) -> tuple[Int64s, Int64s, Int64s, int]:
    """Times, values and quality of the rows that the watermark has passed, in order; the first minute still open."""
    watermark = meter.newest_at - LATENESS_INTERVALS * meter.interval_ms
    rows = sorted((row for row in meter.accepted if row[0] <= watermark), key=lambda row: row[0])
    at, steps, quality = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    if not rows:
        return at, steps, quality, 0
    newest = int(at[-1])
    reachable = watermark - newest <= SHORT_INTERVALS * meter.interval_ms
    return at, steps, quality, (newest if reachable else watermark) // MINUTE_MS


def _minutes(at: Int64s, steps: Int64s, quality: Int64s, interval_ms: int, is_power: Mask, is_register: Mask) -> Cells:
    """The minutes of a meter's released rows, sorted by time."""
    measured = steps != NOTHING
    span = np.diff(at)
    short = span <= SHORT_INTERVALS * interval_ms
    both = measured[1:] & measured[:-1] & short[:, None]
    before, after = np.where(both, steps[:-1], 0), np.where(both, steps[1:], 0)
    border = np.minimum((at[:-1] // MINUTE_MS + 1) * MINUTE_MS, at[1:])
    first_metered, whole_metered = (
        _metered(part, span, before, after, is_power, is_register) for part in (border - at[:-1], span)
    )
    increment = _since_last_measured(steps, measured, is_register)
    lone = np.append(np.zeros((1, steps.shape[1]), np.bool_), ~both, axis=0) & measured & is_register
    flags = np.where(measured, quality[:, None], 0)
    flags |= np.where(measured & is_register & (increment < 0), int(Quality.REGISTER_RESET), 0)
    flags[1:] |= np.where(measured[1:] & ~short[:, None], int(Quality.GAP), 0)

    rows, starts, ends = at // MINUTE_MS, at[:-1] // MINUTE_MS, (border // MINUTE_MS)
    ids = np.unique(np.concatenate((rows, starts[short], ends[short & (border < at[1:])])))
    columns = [np.full((len(ids), steps.shape[1]), empty, np.int64) for empty in _EMPTY]
    count, total, low, high, metered, covered, bits = columns
    of_row = np.searchsorted(ids, rows)
    np.add.at(count, of_row, measured)
    np.add.at(total, of_row, np.where(measured, steps, 0))
    np.minimum.at(low, of_row, np.where(measured, steps, _HIGHEST))
    np.maximum.at(high, of_row, np.where(measured, steps, _LOWEST))
    np.add.at(metered, of_row, np.where(lone, np.maximum(increment, 0), 0))
    np.bitwise_or.at(bits, of_row, flags)
    one, two = np.flatnonzero(short), np.flatnonzero(short & (border < at[1:]))
    of_one, of_two = np.searchsorted(ids, starts[one]), np.searchsorted(ids, ends[two])
    np.add.at(metered, of_one, first_metered[one])
    np.add.at(metered, of_two, (whole_metered - first_metered)[two])
    np.add.at(covered, of_one, np.where(both, (border - at[:-1])[:, None], 0)[one])
    np.add.at(covered, of_two, np.where(both, (at[1:] - border)[:, None], 0)[two])
    return Cells(ids, *columns)


def _metered(part: Int64s, span: Int64s, before: Int64s, after: Int64s, is_power: Mask, is_register: Mask) -> Int64s:
    """From a stretch's start for `part` ms on: power by trapezoid, nearest step x ms; registers in whole steps."""
    part, span = part[:, None], span[:, None]
    doubled = 2 * span
    energy = (2 * (before * part * doubled + (after - before) * part * part) + doubled) // (2 * doubled)
    counted = np.maximum(after - before, 0) * part // span
    return np.where(is_power, energy, np.where(is_register, counted, 0))


def _since_last_measured(steps: Int64s, measured: Mask, is_register: Mask) -> Int64s:
    """What each value is above the one measured last before it; 0 where there is none."""
    found = np.zeros(steps.shape, np.int64)
    for quantity in np.flatnonzero(is_register):
        rows = np.flatnonzero(measured[:, quantity])
        found[rows[1:], quantity] = np.diff(steps[rows, quantity])
    return found


def _select(cells: Cells, which: Mask) -> Cells:
    return Cells(cells.id[which], *(column[which] for column in cells.columns()))


def _folded(minutes: Cells, length: int, open_from: int) -> Cells:
    ids = minutes.id // length
    closed = np.flatnonzero(ids < open_from // length)
    if not len(closed):
        return _select(minutes, np.zeros(len(ids), np.bool_))
    of = ids[closed]
    starts = np.flatnonzero(np.append(True, of[1:] != of[:-1]))
    columns = zip(_FOLDS, minutes.columns(), strict=True)
    return Cells(of[starts], *(fold.reduceat(column[closed], starts) for fold, column in columns))


def _rolled(minutes: Cells, length: int) -> Cells:
    """Each minute with those of the `length - 1` minutes before it."""
    columns = [column.copy() for column in minutes.columns()]
    for back in range(1, min(length, len(minutes.id))):
        near = np.flatnonzero(minutes.id[back:] - minutes.id[:-back] < length)
        for fold, rolled, column in zip(_FOLDS, columns, minutes.columns(), strict=True):
            rolled[near + back] = fold(rolled[near + back], column[near])
    return Cells(minutes.id, *columns)


def _facts(place: int, window: str, cells: Cells) -> Aggregates:
    anything = (cells.count != 0) | (cells.total != 0) | (cells.metered != 0) | (cells.covered != 0)
    cell, quantity = np.nonzero(anything | (cells.quality != 0))
    facts = np.zeros(len(cell), AGGREGATE)
    per_unit = PER_UNIT[quantity].astype(np.float64)
    count, sampled = cells.count[cell, quantity], cells.count[cell, quantity] > 0
    length_ms = MINUTES[window] * MINUTE_MS
    facts["meter"], facts["quantity"], facts["window"] = place, quantity, WINDOWS.index(window)
    facts["end"] = (cells.id[cell] + 1) * (MINUTE_MS if window == "rolling_15min" else length_ms)
    facts["start"] = facts["end"] - length_ms
    facts["count"] = count
    facts["mean"] = np.where(
        sampled & ~IS_REGISTER[quantity], cells.total[cell, quantity] / np.maximum(count, 1) / per_unit, np.nan
    )
    facts["min"] = np.where(sampled, cells.low[cell, quantity] / per_unit, np.nan)
    facts["max"] = np.where(sampled, cells.high[cell, quantity] / per_unit, np.nan)
    metered = cells.metered[cell, quantity] / per_unit
    facts["energy_trapezoid_wh"] = np.where(IS_POWER[quantity], metered / HOUR_MS, np.nan)
    facts["register_difference"] = np.where(IS_REGISTER[quantity], metered, np.nan)
    facts["covered_ms"], facts["quality"] = cells.covered[cell, quantity], cells.quality[cell, quantity]
    return facts


AlertKey = tuple[str, int]
AlertFact = tuple[str, str, str | None, str | None, int, int]


def last_gasps(log: Iterable[Record]) -> Iterator[tuple[AlertKey, AlertFact]]:
    """(id, number) -> state, subject, feeder, substation, at, raised_at, of the alerts of a partition of evidence."""
    raised: dict[str, int] = {}
    is_open: set[str] = set()
    restored: dict[str, int] = {}
    for block in log:
        if not isinstance(block, EventBlock):
            continue
        for place, at, kind in zip(block.row_meter.tolist(), block.at.tolist(), block.kind, strict=True):
            meter, feeder, substation = block.meters[place], block.feeders[place], block.substations[place]
            if kind == "last_gasp" and meter not in is_open and at > raised.get(meter, 0):
                raised[meter] = at
                is_open.add(meter)
                yield (f"last_gasp/{meter}/{at}", 1), ("raised", meter, feeder, substation, at, at)
            if kind == "power_restored":
                restored[meter] = max(at, restored.get(meter, 0))
            if meter in is_open and restored.get(meter, 0) > raised[meter]:
                is_open.remove(meter)
                key = f"last_gasp/{meter}/{raised[meter]}"
                yield (key, 2), ("cleared", meter, feeder, substation, restored[meter], raised[meter])
