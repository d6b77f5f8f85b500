"""What a bridge receives from: the one interface that a protocol has to offer.

Reading returns the payload *and* what to call when Kafka has it; reconnecting and backing off are the loop's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.decode.readings import Address, Proof
from schemas.errors import Rejected


@dataclass(slots=True, eq=False)
class Delivery:
    """One payload and where it came from. Each source adds what it needs to acknowledge it.

    `identity` is whom the protocol has authenticated (certificate name, user, PSK identity, token); empty = nobody.
    `decoder` is one of connectors.registry.DECODERS where the payload's content type names it; empty = the bridge's.
    `waits_for` counts the blocks and dead letters that Kafka must have before the payload is acknowledged.
    `rejected` says, when it is acknowledged, why it went to the dead letters; None = it was taken. A source that finds
    the payload unusable sets it itself. `proofs` are the counters that its telegrams have proven.
    """

    payload: bytes
    address: Address
    identity: str = ""
    decoder: str = ""
    waits_for: int = 0
    rejected: Rejected | None = None
    proofs: Sequence[Proof] = ()


class Source(Protocol):
    """A protocol's receiving end, used by one thread."""

    def receive(self, timeout_s: float, at_most: int) -> Sequence[Delivery]:
        """What has come, waiting up to `timeout_s` for the first; connects when it is not connected.

        With `at_most` 0 it only keeps the connection alive.

        Raises:
            Unavailable: the connection was lost or refused; call again later.

        """

    def acknowledge(self, delivery: Delivery) -> None:
        """Kafka has everything of it: the sender may forget it, or hear why it was rejected. Never raises."""

    def close(self) -> None:
        """Leave in peace; what was not acknowledged will be delivered again."""
