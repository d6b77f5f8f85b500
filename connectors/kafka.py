"""Kafka's producing side: the only module that imports confluent_kafka's Producer.

Settings are librdkafka's: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic

from connectors.backoff import Stopped
from schemas.errors import Unavailable
from schemas.faults import Fault, Faults
from schemas.topology import Kafka, Topic

log = logging.getLogger("connectors.kafka")

Headers = Sequence[tuple[str, bytes]]

# Without end: a message waits for its broker until it is there or the process ends; none is given up or overtaken.
_PRODUCER = {
    "enable.idempotence": "true",
    "acks": "all",
    "message.timeout.ms": "0",
    "compression.type": "lz4",
    "linger.ms": "5",
    "queue.buffering.max.kbytes": "131072",
    "reconnect.backoff.max.ms": "1000",
}
MOST_BACKLOG_BYTES = 64_000_000
_OVERHEAD_BYTES = 1_000
"""Of each record, so that 64,000 small ones fill the backlog as well: the queue takes 100,000."""
_METADATA_TIMEOUT_S = 5.0
_SERVE_S = 0.1

# Kafka compacts only what is no longer written to: with its own 1 GB and week, state would grow as long as it ran.
_COMPACTED = {"segment.bytes": "16777216", "segment.ms": "3600000"}

# Answers that say the broker is away, not that we are wrong: KafkaError.retriable() does not cover the client's own.
_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_CONTROLLER,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)


def client_settings(kafka: Kafka) -> dict[str, str | int | float | bool]:
    """What every librdkafka client of this Kafka needs: where it is, and its TLS and SASL options."""
    return {"bootstrap.servers": kafka.bootstrap, "security.protocol": kafka.security, **kafka.options}


class Outlet:
    """Where blocks go out: idempotent, acknowledged by all replicas, retried for ever, in order within a partition.

    Who must not wait for Kafka asks `has_room` before it produces; else `produce` waits while librdkafka's queue is
    full. That wait and `settle` raise Stopped as soon as `stopped` says so.
    """

    def __init__(self, kafka: Kafka, client_id: str) -> None:
        self.stopped: Callable[[], bool] = lambda: False
        self._backlog_bytes = 0
        settings = {**_PRODUCER, **client_settings(kafka), "client.id": client_id}
        self._producer = Producer({**settings, "error_cb": _report}, logger=logging.getLogger("librdkafka"))

    def produce(
        self,
        topic: str,
        partition: int,
        value: bytes | None,
        delivered: Callable[[], None] | None = None,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> None:
        """Send one record; `delivered` is called from `serve` or `close` when all replicas have it.

        No value: the key is no more. Any error other than a broker that is away is raised from `serve`.

        Raises:
            Stopped: see the class.

        """
        size = len(value or b"") + _OVERHEAD_BYTES

        def on_delivery(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                raise KafkaException(error)
            self._backlog_bytes -= size
            if delivered is not None:
                delivered()

        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=on_delivery, headers=list(headers) or None
                )
                break
            except BufferError:
                if self.stopped():
                    raise Stopped from None
                self._producer.poll(_SERVE_S)
        self._backlog_bytes += size

    @property
    def has_room(self) -> bool:
        """Whether Kafka has most of what was produced: then the queue takes a few megabytes more without waiting."""
        return self._backlog_bytes < MOST_BACKLOG_BYTES

    def serve(self, timeout_s: float = 0.0) -> None:
        """Call what is due: deliveries, errors, logs."""
        self._producer.poll(timeout_s)

    def waiting(self) -> int:
        """Records that Kafka does not have yet."""
        return len(self._producer)

    def settle(self) -> None:
        """Wait, without end, until Kafka has all that was produced.

        Raises:
            Stopped: see the class.

        """
        while self.waiting():
            if self.stopped():
                raise Stopped
            self.serve(_SERVE_S)

    def close(self, timeout_s: float) -> bool:
        """Wait for what is under way; False where the time ran out with some of it not delivered."""
        deadline = time.monotonic() + timeout_s
        while self.waiting() and time.monotonic() < deadline:
            self._producer.poll(_SERVE_S)
        return not self.waiting()


def _report(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)
    log.warning("kafka is unavailable: %s", error.str())


def ensure_topics(kafka: Kafka, topics: Iterable[Topic]) -> None:
    """Create those topics that are missing, replicated as the broker's default says.

    Raises:
        Unavailable: no broker answers.
        Faults: a topic exists with another number of partitions, which would put meters on other partitions.

    """
    wanted = {topic.name: topic for topic in topics}
    admin = AdminClient(client_settings(kafka), logger=logging.getLogger("librdkafka"))
    found = _partitions(admin)
    missing = [topic for topic in wanted.values() if topic.name not in found]
    if missing:
        _create(admin, missing)
        found = _await_partitions(admin, wanted)
    faults = [
        Fault(
            0,
            f"topic {topic.name!r} has {found[topic.name]} partitions in Kafka and {topic.partitions} here",
            "set partitions to what Kafka has, or rebuild into a topic of another name",
        )
        for topic in wanted.values()
        if found[topic.name] != topic.partitions
    ]
    if faults:
        raise Faults("topology", faults)


def _create(admin: AdminClient, topics: list[Topic]) -> None:
    requests = [
        NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=-1, config=_topic_config(topic))
        for topic in topics
    ]
    for name, future in admin.create_topics(requests).items():
        try:
            future.result()
            log.info("created topic %s", name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another role was quicker
                raise _mapped(error) from error


def _topic_config(topic: Topic) -> dict[str, str]:
    retention_ms = -1 if topic.retention_hours is None else topic.retention_hours * 3_600_000
    if topic.compact:
        return {"cleanup.policy": "compact", "retention.ms": str(retention_ms), **_COMPACTED}
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}


def _partitions(admin: AdminClient) -> dict[str, int]:
    """Partitions that have a leader, by topic."""
    try:
        metadata: ClusterMetadata = admin.list_topics(timeout=_METADATA_TIMEOUT_S)
    except KafkaException as error:
        raise _mapped(error) from error
    return {
        name: sum(partition.leader >= 0 for partition in topic.partitions.values())
        for name, topic in metadata.topics.items()
    }


def _await_partitions(admin: AdminClient, wanted: dict[str, Topic]) -> dict[str, int]:
    """A topic just made takes a moment until every broker tells of it."""
    deadline = time.monotonic() + 30
    while True:
        found = _partitions(admin)
        if all(found.get(name, 0) >= topic.partitions for name, topic in wanted.items()):
            return found
        if time.monotonic() > deadline:
            absent = [name for name in wanted if found.get(name, 0) < wanted[name].partitions]
            raise Unavailable("kafka", f"no leaders yet for {', '.join(absent)}")
        time.sleep(0.1)


def _mapped(error: KafkaException) -> Exception:
    """Unavailable where the broker is away; the error itself where something is wrong."""
    cause = error.args[0]
    if cause.code() in _AWAY or cause.retriable():
        return Unavailable("kafka", cause.str())
    return error
