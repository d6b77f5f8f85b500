"""How many payloads a second one sender may bring: a token bucket for each, in the form of the generic cell rate
algorithm (ITU-T I.371, annex A), which keeps one number a sender: when its bucket will be full again.

A bridge that answers its senders (HTTP, CoAP) refuses what comes too fast, before it reads it. Behind a broker that has
acknowledged already, a refusal would be a loss, and holding back one sender's acknowledgements would hold back all
others of the session: there it is taken all the same, and counted here, so that somebody may ask the broker to see to
it. Events are not limited: the meters of a whole feeder gasp for the last time at once, perhaps by one concentrator.
"""

import logging
from collections import OrderedDict
from collections.abc import Hashable, Iterable

from prometheus_client import Counter

from connectors.decode.readings import Carries
from connectors.options import RATE_OPTIONS, bridge_fault
from connectors.source import Delivery
from schemas.topology import Bridge

log = logging.getLogger("connectors.rate_limit")

BURST_S = 10.0
"""How many seconds' worth may come at once, unless told."""
MOST_REMEMBERED = 100_000
"""Senders; beyond that, who was silent longest begins anew with a full bucket."""
_WARN_EVERY_S = 60.0

OVER_RATE = Counter(
    "flexmeter_bridge_over_rate",
    "Payloads that came faster than their sender may: refused over HTTP and CoAP, taken all the same from a broker",
    ["bridge"],
)


class Buckets:
    """A bucket of `burst` payloads for each sender, which fills with `rate_per_s`.

    >>> buckets = Buckets(rate_per_s=2, burst=3)
    >>> [buckets.wait_s("hub", now_s=100) for _ in range(4)]
    [0.0, 0.0, 0.0, 0.5]
    >>> buckets.wait_s("hub", now_s=100.5), buckets.wait_s("another", now_s=100.5)
    (0.0, 0.0)
    """

    def __init__(self, rate_per_s: float, burst: float, most_remembered: int = MOST_REMEMBERED) -> None:
        self._each_s = 1 / rate_per_s
        self._all_but_one_s = (burst - 1) / rate_per_s
        self._most_remembered = most_remembered
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, sender: Hashable, now_s: float) -> float:
        """0 = its payload is within the rate, and has its place taken; else how long until the next one is."""
        wait_s = self._full_at.get(sender, now_s) - now_s - self._all_but_one_s
        if wait_s > 0:
            return wait_s
        self.take(sender, 1, now_s)
        return 0.0

    def take(self, sender: Hashable, count: int, now_s: float) -> None:
        """So many more that come with one that is within the rate: what is not in the bucket is owed."""
        self._full_at[sender] = max(self._full_at.pop(sender, now_s), now_s) + count * self._each_s
        while self._full_at and (
            len(self._full_at) > self._most_remembered or next(iter(self._full_at.values())) <= now_s
        ):
            self._full_at.popitem(last=False)


class RateLimit:
    """The limit of one bridge: what is beyond it is counted, and told once a minute with a sender's name."""

    def __init__(self, bridge: str, buckets: Buckets) -> None:
        self._bridge = bridge
        self._buckets = buckets
        self._over = OVER_RATE.labels(bridge)
        self._tell_at = 0.0

    def wait_s(self, sender: Hashable, now_s: float) -> float:
        """See Buckets."""
        wait_s = self._buckets.wait_s(sender, now_s)
        if wait_s:
            self._over.inc()
            if now_s >= self._tell_at:
                self._tell_at = now_s + _WARN_EVERY_S
                log.warning("bridge %s: %r sends more than it may, and perhaps others do", self._bridge, sender)
        return wait_s

    def take(self, sender: Hashable, count: int, now_s: float) -> None:
        """See Buckets."""
        self._buckets.take(sender, count, now_s)

    def count(self, deliveries: Iterable[Delivery], now_s: float) -> None:
        """Readings that a broker brought: by who sent them, or, where that is nobody, by whose they are."""
        for delivery in deliveries:
            if delivery.address.carries is Carries.READING:
                self.wait_s(delivery.identity or delivery.address.meter, now_s)


def rate_limit(bridge: Bridge) -> RateLimit | None:
    """As its options say; None = none. Raises Faults."""
    rate, burst = (bridge.options.get(name) for name in RATE_OPTIONS)
    if not rate:
        return None
    try:
        rate_per_s = float(rate)
        most = float(burst) if burst else max(1.0, BURST_S * rate_per_s)
    except ValueError as error:
        raise bridge_fault(bridge, error, "write rate_per_s and burst as numbers") from error
    if not (rate_per_s > 0 and most >= 1):
        raise bridge_fault(bridge, "a rate must be above 0, a burst at least 1", "leave both out for no limit")
    return RateLimit(bridge.name, Buckets(rate_per_s, most))
