"""By which way each meter is heard, and up to when each way has brought all there is.

A way is a partition of a metering stream and the bridge that its readings come from; it beats. A way that stopped, is
behind, or brings a backlog makes nobody silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.arrays import Int64s
from streams.outage.evidence import Meters, settled_times

PACKING_MS = 2_000
"""A bridge's beat may overtake readings that it still packs, by this much."""
AWAY_MS = 5_000
"""A way that was still for longer was away: what it did not bring meanwhile is nobody's silence."""


@dataclass
class Ways:
    """All ways of a partition; W ways."""

    names: list[str] = field(default_factory=list)
    beat_ms: list[int] = field(default_factory=list)
    """The newest beat of each, shape (W,)."""
    behind_ms: list[int] = field(default_factory=list)
    """The shortest delay of what each brought last, shape (W,): long where it brings a backlog."""

    def index(self, name: str) -> int:
        """The position of a way; a new one gets the next."""
        if name not in self.names:
            self.names.append(name)
            self.beat_ms.append(0)
            self.behind_ms.append(0)
        return self.names.index(name)

    def brought(self, way: int, at: Int64s, received_at: Int64s) -> None:
        """Keep how old what it brought in a turn was on arrival."""
        if len(at):
            self.behind_ms[way] = max(0, int((received_at - settled_times(at, received_at)).min()))

    def move(self, beats: Mapping[str, int], way_of: Int64s, meters: Meters) -> None:
        """Hear the beats. Meters of a way that was away are excused from the time that it was; of one whose clock was
        ahead for a moment, silence counts from when it is right again."""
        counted = meters["counted_ms"]
        for way, name in enumerate(self.names):
            before, now = self.beat_ms[way], beats.get(name, self.beat_ms[way])
            self.beat_ms[way] = now
            if before and now - before > AWAY_MS:
                counted[(way_of == way) & (counted > 0) & (counted <= before)] += now - before
            elif now < before:
                counted[(way_of == way) & (counted > now)] = now

    def known_until(self, way_of: Int64s, usual_delay_ms: int) -> Int64s:
        """Up to when all that each meter sent is known, shape (M,); 0 for those that were never heard."""
        behind = np.maximum(np.array(self.behind_ms, np.int64) - usual_delay_ms, 0)
        until = np.append(np.array(self.beat_ms, np.int64) - PACKING_MS - behind, 0)
        found: Int64s = until[way_of]
        return found

    def saved(self) -> dict[str, Any]:
        """As JSON values."""
        return {"names": self.names, "beat_ms": self.beat_ms, "behind_ms": self.behind_ms}
