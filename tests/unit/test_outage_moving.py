"""What becomes of outages when the grid is published anew: they go on, or are accounted for."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemas.alert import Alert
from schemas.catalogue import load_catalogue
from schemas.master_data import GridBlock
from schemas.results import ReliabilityBlock
from streams.contract import Result
from streams.outage.known import Known
from streams.outage.life import Outage as Ongoing
from streams.outage.operator import Outage
from streams.outage.tree import Grid, Node
from streams.outage.trees import blocks_of, by_substation
from streams.shard import Shard
from tests.streams_log import BEGIN, WAY, Input, Row, beats, events, feed, heard

HOMES = [f"{transformer}m{i}" for transformer in ("T1", "T2", "T3", "T4") for i in range(4)]
SECOND = 1_000
NODES = [
    Node("S1", "", "substation"),
    Node("S2", "", "substation"),
    *(Node(feeder, "S1", "feeder") for feeder in ("F1", "F2")),
    Node("F3", "S2", "feeder"),
    Node("T1", "F1", "transformer"),
    Node("T2", "F1", "transformer"),
    Node("T3", "F2", "transformer"),
    Node("T4", "F3", "transformer"),
    *(Node(f"n{meter}", meter[:2], "meter", "", meter, f"u{meter}") for meter in HOMES),
]


def published(nodes: Sequence[Node], at: int) -> list[GridBlock]:
    return [block for name, own in by_substation(list(nodes)).items() for block in blocks_of(name, own, BEGIN + at)]


def moved(**above: str) -> list[Node]:
    """The grid with these nodes elsewhere."""
    return [replace(node, parent_id=above.get(node.node_id, node.parent_id)) for node in NODES]


def renamed(old: str, new: str) -> list[Node]:
    """The grid with another device in a device's place."""
    name = {old: new}
    return [
        replace(node, node_id=name.get(node.node_id, node.node_id), parent_id=name.get(node.parent_id, node.parent_id))
        for node in NODES
    ]


def without(*devices: str) -> list[Node]:
    """The grid without these devices and what hangs right under them."""
    return [node for node in NODES if not {node.node_id, node.parent_id} & {*devices}]


def live(begin: int, end: int, lit: Sequence[str]) -> list[Input]:
    """Meters that report every 10 s, each in its own second."""
    log: list[Input] = []
    for second in range(begin, end):
        at = BEGIN + SECOND * second
        now = [Row(meter, at, at, (230.0,)) for i, meter in enumerate(lit) if (second + i) % 10 == 0]
        log += [heard(now)] if now else []
        log += [*beats(at - SECOND, 1, source=WAY), *beats(at - SECOND, 1)]
    return log


def say(second: int, kind: str, meters: Sequence[str]) -> Input:
    return events([(meter, BEGIN + SECOND * second - 500, kind) for meter in meters])


def under(device: str) -> list[str]:
    return [meter for meter in HOMES if meter.startswith(device)]


def lit(*dark: str) -> list[str]:
    return [meter for meter in HOMES if not meter.startswith(dark)]


class Running:
    """A shard of both substations, and what it told."""

    def __init__(self) -> None:
        self.shard = Shard("grid", 0, {"outage": Outage()}, load_catalogue(), 250)
        self.told: list[Result] = []
        self.hear([*published(NODES, 0), *live(1, 60, HOMES)])

    def hear(self, log: Sequence[Input]) -> list[tuple[str, str]]:
        """The alerts' devices, and their endings or phases."""
        new = list(feed(self.shard, log))
        self.told += new
        return [(a.subject, a.evidence["ending"] or a.evidence["phase"]) for a in new if isinstance(a, Alert)]

    @property
    def grid(self) -> Grid:
        known = self.shard.wholes["outage"]
        assert isinstance(known, Known) and known.watch is not None
        return known.watch.grid

    @property
    def outages(self) -> list[Ongoing]:
        known = self.shard.wholes["outage"]
        assert isinstance(known, Known) and known.state is not None
        return known.state.outages

    def rows(self) -> dict[str, tuple[int, ...]]:
        """By feeder the newest row: customers, interruptions, how long these lasted, momentary events."""
        found = {}
        for block in self.told:
            if isinstance(block, ReliabilityBlock):
                columns = (block.customers, block.sustained_interruptions, block.sustained_ms, block.momentary_events)
                for row, feeder in enumerate(block.feeder):
                    found[feeder or block.substation] = tuple(int(column[row]) for column in columns)
        return found


