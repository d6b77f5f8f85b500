"""A topic that is a memory: read from its beginning to its end, and followed from there on. Joins no group."""

import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from connectors.kafka import client_settings
from schemas.codec import decode
from schemas.errors import Rejected, Unavailable
from schemas.topology_model import Kafka, Topic

log = logging.getLogger("connectors.router")

_ANSWER_S = 10.0
_POLL_S = 0.1
_AT_ONCE = 10_000


class Memory:
    """What a topic holds, told to `learn` record by record, in the order of each partition."""

    def __init__(self, kafka: Kafka, topic: Topic, learn: Callable[[Any], None]) -> None:
        self._topic, self._learn = topic, learn
        settings = {**client_settings(kafka), "group.id": "flexmeter-router", "enable.auto.commit": "false"}
        self._consumer = Consumer(settings, logger=logging.getLogger("librdkafka"))
        self._consumer.assign(self._places(OFFSET_BEGINNING))

    def read(self) -> None:
        """Go on to the end that the topic has now.

        Raises:
            Unavailable: Kafka is away, or does not have the topic.

        """
        try:
            bounds = [self._consumer.get_watermark_offsets(place, timeout=_ANSWER_S) for place in self._places()]
            deadline = time.monotonic() + _ANSWER_S
            while self._is_behind(bounds):
                if messages := self._consumer.consume(_AT_ONCE, timeout=_POLL_S):
                    self._take(messages)
                    deadline = time.monotonic() + _ANSWER_S
                elif time.monotonic() > deadline:
                    raise Unavailable("kafka", f"{self._topic.name} cannot be read to its end")
        except KafkaException as error:
            raise Unavailable("kafka", f"{self._topic.name}: {error.args[0].str()}") from error

    def follow(self) -> None:
        """Take what has come meanwhile."""
        self._take(self._consumer.consume(_AT_ONCE, timeout=0))

    def close(self) -> None:
        """Hear no more."""
        self._consumer.close()

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if (error := message.error()) is not None:
                if error.fatal():
                    raise KafkaException(error)
                log.warning("%s: %s", self._topic.name, error.str())
                continue
            if (value := message.value()) is None:
                continue
            try:
                self._learn(decode(value))
            except Rejected as rejected:
                log.warning(
                    "%s/%s/%s passed over: %s", message.topic(), message.partition(), message.offset(), rejected
                )

    def _is_behind(self, bounds: list[tuple[int, int]]) -> bool:
        """Whether something before the ends is unread. What retention has emptied begins where it ends."""
        positions = self._consumer.position(self._places())
        return any(max(place.offset, low) < high for place, (low, high) in zip(positions, bounds, strict=True))

    def _places(self, offset: int = -1001) -> list[TopicPartition]:
        return [TopicPartition(self._topic.name, number, offset) for number in range(self._topic.partitions)]
