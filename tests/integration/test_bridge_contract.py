"""What every bridge does, whatever its protocol: the same behaviours over each door."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from flexmeter.local import kafka as local_kafka
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from tests.bridge_process import Place, make_place, wait_until
from tests.doors import PRINCIPALS, USERS, AmqpDoor, CoapDoor, Door, HttpDoor, MqttDoor
from tests.integration.test_bridge import blocks_of, reading, rows

pytestmark = pytest.mark.integration

METERS = ["m1", "m2", "m3"]
BOUND_BYTES = 100_000_000
"""What a bridge may take in memory, besides itself, while Kafka stands still and four times as much is offered."""


@pytest.fixture(params=["mqtt", "amqp", "http", "coap"])
def door(request: pytest.FixtureRequest) -> Door:
    if request.param == "mqtt":
        return MqttDoor(request.getfixturevalue("guarded_mosquitto"))
    if request.param == "amqp":
        return AmqpDoor(request.getfixturevalue("rabbitmq"))
    return CoapDoor() if request.param == "coap" else HttpDoor()


def place_of(door: Door, kafka: str, folder: Path, prefix: str) -> Place:
    (folder / "principals.csv").write_text(PRINCIPALS)
    entry = {
        "protocol": door.protocol,
        "principals": str(folder / "principals.csv"),
        "options": {},
        **door.entry(prefix, folder),
    }
    return make_place(folder, kafka, str(entry["url"]), prefix, entry)


@contextmanager
def open_bridge(place: Place, door: Door) -> Iterator[Any]:
    """The bridge's process, ready to receive."""
    before = ready_lines(place)
    with place.running() as process:
        wait_until(lambda: ready_lines(place) > before, f"the bridge is not ready\n{place.log()}", 60)
        yield process


def ready_lines(place: Place) -> int:
    return place.log().count("connected to") + place.log().count("listening at")


def test_readings_arrive_once_acknowledged_and_bad_ones_are_dead_letters_with_their_bytes(
    door: Door, kafka: str, tmp_path: Path
) -> None:
    place = place_of(door, kafka, tmp_path, f"good-{door.protocol}")
    prefix = place.bridge.name
    with open_bridge(place, door) as process:
        sent = [one for meter in METERS for one in door.send(prefix, meter, [reading(n) for n in range(20)])]
        assert [one.acknowledged for one in sent] == [True] * 60
        repeated = door.send(prefix, "m1", [reading(3), reading(3)])
        bad = door.send(prefix, "m1", [b"{not json", b'{"power": NaN}'])
        forged = door.send(prefix, "m4", [reading(1)])
        stolen = door.send(prefix, "m1", [reading(77)], "thief", USERS["thief"])
        wrong = door.send(prefix, "m1", [reading(88)], secret="wrong")
        letters = [found.record for found in place.placed("dead", DeadLetter, lambda letters: len(letters) >= 4)]
        blocks = blocks_of(place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).total() >= 62))
        events = place.placed("events", EventBlock, lambda blocks: sum(len(block.kind) for block in blocks) >= 2)
        process.terminate()
        assert process.wait(30) == 0
    assert [one.acknowledged for one in repeated] == [True, True]
    found = rows(blocks)
    assert found.keys() == {(meter, number) for meter in METERS for number in range(20)}
    assert found["m1", 3] == 3, "repeats come as they are, and are the same reading"
    assert len({at for block in blocks for at, n in zip(block.at, block.sequence, strict=True) if n == 3}) == 1
    told = [(letter.reason, letter.payload) for letter in letters if isinstance(letter, DeadLetter)]
    assert sorted(told) == sorted(
        [("malformed", b"{not json"), ("malformed", b'{"power": NaN}'), ("forbidden", reading(1)),
         ("forbidden", reading(77))]
    )  # fmt: skip
    refused = {
        (block.meters[row], kind, detail)
        for block in (found.record for found in events)
        if isinstance(block, EventBlock)
        for row, kind, detail in zip(block.row_meter.tolist(), block.kind, block.detail, strict=True)
    }
    assert refused == {("m4", "publish_refused", "hub-7"), ("m1", "publish_refused", "thief")}
    assert not any(one.acknowledged for one in wrong), "a wrong secret"
    if door.answers:
        assert [one.words[:3] for one in (*bad, *forged, *stolen, *wrong)] == [
            "400",
            "400",
            "403",
            "403",
            door.stranger,
        ]
    for secret in USERS.values():
        assert secret not in place.log()


