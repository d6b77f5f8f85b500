"""From hours to be computed again to revised results: what is asked of the database, and what is made of it."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from connectors import stored as questions
from connectors.columns import plain
from connectors.database import Database
from connectors.stored import MeterPlace, StoredRows
from flexmeter.recomputation.open_requests import Hour, MeterHour, SubstationHour
from schemas.arrays import Int64s
from schemas.catalogue import Catalogue, Kind, Profile, Quantity
from schemas.durations import HOUR_MS, QUARTER_MS
from schemas.results import AggregateBlock, LoadBlock
from streams import feeder_load, rerun
from streams.contract import Contributions, Operator, Rows
from streams.meters import MeterTable
from streams.partial_loads import QUARTERS
from streams.rerun import Stored
from streams.revision import AGGREGATE_VALUES, Standing, StandingLoad, revised, revised_loads

log = logging.getLogger(__name__)

MOST_ROWS = 200_000
"""Rows to read at once, by the meters' intervals."""
MOST_RESULTS = 250_000
"""Results to compare at once: an answer of the HTTP interface is 100 MB at most."""
WINDOWS_AN_HOUR = 150
"""Windows that overlap an hour, of one quantity, and some."""


@dataclass(slots=True)
class Answer:
    """Results to send, and what became of the hours. An hour in neither `done` nor `open` was never asked for."""

    results: list[AggregateBlock | LoadBlock] = field(default_factory=list)
    done: list[Hour] = field(default_factory=list)
    open: list[Hour] = field(default_factory=list)
    leading_to: list[tuple[Hour, Hour]] = field(default_factory=list)


