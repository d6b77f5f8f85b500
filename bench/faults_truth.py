"""What the results of a fault run must be, computed straight from the input topics.

Independent on purpose: nothing of `streams` is used, and nothing is done in its way. The rules are written down here a
second time: rows are judged one by one, windows are made per meter over its whole history at once (faults_windows.py).

Rules that are left out because the load never needs them, and that would show as differences if it did: more than eight
rows waiting, rows that come after an idle meter's windows were closed (event time runs five times as fast as the
sources' own), quarters of a feeder older than those kept.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bench.faults_windows import (
    AGGREGATE,
    HOUR_MS,
    MINUTE_MS,
    NOTHING,
    PER_UNIT,
    SHORT_INTERVALS,
    Aggregates,
    Series,
    aggregates_of,
    load_of,
)
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.quality import Quality
from schemas.record import Record

LATENESS_INTERVALS, SILENT_INTERVALS = 6, 6
REMEMBERED = 64
TURN_ROWS, TURN_MS, MOST_BEAT_MS = 8_192, 1_000, 2_000

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
    number: int = 0
    accepted: list[tuple[int, tuple[int, ...], int]] = field(default_factory=list)
    """Event time, values in steps (NOTHING = not measured), quality."""

    @property
    def watermark(self) -> int:
        """What lies at or before it is late."""
        return self.newest_at - LATENESS_INTERVALS * self.interval_ms

    def released(self) -> Series:
        """The rows that the watermark has passed."""
        rows = sorted((row for row in self.accepted if row[0] <= self.watermark), key=lambda row: row[0])
        at, steps, quality = (np.array([row[i] for row in rows], np.int64) for i in range(3))
        newest = rows[-1][0] if rows else 0
        reachable = self.watermark - newest <= SHORT_INTERVALS * self.interval_ms
        return Series(at, steps, quality, self.interval_ms, (newest if reachable else self.watermark) // MINUTE_MS)


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
        if at <= meter.watermark:
            self.counts["late"] += 1
            for touched in (at - 3 * meter.interval_ms, at, at + 3 * meter.interval_ms):
                hour = touched // HOUR_MS * HOUR_MS
                self.requests.add((name, profile, hour, hour + HOUR_MS))
            return
        meter.newest_at = max(meter.newest_at, at)
        meter.accepted.append((at, steps, quality))

    def _turn_ends(self, by_beat: bool) -> None:
        for name, received_at in self._heard.items():
            meter = self.meters[name]
            meter.number = meter.number or received_at // 2_000 * 2 + 1
            if meter.number % 2:
                self._changes(name, "resumed", received_at)
        if by_beat:
            for name, meter in self.meters.items():
                elapsed_ms = self.sources[meter.source].passed_ms - meter.arrived_ms
                if elapsed_ms > SILENT_INTERVALS * meter.interval_ms and meter.number % 2 == 0:
                    self._changes(name, "silent", meter.received_at)
        self._heard, self._turn_rows = {}, 0

    def _changes(self, name: str, state: str, since: int) -> None:
        meter = self.meters[name]
        meter.number += 1
        self.presence[name, meter.number] = (state, since, meter.newest_heard_at, meter.feeder)

    def account(self) -> dict[str, int]:
        """What became of the rows, by the names of Account."""
        rows = sum(len(meter.accepted) for meter in self.meters.values())
        pending = sum(sum(at > meter.watermark for at, _, _ in meter.accepted) for meter in self.meters.values())
        return {**self.counts, "released": rows - pending, "pending": pending, "meters": len(self.meters)}

    def aggregates(self) -> Aggregates:
        """All aggregates of closed windows, in no particular order."""
        found = [aggregates_of(place, self.meters[name].released()) for place, name in enumerate(sorted(self.meters))]
        return np.concatenate(found) if found else np.empty(0, AGGREGATE)

    def loads(self) -> dict[LoadKey, LoadFact]:
        """What these meters drew, by feeder and quarter; the newest quarter of each feeder is still open."""
        found: dict[LoadKey, LoadFact] = {}
        for meter in self.meters.values():
            for start, energy, covered in load_of(meter.released()):
                key = (meter.substation or "", meter.feeder, start)
                counted_before, energy_before, covered_before = found.get(key, (0, 0, 0))
                found[key] = (counted_before + 1, energy_before + energy, covered_before + covered)
        newest: dict[tuple[str, str | None], int] = {}
        for substation, feeder, start in found:
            newest[substation, feeder] = max(start, newest.get((substation, feeder), 0))
        return {key: fact for key, fact in found.items() if key[2] < newest[key[:2]]}


AlertKey = tuple[str, int]
AlertFact = tuple[str, str, str | None, str | None, int, int]


def last_gasps(log: Iterable[Record]) -> Iterator[tuple[AlertKey, AlertFact]]:
    """(id, number) -> state, subject, feeder, substation, at, raised_at, of the alerts of a partition of evidence."""
    dark: set[str] = set()
    raised: dict[str, int] = {}
    newest: dict[tuple[str, str], int] = {}
    for block in log:
        if not isinstance(block, EventBlock):
            continue
        for place, at, kind in zip(block.row_meter.tolist(), block.at.tolist(), block.kind, strict=True):
            meter, where = block.meters[place], (block.feeders[place], block.substations[place])
            newest[meter, kind] = max(at, newest.get((meter, kind), 0))
            gasped, restored = (newest.get((meter, which), 0) for which in ("last_gasp", "power_restored"))
            lost_at = at if kind == "last_gasp" and meter not in dark and at > raised.get(meter, 0) else 0
            while lost_at or (meter in dark and restored > raised[meter]):
                if lost_at:
                    dark.add(meter)
                    raised[meter] = lost_at
                    yield (f"last_gasp/{meter}/{lost_at}", 1), ("raised", meter, *where, lost_at, lost_at)
                    lost_at = 0
                else:
                    dark.remove(meter)
                    since = raised[meter]
                    yield (f"last_gasp/{meter}/{since}", 2), ("cleared", meter, *where, restored, since)
                    lost_at = gasped if gasped >= restored else 0
