"""What the router writes: deliveries and dead letters, each awaited before anything follows from it."""

import logging
from collections.abc import Iterable

from prometheus_client import Counter

from connectors.kafka import Outlet
from connectors.origin import Origin
from connectors.router.waiting import Letter
from schemas.alert import AlertDelivery
from schemas.codec import encode
from schemas.dead_letter import dead_letter
from schemas.errors import Rejected
from schemas.partition import partition_of
from schemas.topology_model import Router, Topology

log = logging.getLogger("connectors.router")

SETTLED = Counter("flexmeter_router_settled", "Versions of alerts that a router is done with", ["router", "outcome"])


class Records:
    """The topics that one router writes."""

    def __init__(self, router: Router, topology: Topology, outlet: Outlet) -> None:
        self._name, self._outlet = router.name, outlet
        self._deliveries = topology.topics[router.deliveries]
        self._dead_letters = topology.topics[router.dead_letters]

    def delivered(self, deliveries: Iterable[AlertDelivery]) -> None:
        """Return when Kafka knows of these."""
        topic = self._deliveries
        for one in deliveries:
            SETTLED.labels(self._name, one.outcome).inc()
            partition = partition_of(one.alert, topic.partitions)
            self._outlet.produce(topic.name, partition, encode(one), key=f"{one.router}/{one.alert}".encode())
        self._outlet.settle()

    def rejected(self, letters: Iterable[Letter], rejected: Rejected, now_ms: int) -> None:
        """Return when Kafka has the dead letters of these."""
        for letter in letters:
            self._bury(letter.origin, letter.payload, rejected, now_ms)
        self._outlet.settle()

    def unreadable(self, origin: Origin, payload: bytes, rejected: Rejected, now_ms: int) -> None:
        """Return when Kafka has the dead letter of what is no alert."""
        self._bury(origin, payload, rejected, now_ms)
        self._outlet.settle()

    def _bury(self, origin: Origin, payload: bytes, rejected: Rejected, now_ms: int) -> None:
        log.warning("%s rejected: %s", origin, rejected)
        letter = dead_letter(self._name, str(origin), now_ms, rejected, payload)
        topic = self._dead_letters
        self._outlet.produce(topic.name, partition_of(self._name, topic.partitions), encode(letter))
