"""What a shard gathers before it works: operators are called once a turn with all its rows, because numpy's cost is per
call.

A turn ends at the first beat that finds its source's time moved on by the turn's length, at `MOST_ROWS` rows, or at
what homes request, which counts from there on. All are in the log, so a replay makes the same turns. Nothing of an
unfinished turn is in the shard's state.
"""

from dataclasses import dataclass, field

from schemas.blocks import Beat, EventBlock, ReadingBlock
from schemas.master_data import GridBlock, HomeRequestBlock, PlannedWorkBlock
from schemas.results import HeardBlock, HourlyLoadBlock, PartialLoadBlock
from streams.beats import Beats

MOST_ROWS = 8_192

Sourced = ReadingBlock | EventBlock | HeardBlock
"""Blocks of a source that beats."""
Block = Sourced | PartialLoadBlock | HourlyLoadBlock | GridBlock | PlannedWorkBlock


@dataclass(frozen=True, slots=True)
class Arrival:
    """A block and when it came, in its source's own time; of nobody who beats: in that of the source that beat last."""

    block: Block
    source: int = -1
    passed_ms: int = 0


@dataclass(slots=True)
class Turn:
    """An unfinished turn. `beats` is a copy that becomes the shard's when the turn closes."""

    beats: Beats
    turn_ms: int
    arrivals: list[Arrival] = field(default_factory=list)
    rows: int = 0
    ended_by_beat: bool = False
    requests: HomeRequestBlock | None = None

    @classmethod
    def after(cls, beats: Beats, turn_ms: int) -> "Turn":
        """An empty turn that goes on from these beats."""
        return cls(beats.copy(), turn_ms)

    def take(self, record: Block | HomeRequestBlock | Beat) -> bool:
        """Add a record; whether it ends the turn."""
        if isinstance(record, HomeRequestBlock):
            self.requests = record
            return True
        if isinstance(record, Beat):
            self.beats.beat(record.source, record.at)
            self.ended_by_beat = self.beats.turn_is_over(record.source, self.turn_ms)
            if self.ended_by_beat:
                self.beats.begin_turn()
            return self.ended_by_beat
        source = self.beats.index(record.source) if isinstance(record, Sourced) else self.beats.leading
        self.arrivals.append(Arrival(record, source, self.beats.sources[source].passed_ms if source >= 0 else 0))
        self.rows += _rows(record)
        return self.rows >= MOST_ROWS


def _rows(block: Block) -> int:
    if isinstance(block, Sourced):
        return len(block.row_meter)
    return len(block.node if isinstance(block, GridBlock) else block.start)
