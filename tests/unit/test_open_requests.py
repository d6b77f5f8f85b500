"""What is asked for is answered or asked for again after a restart: a group commits no further than what is open."""

from flexmeter.recomputation.loop import together
from flexmeter.recomputation.open_requests import MeterHour, OpenRequests, SubstationHour

ONE, TWO, OTHER = MeterHour("p", 0, "m1"), MeterHour("p", 0, "m2"), MeterHour("p", 3_600_000, "m1")
LOADS = SubstationHour("S1", 0)


def test_nothing_is_committed_beyond_the_oldest_open_hour() -> None:
    requests = OpenRequests()
    requests.take(0, 5, [ONE])
    requests.take(0, 6, [TWO, ONE])
    requests.take(1, 3, [OTHER])
    assert requests.next_offsets() == {0: 5, 1: 3}
    requests.done([ONE])
    assert requests.next_offsets() == {0: 6, 1: 3}
    requests.done([TWO, OTHER])
    assert requests.next_offsets() == {0: 7, 1: 4} and not len(requests)


def test_what_an_answer_leads_to_keeps_its_place() -> None:
    requests = OpenRequests()
    requests.take(0, 5, [ONE])
    requests.take(0, 9, [TWO])
    requests.done([TWO], [(TWO, LOADS)])
    requests.done([ONE], [(ONE, LOADS)])
    assert requests.due(held=False) == [LOADS] and requests.next_offsets() == {0: 5}


def test_what_cannot_be_answered_yet_waits_unless_it_is_asked_for_again() -> None:
    requests = OpenRequests()
    requests.take(0, 5, [ONE, TWO])
    requests.hold([ONE, TWO])
    assert requests.due(held=False) == [] and requests.due(held=True) == [ONE, TWO]
    requests.take(0, 6, [TWO])
    assert requests.due(held=False) == [TWO] and requests.next_offsets() == {0: 5}


def test_what_went_to_another_member_is_forgotten() -> None:
    requests = OpenRequests()
    requests.take(0, 5, [ONE])
    requests.take(1, 5, [TWO])
    requests.hold([ONE])
    requests.revoked([0])
    assert requests.due(held=True) == [TWO] and requests.next_offsets() == {1: 5}
    assert ONE not in requests and TWO in requests


def test_meters_of_an_hour_are_answered_together_and_substations_one_by_one() -> None:
    requests = OpenRequests()
    follows = MeterHour("p", 0, "m3", follows=True)
    requests.take(0, 1, [OTHER, ONE, TWO, LOADS, follows, SubstationHour("S2", 0)])
    requests.take(1, 1, [MeterHour("p", 0, "m9")])
    groups = list(together(requests.due(held=False), requests))
    assert [ONE, TWO] in groups and [OTHER] in groups and [follows] in groups and [LOADS] in groups
    assert sorted(map(len, groups)) == [1, 1, 1, 1, 1, 2]
