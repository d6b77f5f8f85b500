"""Dead letters put through their bridge's intake once more, without a Kafka."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.age import AgeLimit
from connectors.authority import EACH_ITSELF, Authority, Principals
from connectors.counters import WINDOW, Counters
from connectors.decode.readings import Address, Carries, Proof
from connectors.intake import Intake, Taken
from connectors.redrive import Redrive, again, key_of, obstacle
from connectors.registry import DECODERS, json_decoders
from connectors.source import Delivery
from connectors.standing import Standing
from connectors.topic_template import address_of, templates_of
from flexmeter.answers import payload_of, payloads, written
from flexmeter.letters import Choice, Kept
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from schemas.codec import decode
from schemas.dead_letter import KEPT_BYTES, dead_letter
from schemas.errors import Reason, Rejected
from schemas.faults import Faults
from schemas.partition import partition_of
from schemas.quality import Quality
from schemas.record import Record
from schemas.register import Device, Register
from schemas.topology import load_topology
from tests.bridge_process import ROOT

T = 1_795_507_200_000
TOPOLOGY = load_topology(ROOT / "topology.yaml", {})
HEAT = {"temperature": {"forward": 81.3, "return": 44.9}, "flow": 1.2, "volume": 1000,
        "power": {"instant": 52.1, "peak": 61}, "energy": 1.5}  # fmt: skip


def letter(meter: str = "h1", at: int = T, reason: Reason = Reason.UNKNOWN_METER, **fields: object) -> DeadLetter:
    payload = orjson.dumps({**HEAT, **fields})
    address = f"malmo/district_heat/{meter}/reading"
    return dead_letter("mqtt_malmo", address, at, Rejected(reason, f"meter {meter!r}"), payload)


class Bench:
    """A re-drive, and what it gave out."""

    def __init__(
        self, *meters: str, principals: Principals = EACH_ITSELF, anonymous: bool = True, oldest_days: int = 0
    ) -> None:
        register = Register({one: Device(one, "district_heat", "s", None, None, None, None, 10_000) for one in meters})
        intake = Intake(
            register, {"": json_decoders()}, 4, 4, Authority(lambda: principals, anonymous), AgeLimit(oldest_days)
        )
        self.counters = Counters()
        self.out: list[tuple[str, int, Record]] = []
        bridge = TOPOLOGY.bridges["mqtt_malmo"]
        self.run = Redrive(bridge, TOPOLOGY, intake, self.counters, self._produce)

    def _produce(self, topic: str, partition: int, value: bytes) -> None:
        self.out.append((topic, partition, decode(value)))

    def take(self, *letters: DeadLetter, reasons: frozenset[str] = frozenset({"unknown_meter"})) -> None:
        for one in letters:
            self.run.take(one, reasons)
        self.run.finish()

    def blocks(self) -> list[ReadingBlock]:
        return [record for _, _, record in self.out if isinstance(record, ReadingBlock)]

    def letters(self) -> list[DeadLetter]:
        return [record for _, _, record in self.out if isinstance(record, DeadLetter)]


def test_what_was_too_old_is_taken_once_the_bound_is_raised() -> None:
    old = letter(reason=Reason.TIME, time="2001-01-01T00:00:00Z")
    bounded, raised = Bench("h1", oldest_days=400), Bench("h1")
    for bench in (bounded, raised):
        bench.take(old, reasons=frozenset({"time"}))
    assert (bounded.out, bounded.run.outcome.rejected) == ([], {"time": 1})
    assert raised.run.outcome.readings == 1


def test_a_reading_without_time_keeps_the_time_of_its_first_arrival() -> None:
    bench = Bench("h1")
    bench.take(letter())
    ((topic, partition, block),) = bench.out
    assert (topic, partition) == ("meter.readings", partition_of("h1", 4))
    assert isinstance(block, ReadingBlock)
    assert (block.source, block.received_at, block.at.tolist()) == ("mqtt_malmo", T, [T])
    assert block.quality.tolist() == [Quality.TIME_BY_BRIDGE]


def test_a_block_spans_no_more_time_than_the_bridges_own() -> None:
    bench = Bench("h1")
    bench.take(*(letter(at=T + ms) for ms in (0, 100, 400, 600, 60_000)))
    assert [block.at.tolist() for block in bench.blocks()] == [[T, T + 100, T + 400], [T + 600], [T + 60_000]]
    assert [block.received_at for block in bench.blocks()] == [T, T + 600, T + 60_000]


def test_what_is_rejected_for_a_reason_it_has_a_letter_for_stays_as_it_is() -> None:
    bench = Bench("h1")
    bench.take(letter("nobody"))
    assert bench.out == []
    assert (bench.run.outcome.rejected, bench.run.outcome.anew) == ({"unknown_meter": 1}, {})


def test_what_is_rejected_for_another_reason_has_a_letter_anew_of_the_same_payload() -> None:
    bench = Bench("h1")
    old = letter(flow="much")
    bench.take(old)
    (new,) = bench.letters()
    assert (new.reason, key_of(new)) == ("value", key_of(old))
    assert new == replace(old, reason="value", detail=new.detail)
    assert bench.run.outcome.anew == {"value": 1}
    again = Bench("h1")
    again.take(old, reasons=frozenset({"unknown_meter", "value"}))
    assert again.out == []


def test_the_sender_is_judged_again() -> None:
    principals = Principals({"hub-1": ("h1",)})
    for identity, taken in (("hub-1", 1), ("thief", 0), ("", 0)):
        bench = Bench("h1", principals=principals, anonymous=False)
        bench.take(replace(letter(), identity=identity), reasons=frozenset({"forbidden"}))
        assert bench.run.outcome.taken == taken, identity


def with_proofs(monkeypatch: pytest.MonkeyPatch, proof: Proof) -> None:
    """Each payload is a telegram with this proof."""
    take = Intake.take

    def proven(intake: Intake, delivery: Delivery, received_at: int) -> Taken:
        taken = take(intake, delivery, received_at)
        return replace(taken, readings=[(p, replace(r, proof=proof)) for p, r in taken.readings], proofs=[proof])

    monkeypatch.setattr(Intake, "take", proven)


def test_a_counter_that_lies_behind_is_a_replay_unless_the_telegram_states_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_proofs(monkeypatch, Proof("h1", "k", 1, 7))
    time = "2026-11-24T07:59:00Z"
    bench = Bench("h1")
    bench.counters.confirm([Proof("h1", "k", 2 + WINDOW, 8)])
    bench.take(letter(), letter(time=time), letter(reason=Reason.REPLAYED, time=time))
    assert [block.quality.tolist() for block in bench.blocks()] == [[Quality.TIME_BY_GATEWAY]]
    assert bench.run.outcome.rejected == {"replayed": 2}


def test_a_telegram_that_kafka_has_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with_proofs(monkeypatch, Proof("h1", "k", 1, 7))
    bench = Bench("h1")
    bench.take(letter(), letter(at=T + 60_000))
    assert [block.at.tolist() for block in bench.blocks()] == [[T]]
    assert (bench.run.outcome.taken, bench.run.outcome.readings) == (2, 1)


def test_events_go_where_the_bridge_sends_them() -> None:
    register = Register({"m1": Device("m1", "malmo_household", "s", None, None, None, None, 10_000)})
    intake = Intake(register, {"": json_decoders()}, 4, 4, Authority(lambda: EACH_ITSELF, anonymous=True))
    out: list[tuple[str, int, Record]] = []
    run = Redrive(
        TOPOLOGY.bridges["mqtt_malmo"],
        TOPOLOGY,
        intake,
        Counters(),
        lambda *one: out.append((*one[:2], decode(one[2]))),
    )
    gasp = dead_letter("mqtt_malmo", "malmo/malmo_household/m1/event", T, Rejected(Reason.UNKNOWN_METER, ""),
                       b'{"event": "last_gasp"}')  # fmt: skip
    run.take(gasp, ())
    run.finish()
    ((topic, partition, block),) = out
    assert isinstance(block, EventBlock)
    assert (topic, partition, block.kind, block.at.tolist()) == (
        "grid.evidence", partition_of("s", 4), ["last_gasp"], [T],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bridge", "address"),
    [
        ("mqtt_malmo", "malmo/home_hub/m1/reading"),
        ("amqp_turin", "meters.home_hub.m1.reading"),
        ("https_turin", "v1/home_hub/m1/reading"),
        ("coap_malmo", "meters/home_hub/m1/reading"),
    ],
)
def test_an_address_of_each_protocol_is_read_again_as_the_bridge_did(bridge: str, address: str) -> None:
    found = address_of(address, templates_of(TOPOLOGY.bridges[bridge]))
    assert found == Address(address, "home_hub", "m1", Carries.READING)


def test_letters_of_a_bridge_that_cannot_start_are_not_redriven() -> None:
    faulty = replace(TOPOLOGY.bridges["amqp_turin"], subscribe=("hubs.{identity}.{profile}.{meter}.reading",))
    unused: Any = None
    with pytest.raises(Faults, match=r"bridge amqp_turin: no level \{identity\} with amqp"):
        Redrive(faulty, TOPOLOGY, unused, Counters(), unused)


def test_the_decoder_that_a_content_type_named_reads_it_again() -> None:
    register = Register({"m1": Device("m1", "nilm_meter", None, None, None, None, None, 1_000)})
    decoders = {"": json_decoders(), "senml": DECODERS["senml"]()}
    intake = Intake(register, decoders, 4, 4, Authority(lambda: EACH_ITSELF, anonymous=True))
    pack = b'[{"n":"m1/voltage_v","bt":1764152400,"v":230}]'
    sent = dead_letter(
        "https_turin", "v1/nilm_meter/reading", T, Rejected(Reason.UNKNOWN_METER, ""), pack, decoder="senml"
    )
    templates = templates_of(TOPOLOGY.bridges["https_turin"])
    ((place, reading),) = again(sent, templates, intake, Counters(), Standing()).readings
    assert (place.device.meter_id, reading.at) == ("m1", 1_764_152_400_000)


def test_letters_of_others_and_cut_ones_cannot_be_redriven() -> None:
    long = dead_letter("mqtt_malmo", "malmo/x", T, Rejected(Reason.TOO_LARGE, ""), b" " * (KEPT_BYTES + 1))
    assert obstacle(long, TOPOLOGY.bridges) == "not kept whole"
    assert obstacle(replace(letter(), source="metering"), TOPOLOGY.bridges) == "no bridge of topology.yaml"
    assert obstacle(letter(), TOPOLOGY.bridges) == ""


def test_letters_are_chosen_the_newest_last() -> None:
    some = [letter(at=T + 2), letter("h2", at=T + 1), letter(at=T, reason=Reason.FIELD)]
    kept = [Kept("dead.letters", 0, number, one) for number, one in enumerate(some)]

    def chosen(choice: Choice) -> list[int]:
        return [one.offset for one in choice.of(kept)]

    assert chosen(Choice()) == [2, 1, 0]
    assert chosen(Choice(last=2)) == [1, 0]
    assert chosen(Choice(meter="h1")) == [2, 0]
    assert chosen(Choice(meter="h")) == []
    assert chosen(Choice(reasons=("field",))) == [2]
    assert chosen(Choice(since=T + 1)) == [1, 0]
    assert chosen(Choice(address="*/h2/*")) == [1]
    assert chosen(Choice(sources=("other",))) == []


@given(
    st.one_of(st.binary(), st.text().map(str.encode), st.sampled_from([b"{\n}", b"/KFM5\r\n!", b"12", b"", b"a\nb"]))
)
def test_a_payload_that_is_shown_is_read_again_as_it_was(payload: bytes) -> None:
    read = [payload_of(one, True) for _, one in payloads(written(payload), True, False)]
    assert read == [payload]
