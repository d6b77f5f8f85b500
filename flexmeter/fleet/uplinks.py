"""All the ways by which one fleet sends: the gateways at its broker, and the devices that speak for themselves."""

from collections import Counter
from dataclasses import dataclass

from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.messages import Message
from flexmeter.fleet.uplink import Uplink

_TURN_S = 0.02
"""How long one waits while the other may have something to do."""


@dataclass(slots=True)
class Uplinks:
    """Messages without `via` go to the gateways, all others to `direct`; where there are no gateways, all of them."""

    gateways: Uplink | None = None
    direct: DirectUplink | None = None

    @property
    def _all(self) -> list[Uplink | DirectUplink]:
        return [link for link in (self.gateways, self.direct) if link is not None]

    @property
    def acknowledged(self) -> Counter[str]:
        """Readings, and payloads of other kinds, that were taken, by kind."""
        return sum((link.acknowledged for link in self._all), Counter())

    @property
    def refused(self) -> int:
        """Messages that were answered with an error."""
        return sum(link.refused for link in self._all)

    @property
    def under_way(self) -> int:
        """Messages sent and not yet answered."""
        return sum(link.under_way for link in self._all)

    def send(self, message: Message) -> bool:
        """Send one message; waits while too much is under way. False: not sent, because we are to stop."""
        if self.gateways is not None and not message.via:
            gateway = message.device % len(self.gateways.gateways)
            return self.gateways.send(gateway, message.topic, message.payload, message.kind)
        assert self.direct is not None
        return self.direct.send(message)

    def pump(self, timeout_s: float) -> None:
        """Let all work for so long, or until there is news."""
        if self.direct is None or self.gateways is None:
            self._all[0].pump(timeout_s)
            return
        self.gateways.pump(0)
        self.direct.pump(min(timeout_s, _TURN_S))

    def connect(self) -> None:
        """Wait until all are connected. Raises Unavailable where one is not in time."""
        for link in self._all:
            link.connect()

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything sent is answered; False if it is not after `timeout_s`, for each."""
        return all([link.drain(timeout_s) for link in self._all])

    def close(self) -> None:
        """Leave."""
        for link in self._all:
            link.close()
