"""Listens to topics without taking part: joins no group, commits nothing, disturbs no role."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from connectors.kafka import client_settings
from schemas.alert import Alert, decode_alert
from schemas.codec import decode
from schemas.errors import Rejected, Unavailable
from schemas.record import Record
from schemas.topology import Topic, Topology

log = logging.getLogger("flexmeter.listen")

_POLL_S = 0.2
_ANSWER_S = 10.0
_NEW_TOPIC_S = 2.0
"""A topic that was made just now may not have its leader yet."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A record and the place where it stands on Kafka."""

    topic: str
    partition: int
    offset: int
    record: Record | Alert


class Listener:
    """Reads the given partitions, from their start or from their present end.

    Raises Unavailable where Kafka does not answer or a topic is not there.
    """

    def __init__(self, topology: Topology, places: Sequence[tuple[Topic, int]], from_start: bool) -> None:
        self._alerts = frozenset(topic.name for topic, _ in places if "Alert" in topic.records)
        self._unfinished = {(topic.name, partition) for topic, partition in places}
        self._is_away = False
        self._consumer = Consumer(
            {
                **client_settings(topology.kafka),
                "group.id": "flexmeter-listen",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "error_cb": self._told,
                "log_level": 0,
            },
            logger=logging.getLogger("librdkafka"),
        )
        try:
            self._consumer.assign([self._place(topic.name, partition, from_start) for topic, partition in places])
        except Unavailable:
            self._consumer.close()
            raise

    def _told(self, error: KafkaError) -> None:
        """The client tries again and again, and tells each time; once is enough, until something came."""
        if not self._is_away:
            log.warning("kafka is unavailable: %s", error.str())
        self._is_away = True

    def _place(self, topic: str, partition: int, from_start: bool) -> TopicPartition:
        place = TopicPartition(topic, partition)
        patient_until = time.monotonic() + _NEW_TOPIC_S
        while True:
            try:
                end = self._consumer.get_watermark_offsets(place, timeout=_ANSWER_S)[1]
            except KafkaException as error:
                if time.monotonic() > patient_until:
                    raise Unavailable("kafka", f"{topic}/{partition}: {error.args[0].str()}") from error
                time.sleep(_POLL_S)
            else:
                place.offset = OFFSET_BEGINNING if from_start else end
                return place

    def __enter__(self) -> Self:
        """Use it in a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def caught_up(self) -> bool:
        """Whether every partition has been read to an end that it had since this was made."""
        return not self._unfinished

    def records(self, until: float) -> Iterator[Heard | None]:
        """What comes, in order within a partition, until `time.monotonic()` is there; None when nothing has come.

        A record that cannot be read is logged with its place and passed over.
        """
        while (left := until - time.monotonic()) > 0:
            message = self._consumer.poll(min(left, _POLL_S))
            if message is None:
                yield None
                continue
            topic, partition, value = str(message.topic()), message.partition() or 0, message.value()
            if (error := message.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._unfinished.discard((topic, partition))
                elif not error.retriable():
                    raise KafkaException(error)
                yield None
            elif value is not None:
                self._is_away = False
                offset = message.offset() or 0
                try:
                    record = decode_alert(value) if topic in self._alerts else decode(value)
                    yield Heard(topic, partition, offset, record)
                except Rejected as rejected:
                    log.warning("%s/%d/%d cannot be read: %s", topic, partition, offset, rejected)

    def to_the_end(self) -> Iterator[Heard]:
        """What is there, to an end that every partition has had since this was made.

        Raises:
            Unavailable: nothing came for a while before that end.

        """
        quiet_since = time.monotonic()
        for heard in self.records(math.inf):
            if heard is not None:
                quiet_since = time.monotonic()
                yield heard
            if self.caught_up():
                return
            if time.monotonic() - quiet_since > _ANSWER_S:
                raise Unavailable("kafka", f"nothing for {_ANSWER_S:.0f} s, before the topics' end")
