"""The CoAP bridge on a real Kafka, asked by libcoap's clients: acknowledged means that Kafka has it."""

import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cbor2
import orjson
import pytest

from connectors.coap import MOST_UNDER_WAY
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.ports import free_port
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from tests.bridge_process import Place
from tests.coap_process import KEYS, Answer, answer_of, as_device, coap_place, post, start_post, write_keys
from tests.fragile_kafka import FragileKafka
from tests.numbered_readings import START, blocks_of, reading, rows
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SENML_JSON, SENML_CBOR, JSON = ("-t", "110"), ("-t", "112"), ("-t", "50")


def senml(*numbers: int, meter: str = "m1") -> list[dict[str, object]]:
    """A pack of readings, one of a second each."""
    return [
        record
        for number in numbers
        for record in (
            {"bn": f"{meter}/", "bt": START + number, "n": "active_power_l1_w", "v": number + 0.5},
            {"n": "sequence", "v": number},
        )
    ]


def pack(*numbers: int, meter: str = "m1") -> bytes:
    return orjson.dumps(senml(*numbers, meter=meter))


def path(place: Place, meter: str = "m1", carries: str = "reading", profile: str = "malmo_household") -> str:
    return f"{place.bridge.name}/{profile}/{meter}/{carries}"


def listening(place: Place) -> None:
    wait_until(lambda: "listening at" in place.log(), "the bridge does not listen")


def arrived(place: Place, *expected: tuple[str, int]) -> Counter[tuple[str, int]]:
    placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).keys() >= set(expected))
    return rows(blocks_of(placed))


def test_what_devices_post_arrives(kafka: str, tmp_path: Path) -> None:
    place = coap_place(tmp_path, kafka, "posts", secured=False)
    with place.running() as process:
        listening(place)
        answers = [
            post(place, path(place), pack(1), *SENML_JSON),
            post(place, path(place), cbor2.dumps([{-2: "m1/", -3: START + 2, 0: "sequence", 2: 2},
                                                  {0: "active_power_l1_w", 2: 2.5}]), *SENML_CBOR),
            post(place, path(place, "m2"), reading(3), *JSON),
            post(place, path(place, "m3"), pack(4, meter="m3"), *SENML_JSON, "-N"),
            post(place, path(place, "m3", "event"), b'{"event": "last_gasp", "detail": "reserve"}', *JSON),
            post(place, path(place, "m4"), orjson.dumps([{"n": "m4/status", "vs": "last_gasp"}]), *SENML_JSON),
        ]  # fmt: skip
        assert [answer.code for answer in answers] == ["2.04"] * 6, answers
        assert [answer.kind == "NON" for answer in answers] == [False, False, False, True, False, False]
        # All of it was answered: so Kafka has it, and it is looked for no longer than it takes to read.
        assert arrived(place, ("m1", 1)) == Counter({("m1", 1): 1, ("m1", 2): 1, ("m2", 3): 1, ("m3", 4): 1})
        events = place.placed("events", EventBlock, lambda blocks: sum(len(b.kind) for b in blocks) >= 2)
        process.terminate()
        assert process.wait(20) == 0
    told = {(b.meters[m], k) for e in events if isinstance(b := e.record, EventBlock)
            for m, k in zip(b.row_meter.tolist(), b.kind, strict=True)}  # fmt: skip
    assert told == {("m3", "last_gasp"), ("m4", "last_gasp")}


def test_a_body_in_blocks(kafka: str, tmp_path: Path) -> None:
    place = coap_place(tmp_path, kafka, "blocks", secured=False)
    large, too_large = pack(*range(2_000)), b"[" + b" " * 1_000_001
    assert len(large) > 100_000
    with place.running():
        listening(place)
        assert post(place, path(place), large, *SENML_JSON, "-b", "1024").code == "2.04"
        assert len(arrived(place, ("m1", 1_999))) == 2_000
        assert post(place, path(place), too_large, *SENML_JSON, "-b", "1024").code == "4.13"
        assert post(place, path(place), pack(7), *SENML_JSON, "-b", "16").code == "2.04"