class Stream:
    """A device that sends on and on, and remembers what it may forget."""

    def __init__(self, door: Door, prefix: str) -> None:
        self.acknowledged: set[tuple[str, int]] = set()
        self.words: set[str] = set()
        self._door, self._prefix = door, prefix
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(120)

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            numbers = range(number, number + 25)
            meter = METERS[number // 25 % len(METERS)]
            sent = self._door.send(self._prefix, meter, [reading(n) for n in numbers])
            self.acknowledged |= {(meter, n) for n, one in zip(numbers, sent, strict=False) if one.acknowledged}
            self.words |= {one.words for one in sent}
            number += 25
            self._stopping.wait(0.02)


def arrived(place: Place, expected: Callable[[], set[tuple[str, int]]]) -> set[tuple[str, int]]:
    placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).keys() >= expected(), 120)
    return set(rows(blocks_of(placed)))


def test_a_killed_bridge_loses_nothing_acknowledged(door: Door, kafka: str, tmp_path: Path) -> None:
    place = place_of(door, kafka, tmp_path, f"killed-{door.protocol}")
    with open_bridge(place, door) as first, Stream(door, place.bridge.name) as stream:
        wait_until(lambda: len(stream.acknowledged) > 200, "nothing is acknowledged", 60)
        first.kill()
        first.wait(20)
        with open_bridge(place, door) as second:
            before = len(stream.acknowledged)
            wait_until(lambda: len(stream.acknowledged) > before + 100, "nothing is acknowledged any more", 60)
            second.kill()
            second.wait(20)
    with open_bridge(place, door):
        assert arrived(place, lambda: stream.acknowledged) >= stream.acknowledged
    assert len(stream.acknowledged) > 300


def test_a_killed_kafka_loses_nothing_acknowledged(door: Door, tmp_path: Path) -> None:
    port = free_port()
    place = place_of(door, f"{HOST}:{port}", tmp_path, f"outage-{door.protocol}")
    broker = local_kafka.kafka(tmp_path / "kafka", port, tmp_path / "kafka.log")
    with running(broker) as kafka, open_bridge(place, door) as bridge, Stream(door, place.bridge.name) as stream:
        wait_until(lambda: len(stream.acknowledged) > 100, "nothing is acknowledged", 60)
        kafka.kill()
        kafka.wait(20)
        if door.answers:
            wait_until(lambda: any(words.startswith("503") for words in stream.words), "nobody is told to wait", 60)
        with running(broker):
            before = len(stream.acknowledged)
            wait_until(lambda: len(stream.acknowledged) > before + 100, "nothing is acknowledged any more", 120)
            stream.__exit__()
            assert arrived(place, lambda: stream.acknowledged) >= stream.acknowledged
            bridge.terminate()
            assert bridge.wait(30) == 0
    if door.answers:
        assert {words for words in stream.words if words.startswith("503")} == {door.retry}


def test_nothing_is_acknowledged_before_kafka_has_it_and_memory_is_bounded(door: Door, tmp_path: Path) -> None:
    port = free_port()
    place = place_of(door, f"{HOST}:{port}", tmp_path, f"held-{door.protocol}")
    broker = local_kafka.kafka(tmp_path / "kafka", port, tmp_path / "kafka.log")
    size = 500_000 if door.answers else 20_000
    padding = "x" * size
    with running(broker) as kafka, open_bridge(place, door) as bridge:
        door.send(place.bridge.name, "m1", [reading(0)])
        place.placed("readings", ReadingBlock, lambda blocks: rows(blocks)["m1", 0] > 0)
        before = peak = resident_bytes(bridge.pid)
        kafka.send_signal(signal.SIGSTOP)
        large = [orjson.dumps({**orjson.loads(reading(n)), "padding": padding}) for n in range(1, 41)]
        offered = 0
        with ThreadPoolExecutor(8) as devices:
            while offered < 400_000_000:
                rounds = [devices.submit(door.send, place.bridge.name, METERS[n % 3], large) for n in range(8)]
                sent = [one for round_ in rounds for one in round_.result()]
                assert not (door.answers and any(one.acknowledged for one in sent)), "acknowledged, and Kafka is still"
                offered += len(sent) * size
                peak = max(peak, resident_bytes(bridge.pid))
        bridge.kill()
        bridge.wait(20)
        kafka.send_signal(signal.SIGCONT)
    print(f"{door.protocol}: {offered / 1e6:.0f} MB offered, {(peak - before) / 1e6:.0f} MB taken")
    assert peak - before < BOUND_BYTES


def resident_bytes(pid: int) -> int:
    """Of the process, or of the one that it became: spawn's shell is replaced by the bridge."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096
