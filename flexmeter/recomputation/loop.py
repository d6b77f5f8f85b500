"""The recomputation's loop: poll requests -> wait until the database has what they are about -> answer -> commit.

A request names an hour because rows came too late for the stream. The bridge wrote these rows before the stream asked,
so the database has them once the sink's group has committed all that the topics held when the request was read. The
same wait covers the results that stand, our own earlier answers among them. So there is nothing to time, and an answer
that is given twice finds itself standing and says nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from confluent_kafka import Consumer, KafkaException, TopicPartition
from prometheus_client import Counter, Gauge

from connectors import offsets
from connectors.backoff import Stopped, until_available
from connectors.kafka import Outlet, client_settings
from flexmeter.recomputation.answers import Answer, Answers
from flexmeter.recomputation.open_requests import Hour, MeterHour, OpenRequests, SubstationHour
from schemas.codec import decode, encode
from schemas.errors import Rejected
from schemas.partition import partition_of
from schemas.results import LoadBlock, RecomputeRequestBlock
from schemas.topology import Stream, Topology

log = logging.getLogger(__name__)

ANSWERED = Counter("flexmeter_recompute_hours", "Hours computed again", ["stream"])
REVISED = Counter("flexmeter_recompute_records", "Records of revised results sent", ["stream", "record"])
OPEN = Gauge("flexmeter_recompute_open_hours", "Hours asked for and not answered", ["stream"])
AVAILABLE = Gauge("flexmeter_recompute_available", "1 while Kafka and ClickHouse answer", ["stream"])

POLL_S, POLL_RECORDS = 0.2, 200
ALIVE_S = 60.0
"""Kafka takes a member for dead that does not poll for five minutes; answering may take longer."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to gather requests: a backlog asks for the same hours again and again. And how often to look whether an
    hour that the stream has not closed can be answered.
    """

    linger_s: float = 5.0
    look_again_s: float = 60.0


class Recomputation:
    """Answers the requests of one stream, with the readings that one sink of the topology writes."""

    def __init__(
        self, topology: Topology, stream: Stream, sink: str, consumer: Consumer, outlet: Outlet, answers: Answers,
        pace: Pace,
    ) -> None:  # fmt: skip
        self._topology, self._stream, self._sink = topology, stream, sink
        self._consumer, self._outlet, self._answers, self._pace = consumer, outlet, answers, pace
        self._requests = OpenRequests()
        self._looked_s = self._polled_s = time.monotonic()
        self._stop = threading.Event()
        outlet.stopped = self._stop.is_set
        AVAILABLE.labels(stream.name).set(1)

    def stop(self) -> None:
        """Ask `run` to return; what is not answered by then is not committed."""
        self._stop.set()

    def run(self) -> None:
        """Until `stop`: read, answer, commit. Whatever it raises is a fault of ours; a restart reads again."""
        topic = self._topology.topic_of(RecomputeRequestBlock.__name__, self._stream.outputs)
        self._consumer.subscribe([topic.name], on_revoke=self._revoked)
        try:
            while not self._stop.is_set():
                self._read()
                self._answer_all()
                self._commit()
        except Stopped:
            log.warning("stopped while waiting; what was read is not committed and will be read again")
        finally:
            self._consumer.close()

    def _read(self) -> None:
        """What comes within the linger."""
        deadline = time.monotonic() + self._pace.linger_s
        while not self._stop.is_set() and (left := deadline - time.monotonic()) > 0:
            self._poll(POLL_RECORDS, min(left, POLL_S))

    def _poll(self, records: int, timeout_s: float) -> None:
        self._polled_s = time.monotonic()
        for message in self._consumer.consume(records, timeout_s):
            if (error := message.error()) is not None:
                if error.fatal():
                    raise KafkaException(error)
                log.warning("kafka: %s", error)
                continue
            asked = _asked(message.value() or b"")
            self._requests.take(int(message.partition() or 0), int(message.offset() or 0), asked)

    def _answer_all(self) -> None:
        now = time.monotonic()
        again = now - self._looked_s >= self._pace.look_again_s
        self._looked_s = now if again else self._looked_s
        hours = self._requests.due(held=again)
        while hours and not self._stop.is_set():
            self._until_available(self._wait_for_sink)
            for some in list(together(hours, self._requests)):
                self._until_available(partial(self._answer, some))
                if time.monotonic() - self._polled_s > ALIVE_S:
                    self._poll(1, 0)
                    break  # what it asks for may be of rows that the sink does not have yet
            hours = self._requests.due(held=False)
        OPEN.labels(self._stream.name).set(len(self._requests))

    def _answer(self, hours: list[Hour]) -> None:
        """Answer hours that belong together, send the results, and wait until Kafka has them."""
        hours = [hour for hour in hours if hour in self._requests]  # the others were revoked meanwhile
        if not hours:
            return
        first = hours[0]
        partition = self._requests.partition(first)
        if isinstance(first, SubstationHour):
            answer = self._answers.to_substation(first)
        else:
            answer = self._answers.to_meters([hour for hour in hours if isinstance(hour, MeterHour)])
        self._send(answer, partition)
        self._requests.done(answer.done, answer.leading_to)
        self._requests.hold(answer.open)
        ANSWERED.labels(self._stream.name).inc(len(answer.done))

    def _send(self, answer: Answer, partition: int) -> None:
        """A meter's results go where its stream puts them; loads by their substation."""
        for result in answer.results:
            is_load = isinstance(result, LoadBlock)
            topic = self._topology.topic_of(
                type(result).__name__, self._topology.topics if is_load else self._stream.outputs
            )
            to = partition_of(result.substation, topic.partitions) if isinstance(result, LoadBlock) else partition
            self._outlet.produce(topic.name, to, encode(result))
            REVISED.labels(self._stream.name, type(result).__name__).inc()
        self._outlet.settle()

    def _wait_for_sink(self) -> None:
        """Until the sink has written what its topics hold now."""
        settings = client_settings(self._topology.kafka)
        first, end = offsets.ends(settings, self._topology.sinks[self._sink].inputs)
        wanted = {place: last for place, last in end.items() if last > first.get(place, 0)}
        while self._behind(wanted):
            if self._stop.wait(POLL_S):
                raise Stopped

    def _behind(self, wanted: offsets.Offsets) -> bool:
        group = f"flexmeter-{self._sink}"
        written = offsets.committed(client_settings(self._topology.kafka), group, list(wanted))
        return any(written.get(place, -1) < last for place, last in wanted.items())

    def _until_available(self, attempt: Callable[[], None]) -> None:
        available = AVAILABLE.labels(self._stream.name)
        until_available(attempt, self._stop, lambda _away: available.set(0))
        available.set(1)

    def _commit(self) -> None:
        topic = self._topology.topic_of(RecomputeRequestBlock.__name__, self._stream.outputs).name
        # The results are sent. If the partitions went to another member, it finds that they stand.
        if next_offsets := {(topic, number): next_ for number, next_ in self._requests.next_offsets().items()}:
            offsets.commit(self._consumer, next_offsets)

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._requests.revoked({place.partition for place in partitions})


def _asked(payload: bytes) -> list[MeterHour]:
    """What a record asks for; nothing where it is none of ours: the sink has put it among the dead letters."""
    try:
        block = decode(payload)
    except Rejected as rejected:
        log.warning("passed over: %s", rejected)
        return []
    if not isinstance(block, RecomputeRequestBlock):
        return []
    rows = zip(block.row_meter.tolist(), block.start.tolist(), strict=True)
    return [MeterHour(block.profiles[i], start, block.meters[i]) for i, start in rows]


def together(hours: Iterable[Hour], requests: OpenRequests) -> Iterable[list[Hour]]:
    """Hours that can be answered at once: of one partition, profile and time; substations one by one."""

    def of(hour: Hour) -> tuple[object, ...]:
        if isinstance(hour, SubstationHour):
            return (1, requests.partition(hour), hour.substation, hour.start, False)
        return (0, requests.partition(hour), hour.profile, hour.start, hour.follows)

    for _, group in groupby(sorted(hours, key=of), of):
        yield list(group)
