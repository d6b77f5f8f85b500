"""All that the operator knows of its partition: the grid, the calendar, how meters are heard, outages, what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from schemas.blocks import EventBlock
from schemas.codec import decode, encode
from schemas.master_data import GridBlock, PlannedWorkBlock
from schemas.results import HeardBlock
from streams.outage.days import Customers, Days
from streams.outage.state import State
from streams.outage.trees import Trees
from streams.outage.watch import OutageWatch
from streams.outage.ways import Ways

Taken = GridBlock | PlannedWorkBlock | HeardBlock | EventBlock


@dataclass
class Known:
    """Empty until the register has published the grid."""

    trees: Trees = field(default_factory=Trees)
    calendars: dict[str, tuple[int, list[tuple[str, int, int]]]] = field(default_factory=dict)
    """By substation: when it was published, and nodes with the beginning and end of their work."""
    watch: OutageWatch | None = None
    state: State | None = None
    ways: Ways = field(default_factory=Ways)
    way_of: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    """By which way each meter of the grid is heard; -1 = not yet."""
    speakers: list[str] = field(default_factory=list)
    """Sources that have brought evidence: time is theirs."""
    now_ms: int = 0
    waiting: list[Taken] = field(default_factory=list)
    """What has come since the last beat that ended a turn."""
    days: Days = field(default_factory=Days)
    customers: Customers = field(default_factory=dict)
    """As the grid has them."""

    def tell_time(self, evidence: Sequence[EventBlock | HeardBlock], beats: Mapping[str, int]) -> None:
        """Time is the newest beat of those who have brought evidence, these included: an earlier one where a clock was
        ahead for a moment, and is right again."""
        self.speakers += sorted({block.source for block in evidence} - set(self.speakers))
        self.now_ms = max((beats.get(speaker, 0) for speaker in self.speakers), default=0)
        if self.state is not None and self.now_ms < self.state.turned_ms:
            self.state.step_back(self.now_ms)

    def saved(self) -> dict[str, Any]:
        """See streams.contract.Whole."""
        records = [encode(record) for record in self.waiting]
        found: dict[str, Any] = {
            "trees": self.trees.saved(),
            "calendars": self.calendars,
            "ways": self.ways.saved(),
            "way_of": self.way_of,
            "speakers": self.speakers,
            "now_ms": self.now_ms,
            "waiting": np.frombuffer(b"".join(records), np.uint8),
            "waiting_lengths": np.array([len(record) for record in records], np.int64),
            "days": self.days.saved(),
        }
        if self.state is not None:
            found |= {f"state.{name}": value for name, value in self.state.saved().items()}
        return found

    @classmethod
    def loaded(cls, saved: Mapping[str, Any]) -> "Known":
        """What `saved` gave; the watch is made anew from the grid."""
        calendars = {
            name: (at_ms, [(node, start, end) for node, start, end in rows])
            for name, (at_ms, rows) in saved["calendars"].items()
        }
        found = cls(
            trees=Trees.loaded(saved["trees"]),
            calendars=calendars,
            ways=Ways(**saved["ways"]),
            way_of=saved["way_of"],
            speakers=saved["speakers"],
            now_ms=saved["now_ms"],
            waiting=_records(saved["waiting"].tobytes(), saved["waiting_lengths"]),
            days=Days.loaded(saved["days"]),
        )
        state = {name.removeprefix("state."): value for name, value in saved.items() if name.startswith("state.")}
        if state:
            found.state = State.loaded(state)
        return found


def _records(raw: bytes, lengths: Int64s) -> list[Taken]:
    found: list[Taken] = []
    begin = 0
    for length in lengths.tolist():
        record = decode(raw[begin : begin + length])
        assert isinstance(record, Taken)
        found.append(record)
        begin += length
    return found
