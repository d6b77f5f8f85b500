"""Requests that are not answered yet, and how far a group may commit because of them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class MeterHour:
    """An hour of a meter. `follows`: its rows are as they were, but a register counts from another row."""

    profile: str
    start: int
    meter: str
    follows: bool = False


@dataclass(frozen=True, slots=True, order=True)
class SubstationHour:
    """An hour of the loads of a substation and its feeders."""

    substation: str
    start: int


Hour = MeterHour | SubstationHour


class OpenRequests:
    """Hours to compute again, each with the oldest record that asks for it.

    >>> requests = OpenRequests()
    >>> requests.take(0, 7, [MeterHour("p", 0, "m")]), requests.take(0, 8, [MeterHour("p", 0, "m")])
    (None, None)
    >>> requests.next_offsets(), requests.done([MeterHour("p", 0, "m")]), requests.next_offsets()
    ({0: 7}, None, {0: 9})
    """

    def __init__(self) -> None:
        self._open: dict[Hour, tuple[int, int]] = {}
        self._held: set[Hour] = set()
        self._next: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, hour: Hour) -> bool:
        return hour in self._open

    def take(self, partition: int, offset: int, hours: Iterable[Hour]) -> None:
        """The record at that place asks for these hours."""
        for hour in hours:
            self._open.setdefault(hour, (partition, offset))
            self._held.discard(hour)
        self._next[partition] = offset + 1

    def due(self, *, held: bool) -> list[Hour]:
        """What is to be answered: the new ones, or all."""
        return [hour for hour in self._open if held or hour not in self._held]

    def partition(self, hour: Hour) -> int:
        """The partition of the record that asks for it."""
        return self._open[hour][0]

    def hold(self, hours: Iterable[Hour]) -> None:
        """They cannot be answered yet."""
        self._held.update(hours)

    def done(self, hours: Iterable[Hour], leading_to: Iterable[tuple[Hour, Hour]] = ()) -> None:
        """They are answered. Each of the first in `leading_to` asks for the second now."""
        for hour, more in leading_to:
            self._open[more] = min(self._open.get(more, self._open[hour]), self._open[hour])
        for hour in hours:
            self._open.pop(hour, None)
            self._held.discard(hour)

    def revoked(self, partitions: Collection[int]) -> None:
        """Forget what others answer from now on."""
        self._open = {hour: place for hour, place in self._open.items() if place[0] not in partitions}
        self._held &= self._open.keys()
        self._next = {partition: offset for partition, offset in self._next.items() if partition not in partitions}

    def next_offsets(self) -> dict[int, int]:
        """For each partition: the first record that is not wholly answered."""
        found = dict(self._next)
        for partition, offset in self._open.values():
            found[partition] = min(found.get(partition, offset), offset)
        return found
