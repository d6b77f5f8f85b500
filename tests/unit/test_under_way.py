"""Who waits for whose telegrams, for any order of arrivals."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.readings import Proof
from connectors.under_way import UnderWay


def proofs(*counters: int) -> list[Proof]:
    return [Proof("m1", "k", counter, 1) for counter in counters]


def test_who_comes_later_waits_for_what_is_under_way_and_brings_the_rest() -> None:
    under_way = UnderWay[str]()
    assert under_way.begin("a", proofs(1, 2)) == (proofs(1, 2), frozenset())
    assert under_way.begin("b", proofs(2, 3)) == (proofs(3), frozenset(proofs(2)))
    assert under_way.begin("c", proofs(1, 2)) == ([], frozenset(proofs(1, 2)))
    assert under_way.end(proofs(1, 2)) == ["c", "b", "c"]
    assert under_way.end(proofs(3)) == []
    assert under_way.begin("d", proofs(1)) == (proofs(1), frozenset())


def test_nobody_waits_for_itself() -> None:
    under_way = UnderWay[str]()
    assert under_way.begin("a", proofs(1, 1)) == (proofs(1), frozenset())
    assert under_way.end(proofs(1)) == []


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=8))
def test_everybody_hears_of_each_that_it_waits_for_and_once(told: list[list[int]]) -> None:
    under_way = UnderWay[int]()
    begun = [under_way.begin(token, proofs(*counters)) for token, counters in enumerate(told)]
    heard = [token for own, _ in begun for token in under_way.end(own)]
    assert sorted(heard) == sorted(token for token, (_, awaited) in enumerate(begun) for _ in awaited)
    assert all({*own} | awaited == {*proofs(*counters)} for (own, awaited), counters in zip(begun, told, strict=True))
