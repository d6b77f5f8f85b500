"""What a router decides: which alerts, when, in which order, which not, and up to where it may commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.origin import Origin
from connectors.router.deliveries import Deliveries, Outcome
from connectors.router.marks import Marks
from connectors.router.matching import hold_off_s, wants
from connectors.router.storm import Storm
from connectors.router.waiting import LONGEST_PAUSE_MS, Letter, Waiting
from schemas.alert import Alert, AlertDelivery, AlertMark
from schemas.topology import Rule

S = 1_000


def alert(name: str, number: int, state: str = "updated", phase: str = "", **changes: str) -> Alert:
    """A version of the outage of that name; raised where it is the first."""
    changes = {"kind": "outage", "severity": "info" if state == "cleared" else "critical", **changes}
    evidence = {"phase": phase} if phase else {}
    state = "raised" if number == 1 and state == "updated" else state
    return Alert(
        name, number, changes["kind"], changes["severity"], state, changes.get("subject", name),
        changes.get("feeder", "f-1"), changes.get("substation", "ms-1"), 0, 0, name, evidence,
    )  # fmt: skip


def mark(**said: object) -> AlertMark:
    content: dict[str, object] = dict.fromkeys(("alert", "kind", "subject", "area", "severity", "by", "reason"), "")
    content |= {"id": "k", "mark": "silenced", "at": 0, "until": 0, **said}
    return AlertMark(**content)  # type: ignore[arg-type]


@dataclass
class Desk:
    """A router without its receiver: alerts in, names of what goes out."""

    rules: Sequence[Rule] = (Rule(),)
    marks: Marks = field(default_factory=Marks)
    deliveries: Deliveries = field(default_factory=lambda: Deliveries("r"))
    records: list[AlertDelivery] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.rules, self.marks, self.deliveries)

    def put(self, *alerts: Alert, now: int = 0) -> None:
        for one in alerts:
            letter = Letter(one, b"", Origin("alerts", 0, self.offset), now, now)
            self.offset += 1
            self.records += self.waiting.take(letter, now)

    def ready(self, now: int = 0, most: int = 100) -> list[Letter]:
        letters, spared = self.waiting.due(now, most)
        self.records += spared
        return letters

    def deliver(self, now: int = 0, most: int = 100) -> list[str]:
        letters = self.ready(now, most)
        self.records += self.waiting.settle(letters, Outcome.DELIVERED, now)
        return [f"{letter.alert.id}/{letter.alert.number}" for letter in letters]

    @property
    def outcomes(self) -> list[str]:
        return [f"{one.alert}/{one.number} {one.outcome}" for one in self.records]

    @property
    def committed(self) -> int:
        return self.waiting.next_offsets()["alerts", 0]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (Rule(), True),
        (Rule(kinds=("anomaly", "outage")), True),
        (Rule(kinds=("anomaly",)), False),
        (Rule(severity="critical"), True),
        (Rule(severity="warning"), True),
        (Rule(areas=("ms-1",)), True),
        (Rule(areas=("ms-2", "ms-1/f-1")), True),
        (Rule(areas=("f-1",)), True),
        (Rule(areas=("ms-1/f-2", "ms")), False),
        (Rule(states=("raised",)), True),
        (Rule(states=("updated", "cleared")), False),
    ],
)
def test_a_rule_wants(rule: Rule, wanted: bool) -> None:
    assert wants(rule, alert("a", 1), told=False) is wanted
    assert wants(rule, alert("a", 3), told=False) is wanted, "the first that is heard of it counts as raised"


def test_what_was_told_is_told_to_the_end_wherever_it_moves() -> None:
    rule = Rule(severity="critical", areas=("ms-2",))
    over = alert("a", 2, "cleared")
    assert wants(rule, over, told=True) and not wants(rule, over, told=False)
    assert not wants(Rule(states=("raised",)), over, told=True)
    assert not wants(Rule(kinds=("anomaly",)), over, told=True)


def test_the_most_impatient_rule_holds() -> None:
    rules = (Rule(hold_off_s=60), Rule(severity="critical", hold_off_s=20), Rule(kinds=("anomaly",)))
    assert hold_off_s(rules, alert("a", 1, phase="provisional"), told=False) == 20
    assert hold_off_s(rules, alert("a", 1, phase="located"), told=False) == 0
    assert hold_off_s(rules, alert("a", 1, phase="provisional", kind="presence", severity="info"), False) == 60
    assert hold_off_s((Rule(kinds=("x",)),), alert("a", 1), told=False) is None


def test_each_version_once_whatever_comes_again() -> None:
    desk = Desk()
    desk.put(alert("a", 1), alert("b", 1), alert("a", 1), alert("a", 2))
    assert desk.deliver() == ["a/1", "b/1", "a/2"]
    desk.put(alert("a", 1), alert("a", 2), alert("a", 3))
    assert desk.deliver() == ["a/3"]
    assert desk.committed == 7


def test_what_no_rule_wants_is_passed_over_and_leaves_no_record() -> None:
    desk = Desk(rules=[Rule(kinds=("anomaly",))])
    desk.put(alert("a", 1), alert("a", 2, "cleared"))
    assert desk.deliver() == desk.outcomes == []
    assert desk.committed == 2 and len(desk.waiting) == 0


def test_nobody_is_told_that_something_is_over_that_he_was_not_told_of() -> None:
    desk = Desk(rules=[Rule(severity="critical")])
    desk.put(alert("a", 1, severity="warning"), alert("a", 2, "cleared"))
    assert desk.deliver() == []
    desk.put(
        alert("b", 1, severity="warning"), alert("b", 2), alert("b", 3, severity="warning"), alert("b", 4, "cleared")
    )
    assert desk.deliver() == ["b/2", "b/3", "b/4"]


def test_a_provisional_outage_waits_and_goes_out_if_nothing_surer_comes() -> None:
    desk = Desk(rules=[Rule(hold_off_s=60)])
    desk.put(alert("a", 1, phase="provisional"), alert("b", 1))
    assert desk.deliver() == ["b/1"], "nobody else waits for it"
    assert desk.committed == 0, "it is read again after a restart"
    assert desk.deliver(59 * S) == []
    assert desk.deliver(60 * S) == ["a/1"]
    assert desk.committed == 2


def test_the_surer_version_takes_its_place_at_once() -> None:
    desk = Desk(rules=[Rule(hold_off_s=60, states=("raised",))])
    desk.put(alert("a", 1, phase="provisional"))
    desk.put(alert("a", 2, phase="located"), now=5 * S)
    assert desk.deliver(5 * S) == ["a/2"]
    assert desk.outcomes == ["a/1 superseded", "a/2 delivered"]


def test_a_momentary_one_is_never_told() -> None:
    desk = Desk(rules=[Rule(hold_off_s=60)])
    desk.put(alert("a", 1, phase="provisional"))
    desk.put(alert("a", 2, "cleared"), now=30 * S)
    assert desk.deliver(30 * S) == desk.deliver(100 * S) == []
    assert desk.committed == 2


def test_one_that_stays_provisional_does_not_wait_for_ever() -> None:
    desk = Desk(rules=[Rule(hold_off_s=60)])
    for number in range(1, 7):
        desk.put(alert("a", number, phase="provisional"), now=number * 10 * S)
    assert desk.deliver(69 * S) == []
    assert desk.deliver(70 * S) == ["a/6"]


@pytest.mark.parametrize(
    ("said", "spared"),
    [
        ({"kind": "outage"}, True),
        ({"kind": "anomaly"}, False),
        ({"area": "ms-1"}, True),
        ({"area": "ms-1/f-1", "subject": "a"}, True),
        ({"area": "ms-1", "subject": "b"}, False),
        ({"severity": "critical"}, True),
        ({"severity": "warning"}, False),
        ({"until": 10}, True),
        ({"until": 5}, False),
        ({"at": 6}, False),
        ({"alert": "a", "mark": "acknowledged"}, True),
        ({"alert": "b", "mark": "acknowledged"}, False),
    ],
)
def test_marks_spare(said: dict[str, object], spared: bool) -> None:
    desk = Desk()
    desk.marks.learn(mark(**said))
    desk.put(alert("a", 1), now=5)
    assert desk.deliver(5) == ([] if spared else ["a/1"])
    assert desk.committed == 1


def test_what_is_acknowledged_while_it_waits_is_spared_and_told_when_over() -> None:
    desk = Desk()
    desk.put(alert("a", 1))
    assert desk.deliver() == ["a/1"]
    desk.put(alert("a", 2))
    desk.marks.learn(mark(alert="a", mark="acknowledged"))
    assert desk.deliver() == []
    desk.put(alert("a", 3), alert("a", 4, "cleared"))
    assert desk.deliver() == ["a/4"]
    assert desk.outcomes == ["a/1 delivered", "a/2 acknowledged", "a/3 acknowledged", "a/4 delivered"]


def test_a_mark_is_lifted_by_its_newest_record() -> None:
    desk = Desk()
    desk.marks.learn(mark(kind="outage"))
    desk.marks.learn(mark(kind="outage", until=5))
    desk.put(alert("a", 1), now=5)
    assert desk.deliver(5) == ["a/1"]


def test_a_deferred_letter_lets_others_go_first_but_not_its_own_successors() -> None:
    desk = Desk()
    desk.put(alert("a", 1), alert("a", 2), alert("b", 1))
    desk.waiting.defer(desk.ready(most=1), 0)
    assert desk.deliver() == ["b/1"]
    assert desk.committed == 0
    assert desk.deliver(1 * S) == ["a/1", "a/2"]
    assert desk.committed == 3


def test_pauses_double_up_to_a_bound() -> None:
    desk, now, pauses = Desk(), 0, []
    desk.put(alert("a", 1))
    for _ in range(30):
        (letter,) = desk.ready(now)
        desk.waiting.defer([letter], now)
        pauses.append(letter.due_ms - now)
        now = letter.due_ms
    assert pauses[:4] == [1 * S, 2 * S, 4 * S, 8 * S] and pauses[-1] == LONGEST_PAUSE_MS


def test_partitions_that_go_to_another_router_take_their_letters_along() -> None:
    desk = Desk()
    desk.put(alert("a", 1), alert("b", 1))
    desk.waiting.forget([("alerts", 0)])
    assert len(desk.waiting) == 0 and desk.waiting.next_offsets() == {} and desk.waiting.oldest_ms() is None


LOG = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.sampled_from(["provisional", "located"]), st.booleans()),
    max_size=30,
)


@given(log=LOG, seed=st.randoms(use_true_random=False), kills=st.integers(0, 5))
def test_restarts_at_any_moment_lose_and_repeat_nothing(
    log: list[tuple[str, int, str, bool]], seed: Random, kills: int
) -> None:
    """Against a router that is never killed: the same versions, each once, those of an alert in order.

    Of versions that are held off, the newest one alone counts: which of those before it were overtaken depends on when.
    """
    alerts = [alert(name, number, "cleared" if over else "updated", phase) for name, number, phase, over in log]
    whole, _ = _run(alerts, [])
    stops = sorted(seed.randrange(3 * len(alerts) + 1) for _ in range(kills))
    torn, commits = _run(alerts, stops)
    assert len(set(torn)) == len(torn)
    held = {f"{name}/{number}" for name, number, phase, _ in log if phase == "provisional"}
    for name in "abc":
        told, expected = ([one for one in run if one[0] == name] for run in (torn, whole))
        assert [one for one in told if one not in held] == [one for one in expected if one not in held]
        assert told[-1:] == expected[-1:]
    assert commits == sorted(commits)


def _run(alerts: list[Alert], stops: list[int]) -> tuple[list[str], list[int]]:
    """What goes out, and what is committed, by one router after another; each alert comes 1 s after the one before."""
    told: list[str] = []
    log: list[AlertDelivery] = []
    commits, begin, steps = [0], 0, 0
    for stop in [*stops, 10**9]:
        desk = Desk(rules=[Rule(hold_off_s=3)])
        for record in log:
            desk.deliveries.learn(record)
        desk.offset = begin
        for now in range(begin, len(alerts) + 10):
            steps += 1
            if steps > stop:
                break
            if now < len(alerts):
                desk.put(alerts[now], now=now * S)
            told += desk.deliver(now * S, most=1) + desk.deliver(now * S)
            begin = desk.waiting.next_offsets().get(("alerts", 0), begin)
            commits.append(begin)
        log += desk.records
    return told, commits


def test_a_storm_is_few_mails_and_all_of_it_is_in_them() -> None:
    storm, mails, waiting = Storm(above=3, every_ms=60 * S), [], []
    for now in range(0, 600 * S, 100):
        if now < 300 * S:
            waiting.append(now)
        chosen = list(storm.choose(waiting, now))
        if chosen:
            waiting = waiting[len(chosen) :]
            mails.append((now, chosen))
            storm.sent(now)
    assert [one for _, chosen in mails for one in chosen] == list(range(0, 300 * S, 100))
    for sent, _ in mails:
        assert sum(sent <= other < sent + 60 * S for other, _ in mails) <= 3
    assert max(one_sent - chosen[0] for one_sent, chosen in mails) <= 120 * S