class Answers:
    """Computes hours again with those of a stream's operators that can be (`reach_ms`)."""

    def __init__(self, database: Database, operators: Mapping[str, Operator], catalogue: Catalogue) -> None:
        self._database, self._catalogue = database, catalogue
        can = {name: op for name, op in operators.items() if op.reach_ms is not None}
        self._loads = [can.pop("feeder_load")] if "feeder_load" in can else []
        self._operators = list(can.values())

    def to_meters(self, hours: Sequence[MeterHour]) -> Answer:
        """Of one profile and one hour."""
        answer = Answer()
        asked = {hour.meter: hour for hour in hours}
        profile = self._catalogue.profiles.get(hours[0].profile)
        places = questions.places_of(self._database, hours[0].profile, asked) if profile else []
        gone = asked.keys() - {place.meter for place in places}
        answer.done += [asked[meter] for meter in gone]
        for some in self._alike(places):
            assert profile is not None
            closed, still_open = self._parted(profile, some, hours[0].start + HOUR_MS)
            answer.open += [asked[place.meter] for place in still_open]
            if closed:
                self._compute(profile, closed, asked, answer)
        return answer

    def to_substation(self, hour: SubstationHour) -> Answer:
        """An hour of its loads, once no stream gives any of them any more."""
        end = hour.start + HOUR_MS
        given: list[tuple[MeterTable, bool, Contributions]] = []
        under = questions.places_under(self._database, hour.substation)
        places = [place for place in under if place.profile in self._catalogue.profiles]
        if not self._is_settled(places, end):
            return Answer(open=[hour])
        for some in self._alike(places):
            profile = self._catalogue.profiles[some[0].profile]
            used = feeder_load.used(self._quantities(profile))
            if used:
                stored = self._stored(profile, used, self._loads, some, hour.start, end)
                sums = rerun.rerun(profile, self._loads, stored)
                given += [(stored.table, profile.infeed, more) for more in sums if isinstance(more, Contributions)]
        stands = {
            (hour.substation, row["feeder"], row["start"]): StandingLoad(
                row["operator_version"], row["revision"], row["meters"],
                row["energy_wh"], row["covered_ms"], row["infeed_wh"],
            )
            for row in questions.standing_loads(self._database, hour.substation, hour.start, end)
        }  # fmt: skip
        return Answer([*revised_loads(rerun.loads(given, hour.start, end), stands)], done=[hour])

    def _compute(
        self, profile: Profile, places: Sequence[MeterPlace], asked: Mapping[str, MeterHour], answer: Answer
    ) -> None:
        start, ids = asked[places[0].meter].start, [place.meter for place in places]
        end = start + HOUR_MS
        stored = self._stored(profile, self._quantities(profile), self._operators, places, start, end)
        blocks = [b for b in rerun.rerun(profile, self._operators, stored) if isinstance(b, AggregateBlock)]
        inside = [block for block in (rerun.touching(block, start, end) for block in blocks) if block is not None]
        answer.results += revised(inside, self._standing(ids, start, end))
        answer.done += [asked[meter] for meter in ids]
        for meter, later in self._followers(stored, start, end):
            if not asked[meter].follows:
                answer.leading_to.append((asked[meter], MeterHour(profile.name, later, meter, follows=True)))
        if self._loads:
            answer.leading_to += [
                (asked[place.meter], SubstationHour(place.substation or "", start))
                for place in places
                if place.feeder or (profile.infeed and place.substation)
            ]

    def _stored(
        self,
        profile: Profile,
        quantities: Sequence[Quantity],
        operators: Sequence[Operator],
        places: Sequence[MeterPlace],
        start: int,
        end: int,
    ) -> Stored:
        """The rows of meters with one interval that bear on the hour, those before a gap included."""
        ids, names = [place.meter for place in places], [quantity.name for quantity in quantities]
        table = rerun.meters_of(
            profile,
            quantities,
            operators,
            ids,
            [place.feeder for place in places],
            [place.substation for place in places],
            np.array([place.interval_ms for place in places], np.int64),
        )
        margin = rerun.margin_ms(operators, table.column("own")["interval_ms"])
        rows = questions.readings(self._database, profile.name, ids, names, start - margin, end + margin)
        stored = _as_stored(table, rows)
        before, _ = rerun.lacking(stored, start - _reach(operators), end)
        if not before.any():
            return stored
        meters = [ids[i] for i in np.flatnonzero(before)]
        registers = _registers(quantities)
        earlier = int(start - margin[0])
        at = questions.neighbours(self._database, profile.name, meters, registers, earlier, before=True)
        if not at:
            return stored
        more = questions.readings_at(self._database, profile.name, ids, names, at)
        return _as_stored(table, questions.joined([rows, more]))

    def _followers(self, stored: Stored, start: int, end: int) -> Iterator[tuple[str, int]]:
        """Meters and the later hours in which a register is measured next, across a gap."""
        _, after = rerun.lacking(stored, start - _reach(self._operators), end)
        meters = [stored.table.ids[i] for i in np.flatnonzero(after)]
        if meters:
            registers = _registers(stored.table.quantities)
            found = questions.neighbours(self._database, stored.table.profile, meters, registers, end, before=False)
            yield from sorted({(meter, at // HOUR_MS * HOUR_MS) for meter, at in found})

    def _standing(self, meters: Sequence[str], start: int, end: int) -> Standing:
        found = questions.standing_aggregates(self._database, meters, start, end)
        numbers = {name: np.asarray(found[name]) for name in ("start", "operator_version", "revision")}
        values = {name: np.asarray(found[name]) for name in AGGREGATE_VALUES}
        return Standing(
            plain(found["meter"]), plain(found["quantity"]), plain(found["window"]), **numbers, values=values
        )

    def _parted(
        self, profile: Profile, places: Sequence[MeterPlace], end: int
    ) -> tuple[list[MeterPlace], list[MeterPlace]]:
        """Meters of one interval of which the stream has closed all that the hour bears on, and the others."""
        closed = end + int(rerun.closed_from(profile, [*self._operators, *self._loads], _intervals(places))[0])
        names = [place.meter for place in places]
        newest = questions.reported_since(self._database, profile.name, names, closed)
        return [p for p in places if p.meter in newest], [p for p in places if p.meter not in newest]

    def _is_settled(self, places: Sequence[MeterPlace], end: int) -> bool:
        """Whether no meter adds to loads of the time any more without asking for it to be computed again.

        That is so when all have closed it; or when some are a day further, after which a feeder's sums are not kept.
        """
        days_later = False
        settled = True
        for some in self._alike(places):
            profile = self._catalogue.profiles[some[0].profile]
            settled &= not self._parted(profile, some, end)[1]
            names = [place.meter for place in some]
            day_later = end + QUARTERS * QUARTER_MS + HOUR_MS
            days_later |= bool(questions.reported_since(self._database, profile.name, names, day_later))
        return settled or days_later

    def _alike(self, places: Iterable[MeterPlace]) -> Iterator[list[MeterPlace]]:
        """Meters of one profile and interval together, so many as can be read and compared at once."""
        for (profile, interval_ms), group in groupby(sorted(places, key=_likeness), _likeness):
            some, quantities = list(group), len(self._catalogue.profiles[profile].quantities)
            by_rows = MOST_ROWS * interval_ms // (2 * HOUR_MS)
            most = max(1, min(by_rows, MOST_RESULTS // (WINDOWS_AN_HOUR * quantities)))
            yield from (some[i : i + most] for i in range(0, len(some), most))

    def _quantities(self, profile: Profile) -> list[Quantity]:
        return [self._catalogue.quantities[name] for name in profile.quantities]


def _likeness(place: MeterPlace) -> tuple[str, int]:
    return place.profile, place.interval_ms


def _as_stored(table: MeterTable, rows: StoredRows) -> Stored:
    return Stored(table, Rows(rows.meter, rows.at, rows.received_at, rows.quality, rows.values), rows.sequence)


def _intervals(places: Sequence[MeterPlace]) -> Int64s:
    return np.array([place.interval_ms for place in places], np.int64)


def _registers(quantities: Sequence[Quantity]) -> list[str]:
    return [quantity.name for quantity in quantities if quantity.kind is Kind.REGISTER]


def _reach(operators: Sequence[Operator]) -> int:
    return max((operator.reach_ms or 0 for operator in operators), default=0)