def test_what_is_wrong_is_told_and_kept(kafka: str, tmp_path: Path) -> None:
    place = coap_place(tmp_path, kafka, "wrong", secured=False)
    garbage = os.urandom(700)
    with place.running():
        listening(place)
        codes = {
            "garbage": post(place, path(place), garbage, *SENML_CBOR).code,
            "not what a meter says": post(place, path(place), pack(1).replace(b"_w", b"_kg"), *SENML_JSON).code,
            "a meter that is not there": post(place, path(place, "m9"), pack(1), *SENML_JSON).code,
            "another meter's profile": post(place, path(place, "h1"), pack(1), *SENML_JSON).code,
            "another content format": post(place, path(place), pack(1), "-t", "60").code,
            "another path": post(place, "elsewhere", pack(1), *SENML_JSON).code,
            "a slash in a segment": post(place, f"{place.bridge.name}/malmo_household/m1%2Freading", pack(1)).code,
            "another method": post(place, path(place), b"", "-m", "get").code,
        }
        placed = place.placed("dead", DeadLetter, lambda letters: len(letters) >= 4)
    assert codes == {
        "garbage": "4.00",
        "not what a meter says": "4.22",
        "a meter that is not there": "4.04",
        "another meter's profile": "4.22",
        "another content format": "4.15",
        "another path": "4.04",
        "a slash in a segment": "4.04",
        "another method": "4.05",
    }
    letters = [found.record for found in placed if isinstance(found.record, DeadLetter)]
    assert hashlib.sha256(garbage).hexdigest() in {letter.payload_sha256 for letter in letters}
    assert garbage in {letter.payload for letter in letters}


def test_who_may_say_what(kafka: str, tmp_path: Path) -> None:
    place = coap_place(tmp_path, kafka, "secured", secured=True)
    with place.running():
        listening(place)
        assert said(place, "m1", 1, *as_device("m1")).code == "2.04"
        assert said(place, "m2", 2, *as_device("m2"), client="gnutls").code == "2.04"
        assert said(place, "m3", 3, *as_device("head-end")).code == "2.04"
        # Its own path, another's name in the payload; then another's path.
        forged = post(place, path(place), pack(4, meter="m2"), *SENML_JSON, *as_device("m1"), client="openssl")
        assert forged.code == "4.03", forged
        assert said(place, "m2", 5, *as_device("m1")).code == "4.03"
        assert said(place, "m1", 6, *as_device("m1", b"wrong-wrong-key!"), wait_s=2).code == ""
        assert said(place, "m1", 7, *as_device("nobody", b"0123456789abcdef"), wait_s=2).code == ""
        write_keys(tmp_path, {"m1": b"a-key-that-is-new"[:16]})
        wait_until(lambda: said(place, "m1", 8, *as_device("m1", b"a-key-that-is-new"[:16]), wait_s=2).code == "2.04",
                   "the new key is not taken")  # fmt: skip
        assert said(place, "m1", 9, *as_device("m1"), wait_s=2).code == ""
        placed = place.placed("dead", DeadLetter, lambda letters: len(letters) >= 2)
        got = arrived(place, ("m1", 8))
    assert got.keys() == {("m1", 1), ("m2", 2), ("m3", 3), ("m1", 8)}
    assert [found.record.reason for found in placed if isinstance(found.record, DeadLetter)] == ["forbidden"] * 2
    assert "0123456789abcdef" not in place.log() and b"0123456789abcdef".hex() not in place.log()


def said(place: Place, meter: str, number: int, *options: str, client: str = "openssl", wait_s: int = 20) -> Answer:
    body = pack(number, meter=meter)
    return post(place, path(place, meter), body, *SENML_JSON, *options, client=client, wait_s=wait_s)


@pytest.mark.parametrize("secured", [False, True])
def test_a_fleet_of_meters_that_speak_coap(kafka: str, tmp_path: Path, secured: bool) -> None:
    place = coap_place(tmp_path, kafka, f"fleet-{'secured' if secured else 'plain'}", secured=secured)
    url = place.url.replace("://", f"://head-end:{KEYS['head-end'].hex()}@") if secured else place.url
    timing = ("--interval", "1", "--first-outage", "1", "--outage-lasts", "1", "--outage-every", "60")
    where = ("--url", url, "--folder", str(tmp_path), "--register", str(tmp_path / "register.csv"))
    meters = ("--area", place.bridge.name, "--homes", "6", "--heat", "1")
    command = [sys.executable, "-m", "flexmeter", "fleet", *where, *meters, *timing]
    subprocess.run([*command, "--register-only"], check=True, capture_output=True, timeout=60)
    with place.running():
        listening(place)
        fleet = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            events = place.placed("events", EventBlock, lambda blocks: any("power_restored" in b.kind for b in blocks))
            fleet.send_signal(signal.SIGTERM)
            _, said = fleet.communicate(timeout=40)
        finally:
            fleet.kill()
        assert fleet.returncode == 0, said
        account = orjson.loads((tmp_path / "fleet.json").read_bytes())
        placed = place.placed(
            "readings", ReadingBlock, lambda blocks: sum(len(b.at) for b in blocks) >= account["sent"]
        )
    assert account["refused"] == 0 and account["sent"] > 9
    assert {block.profile for block in blocks_of(placed)} == {"malmo_household", "malmo_substation", "district_heat"}
    assert any("last_gasp" in found.record.kind for found in events if isinstance(found.record, EventBlock))


