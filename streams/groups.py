"""Which meters are neighbours: those of one profile under one substation, kept as meters come and move."""

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.arrays import Int64s


@dataclass(slots=True)
class Groups:
    """The rows of the meters of each group. Derived from the table of meters, so it is saved nowhere.

    >>> groups = Groups()
    >>> groups.follow(["water\\x1fa", "gas\\x1fb", "water\\x1fc"], ["S1", "S1", "S1"], [])
    >>> groups.members(groups.of(0)).tolist()
    [0, 2]
    """

    _of: list[str] = field(default_factory=list)
    _rows: dict[str, list[int]] = field(default_factory=dict)
    _members: dict[str, Int64s] = field(default_factory=dict)

    def follow(self, ids: Sequence[str], substations: Sequence[str | None], moved: Iterable[int]) -> None:
        """Take in the meters that are new, and those among `moved` that hang elsewhere now. Cost: by those alone.

        `ids` are profile and meter, as HourlyLoads has them.
        """
        for row in (*range(len(self._of), len(ids)), *moved):
            profile, between, _ = ids[row].partition("\x1f")
            group = f"{profile}{between}{substations[row]}"
            if row == len(self._of):
                self._of.append(group)
            elif self._of[row] == group:
                continue
            else:
                self._leave(row)
            self._of[row] = group
            insort(self._rows.setdefault(group, []), row)
            self._members.pop(group, None)

    def of(self, row: int) -> str:
        """The group of a meter."""
        return self._of[row]

    def members(self, group: str) -> Int64s:
        """The rows of its meters, rising."""
        if group not in self._members:
            self._members[group] = np.array(self._rows[group], np.int64)
        return self._members[group]

    def _leave(self, row: int) -> None:
        before = self._of[row]
        self._rows[before].remove(row)
        self._members.pop(before, None)
