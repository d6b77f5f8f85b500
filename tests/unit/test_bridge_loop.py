"""What the bridge loop promises, with a source and a Kafka whose every move the test decides."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import orjson
import pytest

from connectors import bridge as loop_module
from connectors.age import AgeLimit
from connectors.authority import EACH_ITSELF, Authority
from connectors.backoff import Stopped
from connectors.bridge import MOST_IN_FLIGHT, BridgeLoop
from connectors.counters import CounterTopic
from connectors.decode.readings import Address, Carries, MeterEvent, Proof
from connectors.intake import Intake, Taken
from connectors.kafka import Outlet
from connectors.registry import json_decoders
from connectors.source import Delivery
from schemas.blocks import Beat, DeadLetter, EventBlock, ReadingBlock, TelegramCounter
from schemas.codec import decode
from schemas.errors import Reason, Rejected, Unavailable
from schemas.quality import Quality
from schemas.record import Record
from schemas.register import load_register
from schemas.topology import Kafka, load_topology
from tests.bridge_process import REGISTER, ROOT

READING = {
    "time": "2026-11-24T08:00:00Z",
    "energy": {"consumed": 1, "produced": 0},
    "power": {"L1": 1, "L2": 2, "L3": 3},
    "voltage": {"L1": 230, "L2": 230, "L3": 230},
}


class ScriptedSource:
    """Gives what the test put into `next`, or is away."""

    def __init__(self) -> None:
        self.next: list[Delivery] = []
        self.away = False
        self.asked = 0
        self.most: list[int] = []
        self.acknowledged: list[Delivery] = []
        self.closed = False

    def receive(self, timeout_s: float, at_most: int) -> Sequence[Delivery]:
        self.asked += 1
        self.most.append(at_most)
        if self.away:
            raise Unavailable("mqtt", "gone")
        given, self.next = self.next[:at_most], self.next[at_most:]
        return given

    def acknowledge(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery)

    def close(self) -> None:
        self.closed = True


class HeldKafka:
    """Has a record only when the test says so. `is_full`: whoever produces waits."""

    def __init__(self) -> None:
        self.under_way: list[tuple[str, int, Record, Callable[[], None] | None]] = []
        self.had: list[Record] = []
        self.has_room, self.is_full = True, False
        self.stopped: Callable[[], bool] = lambda: False

    def produce(
        self, topic: str, partition: int, value: bytes, delivered: Callable[[], None] | None = None, key: bytes = b""
    ) -> None:
        if self.is_full:
            assert self.stopped(), "it would wait for ever"
            raise Stopped
        self.under_way.append((topic, partition, decode(value), delivered))

    def serve(self, timeout_s: float = 0.0) -> None:
        pass

    def close(self, timeout_s: float) -> bool:
        self.take(Record)
        return True

    def records(self, kind: object) -> list[Record]:
        return [record for _, _, record, _ in self.under_way if isinstance(record, kind)]  # type: ignore[arg-type]

    def take(self, kind: object) -> None:
        """Kafka has all records of that kind."""
        arrived = [entry for entry in self.under_way if isinstance(entry[2], kind)]  # type: ignore[arg-type]
        self.under_way = [entry for entry in self.under_way if entry not in arrived]
        for _, _, record, delivered in arrived:
            self.had.append(record)
            if delivered is not None:
                delivered()


class Bench:
    """A loop at the bench, with clocks that the test moves."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, shared: CounterTopic | None = None) -> None:
        (folder / "register.csv").write_text(REGISTER)
        topology = load_topology(ROOT / "topology.yaml", {})
        self.source, self.kafka = ScriptedSource(), HeldKafka()
        self.now_s = 1_795_507_200.0
        monkeypatch.setattr(loop_module.time, "monotonic", lambda: self.now_s)
        authority = Authority(lambda: EACH_ITSELF, anonymous=True)
        intake = Intake(load_register(folder / "register.csv"), {"": json_decoders()}, 4, 4, authority, AgeLimit(400))
        bridge, outlet = topology.bridges["mqtt_malmo"], cast(Outlet, self.kafka)
        self.loop = BridgeLoop(bridge, topology, self.source, outlet, intake, clock=lambda: self.now_s, shared=shared)

    def turn(self, seconds: float = 0.0) -> None:
        """One turn, so many seconds after the last."""
        self.now_s += seconds
        self.loop.turn()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def delivery(meter: str = "m1", carries: Carries = Carries.READING, **fields: object) -> Delivery:
    payload = orjson.dumps({**READING, **fields})
    return Delivery(payload, Address(f"x/malmo_household/{meter}", "malmo_household", meter, carries))


