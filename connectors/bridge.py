"""The bridge loop: receive, decode, pack, produce; acknowledge when Kafka has it.

One thread. Nothing is acknowledged to the source before Kafka's delivery report of the block (or dead letter) that
holds it, so a bridge may be killed at any moment: what it had not finished comes again.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

from connectors.authority import Audit, Refused
from connectors.backoff import Stopped
from connectors.counters import Counters, CounterTopic
from connectors.decode.readings import MeterEvent, Proof
from connectors.intake import Intake, Place
from connectors.kafka import Outlet
from connectors.packing import Packed, Packer
from connectors.source import Delivery, Source
from connectors.standing import Standing
from connectors.under_way import UnderWay
from schemas.blocks import Beat, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.dead_letter import dead_letter
from schemas.errors import Rejected, Unavailable
from schemas.partition import partition_of
from schemas.topology import Bridge, Topic, Topology

log = logging.getLogger("connectors.bridge")

MOST_IN_FLIGHT = 16_384
"""Payloads received and not yet acknowledged, beyond which nothing more is received."""

_NOTHING: tuple[frozenset[Proof], int] = frozenset(), 0
_FLUSH_ROWS = 4_096
_QUIET_S = 0.05
_MOST_AT_ONCE = 512
_BUSY_WAIT_S = 0.01
_LONGEST_BACK_OFF_S = 10.0
_DRAIN_S = 10.0

RECEIVED = Counter("flexmeter_bridge_received", "Payloads received from the source", ["bridge"])
REJECTED = Counter("flexmeter_bridge_rejected", "Payloads that went to the dead letters", ["bridge", "reason"])
REPEATED = Counter("flexmeter_bridge_repeated", "Authenticated telegrams that came again", ["bridge"])
PRODUCED = Counter("flexmeter_bridge_rows", "Rows that Kafka has", ["bridge", "record"])
ACKNOWLEDGED = Counter("flexmeter_bridge_acknowledged", "Payloads acknowledged to the source", ["bridge"])
IN_FLIGHT = Gauge("flexmeter_bridge_in_flight", "Payloads received and not yet acknowledged", ["bridge"])
READY = Gauge("flexmeter_bridge_ready", "1 while the source can be reached", ["bridge"])
LATENCY = Histogram(
    "flexmeter_bridge_block_seconds",
    "From the arrival of a block's oldest row until Kafka has the block",
    ["bridge"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 60),
)


@dataclass(slots=True)
class Pulse:
    """Beats into every partition of one topic. While Kafka has not taken the last few, time stands still."""

    topic: Topic
    every_s: float
    next_at: float = 0.0
    under_way: int = 0

    def is_due(self, now_s: float) -> bool:
        """Whether to beat at `now_s` of a clock that only goes forward."""
        return now_s >= self.next_at and self.under_way <= 4 * self.topic.partitions

    def arrived(self) -> None:
        """Kafka has one more of the beats."""
        self.under_way -= 1


class Changing(Protocol):
    """Something that changes while a bridge runs: files, the register."""

    def refresh(self, now_s: float) -> bool:
        """Look, as often as it is worth it by a clock that only goes forward; whether something has changed."""


class BridgeLoop:
    """One bridge of the topology at work. The clock, in s, is the only thing it knows of time of day."""

    def __init__(
        self,
        bridge: Bridge,
        topology: Topology,
        source: Source,
        outlet: Outlet,
        intake: Intake,
        clock: Callable[[], float] = time.time,
        watched: Sequence[Changing] = (),
        shared: CounterTopic | None = None,
    ) -> None:
        self._bridge = bridge
        self._source = source
        self._outlet = outlet
        self._intake = intake
        self._clock = clock
        self._watched = watched
        self._shared = shared
        self._counters = shared.counters if shared else Counters()
        self._repeated = REPEATED.labels(bridge.name)
        self._audit = Audit()
        self._standing = Standing()
        columns = {profile.name: list(profile.quantities) for profile in load_catalogue().profiles.values()}
        self._packer: Packer[Delivery] = Packer(bridge.name, bridge.linger_ms, columns)
        self._pulses = (
            Pulse(topology.topics[bridge.readings], 1.0),
            Pulse(topology.topics[bridge.events], 0.25),
        )
        self._dead_letters = topology.topics[bridge.dead_letters]
        self._under_way: UnderWay[Delivery] = UnderWay()
        self._more_to_learn = False
        self._held: deque[Delivery] = deque()
        self._in_flight = 0
        self._last_arrival = 0.0
        self._back_off_s = 0.0
        self._retry_at = 0.0

    def run(self, stopping: Callable[[], bool]) -> None:
        """Until `stopping` says so; then everything taken goes out and is acknowledged, if Kafka takes it."""
        log.info("bridge %s: %s to %s", self._bridge.name, self._bridge.protocol, self._bridge.readings)
        self._outlet.stopped = stopping
        with suppress(Stopped):
            while not stopping():
                self.turn()
            self._send(self._packer.take_all())
        drained = self._outlet.close(_DRAIN_S)
        if drained and self._shared is not None:
            self._shared.tell(self._outlet)
            drained = self._outlet.close(_DRAIN_S)
        if not drained:
            log.warning("kafka did not take everything in time; the source will send it again")
        self._source.close()

    def turn(self) -> None:
        """Take what has come, send what is due, beat, and hear what Kafka has."""
        self._more_to_learn = any([changing.refresh(time.monotonic()) for changing in self._watched])
        if self._shared is not None:
            self._shared.exchange(self._outlet, time.monotonic())
        self._held.extend(self._receive())
        now_ms = self._now_ms()
        while self._held and self._outlet.has_room:
            self._take(self._held.popleft(), now_ms)
            if self._packer.full:
                self._send(self._packer.take_full())
        self._send(self._packer.take_all() if self._is_enough() else self._packer.take_due(now_ms))
        if not self._back_off_s:
            for pulse in self._pulses:
                self._beat(pulse, now_ms)
        self._outlet.serve()
        IN_FLIGHT.labels(self._bridge.name).set(self._in_flight)

    def _receive(self) -> Sequence[Delivery]:
        """What has come; nothing while the source is away, to which it goes back in ever longer steps."""
        now = time.monotonic()
        if now < self._retry_at:
            self._outlet.serve(min(0.1, self._retry_at - now))
            return ()
        room = 0 if self._held or not self._outlet.has_room else min(_MOST_AT_ONCE, MOST_IN_FLIGHT - self._in_flight)
        if not room:
            self._outlet.serve(_BUSY_WAIT_S)
        try:
            deliveries = self._source.receive(self._wait_s(now), room)
        except Unavailable as unavailable:
            self._back_off_s = min(_LONGEST_BACK_OFF_S, 2 * self._back_off_s or 0.1)
            self._retry_at = time.monotonic() + self._back_off_s
            log.warning("%s; trying again in %.1f s", unavailable, self._back_off_s)
            READY.labels(self._bridge.name).set(0)
            return ()
        self._back_off_s = 0.0
        READY.labels(self._bridge.name).set(1)
        if deliveries:
            self._last_arrival = time.monotonic()
            self._in_flight += len(deliveries)
            RECEIVED.labels(self._bridge.name).inc(len(deliveries))
        return deliveries

    def _wait_s(self, now: float) -> float:
        """Short while Kafka's reports are awaited, or more of the register; else until the next beat."""
        if self._in_flight or self._more_to_learn:
            return _BUSY_WAIT_S
        return max(_BUSY_WAIT_S, min(pulse.next_at for pulse in self._pulses) - now)

    def _is_enough(self) -> bool:
        """Rows need not linger where many wait, or where the source has nothing more to give for now.

        The latter may well be because it awaits acknowledgements: brokers bound what is under way.
        """
        rows = self._packer.rows
        return rows >= _FLUSH_ROWS or (rows > 0 and time.monotonic() - self._last_arrival >= _QUIET_S)

    def _take(self, delivery: Delivery, now_ms: int) -> None:
        try:
            if delivery.rejected is not None:
                raise delivery.rejected
            taken = self._intake.take(delivery, now_ms)
            repeats, awaited = self._repeats(delivery, taken.proofs) if taken.proofs else _NOTHING
        except Rejected as rejected:
            self._reject(delivery, now_ms, rejected)
            return
        except Exception:
            log.error("cannot go on: payload of %d bytes from %s", len(delivery.payload), delivery.address.text)
            raise
        readings = [(place, one) for place, one in taken.readings if one.proof not in repeats]
        events = [
            (place, one)
            for place, one in taken.events
            if one.proof not in repeats and self._standing.is_news(one, now_ms)
        ]
        # Counted before anything goes out: from then on Kafka may have it.
        delivery.waits_for = awaited + len(readings) + len(events) + (taken.left_out is not None)
        if taken.left_out is not None:
            self._bury(delivery, now_ms, taken.left_out)
        delivery.payload = b""
        for place, reading in readings:
            self._packer.add_reading(place.readings_partition, place.device, reading, now_ms, delivery)
        for place, event in events:
            self._packer.add_event(place.events_partition, place.device, event, now_ms, delivery)
        if not delivery.waits_for:
            self._arrived(self._acknowledge([delivery]))

    def _repeats(self, delivery: Delivery, proofs: Sequence[Proof]) -> tuple[frozenset[Proof], int]:
        """Which of its telegrams Kafka has, or another delivery is bringing there, and the number of these: it waits
        for them. Raises Rejected for a replay.
        """
        known = self._counters.check(proofs)
        delivery.proofs, awaited = self._under_way.begin(delivery, [one for one in proofs if one not in known])
        self._repeated.inc(len(known) + len(awaited))
        return known | awaited, len(awaited)

    def _reject(self, delivery: Delivery, now_ms: int, rejected: Rejected) -> None:
        """The payload goes to the dead letters; a refusal is an event of the meter's as well, where it is known."""
        delivery.rejected = rejected
        refused = self._refusal(rejected, now_ms) if isinstance(rejected, Refused) else None
        delivery.waits_for = 1 if refused is None else 2
        self._bury(delivery, now_ms, rejected)
        delivery.payload = b""
        if refused is not None:
            place, event = refused
            self._packer.add_event(place.events_partition, place.device, event, now_ms, delivery)

    def _bury(self, delivery: Delivery, now_ms: int, rejected: Rejected) -> None:
        """The payload goes to the dead letters, with the reason."""
        name = self._bridge.name
        address, sender = delivery.address.text, delivery.identity
        letter = dead_letter(name, address, now_ms, rejected, delivery.payload, sender, delivery.decoder)
        REJECTED.labels(name, rejected.reason.value).inc()
        partition = partition_of(name, self._dead_letters.partitions)
        self._outlet.produce(self._dead_letters.name, partition, encode(letter), partial(self._arrived, [delivery]))

    def _refusal(self, refused: Refused, now_ms: int) -> tuple[Place, MeterEvent] | None:
        """The refusal as an event of the meter's; of meters that nobody knows, the dead letter tells alone."""
        place = self._intake.registered(refused.meter)
        event = self._audit.event(refused, now_ms) if place is not None else None
        return (place, event) if place is not None and event is not None else None

    def _send(self, blocks: Iterable[Packed[Delivery]]) -> None:
        for packed in blocks:
            topic = self._bridge.readings if isinstance(packed.block, ReadingBlock) else self._bridge.events
            self._outlet.produce(topic, packed.partition, encode(packed.block), partial(self._block_arrived, packed))

    def _beat(self, pulse: Pulse, now_ms: int) -> None:
        now = time.monotonic()
        if not pulse.is_due(now):
            return
        pulse.next_at = now + pulse.every_s
        pulse.under_way += pulse.topic.partitions
        value = encode(Beat(self._bridge.name, now_ms))
        for partition in range(pulse.topic.partitions):
            self._outlet.produce(pulse.topic.name, partition, value, pulse.arrived)

    def _block_arrived(self, packed: Packed[Delivery]) -> None:
        name = self._bridge.name
        PRODUCED.labels(name, type(packed.block).__name__).inc(len(packed.tokens))
        LATENCY.labels(name).observe((self._now_ms() - packed.block.received_at) / 1_000)
        self._arrived(packed.tokens)

    def _arrived(self, deliveries: Sequence[Delivery]) -> None:
        """Kafka has one more of the things that each of them waits for; and then of those that wait for these."""
        while deliveries:
            complete = []
            for delivery in deliveries:  # the same one as often as it has rows here
                delivery.waits_for -= 1
                if not delivery.waits_for:
                    complete.append(delivery)
            deliveries = self._acknowledge(complete)

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Those that wait for what these have proven, as often as they do."""
        awaiting: list[Delivery] = []
        for delivery in deliveries:
            if delivery.proofs:
                self._counters.confirm(delivery.proofs)
                awaiting += self._under_way.end(delivery.proofs)
            self._source.acknowledge(delivery)
        self._in_flight -= len(deliveries)
        ACKNOWLEDGED.labels(self._bridge.name).inc(len(deliveries))
        return awaiting

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)
