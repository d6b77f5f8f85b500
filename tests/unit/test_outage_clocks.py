"""A clock that is far ahead for a moment, and then right again: what happens afterwards is told as ever."""

from collections.abc import Sequence

import numpy as np
import pytest

from schemas.alert import Alert
from schemas.blocks import EventBlock
from schemas.master_data import PlannedWorkBlock
from schemas.results import HeardBlock
from streams.outage.evidence import TIMES
from streams.outage.operator import Outage
from streams.outage.tree import Node
from tests.streams_log import BEGIN, SOURCE, WAY, Row, events, grid_blocks, heard

SECOND, HOUR = 1_000, 3_600_000
HOMES = [f"m{i}" for i in range(8)]
NODES = [
    Node("S1", "", "substation"),
    Node("T1", "S1", "transformer"),
    Node("T2", "S1", "transformer"),
    *(Node(f"n{i}", "T1" if i < 4 else "T2", "meter", "", meter) for i, meter in enumerate(HOMES)),
]
TOWN = [f"m{i}" for i in range(24)]
TOWN_NODES = [
    Node("S1", "", "substation"),
    *(Node(feeder, "S1", "feeder") for feeder in ("F1", "F2")),
    *(Node(f"T{i + 1}", "F2" if i == 2 else "F1", "transformer") for i in range(4)),
    *(Node(f"n{i}", f"T{i // 6 + 1}", "meter", "", meter) for i, meter in enumerate(TOWN)),
]
"""Six homes at each transformer; T3 hangs at F2, the others at F1."""
Evidence = EventBlock | HeardBlock | PlannedWorkBlock


class Told:
    """Turns of a second, each ended by beats of the bridge and the way; some of these an hour ahead.

    `by_bridge`: it is the bridge that gives the readings their time.
    """

    def __init__(
        self, ahead: Sequence[tuple[str, int]] = (), by_bridge: bool = False, nodes: Sequence[Node] = NODES
    ) -> None:
        self.operator = Outage()
        self.known = self.operator.whole()
        self.ahead = set(ahead)
        self.by_bridge = by_bridge
        self.alerts: list[Alert] = []
        self.operator.on_turn(self.known, grid_blocks(nodes), None)
        self.homes = [node.meter_id for node in nodes if node.meter_id]

    def turns(self, begin: int, end: int, lit: Sequence[str], first: Sequence[Evidence] = ()) -> list[tuple[str, str]]:
        """Meters report every 10 s, each in its own second; the alerts' devices, and their endings or phases."""
        came: list[Evidence] = [*first]
        before = len(self.alerts)
        for second in range(begin, end):
            at = BEGIN + SECOND * second
            now = [meter for i, meter in enumerate(self.homes) if meter in lit and (second + i) % 10 == 0]
            clock = at + HOUR * (self.by_bridge and (SOURCE, second) in self.ahead)
            came += [heard([Row(meter, clock, clock, (230.0,)) for meter in now])] if now else []
            beats = {name: at + HOUR * ((name, second) in self.ahead) for name in (SOURCE, WAY)}
            self.alerts += [one for one in self.operator.on_turn(self.known, came, beats) if isinstance(one, Alert)]
            came = []
        return [(a.subject, a.evidence["ending"] or a.evidence["phase"]) for a in self.alerts[before:]]


def say(second: int, kind: str, meters: Sequence[str]) -> EventBlock:
    return events([(meter, BEGIN + SECOND * second - 500, kind) for meter in meters])


BOTH = (SOURCE, WAY)
JUMPS = {
    "both": [(name, 100) for name in BOTH],
    "the bridge": [(SOURCE, 100)],
    "the way": [(WAY, 100)],
    "for four turns": [(name, second) for name in BOTH for second in range(98, 102)],
}
jumps = pytest.mark.parametrize("ahead", JUMPS.values(), ids=JUMPS)


@jumps
def test_last_gasps_after_it_are_told_as_ever(ahead: Sequence[tuple[str, int]]) -> None:
    one = Told(ahead)
    assert one.turns(1, 120, HOMES) == []
    assert one.turns(120, 420, HOMES[4:], [say(120, "last_gasp", HOMES[:4])]) == [
        ("T1", "provisional"), ("T1", "located"), ("T1", "sustained"),
    ]  # fmt: skip
    assert one.turns(420, 560, HOMES, [say(420, "power_restored", HOMES[:4])]) == [("T1", "restored")]
    assert one.alerts[-1].evidence["end_ms"] == BEGIN + 420 * SECOND - 500


@jumps
def test_silence_after_it_tells_an_outage_as_ever(ahead: Sequence[tuple[str, int]]) -> None:
    one, right = Told(ahead), Told()
    for told in (one, right):
        assert told.turns(1, 120, HOMES) == []
        assert told.turns(120, 500, HOMES[4:]) == [("T1", "provisional"), ("T1", "located"), ("T1", "sustained")]
    late_ms = [ours.at - theirs.at for ours, theirs in zip(one.alerts, right.alerts, strict=True)]
    assert max(late_ms) <= 10 * SECOND, "an interval of the meters"