@pytest.mark.parametrize("after", [20, 400], ids=["in its burst", "settled"])
def test_an_outage_whose_device_moves_to_another_substation_ends_and_is_told_anew(after: int) -> None:
    one = Running()
    one.hear([say(60, "last_gasp", under("T1")), *live(60, 60 + after, lit("T1"))])
    (before,) = one.outages
    told = one.hear([*published(moved(T1="F3"), 1), *live(60 + after, 100 + after, lit("T1"))])
    assert told[0] == ("T1", "momentary" if after == 20 else "restored")
    (goes_on,) = one.outages
    assert (one.grid.device(goes_on.branch), goes_on.start_ms) == ("T1", before.start_ms)
    assert goes_on.root != before.root
    one.hear([say(100 + after, "power_restored", under("T1")), *live(100 + after, 300 + after, HOMES)])
    lasted = (40 + after) * SECOND
    told_once = (8, 4, 4 * lasted, 0) if after == 400 else (8, 0, 0, 4)
    assert one.rows() == {"F1": (4, 0, 0, 0), "F2": (4, 0, 0, 0), "F3": told_once}


def test_a_settled_outage_whose_branch_moves_from_under_where_it_settled_is_followed_there() -> None:
    one = Running()
    one.hear([say(60, "last_gasp", under("T1")), *live(60, 460, lit("T1"))])
    (outage,) = one.outages
    outage.top = one.grid.branch_of["F1"]
    assert one.hear([*published(moved(T1="F2"), 1), *live(460, 500, lit("T1"))]) == []
    (outage,) = one.outages
    assert outage.top == outage.branch == one.grid.branch_of["T1"]
    assert one.hear([say(500, "power_restored", under("T1")), *live(500, 700, HOMES)]) == [("T1", "restored")]


def test_where_an_outage_settled_stays_as_long_as_it_is_over_its_branch() -> None:
    one = Running()
    one.hear([say(60, "last_gasp", under("T1")), *live(60, 460, lit("T1"))])
    (outage,) = one.outages
    outage.top = one.grid.branch_of["F1"]
    one.hear([*published(moved(T3="F3"), 1), *live(460, 462, lit("T1"))])
    (outage,) = one.outages
    assert outage.top == one.grid.branch_of["F1"]


def test_what_is_over_and_waits_to_be_accounted_for_counts_though_its_device_is_gone() -> None:
    one = Running()
    log = [*live(60, 70, lit("T1")), say(70, "power_restored", under("T1")), *live(70, 120, HOMES)]
    told = one.hear([say(60, "last_gasp", under("T1")), *log])
    assert told[-1] == ("T1", "momentary") and len(one.outages) == 1
    assert one.hear([*published(without("T1"), 1), *live(120, 180, HOMES)]) == []
    assert one.rows()["F1"] == (4, 0, 0, 4)


@pytest.mark.parametrize("after", [20, 400], ids=["in its burst", "settled"])
def test_an_outage_counts_until_its_device_is_gone_and_what_is_still_dark_is_told_anew(after: int) -> None:
    one = Running()
    one.hear([say(60, "last_gasp", under("T1")), *live(60, 60 + after, lit("T1"))])
    told = one.hear([*published(renamed("T1", "T9"), 1), *live(60 + after, 300 + after, lit("T1"))])
    assert told[0] == ("T1", "momentary" if after == 20 else "restored")
    assert told[-1][0] == "T9" and one.outages[-1].phase == "sustained"
    one.hear([say(300 + after, "power_restored", under("T1")), *live(300 + after, 500 + after, HOMES)])
    assert one.rows()["F1"] == (8, 4, 4 * (240 + after) * SECOND, 0)


def test_an_outage_counts_though_all_that_it_left_dark_is_taken_from_the_grid() -> None:
    one = Running()
    one.hear([say(60, "last_gasp", HOMES[:8]), *live(60, 460, HOMES[8:])])
    assert one.hear([*published(without("F1", "T1", "T2"), 1), *live(460, 470, HOMES[8:])]) == [("F1", "restored")]
    customers, interruptions, lasted_ms, _ = one.rows()["F1"]
    assert (customers, interruptions) == (0, 8), "nobody is there any more, and eight were"
    assert lasted_ms == pytest.approx(8 * 400 * SECOND, rel=0.01)


def test_customers_of_a_feeder_that_is_renamed_count_once_a_day() -> None:
    one = Running()
    one.hear([*published(renamed("F1", "F9"), 1), *live(60, 62, HOMES)])
    assert {feeder: row[0] for feeder, row in one.rows().items()} == {"F1": 0, "F9": 8, "F2": 4, "F3": 4}