def test_a_reading_is_acknowledged_when_kafka_has_its_block(bench: Bench) -> None:
    bench.source.next = [delivery()]
    bench.turn()
    bench.turn(0.5)
    assert len(bench.kafka.records(ReadingBlock)) == 1
    assert bench.source.acknowledged == []
    bench.kafka.take(ReadingBlock)
    assert len(bench.source.acknowledged) == 1


def test_a_reading_with_alarms_is_acknowledged_when_kafka_has_both_and_once(bench: Bench) -> None:
    bench.source.next = [delivery(alarms=["tamper", "battery_low"])]
    bench.turn()
    bench.turn(0.5)
    bench.kafka.take(ReadingBlock)
    assert bench.source.acknowledged == []
    bench.kafka.take(EventBlock)
    assert len(bench.source.acknowledged) == 1


def test_an_alarm_of_a_meter_that_thinks_it_is_2001_is_taken_and_the_payload_kept(bench: Bench) -> None:
    old = delivery(time="2001-01-01T00:00:00Z", alarms=["tamper"])
    bench.source.next = [old]
    bench.turn()
    bench.turn(0.5)
    assert bench.kafka.records(ReadingBlock) == []
    (events,), (letter,) = bench.kafka.records(EventBlock), bench.kafka.records(DeadLetter)
    assert isinstance(events, EventBlock) and isinstance(letter, DeadLetter)
    assert events.at.tolist() == [1_795_507_200_000] and events.quality.tolist() == [Quality.TIME_BY_BRIDGE]
    assert letter.reason == "time" and b"2001" in letter.payload
    bench.kafka.take(EventBlock)
    assert bench.source.acknowledged == []
    bench.kafka.take(DeadLetter)
    assert bench.source.acknowledged == [old] and old.rejected is None


def test_an_event_goes_out_in_the_turn_in_which_it_came(bench: Bench) -> None:
    bench.source.next = [delivery(carries=Carries.EVENT, event="last_gasp")]
    bench.turn()
    assert len(bench.kafka.records(EventBlock)) == 1


def test_a_dead_letter_is_acknowledged_when_kafka_has_it(bench: Bench) -> None:
    bench.source.next = [delivery("nobody")]
    bench.turn()
    (letter,) = bench.kafka.records(DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.payload) == ("unknown_meter", orjson.dumps(READING))
    assert bench.source.acknowledged == []
    bench.kafka.take(DeadLetter)
    assert len(bench.source.acknowledged) == 1


def test_a_refusal_is_a_dead_letter_and_an_event_and_acknowledged_when_kafka_has_both(bench: Bench) -> None:
    refused = delivery()
    refused.identity = "thief"
    bench.source.next = [refused]
    bench.turn()
    (letter,) = bench.kafka.records(DeadLetter)
    (block,) = bench.kafka.records(EventBlock)
    assert isinstance(letter, DeadLetter)
    assert isinstance(block, EventBlock)
    assert (letter.reason, block.kind, block.detail, block.meters) == (
        "forbidden", ["publish_refused"], ["thief"], ["m1"],
    )  # fmt: skip
    assert letter.identity == "thief", "so that it can be judged again"
    bench.kafka.take(DeadLetter)
    assert bench.source.acknowledged == []
    bench.kafka.take(EventBlock)
    assert bench.source.acknowledged == [refused]
    assert refused.rejected is not None


def test_refusals_of_meters_that_nobody_knows_are_no_events(bench: Bench) -> None:
    refused = delivery("nobody")
    refused.identity = "thief"
    bench.source.next = [refused]
    bench.turn()
    assert len(bench.kafka.records(DeadLetter)) == 1
    assert bench.kafka.records(EventBlock) == []


