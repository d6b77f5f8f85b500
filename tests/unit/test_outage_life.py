"""The life of an outage: the page and the table are one, and every line of it is taken."""

import re

import pytest

from streams.outage import life
from streams.outage.assumptions import Assumptions
from streams.outage.life import TABLE, Outage, Phase, Signal, hear, signals
from streams.outage.ranking import Finding

ASSUMED = Assumptions()


def outage(phase: Phase = Phase.PROVISIONAL, branch: int = 3) -> Outage:
    return Outage(1, 0, 0, 1_000, branch, 1_000, 1_500, phase=phase)


def finding(branch: int = 3, confidence: float = 1.0, still: float = 1.0, dark: tuple[int, ...] = (3,)) -> Finding:
    return Finding(0, branch, confidence, max(confidence, still), still, ((branch, confidence),), dark)


def test_the_page_is_the_table() -> None:
    page = re.findall(r"^    (\w+) +(\w+) +(\w+)$", life.__doc__ or "", re.MULTILINE)
    assert page[0] == ("state", "signal", "next")
    assert {(Phase(state), Signal(signal)): Phase(following) for state, signal, following in page[1:]} == TABLE


@pytest.mark.parametrize(("phase", "signal"), TABLE)
def test_every_line_is_followed(phase: Phase, signal: Signal) -> None:
    one = outage(phase)
    assert hear(one, signal)
    assert one.phase == TABLE[phase, signal]


def test_what_the_table_does_not_have_changes_nothing() -> None:
    for phase in Phase:
        for signal in set(Signal) - {known for state, known in TABLE if state == phase}:
            one = outage(phase)
            assert not hear(one, signal)
            assert one.phase == phase


def test_closed_is_the_end_and_everything_can_end() -> None:
    assert not [state for state, _ in TABLE if state == Phase.CLOSED]
    for phase in set(Phase) - {Phase.CLOSED}:
        assert TABLE[phase, Signal.ALL_BACK] == TABLE[phase, Signal.MERGED] == Phase.CLOSED


def test_located_needs_more_certainty_while_it_is_young() -> None:
    def said(age_ms: int, confidence: float) -> list[Signal]:
        return list(signals(outage(), finding(confidence=confidence), 1_500 + age_ms, ASSUMED))

    assert said(1_000, 1.0) == []
    assert said(10_000, 0.97) == [Signal.LOCATED]
    assert said(100_000, 0.94) == []
    assert Signal.LOCATED in said(200_000, 0.6)
    assert Signal.LOCATED not in said(200_000, 0.4)
    assert Signal.LOCATED in said(700_000, 0.2)


def test_the_likeliest_will_do_once_all_were_to_report() -> None:
    one = outage()
    one.awaits_ms = 250_000
    assert Signal.LOCATED not in signals(one, finding(confidence=0.6), 240_000, ASSUMED)
    assert Signal.LOCATED in signals(one, finding(confidence=0.6), 251_000, ASSUMED)
    assert Signal.LOCATED in signals(one, finding(confidence=0.96), 240_000, ASSUMED)
    one.awaits_ms = 3_600_000
    assert Signal.LOCATED in signals(one, finding(confidence=0.4), 700_000, ASSUMED)


def test_sustained_by_the_threshold_of_the_profile() -> None:
    one = outage(Phase.LOCATED)
    assert list(signals(one, finding(), 1_000 + 180_000, ASSUMED)) == [Signal.LOCATED]
    assert list(signals(one, finding(), 1_000 + 180_001, ASSUMED)) == [Signal.LOCATED, Signal.LASTED]
    assert Signal.LASTED not in signals(one, finding(), 1_000 + 180_001, Assumptions(sustained_ms=300_000))


def test_all_back_only_when_it_stays_so() -> None:
    one = outage(Phase.LOCATED)
    assert list(signals(one, finding(still=0.05, dark=()), 10_000, ASSUMED)) == []
    assert list(signals(one, finding(still=0.5, dark=()), 20_000, ASSUMED)) == [Signal.LOCATED]
    assert list(signals(one, finding(still=0.05, dark=()), 30_000, ASSUMED)) == []
    assert list(signals(one, finding(still=0.05, dark=()), 50_000, ASSUMED)) == [Signal.ALL_BACK]


def test_part_back_when_the_device_is_closed_and_a_branch_stays_dark() -> None:
    one = outage(Phase.SUSTAINED)
    assert Signal.PART_BACK not in signals(one, finding(dark=(5,)), 10_000, ASSUMED)
    assert Signal.PART_BACK in signals(one, finding(dark=(5,)), 30_000, ASSUMED)


def test_another_device_is_a_move() -> None:
    assert Signal.MOVED in signals(outage(branch=3), finding(branch=2, dark=(2,)), 10_000, ASSUMED)
