"""What a sink has read and not yet inserted: rows by table, each still knowing which record it came from."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.columns import Columns, cut, join, pick, plain, row_count
from connectors.origin import Origin
from connectors.table_rows import Rows
from schemas.blocks import DeadLetter

_METERS = "meters_raw"
_SAID = ("meter", "profile", "feeder", "substation", "interval_ms")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows to be inserted together. Origin i stands for the rows from starts[i] on."""

    table: str
    columns: Columns
    origins: list[Origin]
    starts: list[int]

    def __len__(self) -> int:
        return row_count(self.columns)

    def halves(self) -> "tuple[Block, Block]":
        """The first half of the rows, and the rest; there are at least two."""
        middle = len(self) // 2
        first = Block(self.table, cut(self.columns, 0, middle), self.origins, self.starts)
        moved = [start - middle for start in self.starts]
        return first, Block(self.table, cut(self.columns, middle, len(self)), self.origins, moved)

    def origin(self, row: int) -> Origin:
        """The record that the row came from."""
        return self.origins[bisect_right(self.starts, row) - 1]


@dataclass(slots=True)
class Batch:
    """Rows and dead letters gathered, and for each partition (topic, number) the offset after the last record taken."""

    rows: int = 0
    letters: list[DeadLetter] = field(default_factory=list)
    next_offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    _pieces: dict[tuple[str, ...], list[tuple[Origin, Columns]]] = field(default_factory=dict)

    def add(self, rows: Rows, origin: Origin) -> None:
        """Take rows of one record. Readings of different profiles have different columns and stay apart."""
        count = row_count(rows.columns)
        if count:
            self._pieces.setdefault((rows.table, *rows.columns), []).append((origin, rows.columns))
            self.rows += count

    def read(self, origin: Origin) -> None:
        """Note that the record is in this batch, whatever it held."""
        self.next_offsets[origin.topic, origin.partition] = origin.offset + 1

    def blocks(self) -> Iterator[Block]:
        """All rows, in as few inserts as they allow."""
        for (table, *_), pieces in self._pieces.items():
            starts, row = [], 0
            for _, columns in pieces:
                starts.append(row)
                row += row_count(columns)
            yield Block(table, join([columns for _, columns in pieces]), [origin for origin, _ in pieces], starts)


class NewMeters:
    """Lets a row of the table of meters pass when it is new or says something else than the meter's last one.

    Every block of readings names its meters; to insert them each time would write as many rows again. What has passed
    is in a batch that the sink inserts or dies with; so it is enough to remember it as long as partitions do not move.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[Any, ...]] = {}

    def only_new(self, rows: Rows) -> Rows:
        """The rows, without those that repeat; rows of other tables as they are."""
        if rows.table != _METERS:
            return rows
        said = zip(*(plain(rows.columns[name]) for name in _SAID), strict=True)
        new = [row for row, (meter, profile, *place) in enumerate(said) if self._news((meter, profile), tuple(place))]
        return Rows(rows.table, pick(rows.columns, new))

    def _news(self, meter: tuple[str, str], place: tuple[Any, ...]) -> bool:
        if self._last.get(meter) == place:
            return False
        self._last[meter] = place
        return True
