"""The bridge on a real mosquitto and a real Kafka: what devices publish arrives, whatever is killed on the way."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson
import pytest

from connectors.mqtt import MqttSource
from flexmeter.local import mosquitto as local_mosquitto
from flexmeter.local.part import Part, running
from flexmeter.local.ports import HOST, free_port, listens
from schemas.blocks import Beat, DeadLetter, EventBlock, ReadingBlock
from schemas.partition import partition_of
from schemas.quality import Quality
from tests.bridge_process import ROOT, Place, make_place, publisher
from tests.numbered_readings import blocks_of, reading, rows
from tests.waiting import received, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

METERS = ["m1", "m2", "m3", "m4"]


def test_what_devices_publish_arrives_as_blocks(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "arrives")
    with place.running() as process:
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        with publisher(mosquitto) as publish:
            for number in range(200):
                publish(f"arrives/malmo_household/{METERS[number % 4]}/reading", reading(number))
        host, port = mosquitto.removeprefix("mqtt://").split(":")
        # A client nobody here wrote.
        subprocess.run(
            ["mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-V", "311", "-t", "arrives/malmo_household/m3/event",
             "-m", '{"time": "2026-11-24T08:00:00Z", "event": "last_gasp", "detail": "reserve"}'],
            check=True,
        )  # fmt: skip
        expected = Counter((METERS[number % 4], number) for number in range(200))
        placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks) >= expected)
        events = place.placed("events", EventBlock, lambda blocks: len(blocks) > 0)
        beats = place.placed("readings", Beat, lambda beats: len(beats) >= 12)
        place.placed("events", Beat, lambda beats: len(beats) >= 40)
        process.terminate()
        assert process.wait(20) == 0
    blocks = blocks_of(placed)
    assert rows(blocks) == expected
    assert len(blocks) < 100
    for found, block in zip(placed, blocks, strict=True):
        assert {partition_of(meter, 4) for meter in block.meters} == {found.partition}
        assert block.source == "arrives"
        assert block.quality.tolist() == [0] * len(block.at)
        values = block.rows_by_column()
        assert values[0].tolist() == block.sequence.tolist()  # n / 1000 kWh = n Wh
        assert values[2].tolist() == [number + 0.5 for number in block.sequence]
    (event,) = [found for found in events if isinstance(found.record, EventBlock)]
    assert event.partition == partition_of("sub-2", 4)
    assert (event.record.meters, event.record.kind, event.record.detail) == (["m3"], ["last_gasp"], ["reserve"])  # type: ignore[union-attr]
    assert {beat.partition for beat in beats} == {0, 1, 2, 3}


def test_bad_input_is_in_the_dead_letters_with_its_bytes(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "bad")
    oversize = os.urandom(10_000_000)
    readings = "bad/malmo_household/m1/reading"
    reasons = {
        (readings, b""): "empty",
        (readings, b"\xff\xfe"): "encoding",
        (readings, b"{not json"): "malformed",
        (readings, b'{"power": NaN}'): "malformed",
        (readings, b"{}"): "field",
        (readings, oversize): "too_large",
        ("bad/malmo_household/nobody/reading", reading(1)): "unknown_meter",
        ("bad/no_such_profile/m1/reading", reading(2)): "unknown_profile",
        ("bad/district_heat/m1/reading", reading(3)): "wrong_profile",
        ("bad/malmo_household/m1/event", b'{"event": "gremlins"}'): "unknown_event",
    }
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        with publisher(mosquitto) as publish:
            for topic, payload in reasons:
                publish(topic, payload)
            publish("bad/malmo_household/m2/reading", reading(4))
        placed = place.placed("dead", DeadLetter, lambda letters: len(letters) >= 10)
        place.placed("readings", ReadingBlock, lambda blocks: rows(blocks)["m2", 4] > 0)
    letters = [found.record for found in placed if isinstance(found.record, DeadLetter)]
    assert sorted((letter.address, letter.payload_sha256, letter.reason) for letter in letters) == sorted(
        (topic, hashlib.sha256(payload).hexdigest(), reason) for (topic, payload), reason in reasons.items()
    )
    of_length = {letter.payload_length: letter for letter in letters}
    assert of_length[10_000_000].payload == oversize[:256_000]
    assert all(len(letter.payload) == letter.payload_length for letter in letters if letter.payload_length < 256_000)


def test_killed_bridges_lose_nothing(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "killed")
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
    # The session stays: what is published now waits in it.
    expected = set()
    with publisher(mosquitto) as publish:
        for number in range(60_000):
            publish(f"killed/malmo_household/{METERS[number % 4]}/reading", reading(number))
            expected.add((METERS[number % 4], number))
    seen = 0
    for _ in range(3):
        with place.running() as process:
            seen = len(place.placed("readings", ReadingBlock, lambda blocks, seen=seen: len(blocks) > seen))  # type: ignore[misc]
            process.kill()
            process.wait(20)
    early = place.placed("readings", ReadingBlock, lambda blocks: len(blocks) >= seen)
    assert len(rows(blocks_of(early))) < len(expected), "it had finished before it was killed"
    with place.running():
        placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).keys() >= expected)
    assert rows(blocks_of(placed)).keys() == expected


def test_a_restarted_mqtt_broker_is_found_again(kafka: str, tmp_path: Path) -> None:
    port = free_port()
    place = make_place(tmp_path, kafka, f"mqtt://{HOST}:{port}", "again")
    broker = local_mosquitto.mosquitto(tmp_path / "mosquitto", port, tmp_path / "mosquitto.log")
    expected = {(METERS[number % 4], number) for number in range(1_000)}
    with place.running():
        wait_until(lambda: "trying again" in place.log(), "the bridge does not wait for the broker")
        with running(broker):
            wait_until(lambda: "new session" in place.log(), "the bridge does not connect")
            publish_all(place, 0, 500)
        with running(broker):
            wait_until(lambda: "session continued" in place.log(), "the bridge does not connect again")
            publish_all(place, 500, 1_000)
            placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).keys() >= expected)
    assert rows(blocks_of(placed)).keys() == expected


def test_acknowledgements_leave_in_order_and_never_on_a_later_connection(mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "127.0.0.1:1", mosquitto, "order")
    source = MqttSource(place.bridge)
    source.receive(0, 1)
    publish_all(place, 0, 3)
    first = received(source, 3)
    source.acknowledge(first[2])
    source.acknowledge(first[1])  # both wait behind the first one
    source.close()
    second = received(source, 3)  # on a new connection, from the same session
    assert [delivery.payload for delivery in second] == [delivery.payload for delivery in first]
    source.acknowledge(first[0])  # of the older connection: sends nothing
    source.close()
    third = received(source, 3)
    source.acknowledge(third[1])
    source.acknowledge(third[0])  # and now the first two leave
    source.close()
    assert [delivery.payload for delivery in received(source, 1)] == [first[2].payload]
    source.close()


def test_an_event_waits_behind_no_backlog_of_readings(mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, "127.0.0.1:1", mosquitto, "urgent")
    source = MqttSource(place.bridge)
    source.receive(0, 1)
    source.close()
    publish_all(place, 0, 9_000)
    with publisher(mosquitto) as publish:
        publish("urgent/malmo_household/m1/event", b"gasp")
    payloads: list[bytes] = []
    while b"gasp" not in payloads:
        for delivery in received(source, 1):
            payloads.append(delivery.payload)
            source.acknowledge(delivery)
    source.close()
    assert len(payloads) < 1_000


def publish_all(place: Place, first: int, end: int) -> None:
    with publisher(place.url) as publish:
        for number in range(first, end):
            publish(f"{place.bridge.name}/malmo_household/{METERS[number % 4]}/reading", reading(number))


def test_instances_share_the_messages(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "share")
    with place.running("--instance", "a"), place.running("--instance", "b"):
        wait_until(lambda: place.log().count("connected") == 2, "the bridges do not connect")
        publish_all(place, 0, 1_000)
        expected = Counter((METERS[number % 4], number) for number in range(1_000))
        placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks) >= expected)
    assert rows(blocks_of(placed)) == expected


def test_tls_and_password(kafka: str, tmp_path: Path) -> None:
    port = free_port()
    certificate, key, passwords = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "passwords"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=broker",
         "-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    passwords.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "bridge", "s:cret"], check=True)
    (tmp_path / "mosquitto.conf").write_text(
        f"user root\nlistener {port} {HOST}\nallow_anonymous false\npassword_file {passwords}\n"
        f"certfile {certificate}\nkeyfile {key}\n"
    )
    broker = Part(
        "mosquitto", ["mosquitto", "-c", str(tmp_path / "mosquitto.conf")], tmp_path / "mosquitto.log",
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}, ready=lambda: listens(port),
    )  # fmt: skip
    url = f"mqtts://bridge:s%3Acret@{HOST}:{port}"
    place = make_place(tmp_path, kafka, url, "tls", ca_file=str(certificate))
    with running(broker), place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        sent = run_send(place, "m1", "active_power_l1_w=120")
        assert sent.returncode == 0, sent.stderr
        assert "active_power_l1_w=120" in sent.stdout


def test_send_shows_where_it_went(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "send")
    (tmp_path / "register.csv").write_text(
        "meter_id,profile,substation,ct_ratio\nm1,malmo_household,sub-1,\nm2,malmo_household,sub-1,\n"
        "m5,malmo_household,,40\n"
    )
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        sent = run_send(place, "m1", "active_power_l1_w=120", "voltage_l1_v=230.1")
        assert sent.returncode == 0, sent.stderr
        assert f"arrived: send.meter.readings partition {partition_of('m1', 4)} offset " in sent.stdout
        assert "quality good: active_power_l1_w=120 voltage_l1_v=230.1" in sent.stdout
        event = run_send(place, "m2", "--event", "last_gasp")
        assert f"arrived: send.grid.evidence partition {partition_of('sub-1', 4)} offset " in event.stdout
        for profile in ((), ("--profile", "malmo_household")):
            behind_transformers = run_send(place, "m5", *profile, "active_power_l1_w=120", "voltage_l1_v=230")
            assert "quality good: active_power_l1_w=4800 voltage_l1_v=230" in behind_transformers.stdout
        garbage = run_send(place, "m1", payload="{}")
        assert garbage.returncode == 1
        assert "rejected: send.dead.letters partition " in garbage.stdout
        assert "field: /energy/consumed is absent" in garbage.stdout
        stranger = run_send(place, "nobody", "--profile", "malmo_household", "voltage_l1_v=230.1")
        assert "unknown_meter: meter 'nobody' is not in the register" in stranger.stdout
    nobody_there = run_send(place, "m1", "active_power_l1_w=120", "--within", "1")
    assert nobody_there.returncode == 1
    assert "is `flexmeter bridge --name send` running?" in nobody_there.stderr


def run_send(place: Place, *arguments: str, payload: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flexmeter", "send", "--topology", str(place.path), *arguments],
        input=payload, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip


def test_a_topic_with_other_partitions_is_refused(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "partitions")
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
    place.path.write_text(place.path.read_text().replace("partitions: 4", "partitions: 8"))
    with place.running() as process:
        assert process.wait(30) == 2
    assert "topic 'partitions.meter.readings' has 4 partitions in Kafka and 8 here" in place.log()


def test_a_reading_without_time_gets_the_bridges(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "timeless")
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        with publisher(mosquitto) as publish:
            publish("timeless/district_heat/h1/reading", orjson.dumps({
                "temperature": {"forward": 81.3, "return": 44.9}, "flow": 1.2, "volume": 1000,
                "power": {"instant": 52, "peak": 61}, "energy": 1.5}))  # fmt: skip
        (found,) = place.placed("readings", ReadingBlock, lambda blocks: len(blocks) == 1)
    block = found.record
    assert isinstance(block, ReadingBlock)
    assert block.quality.tolist() == [Quality.TIME_BY_BRIDGE]
    assert block.at.tolist() == [block.received_at]
    assert block.values.tolist() == [81.3, 44.9, 1.2, 1.0, 52_000.0, 61_000.0, 1_500_000.0]
