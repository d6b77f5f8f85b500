"""What a receiver of alerts is: one module each, by its URL's scheme in the registry."""

from collections.abc import Sequence
from typing import Protocol

from schemas.alert import Alert
from schemas.errors import Unavailable


class Deferred(Unavailable):
    """The receiver is there, and says "not now" to this: others may go first. (Unavailable: it is not there at all.)"""


class Receiver(Protocol):
    """Delivers alerts. One thread uses it."""

    most_at_once: int
    """How many alerts one delivery can hold."""

    def deliver(self, alerts: Sequence[Alert]) -> Sequence[str]:
        """Return when the receiver has them; what is told of those who refused it for good, where others took it.

        Raises:
            Rejected: it will never take this.
            Unavailable: it is away, or Deferred.

        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