@jumps
def test_an_outage_that_was_open_ends_as_ever(ahead: Sequence[tuple[str, int]]) -> None:
    one = Told(ahead)
    assert one.turns(1, 60, HOMES) == []
    told = one.turns(60, 300, HOMES[4:], [say(60, "last_gasp", HOMES[:4])])
    assert {device for device, _ in told} == {"T1"} and len({alert.id for alert in one.alerts}) == 1
    assert one.turns(300, 460, HOMES, [say(300, "power_restored", HOMES[:4])]) == [("T1", "restored")]


@jumps
def test_the_calendar_is_kept(ahead: Sequence[tuple[str, int]]) -> None:
    one = Told(ahead)
    start, end = (np.array([BEGIN + at * SECOND]) for at in (200, 300))
    assert one.turns(1, 220, HOMES, [PlannedWorkBlock("S1", BEGIN, ["T1"], start, end)]) == []
    assert one.turns(220, 280, HOMES[4:], [say(220, "last_gasp", HOMES[:4])]) == []


def test_readings_that_such_a_clock_timed_hide_no_outage() -> None:
    one = Told(JUMPS["for four turns"] + [(name, second) for name in BOTH for second in range(102, 110)], True)
    assert one.turns(1, 200, HOMES) == []
    assert one.turns(200, 300, HOMES[4:], [say(200, "last_gasp", HOMES[:4])]) == [
        ("T1", "provisional"),
        ("T1", "located"),
    ]


def test_work_that_is_taken_back_hides_nothing_from_then_on() -> None:
    one, (start, end) = Told(), (np.array([BEGIN + at * SECOND]) for at in (60, 3_000))
    assert one.turns(1, 120, HOMES, [PlannedWorkBlock("S1", BEGIN, ["T1"], start, end)]) == []
    nothing = PlannedWorkBlock("S1", BEGIN + 120 * SECOND, [], start[:0], end[:0])
    assert one.turns(120, 180, HOMES, [nothing]) == []
    assert one.turns(180, 240, HOMES[4:], [say(180, "last_gasp", HOMES[:4])]) == [
        ("T1", "provisional"),
        ("T1", "located"),
    ]


def works(*spans: tuple[int, int], at: int = 0) -> PlannedWorkBlock:
    """At T1; seconds."""
    starts, ends = (np.array([BEGIN + span[i] * SECOND for span in spans], np.int64) for i in (0, 1))
    return PlannedWorkBlock("S1", BEGIN + at * SECOND, ["T1"] * len(spans), starts, ends)


@pytest.mark.parametrize("lasted", [120, 300])
def test_a_wider_outage_during_work_ends_with_its_own_meters(lasted: int) -> None:
    """T1 is worked at and dark; then the other transformers of its feeder fail, and are back long before it."""
    one, back, rest = Told(nodes=TOWN_NODES), 500 + lasted, [*TOWN[6:12], *TOWN[18:]]
    assert one.turns(1, 120, TOWN, [works((100, 3_000))]) == []
    assert one.turns(120, 500, TOWN[6:]) == []
    told = one.turns(500, back, TOWN[12:18], [say(500, "last_gasp", rest)])
    told += one.turns(back, 1_200, TOWN[6:], [say(back, "power_restored", rest)])
    assert told[-1][1] in ("momentary", "restored") and len(told) <= 5, told
    assert one.alerts[-1].evidence["end_ms"] == BEGIN + back * SECOND - 500


def test_the_gap_of_planned_work_is_no_interval_of_a_clock_that_is_ahead() -> None:
    one = Told()
    one.turns(1, 120, HOMES, [works((110, 1_500))])
    one.turns(120, 1_500, HOMES[4:])
    early = [
        Row(HOMES[0], BEGIN + (second + 2) * SECOND, BEGIN + second * SECOND, (230.0,)) for second in (1_500, 1_510)
    ]
    for number, row in enumerate(early):
        one.turns(1_500 + 10 * number, 1_510 + 10 * number, HOMES[4:], [heard([row])])
    state = one.known.state
    assert state is not None
    assert state.meters["interval_ms"][one.known.watch.grid.row_of[HOMES[0]]] <= 11 * SECOND


def test_what_came_within_work_counts_for_nothing_however_seldom_turns_are() -> None:
    """The turn in which the work begins and ends brings all that was said meanwhile."""
    one = Told()
    assert one.turns(1, 120, HOMES, [works((200, 210))]) == []
    at = BEGIN + 400 * SECOND
    came = [say(205, "last_gasp", HOMES[:4])]
    results = one.operator.on_turn(one.known, came, dict.fromkeys((SOURCE, WAY), at))
    assert [one for one in results if isinstance(one, Alert)] == []


def test_nothing_lies_ahead_once_the_clock_is_right_again() -> None:
    one = Told(JUMPS["both"], by_bridge=True)
    one.turns(1, 100, HOMES)
    one.turns(100, 101, HOMES, [say(3_700, "last_gasp", HOMES[:4])])
    state = one.known.state
    assert state is not None
    now_ms, times = BEGIN + 101 * SECOND, [state.alive_ms, state.burst_ms, *(state.meters[name] for name in TIMES)]
    assert sum(known.max() > now_ms for known in times) > 4
    one.turns(101, 102, HOMES)
    assert [known for known in times if known.max() > now_ms] == []
