"""The router's loop: poll alerts -> decide -> deliver -> record the delivery -> commit.

A delivery is recorded on Kafka before the next one is made, and an offset is committed when all before it is done with.
So a router may be killed at any moment: at most the one delivery that was under way comes again. docs/decisions/0014.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from prometheus_client import Counter, Gauge

from connectors.backoff import Stopped, until_available
from connectors.kafka import Outlet, ensure_topics
from connectors.offsets import commit
from connectors.origin import Origin
from connectors.router.deliveries import Deliveries, Outcome
from connectors.router.marks import Marks
from connectors.router.receiver import Deferred, Receiver
from connectors.router.records import Records
from connectors.router.storm import Storm
from connectors.router.topics import Memory
from connectors.router.waiting import Letter, Partition, Waiting
from schemas.alert import decode_alert
from schemas.errors import Reason, Rejected, Unavailable
from schemas.topology import Router, Topology

log = logging.getLogger("connectors.router")

FAILED = Counter("flexmeter_router_failed", "Deliveries that found the receiver away or unwilling", ["router"])
AVAILABLE = Gauge("flexmeter_router_available", "1 while the receiver takes what it is sent", ["router"])
WAITING = Gauge("flexmeter_router_waiting", "Versions of alerts that wait to be delivered", ["router"])
OLDEST = Gauge("flexmeter_router_oldest_seconds", "How long the one that came first of them has waited", ["router"])

POLL_S = 0.1
COMMIT_S = 1.0
POLL_RECORDS = 500
MOST_WAITING = 10_000
PAUSE_S = (0.5, 10.0)
_ANSWER_S = 10.0


class RouterLoop:
    """One router of the topology at work. `clock` tells the time of day, in s."""

    def __init__(
        self,
        router: Router,
        topology: Topology,
        consumer: Consumer,
        receiver: Receiver,
        outlet: Outlet,
        *,
        pause_s: tuple[float, float] = PAUSE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._router, self._kafka, self._alerts = router, topology.kafka, topology.topics[router.input]
        names = (router.input, router.marks, router.deliveries, router.dead_letters)
        self._topics = [topology.topics[name] for name in names]
        self._consumer, self._receiver = consumer, receiver
        self._pause_s, self._clock = pause_s, clock
        self._stop = threading.Event()
        outlet.stopped = self._stop.is_set
        self._records = Records(router, topology, outlet)
        marks, deliveries = Marks(), Deliveries(router.name)
        self._waiting = Waiting(router.rules, marks, deliveries)
        self._memories = (
            Memory(topology.kafka, topology.topics[router.marks], marks.learn),
            Memory(topology.kafka, topology.topics[router.deliveries], deliveries.learn),
        )
        self._storm = Storm(router.digest_above, 1_000 * router.digest_every_s)
        self._failures, self._rest_until = 0, 0.0
        self._assigned = self._paused = self._busy = False
        self._commit_at = 0.0
        self._committed: dict[Partition, int] = {}

    def stop(self) -> None:
        """Ask `run` to end; what waits will be read again."""
        self._stop.set()

    def run(self) -> None:
        """Until `stop`. Whatever it raises is a fault of ours; a restart reads again."""
        try:
            self._until_available(self._begin)
            AVAILABLE.labels(self._router.name).set(1)
            self._consumer.subscribe([self._alerts.name], self._on_assign, self._on_revoke, self._on_revoke)
            while not self._stop.is_set():
                self._turn()
            self._commit()
        except Stopped:
            log.warning("stopped while waiting; what was read is not committed and will be read again")
        finally:
            self._consumer.close()
            self._receiver.close()
            for memory in self._memories:
                memory.close()

    def _begin(self) -> None:
        """A router that has no place yet begins with what comes from now on: the past is no news.

        Raises:
            Unavailable: Kafka is away.
            Faults: a topic is there with another number of partitions.

        """
        ensure_topics(self._kafka, self._topics)
        places = [TopicPartition(self._alerts.name, number) for number in range(self._alerts.partitions)]
        try:
            found = self._consumer.committed(places, timeout=_ANSWER_S)
            for place in found:
                if place.error is not None:  # its offset says nothing then
                    raise KafkaException(place.error)
            new = [place for place in found if place.offset < 0]
            for place in new:
                place.offset = self._consumer.get_watermark_offsets(place, timeout=_ANSWER_S)[1]
            if new:
                self._consumer.commit(offsets=new, asynchronous=False)
        except KafkaException as error:
            raise Unavailable("kafka", error.args[0].str()) from error

    def _turn(self) -> None:
        messages = self._read()
        if self._assigned:  # what was done with these partitions before they came here
            for memory in self._memories:
                self._until_available(memory.read)
            self._assigned = False
        for message in messages:
            self._take(message)
        for memory in self._memories:
            memory.follow()
        self._tell()
        self._busy = self._deliver()
        if not self._busy or self._clock() >= self._commit_at:  # what is not committed is known from the deliveries
            self._commit()

    def _read(self) -> Sequence[Message]:
        """What has come; nothing more while too much waits."""
        full = len(self._waiting) >= MOST_WAITING
        if full != self._paused:
            (self._consumer.pause if full else self._consumer.resume)(self._consumer.assignment())
            self._paused = full
        return self._consumer.consume(POLL_RECORDS, 0 if self._busy else POLL_S)

    def _take(self, message: Message) -> None:
        if (error := message.error()) is not None:
            if error.fatal():
                raise KafkaException(error)
            log.warning("kafka: %s", error)  # librdkafka goes on trying by itself
            return
        origin = Origin(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))
        payload, now_ms = bytes(message.value() or b""), self._now_ms()
        came_ms = min(message.timestamp()[1], now_ms)
        try:
            letter = Letter(decode_alert(payload), payload, origin, came_ms, came_ms)
        except Rejected as rejected:
            self._records.unreadable(origin, payload, rejected, now_ms)
            self._waiting.pass_over(origin)
        else:
            self._records.delivered(self._waiting.take(letter, now_ms))

    def _tell(self) -> None:
        """The metrics."""
        WAITING.labels(self._router.name).set(len(self._waiting))
        oldest_ms = self._waiting.oldest_ms()
        OLDEST.labels(self._router.name).set(0 if oldest_ms is None else (self._now_ms() - oldest_ms) / 1_000)

    def _deliver(self) -> bool:
        """One delivery, if one is due and the receiver is not resting; whether there was one."""
        if self._clock() < self._rest_until:
            return False
        now_ms = self._now_ms()
        ready, spared = self._waiting.due(now_ms, self._receiver.most_at_once)
        self._records.delivered(spared)
        letters = self._storm.choose(ready, now_ms) if self._receiver.most_at_once > 1 else ready
        if letters:
            self._attempt(letters)
        return bool(letters)

    def _attempt(self, letters: Sequence[Letter]) -> None:
        try:
            refusals = self._receiver.deliver([letter.alert for letter in letters])
        except Rejected as rejected:
            self._bury(letters, rejected)
        except Unavailable as away:
            self._failed(letters, away)
        else:
            self._delivered(letters, refusals)

    def _delivered(self, letters: Sequence[Letter], refusals: Sequence[str]) -> None:
        now_ms = self._now_ms()
        self._failures, self._rest_until = 0, 0.0
        AVAILABLE.labels(self._router.name).set(1)
        if self._receiver.most_at_once > 1:
            self._storm.sent(now_ms)
        if refusals:
            self._records.rejected(letters, Rejected(Reason.UNDELIVERED, "; ".join(refusals)), now_ms)
        self._records.delivered(self._waiting.settle(letters, Outcome.DELIVERED, now_ms))

    def _bury(self, letters: Sequence[Letter], rejected: Rejected) -> None:
        now_ms = self._now_ms()
        self._records.rejected(letters, rejected, now_ms)
        self._records.delivered(self._waiting.settle(letters, Outcome.DEAD_LETTERED, now_ms))

    def _failed(self, letters: Sequence[Letter], away: Unavailable) -> None:
        """Rest a while. What was asked to come back later lets others go first; what waited too long is given up."""
        first_s, longest_s = self._pause_s
        rest_s = min(first_s * 2.0 ** min(self._failures, 16), longest_s)
        self._failures, self._rest_until = self._failures + 1, self._clock() + rest_s
        AVAILABLE.labels(self._router.name).set(0)
        FAILED.labels(self._router.name).inc()
        log.warning("%s; next try in %.1f s", away, rest_s)
        limit_s, now_ms = self._router.give_up_after_s, self._now_ms()
        old = [letter for letter in letters if now_ms - letter.came_ms >= 1_000 * limit_s]
        self._bury(old, Rejected(Reason.UNDELIVERED, f"given up after {limit_s} s: {away}"))
        if isinstance(away, Deferred):
            self._waiting.defer([letter for letter in letters if letter not in old], now_ms)

    def _commit(self) -> None:
        self._commit_at = self._clock() + COMMIT_S
        offsets = self._waiting.next_offsets()
        moved = {place: offset for place, offset in offsets.items() if self._committed.get(place) != offset}
        # If the partitions went to another member, it reads again, and knows from the deliveries what was done.
        if moved and commit(self._consumer, moved):
            self._committed |= moved

    def _on_assign(self, _consumer: Consumer, _places: Sequence[TopicPartition]) -> None:
        self._assigned, self._paused = True, False

    def _on_revoke(self, _consumer: Consumer, places: Sequence[TopicPartition]) -> None:
        self._commit()
        lost = [(place.topic, place.partition) for place in places]
        self._waiting.forget(lost)
        for place in lost:
            self._committed.pop(place, None)

    def _until_available(self, attempt: Callable[[], object]) -> None:
        until_available(attempt, self._stop, backoff_s=self._pause_s)

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)
