"""A shard: all that a stream knows from one input partition, a pure function of its records up to `next_offset`.

Records go in one by one; when one ends a turn, the turn's results come out and `next_offset` moves. Sending results,
saving and restoring are the engine's (engine.py).

State beside beats, counts and consents, in the order in which `_close` calls the hooks that work on it:

of a            in               by its id                      laid out by   hooks                     forgotten
meter           tables[profile]  meter                          dtype         on_arrivals, on_released  (1), (2)
meter's events  tables[EVENTS]   meter                          dtype         on_events                 (1), (2)
part of a load  parts            substation, feeder, partition  part_dtype    on_partial_loads          never
compared meter  hourly           profile, meter                 hourly_dtype  on_hourly_loads           (1)
partition       wholes           operator                       whole         on_turn                   by the operator
feeder          loads            substation, feeder             the shard     none                      never

(1) when nothing came of it for 45 days of its source's time; (2) when its home withdraws its consent. A hook is called
in a turn that has something for it, on_turn in every one. Then come on_time, and on_released for idle meters, if a beat
ended the turn; on_hourly_time if an hour is over; on_withdrawal and on_labels if homes request it. What on_released
contributes to feeders is added to their loads; those that are due are given where a beat ended the turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.catalogue import Catalogue, Profile
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS
from schemas.errors import Reason, Rejected
from schemas.master_data import HomeRequestBlock
from schemas.record import Record
from schemas.results import Account, HourlyLoadBlock, PartialLoadBlock
from streams import consents, gather, hearing, minutes, order, readable, recompute
from streams.beats import Beats
from streams.consents import Consents
from streams.contract import Contributions, Elapsed, HeardRows, Mask, Operator, Result
from streams.groups import Groups
from streams.meters import OWN, MeterTable
from streams.order import Taken, Verdict
from streams.partial_loads import FeederLoads
from streams.turn import Arrival, Block, Turn

FORGOTTEN_AFTER_MS = 45 * DAY_MS
"""A meter that its source brought nothing from for this long was taken away."""
Input = Block | HomeRequestBlock | Beat
"""What a stream's input can hold."""
EVENTS = ""
"""The table of meters that are known by their events only."""


@dataclass(slots=True)
class Counts:
    """What became of the rows; see Account.avsc."""

    received: int = 0
    duplicates: int = 0
    conflicts: int = 0
    late: int = 0
    future: int = 0
    released: int = 0


