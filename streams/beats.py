"""Time, as the beats of the sources tell it. No operator has another clock.

A beat moves its source's time on by what its clock advanced since the newest beat, at most `MOST_MS`, and never back.
Of several instances of one source the one whose clock is ahead tells the time. Where `SET_BACK_BEATS` in a row are more
than a minute behind, the clock was set back, or that instance is gone: time stood still meanwhile, and goes on from
there. So clock jumps and restarts cost seconds. What is counted is only time that passes; it is never compared with
event time.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from schemas.arrays import Int64s
from schemas.durations import MINUTE_MS

MOST_MS = 2_000
"""Time that one beat can move."""
SET_BACK_BEATS = 20
"""An instance that is ahead beats between two of another's: so many in a row without it, and it is not there."""


@dataclass(slots=True)
class Source:
    """One source's time in one partition."""

    first_beat: int = 0
    """The first beat's own clock, ms UTC; 0 before it. It goes back with the newest, never after it."""
    last_beat: int = 0
    """The newest beat's own clock, ms UTC; 0 before the first. It goes back where the clock was set back."""
    passed_ms: int = 0
    """Time that passed since the first beat."""
    turn_began_ms: int = 0
    """What `passed_ms` was when a beat last ended a turn."""
    far_behind: int = 0
    """Beats in a row that were more than a minute behind the newest."""


@dataclass(slots=True)
class Beats:
    """All sources of one partition.

    >>> beats = Beats()
    >>> [beats.beat("mqtt", at) for at in (10_000, 11_000, 11_000, 9_000, 60_000)]
    [0, 1000, 1000, 1000, 3000]
    """

    names: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)

    def index(self, name: str) -> int:
        """The source's position, which never changes; a new one gets the next."""
        try:
            return self.names.index(name)
        except ValueError:
            self.names.append(name)
            self.sources.append(Source())
            return len(self.names) - 1

    def copy(self) -> "Beats":
        """Sources of its own, equal to these."""
        return Beats(self.names.copy(), [replace(source) for source in self.sources])

    def beat(self, name: str, at: int) -> int:
        """Apply a beat; the source's time that has passed, ms."""
        source = self.sources[self.index(name)]
        source.first_beat = source.first_beat or at
        source.far_behind = source.far_behind + 1 if source.last_beat - at > MINUTE_MS else 0
        if source.far_behind >= SET_BACK_BEATS:
            source.last_beat = at
            source.first_beat = min(source.first_beat, at)
        if source.last_beat:
            source.passed_ms += max(0, min(at - source.last_beat, MOST_MS))
        source.last_beat = max(source.last_beat, at)
        return source.passed_ms

    def turn_is_over(self, name: str, turn_ms: int) -> bool:
        """Whether the source's time moved on by a turn's length since a beat last ended a turn."""
        source = self.sources[self.index(name)]
        return source.passed_ms - source.turn_began_ms >= turn_ms

    def begin_turn(self) -> None:
        """A beat ended a turn: count the next one's length from here."""
        for source in self.sources:
            source.turn_began_ms = source.passed_ms

    @property
    def leading(self) -> int:
        """Position of the source whose newest beat is the newest; -1 before any source."""
        return max(range(len(self.sources)), key=lambda i: self.sources[i].last_beat, default=-1)

    @property
    def passed_ms(self) -> Int64s:
        """Time of each source that has passed, in the order of their positions."""
        return np.array([source.passed_ms for source in self.sources], np.int64)

    @property
    def newest_by_source(self) -> dict[str, int]:
        """The newest beat of each source, ms UTC; 0 before its first."""
        return {name: source.last_beat for name, source in zip(self.names, self.sources, strict=True)}

    @property
    def oldest(self) -> int:
        """The first beat of the source that began first, ms UTC; 0 before any."""
        return min((source.first_beat for source in self.sources if source.first_beat), default=0)

    @property
    def newest(self) -> int:
        """The newest beat of any source, ms UTC; 0 before the first."""
        return max((source.last_beat for source in self.sources), default=0)
