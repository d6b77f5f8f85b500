"""What every bridge does, whatever its protocol: the same behaviours over each door."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import TypeVar

import orjson
import pytest

from connectors.registry import SOURCES
from schemas.blocks import Beat, DeadLetter, EventBlock, ReadingBlock
from tests.bridge_process import Place, make_place
from tests.doors import PRINCIPALS, USERS, AmqpDoor, CoapDoor, Door, HttpDoor, MqttDoor
from tests.fragile_kafka import FragileKafka
from tests.numbered_readings import blocks_of, reading, rows
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

T = TypeVar("T")

METERS = ["m1", "m2", "m3"]
PROTOCOLS = tuple(SOURCES)
BOUND_BYTES = 100_000_000
"""What a bridge may take in memory, besides itself, while Kafka stands still and it is flooded."""


DOORS: Mapping[str, Callable[[pytest.FixtureRequest], Door]] = {
    "amqp": lambda request: AmqpDoor(request.getfixturevalue("rabbitmq")),
    "coap": lambda request: CoapDoor(),
    "http": lambda request: HttpDoor(),
    "mqtt": lambda request: MqttDoor(request.getfixturevalue("guarded_mosquitto")),
}


def door_of(protocol: str, request: pytest.FixtureRequest) -> Door:
    assert protocol in DOORS, f"DOORS has no {protocol}, which connectors/registry.py has: docs/adding-a-bridge.md"
    return DOORS[protocol](request)


@pytest.fixture(params=PROTOCOLS)
def door(request: pytest.FixtureRequest) -> Door:
    return door_of(request.param, request)


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
def open_bridge(place: Place) -> Iterator[Popen[bytes]]:
    """The bridge's process, ready to receive, and its first beat on Kafka: a broker that has just started is slow."""
    before = ready_lines(place)
    with place.running() as process:
        wait_until(lambda: ready_lines(place) > before, lambda: f"the bridge is not ready\n{place.log()}")
        place.placed("readings", Beat, lambda beats: len(beats) > 0)
        yield process


def ready_lines(place: Place) -> int:
    return place.log().count("connected to") + place.log().count("listening at")


