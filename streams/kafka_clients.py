"""aiokafka's producer and consumer, and Faust's settings, from the `kafka` section of topology.yaml; and the wait for a
broker that is away.

The options there are librdkafka's, since the bridges and sinks use that; those for TLS and SASL are translated here.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from schemas.topology_model import Kafka

log = logging.getLogger(__name__)

T = TypeVar("T")

SEND_TIMEOUT_MS = 120_000
"""A batch may wait this long for a leader: a broker that was killed needs 15 s and more to come back."""
ASK_AGAIN_S = 2.0
"""Between two questions to a broker that is away."""


def producer(kafka: Kafka) -> AIOKafkaProducer:
    """A producer that keeps order and repeats nothing within its life. A failed send must end the process."""
    return AIOKafkaProducer(
        **_connection(kafka),
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        linger_ms=5,
        max_batch_size=1_000_000,
        max_request_size=8_000_000,
        request_timeout_ms=SEND_TIMEOUT_MS,
    )


def consumer(kafka: Kafka) -> AIOKafkaConsumer:
    """A consumer outside any group, for reading a state partition from its start."""
    return AIOKafkaConsumer(**_connection(kafka), enable_auto_commit=False, auto_offset_reset="earliest")


async def until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """What Kafka answers; it is asked again for as long as it is away."""
    told = False
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable and not isinstance(error, KafkaTimeoutError):
                raise
            if not told:
                log.warning("kafka is away, it is asked until it answers: %s", error)
            told = True
        await asyncio.sleep(ASK_AGAIN_S)


def security(kafka: Kafka) -> dict[str, Any]:
    """TLS and SASL as aiokafka takes them.

    >>> security(Kafka("localhost:9092", "PLAINTEXT", {}))
    {'security_protocol': 'PLAINTEXT'}
    """
    settings: dict[str, Any] = {"security_protocol": kafka.security}
    if kafka.security.endswith("SSL"):
        settings["ssl_context"] = tls(kafka.options)
    if kafka.security.startswith("SASL"):
        settings["sasl_mechanism"] = kafka.options.get("sasl.mechanism", "PLAIN")
        settings["sasl_plain_username"] = kafka.options["sasl.username"]
        settings["sasl_plain_password"] = kafka.options["sasl.password"]
    return settings


def _connection(kafka: Kafka) -> dict[str, Any]:
    return {"bootstrap_servers": kafka.bootstrap.split(",")} | security(kafka)


def tls(options: Mapping[str, str]) -> ssl.SSLContext:
    """The TLS context that librdkafka would make of these options."""
    context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
    if "ssl.certificate.location" in options:
        context.load_cert_chain(
            options["ssl.certificate.location"],
            options.get("ssl.key.location"),
            options.get("ssl.key.password"),
        )
    return context
