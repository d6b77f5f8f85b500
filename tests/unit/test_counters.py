"""Counters: what goes back too far is a replay, per key; only what Kafka has counts; bridges tell each other."""

import json
from pathlib import Path

import pytest

from connectors.counters import WINDOW, Counters
from connectors.decode.readings import Address, Carries, Proof
from connectors.registry import DECODERS
from schemas.blocks import TelegramCounter
from schemas.errors import Reason, Rejected
from streams.order import SEEN
from tests.unit.test_dlms_cases import payload

NOW = 1_795_608_000_000
CASES = Path(__file__).parents[1] / "cases" / "dlms"
OTHER_KEY = bytes(range(100, 116))


def proof(counter: int, key: str = "a", holder: str = "m1") -> tuple[Proof, ...]:
    return (Proof(holder, key, counter),)


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
    assert one.changed() == [TelegramCounter("m1", "a", 7)]
    assert one.changed() == []
    other.confirm(proof(100))
    for told in (TelegramCounter("m1", "a", 200), TelegramCounter("m1", "a", 150)):
        other.learn(told)
    assert is_replay(other, proof(200 - WINDOW - 1))
    assert other.changed() == [TelegramCounter("m1", "a", 200)], "learned meanwhile: telling it again harms nothing"


KEYS = json.loads((CASES / "objects_ciphered" / "expected.json").read_text("utf-8"))["keys"]
((KEY,),) = [tuple(map(bytes.fromhex, written)) for written in KEYS.values()]


def proofs(keys: tuple[bytes, ...], case: str = "objects_ciphered") -> tuple[Proof, ...]:
    decode = DECODERS["dlms"](lambda title: keys)["turin_electricity_three_phase"]
    address = Address("x", "turin_electricity_three_phase", "", Carries.READING)
    return decode(payload(CASES / case), address, NOW).proofs


def test_an_authenticated_telegram_proves_its_counter_with_the_key_that_fits() -> None:
    (alone,) = proofs((KEY,))
    assert alone.counter == 0x01020304
    assert proofs((OTHER_KEY, KEY)) == proofs((KEY, OTHER_KEY)) == (alone,)
    assert len(alone.key) == 8
    assert alone.key not in KEY.hex()


def test_what_is_not_authenticated_proves_nothing() -> None:
    assert proofs((KEY,), "list_by_position_three_phases") == ()


@pytest.mark.parametrize("key", [b"", bytes(16)])
def test_a_wrong_key_is_rejected_and_proves_nothing(key: bytes) -> None:
    with pytest.raises(Rejected):
        proofs((key,))