def test_readings_arrive_once_acknowledged_and_bad_ones_are_dead_letters_with_their_bytes(
    door: Door, kafka: str, tmp_path: Path
) -> None:
    place = place_of(door, kafka, tmp_path, f"good-{door.protocol}")
    prefix = place.bridge.name
    with open_bridge(place) as process:
        sent = [one for meter in METERS for one in door.send(prefix, meter, [reading(n) for n in range(door.batch)])]
        assert [one.acknowledged for one in sent] == [True] * 3 * door.batch
        repeated = door.send(prefix, "m1", [reading(3), reading(3)])
        bad = door.send(prefix, "m1", [b"{not json", b'{"power": NaN}'])
        forged = door.send(prefix, "m4", [reading(1)])
        stolen = door.send(prefix, "m1", [reading(77)], "thief", USERS["thief"])
        wrong = door.send(prefix, "m1", [reading(88)], secret="wrong")
        letters = [found.record for found in place.placed("dead", DeadLetter, lambda letters: len(letters) >= 4)]
        blocks = blocks_of(
            place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).total() >= 3 * door.batch + 2)
        )
        events = place.placed("events", EventBlock, lambda blocks: sum(len(block.kind) for block in blocks) >= 2)
        process.terminate()
        assert process.wait(30) == 0
    assert [one.acknowledged for one in repeated] == [True, True]
    found = rows(blocks)
    assert found.keys() == {(meter, number) for meter in METERS for number in range(door.batch)}
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

    @property
    def batches(self) -> int:
        """How many are acknowledged."""
        return len(self.acknowledged) // self._door.batch

    def until_more(self, batches: int, what: str) -> None:
        """Wait until so many more are acknowledged."""
        enough = self.batches + batches
        wait_until(lambda: self.batches >= enough, what)

    def _run(self) -> None:
        number, batch = 0, self._door.batch
        while not self._stopping.is_set():
            numbers = range(number, number + batch)
            meter = METERS[number // batch % len(METERS)]
            sent = self._door.send(self._prefix, meter, [reading(n) for n in numbers])
            self.acknowledged |= {(meter, n) for n, one in zip(numbers, sent, strict=False) if one.acknowledged}
            self.words |= {one.words for one in sent}
            number += batch
            self._stopping.wait(0.02)


def arrived(place: Place, stream: Stream) -> set[tuple[str, int]]:
    """What is there as soon as everything acknowledged is."""
    placed = place.placed("readings", ReadingBlock, lambda blocks: rows(blocks).keys() >= stream.acknowledged, 120)
    return set(rows(blocks_of(placed)))


def each(parts: Mapping[str, T], condition: Callable[[T], bool], what: str) -> None:
    """Wait until it is so of each."""
    for name, part in parts.items():
        wait_until(partial(condition, part), f"{name} {what}", 120)


def test_a_killed_bridge_loses_nothing_acknowledged(door: Door, kafka: str, tmp_path: Path) -> None:
    place = place_of(door, kafka, tmp_path, f"killed-{door.protocol}")
    with open_bridge(place) as first, Stream(door, place.bridge.name) as stream:
        stream.until_more(3, "nothing is acknowledged")
        first.kill()
        first.wait(20)
        with open_bridge(place) as second:
            stream.until_more(3, "nothing is acknowledged any more")
            second.kill()
            second.wait(20)
    with open_bridge(place):
        assert arrived(place, stream) >= stream.acknowledged
    assert len(stream.acknowledged) >= 6 * door.batch


@dataclass(frozen=True, slots=True)
class Survived:
    """What a door saw of Kafka's death: the readings it was told to forget, those that are there, and all it heard."""

    door: Door
    acknowledged: set[tuple[str, int]]
    arrived: set[tuple[str, int]]
    words: set[str]
    exit_code: int


@pytest.fixture(scope="module")
def outage(
    request: pytest.FixtureRequest, fragile_kafka: FragileKafka, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Survived]:
    """All bridges at once, started while Kafka is away; it comes, is killed in mid-stream, and comes again."""
    fragile_kafka.kill()
    doors = {protocol: door_of(protocol, request) for protocol in PROTOCOLS}
    places = {
        name: place_of(door, fragile_kafka.bootstrap, tmp_path_factory.mktemp(name), f"outage-{name}")
        for name, door in doors.items()
    }
    with ExitStack() as stack:
        bridges = {name: stack.enter_context(place.running()) for name, place in places.items()}
        each(places, lambda place: "trying again" in place.log(), "does not wait for kafka")
        fragile_kafka.start()
        each(places, lambda place: ready_lines(place) > 0, "is not ready")
        streams = {name: stack.enter_context(Stream(doors[name], place.bridge.name)) for name, place in places.items()}
        each(streams, lambda stream: stream.batches >= 2, "acknowledges nothing")
        fragile_kafka.kill()
        told = {name: stream for name, stream in streams.items() if doors[name].answers}
        each(told, lambda stream: _put_off(stream.words) != set(), "puts nobody off")
        fragile_kafka.start()
        before = {stream: stream.batches for stream in streams.values()}
        each(streams, lambda stream: stream.batches >= before[stream] + 2, "acknowledges nothing any more")
        for stream in streams.values():
            stream.__exit__()
        found = {name: arrived(place, streams[name]) for name, place in places.items()}
        for bridge in bridges.values():
            bridge.terminate()
        codes = {name: bridge.wait(30) for name, bridge in bridges.items()}
    return {
        name: Survived(doors[name], stream.acknowledged, found[name], stream.words, codes[name])
        for name, stream in streams.items()
    }


def _put_off(words: set[str]) -> set[str]:
    """What was said to those who are to come again."""
    return {text for text in words if text.startswith("503")}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_killed_kafka_loses_nothing_acknowledged(outage: Mapping[str, Survived], protocol: str) -> None:
    survived = outage[protocol]
    assert survived.arrived >= survived.acknowledged
    assert len(survived.acknowledged) >= 4 * survived.door.batch
    assert survived.exit_code == 0
    assert _put_off(survived.words) == ({survived.door.retry} if survived.door.answers else set())


def test_nothing_is_acknowledged_before_kafka_has_it_and_memory_is_bounded(
    door: Door, fragile_kafka: FragileKafka, tmp_path: Path
) -> None:
    place = place_of(door, fragile_kafka.bootstrap, tmp_path, f"held-{door.protocol}")
    padding = "x" * door.large_bytes
    with open_bridge(place) as bridge:
        door.send(place.bridge.name, "m1", [reading(0)])
        place.placed("readings", ReadingBlock, lambda blocks: rows(blocks)["m1", 0] > 0)
        before = peak = resident_bytes(bridge.pid)
        large = [orjson.dumps({**orjson.loads(reading(n)), "padding": padding}) for n in range(1, 41)]
        sent_bytes = 0
        with fragile_kafka.standing_still(), ThreadPoolExecutor(8) as devices:
            while sent_bytes < door.flood_bytes:
                rounds = [devices.submit(door.send, place.bridge.name, METERS[n % 3], large) for n in range(8)]
                sent = [one for round_ in rounds for one in round_.result()]
                assert not (door.answers and any(one.acknowledged for one in sent)), "acknowledged, and Kafka is still"
                sent_bytes += sum(one.sent_bytes for one in sent)
                peak = max(peak, resident_bytes(bridge.pid))
            bridge.kill()
            bridge.wait(20)
    print(f"{door.protocol}: {sent_bytes / 1e6:.0f} MB sent, {(peak - before) / 1e6:.0f} MB taken")
    assert peak - before < BOUND_BYTES


def resident_bytes(pid: int) -> int:
    """Of the process, or of the one that it became: spawn's shell is replaced by the bridge."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096
