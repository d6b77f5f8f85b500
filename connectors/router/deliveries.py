"""What became of each alert so far: how far its versions are done with, and whether the receiver was told of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from schemas.alert import AlertDelivery


class Outcome(StrEnum):
    """What a router did with a version of an alert."""

    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    SUPERSEDED = "superseded"
    """A newer version came while it was held off."""
    DEAD_LETTERED = "dead_lettered"


@dataclass(slots=True)
class Deliveries:
    """The deliveries of one router, which stand on the topic of deliveries among those of others."""

    router: str
    _done: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def learn(self, delivery: AlertDelivery) -> None:
        """Take the next record of the log."""
        if delivery.router == self.router:
            number, told = self._done.get(delivery.alert, (0, False))
            self._done[delivery.alert] = (max(number, delivery.number), told or delivery.told)

    def number(self, alert: str) -> int:
        """Versions of the alert up to this are done with; 0 = none."""
        return self._done.get(alert, (0, False))[0]

    def told(self, alert: str) -> bool:
        """Whether the receiver was told of it."""
        return self._done.get(alert, (0, False))[1]

    def record(self, alert: str, number: int, outcome: Outcome, at: int) -> AlertDelivery:
        """Note what became of a version; the record to be written of it."""
        told = outcome is Outcome.DELIVERED or self.told(alert)
        delivery = AlertDelivery(self.router, alert, number, outcome.value, told, at)
        self.learn(delivery)
        return delivery
