"""A compacted topic, read to its end and then followed: what Kafka knows by key, as every bridge must know it too."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka import client_settings
from schemas.errors import Unavailable
from schemas.topology import Kafka, Topic

log = logging.getLogger("connectors.compacted")

MOST_AT_ONCE = 1_000
"""Records that one look takes: a bridge that follows goes on with its readings after some 20 ms."""

_PATIENCE_S = 10.0
_WAIT_S = 0.2
_QUEUE_KB = 16_384

Learn = Callable[[bytes, bytes | None], None]
"""A record's key and value; without a value, the key is no more."""


class Compacted:
    """Reads all partitions of one topic, from their beginning on. Joins no group, commits nothing."""

    def __init__(self, kafka: Kafka, topic: Topic, learn: Learn) -> None:
        self._kafka = kafka
        self._topic = topic
        self._learn = learn
        self._consumer: Consumer | None = None
        self._unread = set(range(topic.partitions))

    def read(self) -> None:
        """Learn everything that the topic holds. Called again, it goes on where it was.

        A partition's end is where Kafka says so, not a record: the last one may have been compacted away.

        Raises:
            Unavailable: Kafka is away, or has no such topic.

        """
        consumer = self._consumer or self._open()
        deadline = time.monotonic() + _PATIENCE_S
        while self._unread:
            if self._take(consumer.consume(10 * MOST_AT_ONCE, timeout=_WAIT_S)):
                deadline = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > deadline:
                raise Unavailable("kafka", f"{self._topic.name} cannot be read to its end")

    def follow(self) -> bool:
        """Learn what has come since; whether there may be more already."""
        return self._consumer is not None and self._take(self._consumer.consume(MOST_AT_ONCE, timeout=0)) > 0

    def close(self) -> None:
        """Hear no more."""
        if self._consumer is not None:
            with closing(self._consumer):
                self._consumer = None

    def _open(self) -> Consumer:
        settings = {
            "group.id": "flexmeter-compacted",
            "enable.auto.commit": "false",
            "enable.partition.eof": "true",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": str(_QUEUE_KB),
            **client_settings(self._kafka),
        }
        self._consumer = Consumer(settings, logger=logging.getLogger("librdkafka"))
        self._consumer.assign([TopicPartition(self._topic.name, n, OFFSET_BEGINNING) for n in sorted(self._unread)])
        return self._consumer

    def _take(self, messages: Iterable[Message]) -> int:
        """How many records there were."""
        taken = 0
        for message in messages:
            error = message.error()
            if error is None:
                self._learn(message.key() or b"", message.value())
                taken += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._unread.discard(message.partition() or 0)
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("%s: %s", self._topic.name, error.str())
        return taken
