"""TLS and certificates to a real broker; encrypted telegrams: keys that change, counters that bridges share, and no
secret anywhere but in its file.
"""

import hashlib
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import orjson
import pytest
import yaml
from confluent_kafka import Consumer, TopicPartition

from connectors.mqtt import MqttSource
from flexmeter.local import mosquitto as local_mosquitto
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Unavailable
from schemas.topology import Bridge, load_topology
from tests.bridge_process import Place, make_place
from tests.certificates import Authority, Files
from tests.dlms_encoder import AK, EK, TITLE, array, ciphered, general_glo, notification, register, u32
from tests.doors import USERS, guard
from tests.waiting import received, wait_until

pytestmark = pytest.mark.integration

METER = TITLE.hex().upper()
NEW_EK = bytes(range(0x40, 0x50))
TOKEN = "token-of-hub-7-0123456789"
DLMS = "application/vnd.flexmeter.dlms"


def mqtt_bridge(url: str, **options: str) -> Bridge:
    return Bridge("tls", "mqtt", url, ("t/{profile}/{meter}/reading",), "json", "r", "e", "d", 500, options, True)


def source_options(authority: Authority, files: Files | None = None) -> dict[str, str]:
    own = {"cert_file": str(files.certificate), "key_file": str(files.key)} if files else {}
    return {"ca_file": str(authority.file), **own}


def refused(bridge: Bridge, words: str) -> None:
    source = MqttSource(bridge)
    with pytest.raises(Unavailable, match=words):
        source.receive(1, 10)
    source.close()


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_mutual_tls_with_a_broker(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "another CA")
    server, bridge, hub, stranger = ours.sign("server"), ours.sign("bridge"), ours.sign("hub-7"), theirs.sign("hub-7")
    port = free_port()
    (tmp_path / "rules").write_text("pattern write t/+/%u/reading\n\nuser bridge\ntopic read #\n")
    security = "\n".join(
        [f"cafile {ours.file}", f"certfile {server.certificate}", f"keyfile {server.key}", "require_certificate true",
         "use_identity_as_username true", f"acl_file {tmp_path / 'rules'}"]
    )  # fmt: skip
    url = f"mqtts://{HOST}:{port}"
    with running(local_mosquitto.mosquitto(tmp_path / "broker", port, tmp_path / "mosquitto.log", security)):
        source = MqttSource(mqtt_bridge(url, **source_options(ours, bridge)))
        source.receive(0, 10)
        command = ["mosquitto_pub", "-h", HOST, "-p", str(port), "-q", "1", "--cafile", str(ours.file)]
        for files, topic in ((hub, "t/p/hub-8/reading"), (stranger, "t/p/hub-7/reading"), (hub, "t/p/hub-7/reading")):
            own = ["--cert", str(files.certificate), "--key", str(files.key)]
            subprocess.run([*command, *own, "-t", topic, "-m", topic], capture_output=True, timeout=30)
        payloads = [delivery.payload for delivery in received(source, 1)]
        assert payloads == [b"t/p/hub-7/reading"], "neither another's topic nor a stranger's certificate"
        source.close()
        for options, words in (
            (source_options(ours, stranger), "(?i)unknown ca|lost|closed|refuses|does not answer|reset|eof"),
            (source_options(ours), "(?i)certificate required|handshake|lost|closed|does not answer|reset|eof"),
            (source_options(theirs, bridge), "certificate verify failed"),
        ):
            refused(mqtt_bridge(url, **options), words)


def test_a_wrong_password_is_told_in_words(tmp_path: Path) -> None:
    port = free_port()
    security = guard(tmp_path, USERS)
    with running(local_mosquitto.mosquitto(tmp_path / "broker", port, tmp_path / "mosquitto.log", security)):
        for user in ("bridge:wrong@", ""):
            refused(mqtt_bridge(f"mqtt://{user}{HOST}:{port}"), "it refuses us: Not authorized")
        source = MqttSource(mqtt_bridge(f"mqtt://bridge:{USERS['bridge']}@{HOST}:{port}"))
        source.receive(0, 10)
        source.close()


def telegram(counter: int, key: bytes = EK) -> bytes:
    body = array(register("1-0:1.8.0", u32(1_000 + counter), 0, 30))
    return general_glo(ciphered(notification(body), counter=counter, ek=key, ak=AK))


def write_keys(place: Place, *keys: bytes) -> None:
    lines = [f"{METER},{(key + AK).hex()}" for key in keys]
    (place.folder / "keys.csv").write_text("\n".join(["meter,key", *lines]))


