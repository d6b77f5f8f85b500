"""When mails become a digest: so that a storm of alerts is no storm of mails."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Storm:
    """At most `above` mails within any `every_ms`: one for each alert while that suffices, else one for all that wait.

    >>> storm = Storm(above=2, every_ms=60_000)
    >>> storm.choose(["a", "b"], now_ms=0)
    ['a']
    >>> storm.sent(0), storm.choose(["b", "c", "d"], now_ms=1_000)
    (None, [])
    >>> storm.choose(["b", "c", "d"], now_ms=60_000)
    ['b', 'c', 'd']
    """

    above: int
    every_ms: int
    _sent: deque[int] = field(default_factory=deque)

    def choose(self, ready: Sequence[T], now_ms: int) -> Sequence[T]:
        """What the next mail holds, of all that is ready; nothing where more is to be gathered first."""
        while self._sent and now_ms - self._sent[0] >= self.every_ms:
            self._sent.popleft()
        if len(ready) <= self.above - len(self._sent):
            return ready[:1]
        return [] if self._sent else ready

    def sent(self, now_ms: int) -> None:
        """A mail went out."""
        self._sent.append(now_ms)
