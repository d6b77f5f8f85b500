"""The meters of one profile in a shard: who they are, when they last reported, and what each operator knows of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.arrays import Int64s
from schemas.catalogue import Quantity
from streams.contract import Mask, Meters, State

OWN = np.dtype([("interval_ms", "i8"), ("arrived_ms", "i8"), ("source", "i4"), ("waiting", "i4")])
"""What the shard itself keeps of a meter: reporting interval, the source that last delivered it, its time then, and how
many rows wait for their order."""


@dataclass(slots=True)
class MeterTable:
    """Meters by id, with columns of state over them: row i of every column belongs to `ids[i]`.

    Columns grow fourfold when they are full, as what is not yet used of them takes no memory; only their first
    `len(ids)` rows count.
    """

    profile: str
    quantities: tuple[Quantity, ...]
    ids: list[str]
    feeders: list[str | None]
    substations: list[str | None]
    columns: dict[str, State]
    rows: dict[str, int]

    @classmethod
    def empty(cls, profile: str, quantities: Sequence[Quantity], dtypes: dict[str, np.dtype[Any]]) -> "MeterTable":
        """A table without meters; `dtypes` names its columns."""
        columns = {name: np.zeros(0, dtype) for name, dtype in dtypes.items()}
        return cls(profile, tuple(quantities), [], [], [], columns, {})

    def find(self, ids: Sequence[str], feeders: Sequence[str | None], substations: Sequence[str | None]) -> Int64s:
        """Row of each meter; new ones are added. What the register says of their place now replaces what it said."""
        try:
            found = _all(self.rows, ids)
        except KeyError:
            self._add([meter for meter in dict.fromkeys(ids) if meter not in self.rows])
            found = _all(self.rows, ids)
        if _all(self.feeders, found) != tuple(feeders) or _all(self.substations, found) != tuple(substations):
            for row, feeder, substation in zip(found, feeders, substations, strict=True):
                self.feeders[row], self.substations[row] = feeder, substation
        return np.array(found, np.int64)

    def _add(self, ids: Sequence[str]) -> None:
        for meter in ids:
            self.rows[meter] = len(self.ids)
            self.ids.append(meter)
        self.feeders += [None] * len(ids)
        self.substations += [None] * len(ids)
        self._make_room()

    def arrived(self, meter: Int64s, source: Int64s, passed_ms: Int64s) -> None:
        """Rows of these meters came from these sources at these times of theirs, the latest last."""
        own = self.column("own")
        own["source"][meter], own["arrived_ms"][meter] = source, passed_ms

    def keep(self, which: Mask) -> None:
        """Forget the meters that the mask does not select; the others move up."""
        kept = np.flatnonzero(which)
        for name in self.columns:
            self.columns[name] = self.column(name)[kept]
        self.ids = [self.ids[row] for row in kept]
        self.feeders = [self.feeders[row] for row in kept]
        self.substations = [self.substations[row] for row in kept]
        self.rows = {meter: row for row, meter in enumerate(self.ids)}

    def column(self, name: str) -> State:
        """State of all meters in one column: a view that writes through."""
        return self.columns[name][: len(self.ids)]

    def view(self) -> Meters:
        """What operators may know of the meters."""
        interval_ms = self.column("own")["interval_ms"]
        return Meters(self.profile, self.quantities, self.ids, self.feeders, self.substations, interval_ms)

    def _make_room(self) -> None:
        for name, column in self.columns.items():
            if len(column) < len(self.ids):
                capacity = max(len(self.ids), len(column) * 4, 16)
                grown: npt.NDArray[Any] = np.zeros(capacity, column.dtype)
                grown[: len(column)] = column
                self.columns[name] = grown


def _all(known: Any, keys: Sequence[Any]) -> tuple[Any, ...]:
    """What stands under each key, in one call: a block has hundreds of meters. KeyError where one is missing."""
    return itemgetter(*keys)(known) if len(keys) > 1 else tuple(known[key] for key in keys)
