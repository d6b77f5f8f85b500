"""How far readers of the local Kafka are behind: records between where they go on and the end of their topics."""

from collections.abc import Mapping, Sequence

from connectors import offsets
from connectors.offsets import Offsets


def lag_of(next_offsets: Mapping[tuple[str, int], int], first: Offsets, end: Offsets) -> int:
    """Records not yet read. A partition whose next offset is unknown (negative) counts from its first record.

    >>> lag_of({("t", 0): 5, ("t", 1): -1001}, {("t", 1): 2}, {("t", 0): 7, ("t", 1): 4})
    4
    """
    total = 0
    for place, last in end.items():
        start = next_offsets.get(place, -1)
        total += max(0, last - (start if start >= 0 else first.get(place, 0)))
    return total


def ends(bootstrap: str, topics: Sequence[str]) -> tuple[Offsets, Offsets]:
    """The first offset and the one after the last, of every partition of these topics.

    Raises:
        Unavailable: Kafka does not answer.
    """
    return offsets.ends({"bootstrap.servers": bootstrap}, topics)


def committed(bootstrap: str, group: str, places: Sequence[tuple[str, int]]) -> Offsets:
    """What a group has committed for these partitions.

    Raises:
        Unavailable: Kafka does not answer.
    """
    return offsets.committed({"bootstrap.servers": bootstrap}, group, places)