def two_bridges(kafka: str, folder: Path) -> tuple[Place, Place]:
    """Two bridges of one name, as behind a load balancer, each on a port of its own."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    (folder / "tokens.csv").write_text(f"identity,sha256\nhub-7,{digest}\n")
    (folder / "principals.csv").write_text(f"identity,meters\nhub-7,{METER}\n")
    (folder / "keys.csv").write_text(f"meter,key\n{METER},{(EK + AK).hex()}\n")
    entry = {
        "protocol": "http",
        "subscribe": ["v1/{profile}/reading"],
        "decoder": "dlms",
        "counters": "trust.meter.counters",
        "options": {"tokens_file": str(folder / "tokens.csv")},
        "principals": str(folder / "principals.csv"),
        "keys": str(folder / "keys.csv"),
    }
    topic = {"records": ["TelegramCounter"], "by": "meter", "partitions": 4, "compact": True}
    place = make_place(folder, kafka, "http://127.0.0.1", "trust", entry, {"trust.meter.counters": topic})
    (folder / "register.csv").write_text(f"meter_id,profile\n{METER},turin_electricity_single_phase\n")
    return on_port(place, "one"), on_port(place, "two")


def on_port(place: Place, name: str) -> Place:
    document = yaml.safe_load(place.path.read_text())
    url = document["bridges"]["trust"]["url"] = f"http://{HOST}:{free_port()}"
    path = place.folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return replace(place, path=path, topology=load_topology(path), url=url)


def post(place: Place, body: bytes, content_type: str = DLMS) -> tuple[int, str]:
    """Status, and the first reason where there is one."""
    url = f"{place.url}/v1/turin_electricity_single_phase/reading"
    done = subprocess.run(
        ["curl", "-s", "--data-binary", "@-", "-H", f"Authorization: Bearer {TOKEN}", "-H",
         f"Content-Type: {content_type}", "-w", "\n%{http_code}", url],
        input=body, capture_output=True, timeout=60,
    )  # fmt: skip
    document, _, status = done.stdout.rpartition(b"\n")
    rejected = orjson.loads(document).get("rejected", []) if document else []
    return int(status), rejected[0]["reason"] if rejected else ""


def until(answer: Callable[[], tuple[int, str]], wanted: tuple[int, str]) -> None:
    wait_until(lambda: answer() == wanted, lambda: f"not {wanted}, but {answer()}")


def everything_in(place: Place) -> bytes:
    """All that Kafka has of the bridges' topics."""
    bridge = place.bridge
    names = (bridge.readings, bridge.events, bridge.dead_letters, bridge.counters)
    places = [
        TopicPartition(name, number, 0) for name in names for number in range(place.topology.topics[name].partitions)
    ]
    consumer = Consumer({"bootstrap.servers": place.topology.kafka.bootstrap, "group.id": "test"})
    consumer.assign(places)
    left = sum(consumer.get_watermark_offsets(one, timeout=10)[1] for one in places)
    found = b""
    while left > 0:
        for message in consumer.consume(500, timeout=5):
            found += (message.value() or b"") + (message.key() or b"")
            left -= 1
    consumer.close()
    return found


def test_encrypted_telegrams_of_two_bridges(kafka: str, tmp_path: Path) -> None:
    one, two = two_bridges(kafka, tmp_path)
    metrics_port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(one.running("--metrics-port", str(metrics_port)))
        stack.enter_context(two.running())
        wait_until(lambda: one.log().count("listening at") == 2, lambda: f"they do not listen\n{one.log()}")
        batch = orjson.dumps([telegram(counter).hex() for counter in range(1, 201)])
        assert post(one, batch, f"{DLMS}+json") == (202, "")
        until(lambda: post(two, telegram(5)), (422, "replayed"))
        assert post(one, telegram(5)) == (422, "replayed")
        assert post(two, telegram(200)) == (202, ""), "heard by two concentrators"
        assert post(two, telegram(201, NEW_EK)) == (422, "decrypt")
        write_keys(one, NEW_EK, EK)
        until(lambda: post(two, telegram(1, NEW_EK)), (202, ""))
        assert post(two, telegram(201)) == (202, ""), "the old key still holds"
        metrics = urlopen(f"http://127.0.0.1:{metrics_port}/metrics").read()
        first.terminate()
        assert first.wait(30) == 0
        with one.running():
            wait_until(lambda: one.log().count("listening at") == 3, "it does not listen")
            assert post(one, telegram(5)) == (422, "replayed"), "after a restart too"
    seen = everything_in(one) + metrics + one.log().encode()
    assert b"replayed" in metrics
    assert METER.encode() in seen
    for secret in (EK + AK, NEW_EK + AK, EK, NEW_EK, AK):
        assert secret not in seen
        assert secret.hex().encode() not in seen.lower()
    assert TOKEN.encode() not in seen
