"""MQTT on a real mosquitto: what the broker refuses, takes away or gives by halves is told, and never waited out."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from prometheus_client import REGISTRY

from connectors import mqtt_session
from connectors.mqtt import MqttSource
from flexmeter.local import mosquitto as local_mosquitto
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Unavailable
from schemas.topology import Bridge
from tests.waiting import received

pytestmark = pytest.mark.integration


def bridge(url: str, name: str, **options: str) -> Bridge:
    topics = tuple(f"{name}/{{profile}}/{{meter}}/{carries}" for carries in ("reading", "event"))
    return Bridge(name, "mqtt", url, topics, "json", "r", "e", "d", 500, options, True)


@contextmanager
def source_of(entry: Bridge) -> Iterator[MqttSource]:
    source = MqttSource(entry)
    try:
        yield source
    finally:
        source.close()


@contextmanager
def broker(folder: Path, *lines: str) -> Iterator[str]:
    port = free_port()
    security = "\n".join([local_mosquitto.OPEN, *lines])
    with running(local_mosquitto.mosquitto(folder / "broker", port, folder / "mosquitto.log", security)):
        yield f"mqtt://{HOST}:{port}"


def publish(url: str, topic: str, *payloads: str, qos: int = 1) -> None:
    host, port = url.removeprefix("mqtt://").split(":")
    command = ["mosquitto_pub", "-h", host, "-p", port, "-q", str(qos), "-t", topic, "-l"]
    subprocess.run(command, input="\n".join(payloads) + "\n", text=True, check=True, timeout=30)


def counted(name: str, bridge_name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"bridge": bridge_name})


def test_messages_without_acknowledgement_are_counted(mosquitto: str) -> None:
    with source_of(bridge(mosquitto, "qos")) as source:
        source.receive(0, 0)
        publish(mosquitto, "qos/p/m1/reading", "1", "2", qos=0)
        publish(mosquitto, "qos/p/m1/event", "3", qos=0)
        publish(mosquitto, "qos/p/m1/reading", "4", qos=1)
        assert sorted(delivery.payload for delivery in received(source, 4)) == [b"1", b"2", b"3", b"4"]
    assert counted("flexmeter_mqtt_qos0_received_total", "qos") == 3


def test_a_ping_is_answered_while_nothing_is_wanted_and_what_stood_before_the_answer_waits(mosquitto: str) -> None:
    entry = bridge(mosquitto, "full")
    with source_of(replace(entry, subscribe=entry.subscribe[:1])) as source:
        source.receive(0, 0)
        publish(mosquitto, "full/p/m1/reading", *map(str, range(100)))
        (session,) = source._sessions
        session.client._send_pingreq()
        deadline = monotonic() + 30
        while session.client._ping_t:
            assert monotonic() < deadline
            assert source.receive(0, 0) == []
        assert [delivery.payload for delivery in received(source, 100)] == [b"%d" % number for number in range(100)]


def test_no_more_is_read_ahead_than_there_is_room_for(mosquitto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_session, "MOST_AHEAD_BYTES", 10)
    entry = bridge(mosquitto, "ahead")
    with source_of(replace(entry, subscribe=entry.subscribe[:1])) as source:
        source.receive(0, 0)
        publish(mosquitto, "ahead/p/m1/reading", *["12345"] * 5)
        (session,) = source._sessions
        deadline = monotonic() + 30
        while len(session.arrived) < 2:
            assert monotonic() < deadline
            assert source.receive(0, 0) == []
        for _ in range(10):
            mqtt_session.wait([session], 0.01)
            assert source.receive(0, 0) == []
        assert len(session.arrived) == 2
        assert len(received(source, 5)) == 5


def test_a_lost_connection_forgets_what_was_read_ahead_for_it_comes_again(mosquitto: str) -> None:
    entry = bridge(mosquitto, "forgets")
    with source_of(replace(entry, subscribe=entry.subscribe[:1])) as source:
        source.receive(0, 0)
        publish(mosquitto, "forgets/p/m1/reading", "1", "2")
        (session,) = source._sessions
        deadline = monotonic() + 30
        while len(session.arrived) < 2:
            assert monotonic() < deadline
            source.receive(0, 0)
        connection = session.client.socket()
        assert connection is not None
        connection.close()
        with pytest.raises(Unavailable):
            source.receive(0, 0)
        assert [delivery.payload for delivery in received(source, 2)] == [b"1", b"2"]


def test_a_message_beyond_the_largest_packet_is_dropped_by_the_broker(mosquitto: str, tmp_path: Path) -> None:
    host, port = mosquitto.removeprefix("mqtt://").split(":")
    with source_of(bridge(mosquitto, "large")) as source:
        source.receive(0, 0)
        for size in (mqtt_session.LARGEST_PACKET_BYTES, 2_000_000):
            (tmp_path / "payload").write_bytes(b"x" * size)
            command = ["mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-t", "large/p/m1/reading"]
            subprocess.run([*command, "-f", str(tmp_path / "payload")], check=True, timeout=30)
        (delivery,) = received(source, 1)
        assert len(delivery.payload) == 2_000_000


def test_a_topic_beyond_the_longest_address_is_of_no_meter(mosquitto: str) -> None:
    with source_of(bridge(mosquitto, "long")) as source:
        source.receive(0, 0)
        publish(mosquitto, f"long/p/{'m' * 1_000}/reading", "x")
        (delivery,) = received(source, 1)
        assert (delivery.address.text, delivery.address.meter) == ("(topic of 1015 bytes)", "")
        assert source._known_address.cache_info().currsize == 0


def test_what_comes_faster_than_its_sender_may_is_taken_and_counted(mosquitto: str) -> None:
    with source_of(bridge(mosquitto, "hasty_mqtt", rate_per_s="0.01", burst="2")) as source:
        source.receive(0, 0)
        for topic in ("hasty_mqtt/p/m1/reading", "hasty_mqtt/p/m1/event", "hasty_mqtt/p/m2/reading"):
            publish(mosquitto, topic, *"123")
        received(source, 9)
    assert counted("flexmeter_bridge_over_rate_total", "hasty_mqtt") == 2


def test_a_broker_that_gives_less_than_asked_for_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path, "max_qos 0") as url, source_of(bridge(url, "less")) as source:
        source.receive(0, 0)
        publish(url, "less/p/m1/reading", "1", qos=0)
        received(source, 1)
    assert "gives us QoS 0 alone" in caplog.text


def test_a_subscription_that_is_refused_is_never_taken_for_a_connection(tmp_path: Path) -> None:
    plugin = next(Path("/usr").glob("lib/*/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        pytest.skip("mosquitto's plugin dynamic-security, which alone refuses subscriptions, is not installed")
    rules = tmp_path / "rules.json"
    rules.write_text('{"defaultACLAccess": {"publishClientSend": true, "subscribe": false}}')
    with broker(tmp_path, f"plugin {plugin}", f"plugin_opt_config_file {rules}") as url:
        entry = bridge(url, "refused")
        with source_of(replace(entry, subscribe=entry.subscribe[:1])) as source:
            for _ in range(3):
                with pytest.raises(Unavailable, match="refuses the subscription"):
                    source.receive(0, 10)


def test_a_session_that_another_takes_over_is_told_of_and_taken_back(mosquitto: str) -> None:
    with source_of(bridge(mosquitto, "taken")) as source, source_of(bridge(mosquitto, "taken")) as thief:
        source.receive(0, 0)
        thief.receive(0, 0)
        with pytest.raises(Unavailable, match="connection lost"):
            for _ in range(100):
                source.receive(0.1, 10)
        source.receive(0, 0)
        publish(mosquitto, "taken/p/m1/reading", "mine")
        assert [delivery.payload for delivery in received(source, 1)] == [b"mine"]