def test_without_kafka_nothing_is_acknowledged(fragile_kafka: FragileKafka, tmp_path: Path) -> None:
    place = coap_place(tmp_path, fragile_kafka.bootstrap, "away", secured=False, answer_within_s="3")
    with place.running() as process:
        listening(place)
        # A broker that has just started may take longer than that: then a device comes again.
        wait_until(lambda: post(place, path(place), pack(1), *SENML_JSON).code == "2.04", "it is never stored")
        with fragile_kafka.standing_still():
            waited = post(place, path(place), pack(2), *SENML_JSON, wait_s=40)
            assert (waited.code, waited.kind, waited.max_age) == ("5.03", "CON", 30), waited
            at_once = post(place, path(place), pack(3), *SENML_JSON)
            assert (at_once.code, at_once.max_age) == ("5.03", 30), at_once
        wait_until(lambda: post(place, path(place), pack(3), *SENML_JSON).code == "2.04", "it stays unavailable")
        assert post(place, path(place), pack(2), *SENML_JSON).code == "2.04"
        got = arrived(place, ("m1", 1), ("m1", 2), ("m1", 3))
        process.terminate()
        assert process.wait(30) == 0
    assert got.keys() == {("m1", 1), ("m1", 2), ("m1", 3)}
    assert got["m1", 3] == 1


def test_a_killed_bridge_has_acknowledged_nothing_that_is_lost(fragile_kafka: FragileKafka, tmp_path: Path) -> None:
    metrics = free_port()
    place = coap_place(tmp_path, fragile_kafka.bootstrap, "killed", secured=False)
    with place.running("--metrics-port", str(metrics)) as process:
        listening(place)
        assert post(place, path(place), pack(1), *SENML_JSON).code == "2.04"
        with fragile_kafka.standing_still():
            waiting = start_post(place, path(place), pack(2), *SENML_JSON, wait_s=6)
            wait_until(lambda: under_way(metrics) == 1, "the bridge does not take it")
            process.kill()
            process.wait(20)
            unanswered = answer_of(waiting)
    assert unanswered.code == "", unanswered
    with place.running():
        wait_until(lambda: place.log().count("listening at") == 2, "the bridge does not listen again")
        assert post(place, path(place), pack(2), *SENML_JSON).code == "2.04"
        got = arrived(place, ("m1", 1), ("m1", 2))
    assert got.keys() == {("m1", 1), ("m1", 2)}  # the second perhaps twice: Kafka may have read it before it went on


def test_more_than_kafka_takes_is_refused_and_not_kept(fragile_kafka: FragileKafka, tmp_path: Path) -> None:
    metrics = free_port()
    place = coap_place(tmp_path, fragile_kafka.bootstrap, "overload", secured=False)
    with place.running("--metrics-port", str(metrics)) as bridge:
        listening(place)
        assert post(place, path(place), pack(0), *SENML_JSON).code == "2.04"
        before_kb = memory_kb(bridge.pid)
        with fragile_kafka.standing_still():
            flood(place, 20_000)
            refused = Series("flexmeter_coap_answers_total", (("code", "5.03"), ("type", "NON")))
            wait_until(lambda: (refused.total(scrape(metrics)) or 0) > 0, "nothing was refused")
            assert 0 < under_way(metrics) <= MOST_UNDER_WAY
            assert memory_kb(bridge.pid) - before_kb < 300_000
        wait_until(lambda: under_way(metrics) == 0, "kafka does not get what was taken")
        assert post(place, path(place), pack(1), *SENML_JSON).code == "2.04"


def flood(place: Place, count: int) -> None:
    """NON requests, as fast as they can be sent; nobody listens for answers."""
    host, port = place.url.removeprefix("coap://").split(":")
    segments = path(place).split("/")
    options = b"".join(option(11 if i == 0 else 0, segment.encode()) for i, segment in enumerate(segments))
    options += option(1, bytes([110]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            head = struct.pack("!BBHI", 0x54, 0x02, number & 0xFFFF, number)
            sender.sendto(head + options + b"\xff" + pack(number), (host, int(port)))


def option(delta: int, value: bytes) -> bytes:
    """RFC 7252, 3.1."""
    return bytes([delta << 4 | min(len(value), 13)]) + (bytes([len(value) - 13]) if len(value) >= 13 else b"") + value


def under_way(metrics: int) -> float:
    return Series("flexmeter_bridge_in_flight").total(scrape(metrics)) or 0


def memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
