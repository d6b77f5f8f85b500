"""AMQP on a real RabbitMQ: what is acknowledged is gone, what is not comes again; events pass readings by; users."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pika
import pytest
from pika import data as pika_data
from pika.exceptions import ChannelClosedByBroker
from prometheus_client import REGISTRY

from connectors.amqp import AmqpSource
from flexmeter.local import rabbitmq as local_rabbitmq
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.topology import Bridge
from tests.certificates import Authority
from tests.doors import BRIDGE, HUB, USERS
from tests.rabbit import Rabbit
from tests.waiting import received

pytestmark = pytest.mark.integration


def bridge(broker: str, prefix: str, user: str = BRIDGE, secret: str = USERS[BRIDGE], **options: str) -> Bridge:
    keys = tuple(f"{prefix}.{{profile}}.{{meter}}.{carries}" for carries in ("reading", "event"))
    url = f"amqp://{user}:{secret}@{broker}/%2F"
    return Bridge(prefix, "amqp", url, keys, "json", "r", "e", "d", 500, options)


def publish(
    broker: str, key: str | bytes, *bodies: bytes, user_id: str | None = None, confirmed: bool = True, **others: Any
) -> None:
    properties = pika.BasicProperties(delivery_mode=2, user_id=user_id, **others)
    with pika.BlockingConnection(pika.URLParameters(f"amqp://{HUB}:{USERS[HUB]}@{broker}/%2F")) as connection:
        channel = connection.channel()
        if confirmed:
            channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("amq.topic", key, body, properties, mandatory=True)


@contextmanager
def source_of(entry: Bridge) -> Iterator[AmqpSource]:
    source = AmqpSource(entry)
    source.receive(0, 0)
    try:
        yield source
    finally:
        source.close()


def test_what_is_not_acknowledged_comes_again(rabbitmq: str) -> None:
    entry = bridge(rabbitmq, "again")
    with source_of(entry) as source:
        publish(rabbitmq, "again.p.m1.reading", *(b"%d" % number for number in range(6)), user_id=HUB)
        deliveries = received(source, 6)
        address = deliveries[0].address
        assert (address.profile, address.meter, deliveries[0].identity) == ("p", "m1", HUB)
        for number in (0, 4, 1, 2):
            source.acknowledge(deliveries[number])
    with source_of(entry) as source:
        assert [delivery.payload for delivery in received(source, 3)] == [b"3", b"4", b"5"], "in order, none left out"
        assert source.receive(0.2, 10) == []


def test_nothing_is_given_where_nothing_is_wanted(rabbitmq: str) -> None:
    with source_of(bridge(rabbitmq, "room")) as source:
        publish(rabbitmq, "room.p.m1.reading", b"1")
        for _ in range(5):
            assert source.receive(0.05, 0) == []
        assert len(received(source, 1)) == 1


def test_an_event_waits_behind_no_backlog_of_readings(rabbitmq: str) -> None:
    entry = bridge(rabbitmq, "urgent")
    with source_of(entry):
        pass
    publish(rabbitmq, "urgent.p.m1.reading", *[b"r"] * 6_000, confirmed=False)
    publish(rabbitmq, "urgent.p.m1.event", b"e")
    with source_of(entry) as source:
        payloads: list[bytes] = []
        while b"e" not in payloads:
            for delivery in received(source, 1):
                payloads.append(delivery.payload)
                source.acknowledge(delivery)
        assert len(payloads) < 5_000


@pytest.mark.parametrize("deleted", ["deleted", "deleted-events"])
def test_a_queue_that_is_deleted_is_declared_again_and_what_came_of_it_is_kept(rabbitmq: str, deleted: str) -> None:
    carries = "event" if deleted.endswith("events") else "reading"
    with source_of(bridge(rabbitmq, "deleted", queue="deleted")) as source:
        publish(rabbitmq, f"deleted.p.m1.{carries}", b"1", b"2", b"3")
        first = received(source, 1)
        with pika.BlockingConnection(pika.URLParameters(f"amqp://{HUB}:{USERS[HUB]}@{rabbitmq}/%2F")) as connection:
            connection.channel().queue_delete(deleted)
        source.acknowledge(first[0])
        assert [delivery.payload for delivery in received(source, 2)] == [b"2", b"3"], "nobody else has them"
        unavailable(source, "deleted or whose node failed")
        assert source.receive(0, 0) == []
        publish(rabbitmq, f"deleted.p.m1.{carries}", b"4")
        assert [delivery.payload for delivery in received(source, 1)] == [b"4"]


def test_a_channel_that_the_broker_closes_is_opened_again(rabbitmq: str) -> None:
    with source_of(bridge(rabbitmq, "closed")) as source:
        publish(rabbitmq, "closed.p.m1.reading", b"1")
        (delivery,) = received(source, 1)
        delivery.tag = 99  # as an acknowledgement that comes too late, it ends the channel and not the connection
        source.acknowledge(delivery)
        unavailable(source, "closed the channel")
        assert [delivery.payload for delivery in received(source, 1)] == [b"1"]


def test_what_comes_faster_than_its_sender_may_is_taken_and_counted(rabbitmq: str) -> None:
    entry = bridge(rabbitmq, "hasty_amqp", rate_per_s="0.01", burst="2")
    with source_of(entry) as source:
        publish(rabbitmq, "hasty_amqp.p.m1.reading", *[b"x"] * 5, user_id=HUB)
        publish(rabbitmq, "hasty_amqp.p.m1.event", *[b"x"] * 5, user_id=HUB)
        publish(rabbitmq, "hasty_amqp.p.m2.reading", b"of nobody: as if each meter were one")
        received(source, 11)
    assert REGISTRY.get_sample_value("flexmeter_bridge_over_rate_total", {"bridge": "hasty_amqp"}) == 3


@pytest.mark.parametrize("level", [b"\xed\xa0\x80", b"\xf7\xbf\xbf\xbf"])
def test_a_routing_key_that_is_utf_8_to_the_broker_alone_is_an_address_of_nobody(rabbitmq: str, level: bytes) -> None:
    with source_of(bridge(rabbitmq, "odd")) as source:
        publish(rabbitmq, b"odd.p.%s.reading" % level, b"x")
        publish(rabbitmq, "odd.p.m1.reading", b"y")
        deliveries = received(source, 2)
        for delivery in deliveries:
            source.acknowledge(delivery)
    assert [delivery.address.meter for delivery in deliveries] == [level.decode(errors="backslashreplace"), "m1"]


def test_headers_that_python_cannot_read_stop_nobody(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = b""
    for _ in range(3_000):
        nested = b"\x00F" + len(nested).to_bytes(4, "big") + nested
    tables = {"year beyond all": b"\x01xT" + b"\xff" * 8, "nested": nested}
    encode = pika_data.encode_table

    def encode_as_it_is(pieces: list[bytes], table: dict[str, object] | None) -> int:
        raw = tables.get(str((table or {}).get("raw")))
        if raw is None:
            return int(encode(pieces, table))
        pieces.append(len(raw).to_bytes(4, "big") + raw)
        return 4 + len(raw)

    monkeypatch.setattr(pika_data, "encode_table", encode_as_it_is)
    with source_of(bridge(rabbitmq, "headers")) as source:
        for name in tables:
            publish(rabbitmq, "headers.p.m1.reading", b"x", user_id=HUB, headers={"raw": name})
        assert [delivery.identity for delivery in received(source, len(tables))] == [HUB] * len(tables)


def unavailable(source: AmqpSource, words: str) -> None:
    deadline = monotonic() + 30
    with pytest.raises(Unavailable, match=words):
        while monotonic() < deadline:
            source.receive(0.1, 10)


def test_amqp_publish_is_heard_and_is_nobody(rabbitmq: str) -> None:
    host, port = rabbitmq.split(":")
    with source_of(bridge(rabbitmq, "tool")) as source:
        url = f"amqp://{HUB}:{USERS[HUB]}@{host}:{port}"
        command = ["amqp-publish", "--url", url, "-e", "amq.topic", "-r", "tool.p.m1.reading", "-p", "-b", "hello"]
        subprocess.run(command, check=True, timeout=30)
        (delivery,) = received(source, 1)
    assert (delivery.payload, delivery.identity) == (b"hello", "")


def test_nobody_can_be_another(rabbitmq: str) -> None:
    with source_of(bridge(rabbitmq, "forged")) as source:
        with pytest.raises(ChannelClosedByBroker, match="user_id"):
            publish(rabbitmq, "forged.p.m1.reading", b"x", user_id="thief")
        assert source.receive(0.2, 10) == []


def test_a_wrong_password_is_told_in_words(rabbitmq: str) -> None:
    with pytest.raises(Unavailable, match=r"403|ACCESS_REFUSED"):
        AmqpSource(bridge(rabbitmq, "wrong", secret="wrong")).receive(0, 1)


def test_tls_with_certificates_on_both_sides(rabbit: Rabbit, rabbitmq: str, tmp_path: Path) -> None:
    files, theirs = rabbit.authority.sign("bridge"), Authority(tmp_path, "another CA")
    own = {"cert_file": str(files.certificate), "key_file": str(files.key)}
    plain = bridge(rabbitmq, "tls", ca_file=str(rabbit.authority.file), **own)
    entry = replace(plain, url=plain.url.replace("amqp://", "amqps://").replace(rabbitmq, rabbit.secured))
    with source_of(entry) as source:
        publish(rabbitmq, "tls.p.m1.reading", b"sealed", user_id=HUB)
        assert [delivery.payload for delivery in received(source, 1)] == [b"sealed"]
    stranger = replace(entry, options={**own, "ca_file": str(theirs.file)})
    with pytest.raises(Unavailable, match="certificate verify failed"):
        AmqpSource(stranger).receive(0, 1)
    nobody = replace(entry, options={"ca_file": str(rabbit.authority.file)})
    with pytest.raises(Unavailable, match="amqp at"):
        AmqpSource(nobody).receive(0, 1)


def test_a_queue_that_is_another_kind_is_told_in_words(rabbitmq: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(f"amqp://{HUB}:{USERS[HUB]}@{rabbitmq}/%2F")) as connection:
        connection.channel().queue_declare("kind", durable=True, arguments={"x-max-length": 5})
        with pytest.raises(Unavailable, match="it refuses us: 406"):
            AmqpSource(bridge(rabbitmq, "kind", queue="kind", exchange="none")).receive(0, 1)


@pytest.mark.parametrize(
    ("key", "options", "words"),
    [("x.{meter}.reading", {}, "needs the level {profile}"), ("x.{profile}.reading", {"que": "x"}, "mean 'queue'")],
)
def test_faults_of_an_amqp_bridge(key: str, options: dict[str, str], words: str) -> None:
    entry = Bridge("b", "amqp", "amqp://127.0.0.1", (key,), "json", "r", "e", "d", 500, options)
    with pytest.raises(Faults, match=words):
        AmqpSource(entry)


def test_a_restarted_broker_is_found_again_and_has_kept_what_it_confirmed(tmp_path: Path) -> None:
    port = free_port()
    broker = local_rabbitmq.rabbitmq(tmp_path / "rabbitmq", port, tmp_path / "rabbitmq.log", USERS)
    entry = bridge(f"{HOST}:{port}", "back")
    source = AmqpSource(entry)
    with pytest.raises(Unavailable, match="amqp at"):
        source.receive(0, 10)
    with running(broker):
        source.receive(0, 0)
        publish(f"{HOST}:{port}", "back.p.m1.reading", b"1", b"2")
        old = received(source, 2)
        source.acknowledge(old[0])
        source.receive(0, 0)
    with pytest.raises(Unavailable):
        for _ in range(100):
            source.receive(0.1, 10)
    source.acknowledge(old[1])  # of a connection that is no more: says nothing
    with running(broker):
        assert [delivery.payload for delivery in received(source, 1)] == [b"2"]
        source.close()
