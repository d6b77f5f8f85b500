"""Counters: what goes back too far is a replay, per key; only what Kafka has counts; bridges tell each other."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.counters import WINDOW, Counters, CounterTopic
from connectors.decode.readings import Address, Carries, Proof
from connectors.registry import DECODERS
from schemas.blocks import Beat, TelegramCounter
from schemas.codec import encode
from schemas.errors import Reason, Rejected
from schemas.topology import Kafka, Topic
from streams.order import SEEN
from tests.unit.test_dlms_cases import payload

NOW = 1_795_608_000_000
CASES = Path(__file__).parents[1] / "cases" / "dlms"
OTHER_KEY = bytes(range(100, 116))


def proof(counter: int, key: str = "a", holder: str = "m1", digest: int = 0) -> tuple[Proof, ...]:
    return (Proof(holder, key, counter, digest or counter + 1),)


def is_replay(counters: Counters, proofs: tuple[Proof, ...]) -> bool:
    try:
        counters.check(proofs)
    except Rejected as rejected:
        assert rejected.reason is Reason.REPLAYED
        return True
    return False


def test_the_window_is_what_the_shard_knows_again() -> None:
    assert WINDOW == SEEN


def test_a_counter_far_behind_is_a_replay_and_one_within_the_window_is_not() -> None:
    counters = Counters()
    counters.confirm(proof(1_000))
    assert [is_replay(counters, proof(n)) for n in (1, 1_000 - WINDOW - 1, 1_000 - WINDOW, 1_000, 1_001, 9_000)] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert not is_replay(counters, proof(1, holder="m2"))


def test_a_new_key_begins_anew_and_the_old_one_goes_on() -> None:
    counters = Counters()
    counters.confirm(proof(5_000, "old"))
    counters.confirm(proof(1, "new"))
    counters.confirm(proof(5_001, "old"))
    assert not is_replay(counters, proof(2, "new"))
    assert is_replay(counters, proof(2, "old"))


def test_what_kafka_does_not_have_yet_rejects_nothing() -> None:
    counters = Counters()
    counters.check(proof(5_000))
    assert not is_replay(counters, proof(1))


def test_bridges_tell_what_has_risen_and_learn_the_highest() -> None:
    one, other = Counters(), Counters()
    one.confirm(proof(7))
    one.confirm(proof(5))
    assert one.changed() == [TelegramCounter("m1", "a", 7, digests(8, 0, 6))]
    assert one.changed() == []
    other.confirm(proof(100))
    for told in (TelegramCounter("m1", "a", 200, digests(201)), TelegramCounter("m1", "a", 150)):
        other.learn(told)
    assert is_replay(other, proof(200 - WINDOW - 1))
    (again,) = other.changed()
    assert again == TelegramCounter("m1", "a", 200, digests(201)), "learned meanwhile: telling it again harms nothing"


def digests(*known: int) -> bytes:
    return b"".join(one.to_bytes(4, "big") for one in known).rstrip(b"\0")


def test_the_same_telegram_again_is_a_repeat_and_another_one_with_its_counter_a_replay() -> None:
    counters = Counters()
    counters.confirm(proof(1_000))
    counters.confirm(proof(1_003))
    for counter in (1_000, 1_003):
        assert counters.check(proof(counter)) == frozenset(proof(counter))
        assert is_replay(counters, proof(counter, digest=5))
    for counter in (1_002, 1_004):
        assert counters.check(proof(counter)) == frozenset()


def test_what_left_the_window_is_forgotten() -> None:
    counters = Counters()
    for counter in (0, 1, WINDOW + 1):
        counters.confirm(proof(counter))
    assert is_replay(counters, proof(0))
    assert counters.check(proof(1)) == frozenset(proof(1))
    counters.confirm(proof(3 * WINDOW))
    assert counters.check(proof(2 * WINDOW + 1)) == frozenset(), "no digest of another counter stands in its place"


@pytest.mark.parametrize("digest", [1, 0x100, 0xFF00_0000, 0xFFFF_FFFF])
def test_other_bridges_know_the_telegrams_of_the_window(digest: int) -> None:
    one, other = Counters(), Counters()
    for counter in (0, 5, 7):
        one.confirm(proof(counter, digest=digest))
    for told in one.changed():
        other.learn(told)
    for counter in (0, 5, 7):
        assert other.check(proof(counter, digest=digest)) == frozenset(proof(counter, digest=digest))
        assert is_replay(other, proof(counter, digest=digest + 1))
    assert other.check(proof(6)) == frozenset()
    assert other.changed() == []


def test_what_an_older_bridge_tells_has_no_digests() -> None:
    counters = Counters()
    counters.learn(TelegramCounter("m1", "a", 200))
    assert counters.check(proof(200)) == frozenset()
    counters.confirm(proof(200))
    assert counters.check(proof(200)) == frozenset(proof(200))


@given(st.lists(st.integers(0, 200), max_size=40), st.integers(0, 300))
def test_every_telegram_of_the_window_is_known_again_and_no_other(confirmed: list[int], counter: int) -> None:
    counters = Counters()
    known: set[int] = set()
    for one in confirmed:
        if not is_replay(counters, proof(one)):
            counters.confirm(proof(one))
            known.add(one)
    if not is_replay(counters, proof(counter)):
        assert counters.check(proof(counter)) == (frozenset(proof(counter)) if counter in known else frozenset())


def test_a_record_that_cannot_be_read_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    shared = CounterTopic(
        Kafka("127.0.0.1:9", "PLAINTEXT", {}), Topic("meter.counters", ("TelegramCounter",), "", 4, None, True)
    )
    for value in (b"no record", encode(Beat("bridge", NOW)), None, encode(TelegramCounter("m1", "a", 200))):
        shared._learn(b"m1/a", value)
    assert is_replay(shared.counters, proof(200 - WINDOW - 1))
    assert caplog.text.count("passed over") == 1


KEYS = json.loads((CASES / "objects_ciphered" / "expected.json").read_text("utf-8"))["keys"]
((KEY,),) = [tuple(map(bytes.fromhex, written)) for written in KEYS.values()]


def proofs(keys: tuple[bytes, ...], case: str = "objects_ciphered") -> tuple[Proof, ...]:
    decode = DECODERS["dlms"](lambda title: keys if title in KEYS else ())["turin_electricity_three_phase"]
    address = Address("x", "turin_electricity_three_phase", "", Carries.READING)
    return decode(payload(CASES / case), address, NOW).proofs


def test_an_authenticated_telegram_proves_its_counter_with_the_key_that_fits() -> None:
    (alone,) = proofs((KEY,))
    assert alone.counter == 0x01020304
    assert proofs((OTHER_KEY, KEY)) == proofs((KEY, OTHER_KEY)) == (alone,)
    assert len(alone.key) == 8
    assert 0 < alone.digest < 1 << 32
    assert alone.key not in KEY.hex()


def test_what_is_not_authenticated_proves_nothing() -> None:
    assert proofs((KEY,), "list_by_position_three_phases") == ()


@pytest.mark.parametrize("key", [b"", bytes(16)])
def test_a_wrong_key_is_rejected_and_proves_nothing(key: bytes) -> None:
    with pytest.raises(Rejected):
        proofs((key,))