class Shard:
    """State of one stream over one partition of its input topic.

    `turn_ms` is the time a beat must find passed to end a turn.
    """

    def __init__(
        self, stream: str, partition: int, operators: Mapping[str, Operator], catalogue: Catalogue, turn_ms: int
    ) -> None:
        self.stream = stream
        self.partition = partition
        self.operators = operators
        self.catalogue = catalogue
        self.turn_ms = turn_ms
        self.next_offset = 0
        self.beats = Beats()
        self.counts = Counts()
        self.tables: dict[str, MeterTable] = {}
        self.needs_consent = any("HomeRequestBlock" in operator.takes for operator in operators.values())
        self.consents = Consents()
        versions = [op.version for op in operators.values() if "PartialLoadBlock" in op.gives]
        self.loads = FeederLoads(partition, max(versions, default=0))
        part_dtypes = {name: op.part_dtype() for name, op in operators.items()}
        self.parts = MeterTable.empty("parts", (), {name: part for name, part in part_dtypes.items() if part.itemsize})
        self.wholes = {name: whole for name, op in operators.items() if (whole := op.whole()) is not None}
        self._is_heard = any("HeardBlock" in op.gives for op in operators.values())
        hourly_dtypes = {name: op.hourly_dtype() for name, op in operators.items() if op.hourly_dtype().itemsize}
        self._comparing = tuple(hourly_dtypes)
        self.hourly = MeterTable.empty("hourly", (), {"own": OWN, **hourly_dtypes} if hourly_dtypes else {})
        self.groups = Groups()
        self.begin()

    def begin(self) -> None:
        """Drop an unfinished turn and go on from `next_offset`."""
        self.cursor = self.next_offset
        self._turn = Turn.after(self.beats, self.turn_ms)

    def take(self, record: Record) -> list[Result] | None:
        """Take the record at `cursor`; the results of the turn if it ended one, else None.

        Raises Rejected, with the shard as if nothing had come, for a record that no stream can work on: call `skip`.
        """
        if not isinstance(record, Input):
            raise Rejected(Reason.SCHEMA, f"{type(record).__name__} on the input of stream {self.stream}")
        if isinstance(record, ReadingBlock):
            self._profile(record.profile)
            if (record.intervals_ms <= 0).any():
                raise Rejected(Reason.SCHEMA, "a reporting interval is not positive")
        if isinstance(record, HomeRequestBlock):
            consents.check(record)
        self.cursor += 1
        wanted = self._wanted(record)
        return self._close() if wanted is not None and self._turn.take(wanted) else None

    def skip(self) -> None:
        """Leave the record at `cursor` out."""
        self.cursor += 1

    def describe(self, meter: str) -> list[dict[str, Any]]:
        """What is known of a meter, for people: one for each profile that it reported under, and one for its events.

        And one for each profile under which its hourly loads are compared, and what operators know of it in the whole.
        """
        found = [self._described(table, table.rows[meter]) for table in self.tables.values() if meter in table.rows]
        profiles = [profile for profile in self.catalogue.profiles if f"{profile}\x1f{meter}" in self.hourly.rows]
        found += [self._compared(profile, self.hourly.rows[f"{profile}\x1f{meter}"]) for profile in profiles]
        wholes = {name: self.operators[name].describe_in(whole, meter) for name, whole in self.wholes.items()}
        return found + [{name: known} for name, known in wholes.items() if known is not None]

    def table(self, profile: str) -> MeterTable:
        """The meters of a profile; EVENTS for those known by events only."""
        if profile not in self.tables:
            names = self._profile(profile).quantities if profile != EVENTS else ()
            quantities = [self.catalogue.quantities[name] for name in names]
            dtypes = {"own": OWN} | {name: op.dtype(quantities) for name, op in self.operators.items()}
            if profile != EVENTS:
                dtypes["order"] = order.dtype(quantities)
            self.tables[profile] = MeterTable.empty(profile, quantities, dtypes)
        return self.tables[profile]

    def _described(self, table: MeterTable, row: int) -> dict[str, Any]:
        own = table.column("own")[row]
        source = int(own["source"])
        known: dict[str, Any] = {
            "profile": table.profile or None,
            "feeder": table.feeders[row],
            "substation": table.substations[row],
            "interval_ms": int(own["interval_ms"]),
            "source": self.beats.names[source] if source < len(self.beats.names) else None,
            "since_arrival_ms": int(self.beats.passed_ms[source] - own["arrived_ms"]) if self.beats.names else None,
        }
        if self.needs_consent:
            known["consents_since"] = readable.time(self.consents.since.get(table.ids[row], 0))
        if table.profile != EVENTS:
            known["order"] = order.describe(table.column("order")[row], table.quantities)
        states = {
            name: operator.describe(table.column(name)[row], table.quantities)
            for name, operator in self.operators.items()
        }
        return {**known, **states}

    def _compared(self, profile: str, row: int) -> dict[str, Any]:
        table = self.hourly
        known = {"profile": profile, "feeder": table.feeders[row], "substation": table.substations[row]}
        return known | {name: self.operators[name].describe(table.column(name)[row], ()) for name in self._comparing}

    def _wanted(self, record: Input) -> Input | None:
        """The record, as far as the stream may work on it; None if it may not, or has no use for it."""
        if isinstance(record, HomeRequestBlock):
            return record if self.needs_consent else None
        return self.consents.only(record) if self.needs_consent and isinstance(record, ReadingBlock) else record

    def _profile(self, name: str) -> Profile:
        try:
            return self.catalogue.profiles[name]
        except KeyError:
            raise Rejected(Reason.UNKNOWN_PROFILE, f"profile {name!r} is not in the catalogue") from None

    def _close(self) -> list[Result]:
        turn, before = self._turn, self.beats
        results: list[Result] = []
        self.beats = turn.beats
        for profile in dict.fromkeys(a.block.profile for a in turn.arrivals if isinstance(a.block, ReadingBlock)):
            results += self._readings(profile, turn.arrivals)
        results += self._events(turn.arrivals)
        results += self._partial_loads([a.block for a in turn.arrivals if isinstance(a.block, PartialLoadBlock)])
        results += self._hourly_loads(turn.arrivals)
        results += self._wholes(turn)
        if self._is_heard:
            results += hearing.beats(self._hearer, before, self.beats)
        if turn.ended_by_beat:
            results += self._time_passed()
        if self._comparing and before.newest // HOUR_MS != self.beats.newest // HOUR_MS:
            results += self._hour_passed()
        if turn.requests:
            results += self._requests(turn.requests)
        self.next_offset = self.cursor
        if turn.ended_by_beat:
            results.append(self.account())
        self._turn = Turn.after(self.beats, self.turn_ms)
        return results

    def _readings(self, profile: str, arrivals: Sequence[Arrival]) -> list[Result]:
        table = self.table(profile)
        came = [(a.block, a) for a in arrivals if isinstance(a.block, ReadingBlock) and a.block.profile == profile]
        blocks, arrivals = [block for block, _ in came], [arrival for _, arrival in came]
        rows, sequence = gather.readings(table, blocks)
        state = table.column("order")
        lateness_ms = self._lateness_ms(table)
        taken = order.take(state, rows, sequence, lateness_ms)
        self._count(taken)
        source, passed_ms = gather.arrived(blocks, arrivals)
        table.arrived(rows.meter[taken.new], source[taken.new], passed_ms[taken.new])
        results: list[Result] = [*recompute.late_rows(table, rows.take(taken.those(Verdict.LATE)))]
        new = rows.take(taken.new)
        for name, operator in self.operators.items():
            for given in operator.on_arrivals(table.column(name), table.view(), new):
                results += self._handed_on(table, given) if isinstance(given, HeardRows) else [given]
        return results + self._released(table, taken)

    def _events(self, arrivals: Sequence[Arrival]) -> list[Result]:
        came = [(a.block, a) for a in arrivals if isinstance(a.block, EventBlock)]
        blocks, arrivals = [block for block, _ in came], [arrival for _, arrival in came]
        if not blocks:
            return []
        table = self.table(EVENTS)
        events = gather.events(table, blocks)
        table.arrived(events.meter, *gather.arrived(blocks, arrivals))
        self.counts.received += len(events.kind)
        self.counts.released += len(events.kind)
        results: list[Result] = []
        for name, operator in self.operators.items():
            results += operator.on_events(table.column(name), table.view(), events)
        return results

    @property
    def _hearer(self) -> str:
        return f"{self.stream}/{self.partition}"

    def _handed_on(self, table: MeterTable, heard: HeardRows) -> list[Result]:
        return [*hearing.blocks(table, heard, self._hearer, self.beats.names)]

    def _wholes(self, turn: Turn) -> list[Result]:
        beats = self.beats.newest_by_source if turn.ended_by_beat else None
        results: list[Result] = []
        for name, whole in self.wholes.items():
            operator = self.operators[name]
            records = [a.block for a in turn.arrivals if type(a.block).__name__ in operator.takes]
            results += operator.on_turn(whole, records, beats)
        return results

    def _partial_loads(self, blocks: Sequence[PartialLoadBlock]) -> list[Result]:
        table = self.parts
        results: list[Result] = []
        if blocks and table.columns:
            loads = gather.partial_loads(table, blocks)
            for name in table.columns:
                results += self.operators[name].on_partial_loads(table.column(name), loads)
        return results

    def _hourly_loads(self, arrivals: Sequence[Arrival]) -> list[Result]:
        came = [(a.block, a) for a in arrivals if isinstance(a.block, HourlyLoadBlock)]
        blocks, arrivals = [block for block, _ in came], [arrival for _, arrival in came]
        table = self.hourly
        results: list[Result] = []
        if blocks and self._comparing:
            loads = gather.hourly_loads(table, self.groups, blocks)
            table.column("own")["interval_ms"][loads.meter] = HOUR_MS
            table.arrived(loads.meter, *gather.arrived(blocks, arrivals))
            for name in self._comparing:
                results += self.operators[name].on_hourly_loads(table.column(name), loads)
        return results

    def _hour_passed(self) -> list[Result]:
        """What was open of meters whose hourly loads no longer come is closed, and these are forgotten."""
        table, passed_ms = self.hourly, self.beats.passed_ms
        own, leading = table.column("own"), self.beats.leading
        # Of a state that was saved before this was kept: as if their loads came now.
        own[own["interval_ms"] == 0] = (HOUR_MS, passed_ms[leading], leading, 0)
        elapsed = Elapsed(passed_ms[own["source"]] - own["arrived_ms"])
        results: list[Result] = []
        for name in self._comparing:
            results += self.operators[name].on_hourly_time(table.column(name), table.view(), elapsed)
        if self._forget(table, passed_ms):
            self.groups = Groups()
        return results

    def _requests(self, block: HomeRequestBlock) -> list[Result]:
        """Consents and withdrawals; then labels, which are for homes that consent."""
        gone = set()
        for row, kind, at in zip(block.row_meter, block.kind, block.at.tolist(), strict=True):
            if kind == "consent":
                self.consents.give(block.meters[row], at)
            elif kind == "withdraw" and self.consents.withdraw(block.meters[row], at):
                gone.add(block.meters[row])
        results: list[Result] = []
        for table in self.tables.values():
            if not gone.isdisjoint(table.rows):
                stays = np.array([meter not in gone for meter in table.ids], np.bool_)
                for name, operator in self.operators.items():
                    results += operator.on_withdrawal(table.column(name), table.view(), np.flatnonzero(~stays))
                self._keep(table, stays)
            labels = gather.labels(table, block)
            for name, operator in self.operators.items() if len(labels.meter) else ():
                results += operator.on_labels(table.column(name), table.view(), labels)
        return results

    def _released(self, table: MeterTable, taken: Taken) -> list[Result]:
        released = taken.released
        self.counts.released += len(released.rows.meter)
        table.column("own")["waiting"][released.moved] = taken.waiting
        results: list[Result] = []
        for name, operator in self.operators.items():
            for given in operator.on_released(table.column(name), table.view(), released):
                results += self._contributed(table, given) if isinstance(given, Contributions) else [given]
        return results

    def _contributed(self, table: MeterTable, more: Contributions) -> list[Result]:
        """Add to the load of the meters' feeders; what that pushes out, and what came too late for it."""
        infeed = self._profile(table.profile).infeed
        pushed_out, late = self.loads.add(table, infeed, more, self.beats.passed_ms)
        hours = late.quarter * QUARTER_MS // HOUR_MS
        return [*pushed_out, *recompute.requests(table, late.meter, hours)]

    def _time_passed(self) -> list[Result]:
        results: list[Result] = []
        passed_ms = self.beats.passed_ms
        for table in self.tables.values():
            self._forget(table, passed_ms)
        for profile, table in self.tables.items():
            own = table.column("own")
            elapsed = Elapsed(passed_ms[own["source"]] - own["arrived_ms"])
            for name, operator in self.operators.items():
                results += operator.on_time(table.column(name), table.view(), elapsed)
            if profile != EVENTS:
                results += self._idle(table, elapsed)
        return [*results, *self.loads.due(passed_ms)]

    def _forget(self, table: MeterTable, passed_ms: Int64s) -> bool:
        """Drop the meters that were taken away, once they are an eighth of the table: it is laid anew then.

        Whether it was.
        """
        own = table.column("own")
        gone = passed_ms[own["source"]] - own["arrived_ms"] > FORGOTTEN_AFTER_MS
        is_worth_it = bool(gone.any() and 8 * gone.sum() >= len(gone))
        if is_worth_it:
            self._keep(table, ~gone)
        return is_worth_it

    def _keep(self, table: MeterTable, which: Mask) -> None:
        """Forget the other meters. Their rows that wait count as released, so that the account adds up."""
        self.counts.released += int(table.column("own")["waiting"][~which].sum())
        table.keep(which)

    def _idle(self, table: MeterTable, elapsed: Elapsed) -> list[Result]:
        """Idle meters' watermarks move on by what elapsed, until every window of theirs is closed."""
        state, interval_ms = table.column("order"), table.column("own")["interval_ms"]
        idle_ms = interval_ms * self._profile(table.profile).idle_intervals
        idle = np.flatnonzero(elapsed.since_arrival_ms > idle_ms)
        lateness_ms = self._lateness_ms(table)[idle]
        most_ms = lateness_ms + minutes.closes_all_ms(interval_ms[idle])
        idle_for_ms = np.minimum((elapsed.since_arrival_ms - idle_ms)[idle], most_ms)
        newest_at = state["newest_at"][idle]
        watermark = newest_at - lateness_ms + idle_for_ms
        due = (watermark // MINUTE_MS > state["watermark"][idle] // MINUTE_MS) & (newest_at > 0)
        if not due.any():
            return []
        return self._released(table, order.advance(state, idle[due], watermark[due]))

    def _lateness_ms(self, table: MeterTable) -> Int64s:
        intervals = self._profile(table.profile).lateness_intervals
        lateness_ms: Int64s = table.column("own")["interval_ms"] * intervals
        return lateness_ms

    def _count(self, taken: Taken) -> None:
        self.counts.received += len(taken.verdict)
        self.counts.duplicates += int(taken.those(Verdict.DUPLICATE).sum())
        self.counts.conflicts += int(taken.those(Verdict.CONFLICT).sum())
        self.counts.late += int(taken.those(Verdict.LATE).sum())
        self.counts.future += int(taken.those(Verdict.FUTURE).sum())

    def account(self) -> Account:
        """What became of every row so far."""
        pending = sum(int(table.column("own")["waiting"].sum()) for table in self.tables.values())
        meters = sum(len(table.ids) for table in self.tables.values())
        counts = {f.name: getattr(self.counts, f.name) for f in fields(self.counts)}
        return Account(
            self.stream, self.partition, self.next_offset, self.beats.newest, meters=meters, pending=pending, **counts
        )