def test_a_dead_letter_keeps_the_decoder_that_its_content_type_named(bench: Bench) -> None:
    unusable = delivery()
    unusable.decoder, unusable.rejected = "senml", Rejected(Reason.MALFORMED, "no list")
    bench.source.next = [unusable]
    bench.turn()
    (letter,) = bench.kafka.records(DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert letter.decoder == "senml", "so that it can be read again"


def test_what_the_source_finds_unusable_is_a_dead_letter(bench: Bench) -> None:
    unusable = delivery()
    unusable.rejected = Rejected(Reason.MALFORMED, "no list")
    bench.source.next = [unusable]
    bench.turn()
    (letter,) = bench.kafka.records(DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.payload) == ("malformed", orjson.dumps(READING))


@pytest.fixture
def proving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings prove their sequence as a counter; the sum of their values is what their tag is of."""
    taken = Intake.take

    def with_proof(intake: Intake, delivery: Delivery, now_ms: int) -> Taken:
        found = taken(intake, delivery, now_ms)
        (place, row), *_ = found.readings
        proof = Proof("m1", "k", row.sequence, 1 + int(sum(row.values)))
        return replace(found, readings=[(place, replace(row, proof=proof))], proofs=[proof])

    monkeypatch.setattr(Intake, "take", with_proof)


def rows(bench: Bench) -> int:
    return sum(len(block.at) for block in bench.kafka.records(ReadingBlock) if isinstance(block, ReadingBlock))


@pytest.mark.usefixtures("proving")
def test_a_telegram_that_two_concentrators_heard_is_one_row_and_both_are_acknowledged_when_kafka_has_it(
    bench: Bench,
) -> None:
    bench.source.next = [delivery(seq=7), delivery(seq=7)]
    bench.turn()
    bench.source.next = [delivery(seq=7)]
    bench.turn(0.5)
    assert rows(bench) == 1
    assert bench.source.acknowledged == []
    bench.kafka.take(ReadingBlock)
    assert len(bench.source.acknowledged) == 3
    bench.source.next = [delivery(seq=7)]
    bench.turn()
    bench.turn(0.5)
    assert (rows(bench), len(bench.source.acknowledged)) == (0, 4), "Kafka has it already"


@pytest.mark.usefixtures("proving")
def test_another_telegram_under_a_counter_that_was_used_is_a_replay(bench: Bench) -> None:
    bench.source.next = [delivery(seq=7)]
    bench.turn()
    bench.turn(0.5)
    bench.kafka.take(ReadingBlock)
    bench.source.next = [delivery(seq=7, voltage={"L1": 235, "L2": 235, "L3": 235})]
    bench.turn()
    (letter,) = bench.kafka.records(DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "replayed"


@pytest.mark.usefixtures("proving")
def test_a_counter_counts_as_soon_as_kafka_has_its_telegram(bench: Bench) -> None:
    bench.source.next = [delivery(seq=1_000), delivery(seq=1)]
    bench.turn()
    assert bench.kafka.records(DeadLetter) == [], "Kafka has neither yet"
    bench.turn(0.5)
    bench.kafka.take(ReadingBlock)
    assert len(bench.source.acknowledged) == 2
    bench.source.next = [delivery(seq=1)]
    bench.turn()
    (letter,) = bench.kafka.records(DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "replayed"


def test_a_long_chain_of_deliveries_that_wait_for_each_other_is_acknowledged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A concentrator that sends each telegram together with the one before."""
    taken = Intake.take

    def with_the_one_before(intake: Intake, delivery: Delivery, now_ms: int) -> Taken:
        found = taken(intake, delivery, now_ms)
        ((place, row),) = found.readings
        before = replace(row, sequence=row.sequence - 1)
        both = [(place, replace(one, proof=Proof("m1", "k", one.sequence, 1))) for one in (before, row)]
        return replace(found, readings=both, proofs=[one.proof for _, one in both])

    monkeypatch.setattr(Intake, "take", with_the_one_before)
    for first in range(1, 2_001, 500):
        bench.source.next = [delivery(seq=number) for number in range(first, first + 500)]
        bench.turn()
    bench.turn(0.5)
    bench.kafka.take(ReadingBlock)
    assert len(bench.source.acknowledged) == 2_000


def test_a_condition_that_stands_is_told_once_a_day(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Intake.take

    def with_fault(intake: Intake, delivery: Delivery, now_ms: int) -> Taken:
        found = taken(intake, delivery, now_ms)
        (place, row), *_ = found.readings
        event = MeterEvent("m1", row.at, 0, "device_fault", "permanent_error", stands=True)
        return replace(found, events=[(place, event)])

    monkeypatch.setattr(Intake, "take", with_fault)
    for hours in (0, 1, 22, 1):
        bench.source.next = [delivery()]
        bench.turn(hours * 3_600)
        bench.turn(0.5)
    assert len(bench.kafka.records(EventBlock)) == 2
    bench.kafka.take(Record)
    assert len(bench.source.acknowledged) == 4


def test_beats_come_every_second_and_every_quarter_into_every_partition(bench: Bench) -> None:
    for _ in range(9):
        bench.turn(0.25)
        bench.kafka.take(ReadingBlock)
    topics = [(topic, partition) for topic, partition, record, _ in bench.kafka.under_way if isinstance(record, Beat)]
    assert {topics.count(("meter.readings", partition)) for partition in range(4)} == {3}
    assert {topics.count(("grid.evidence", partition)) for partition in range(4)} == {5}  # the last few are held


def test_time_stands_still_while_the_source_is_away(bench: Bench) -> None:
    bench.turn()
    bench.kafka.take(Beat)
    bench.source.away = True
    for _ in range(20):
        bench.turn(1.0)
    assert bench.kafka.records(Beat) == []
    assert bench.source.asked < 12, "it backs off"
    bench.source.away = False
    bench.turn(11.0)
    assert len(bench.kafka.records(Beat)) == 8


def test_nothing_more_is_received_while_too_much_is_under_way(bench: Bench) -> None:
    bench.source.next = [delivery() for _ in range(MOST_IN_FLIGHT + 100)]
    for _ in range(100):
        bench.turn(0.01)
    assert len(bench.source.next) == 100
    bench.kafka.take(ReadingBlock)
    bench.turn(0.01)
    assert bench.source.next == []


def test_while_kafka_takes_nothing_what_was_received_is_held_and_the_source_is_asked_for_no_more(bench: Bench) -> None:
    bench.source.next = [delivery("nobody")]
    bench.turn()
    bench.kafka.has_room = False
    bench.source.next = [delivery("nobody")]
    bench.turn()
    assert (bench.source.most[-1], len(bench.source.next)) == (0, 1), "asked all the same: it keeps connections alive"
    bench.kafka.has_room = True
    bench.turn()
    assert len(bench.kafka.records(DeadLetter)) == 2


def test_of_many_that_come_at_once_only_those_are_taken_for_which_there_is_room(bench: Bench) -> None:
    bench.source.next = [delivery("nobody") for _ in range(100)]
    produce = bench.kafka.produce

    def fill(topic: str, partition: int, value: bytes, delivered: Callable[[], None] | None = None) -> None:
        produce(topic, partition, value, delivered)
        bench.kafka.has_room = len(bench.kafka.records(DeadLetter)) % 10 != 0

    bench.kafka.produce = fill  # type: ignore[method-assign,assignment]
    bench.turn()
    assert len(bench.kafka.records(DeadLetter)) == 10
    bench.turn()
    assert (len(bench.kafka.records(DeadLetter)), bench.source.most[-1]) == (10, 0)
    bench.kafka.take(DeadLetter)
    bench.kafka.has_room = True
    bench.turn()
    assert len(bench.kafka.records(DeadLetter)) == 10
    assert len(bench.source.acknowledged) == 10


def test_who_waits_for_kafka_may_be_stopped(bench: Bench) -> None:
    bench.source.next = [delivery("nobody")]
    bench.kafka.is_full = True
    stopping = iter([False, True])
    bench.loop.run(lambda: next(stopping))
    assert bench.source.closed
    assert bench.source.acknowledged == []


@pytest.mark.usefixtures("proving")
def test_at_the_end_the_other_bridges_are_told_of_the_last_telegrams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = load_topology(ROOT / "topology.yaml", {}).topics["meter.counters"]
    bench = Bench(tmp_path, monkeypatch, CounterTopic(Kafka("nowhere:9", "PLAINTEXT", {}), topic))
    bench.source.next = [delivery(seq=7)]
    stopping = iter([False, True])
    bench.loop.run(lambda: next(stopping))
    (told,) = [record for record in bench.kafka.had if isinstance(record, TelegramCounter)]
    assert (told.holder, told.counter) == ("m1", 7)


def test_rows_need_not_linger_when_the_source_has_no_more(bench: Bench) -> None:
    bench.source.next = [delivery()]
    bench.turn()
    bench.turn(0.02)
    assert bench.kafka.records(ReadingBlock) == []
    bench.turn(0.04)
    assert len(bench.kafka.records(ReadingBlock)) == 1


def test_at_the_end_everything_goes_out_and_is_acknowledged(bench: Bench) -> None:
    bench.source.next = [delivery()]
    stopping = iter([False, True])
    bench.loop.run(lambda: next(stopping))
    assert len(bench.source.acknowledged) == 1
    assert bench.source.closed


def test_a_bug_ends_the_bridge_and_acknowledges_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Intake, "take", broken)
    bench.source.next = [delivery()]
    with pytest.raises(ZeroDivisionError):
        bench.turn()
    assert bench.source.acknowledged == []
