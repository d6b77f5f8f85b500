"""The local parts are real and answer."""

import pytest
from clickhouse_driver import Client
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt import publish, subscribe

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
