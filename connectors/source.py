"""What a bridge receives from: the one interface that a protocol has to offer.

Reading returns the payload *and* what to call when Kafka has it; reconnecting and backing off are the loop's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.decode.readings import Address


@dataclass(slots=True, eq=False)
class Delivery:
    """One payload and where it came from. Each source adds what it needs to acknowledge it.

    `waits_for` counts the blocks and dead letters that Kafka must have before the payload is acknowledged.
    """

    payload: bytes
    address: Address
    waits_for: int = 0


class Source(Protocol):
    """A protocol's receiving end, used by one thread."""

    def receive(self, timeout_s: float, at_most: int) -> Sequence[Delivery]:
        """What has come, waiting up to `timeout_s` for the first; connects when it is not connected.

        With `at_most` 0 it only keeps the connection alive.

        Raises:
            Unavailable: the connection was lost or refused; call again later.

        """

    def acknowledge(self, delivery: Delivery) -> None:
        """Kafka has everything of it: the sender may forget it. Never raises."""

    def close(self) -> None:
        """Leave in peace; what was not acknowledged will be delivered again."""
