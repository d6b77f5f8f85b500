"""The local parts are real and answer."""

import pytest
from clickhouse_driver import Client
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt import publish, subscribe

from flexmeter.local.lag import committed, ends, lag_of
from flexmeter.local.ports import free_port
from schemas.errors import Unavailable

pytestmark = pytest.mark.integration


def test_kafka_keeps_a_record(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic("local.parts", 1, 1)]).values():
        future.result(20)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce("local.parts", b"one")
    assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "local.parts", "auto.offset.reset": "earliest"})
    consumer.subscribe(["local.parts"])
    try:
        message = consumer.poll(20)
        assert message is not None
        assert message.value() == b"one"
    finally:
        consumer.close()


def test_kafka_makes_no_topic_that_was_only_asked_for(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.list_topics("misspelt", timeout=10)
    assert "misspelt" not in admin.list_topics(timeout=10).topics


def test_mosquitto_retains_a_message(mosquitto: str) -> None:
    host, port = mosquitto.removeprefix("mqtt://").split(":")
    publish.single("local/parts", b"one", qos=1, retain=True, hostname=host, port=int(port))
    message = subscribe.simple("local/parts", hostname=host, port=int(port))
    assert message.payload == b"one"


def test_clickhouse_server_speaks_the_native_protocol(clickhouse_server: str) -> None:
    with Client.from_url(clickhouse_server) as client:
        assert client.execute("SELECT 6 * 7") == [(42,)]


def test_lag_is_what_the_group_has_not_committed(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic("local.lag", 2, 1)]).values():
        future.result(20)
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(5):
        producer.produce("local.lag", b"x", partition=number % 2)
    assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "local.lag"})
    consumer.commit(offsets=[TopicPartition("local.lag", 0, 2)], asynchronous=False)
    consumer.close()
    first, end = ends(kafka, ["local.lag", "no.such.topic"])
    assert end == {("local.lag", 0): 3, ("local.lag", 1): 2}
    assert lag_of(committed(kafka, "local.lag", list(end)), first, end) == 1 + 2


def test_no_kafka_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="kafka is unavailable"):
        ends(f"127.0.0.1:{free_port()}", ["local.lag"])
