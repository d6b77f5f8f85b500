"""What feeds the outages: the published grid, the ways by which meters are heard, a grid that changes, days."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flexmeter.grid_file import Work, nodes_of, read_calendar, read_grid, works_at
from schemas.alert import Alert
from schemas.blocks import EventBlock
from schemas.catalogue import load_catalogue
from schemas.faults import Faults
from schemas.master_data import GridBlock, PlannedWorkBlock
from schemas.register import load_register
from schemas.results import HeardBlock
from schemas.topology import Stream
from streams.outage.evidence import Kind, new_meters
from streams.outage.intake import news_of
from streams.outage.known import Known
from streams.outage.operator import Outage
from streams.outage.tree import Grid, Node
from streams.outage.trees import Trees, blocks_of, by_substation
from streams.outage.ways import Ways
from streams.registry import operators_of
from streams.shard import Shard
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, SOURCE, WAY, Row, beats, events, feed, grid_blocks, heard

HOMES = [f"m{i}" for i in range(8)]
NODES = [
    Node("S1", "", "substation"),
    Node("own", "S1", "meter", "", "own", "-"),
    Node("F1", "S1", "feeder"),
    Node("T1", "F1", "transformer"),
    Node("T2", "F1", "transformer"),
    *(Node(f"n{i}", "T1" if i < 4 else "T2", "meter", "", meter, f"u{i}") for i, meter in enumerate(HOMES)),
]


def publish(trees: Trees, nodes: list[Node], at: int, substation: str = "S1") -> Grid | None:
    return trees.take(list(blocks_of(substation, nodes, at)))


# The grid as published


def test_a_grid_is_taken_once_all_of_its_parts_are_there() -> None:
    trees = Trees()
    *parts, last = grid_blocks(NODES, cut=2)
    assert trees.take([last, *parts[1:]]) is None
    grid = trees.take(parts[:1])
    assert grid is not None and grid.meter_ids == ["own", *HOMES]
    assert trees.take([*parts, last]) is None, "the same again"


def test_of_two_publications_the_newer_one_holds_in_whatever_order() -> None:
    trees = Trees()
    assert publish(trees, NODES, 2) is not None
    assert publish(trees, NODES[:-1], 1) is None
    grid = publish(trees, NODES[:-1], 3)
    assert grid is not None and HOMES[-1] not in grid.row_of


def test_a_grid_with_faults_leaves_the_one_before_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    trees = Trees()
    publish(trees, NODES, 1)
    assert publish(trees, [*NODES, Node("x", "nowhere", "meter", "", "x")], 2) is None
    found = trees.grid()
    assert found is not None and "x" not in found.row_of
    assert "'nowhere'" in caplog.text


def test_a_meter_that_moved_stands_where_the_newer_publication_has_it() -> None:
    trees = Trees()
    publish(trees, NODES, 1)
    elsewhere = [
        Node("S2", "", "substation"),
        Node("n7", "S2", "meter", "", HOMES[7]),
        Node("z", "S2", "meter", "", "z"),
    ]
    grid = publish(trees, elsewhere, 2, "S2")
    assert grid is not None
    branch = int(grid.meter_branch[grid.row_of[HOMES[7]]])
    assert grid.node_ids[int(grid.roots[grid.root_of[branch]])][0] == "S2"


def test_what_hung_under_a_meter_that_moved_away_waits_for_its_substation() -> None:
    """A meter that others hang under moves to a node of another name: nothing is over these any more."""
    trees = Trees()
    under = [Node("a", "n7", "meter", "", "a"), Node("b", "a", "meter", "", "b")]
    publish(trees, [*NODES, *under], 1)
    elsewhere = [Node("S2", "", "substation"), *(Node(f"x{name}", "S2", "meter", "", name) for name in ("m7", "z"))]
    grid = publish(trees, elsewhere, 2, "S2")
    assert grid is not None and {"m6", "m7", "z"} < grid.row_of.keys() and not {"a", "b"} & grid.row_of.keys()
    grid = publish(trees, [*NODES[:-1], *(replace(node, parent_id="T2") for node in under)], 3)
    assert grid is not None and {"m6", "m7", "z", "a", "b"} < grid.row_of.keys()


def test_a_switch_that_moved_before_its_old_substation_is_published_takes_what_hangs_under_it_along() -> None:
    trees = Trees()
    publish(trees, NODES, 1)
    elsewhere = [Node("S2", "", "substation"), Node("T2", "S2", "transformer"), NODES[-1]]
    grid = publish(trees, elsewhere, 2, "S2")
    assert grid is not None and [grid.node_ids[root][0] for root in grid.roots] == ["S1", "S2"]
    assert grid.row_of.keys() == {"own", *HOMES}


def test_substations_bring_the_gateways_of_their_meters() -> None:
    nodes = [
        Node("S1", "", "substation"), Node("S2", "", "substation"),
        Node("a", "S1", "meter", "", "a", "", "g1"), Node("b", "S2", "meter", "", "b", "", "a"),
        Node("g1", "", "gateway", comm_parent_id="g0"), Node("g0", "", "gateway"), Node("g2", "", "gateway"),
    ]  # fmt: skip
    found = {name: [node.node_id for node in own] for name, own in by_substation(nodes).items()}
    assert found == {"S1": ["S1", "a", "g1", "g0"], "S2": ["S2", "b", "g1", "g0"]}


def test_the_register_as_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    path.write_text(
        "meter_id,profile,substation,feeder,building,usage_point,transformer,comm_parent\n"
        "m1,malmo_household,s1,f1,b1,u1,t1,g1\n"
        "m2,malmo_household,s1,f1,b1,u2,,m1\n"
        "m3,malmo_household,,,b1,u3,,\n"
        "w1,water,s1,f1,b1,u1,,\n"
        "own,malmo_substation,s1,,,,,\n"
    )
    nodes = nodes_of(load_register(path), load_catalogue())
    assert [(node.node_id, node.parent_id, node.kind, node.usage_point_id, node.comm_parent_id) for node in nodes] == [
        ("s1", "", "substation", "", ""), ("f1", "s1", "feeder", "", ""), ("t1", "f1", "transformer", "", ""),
        ("t1/b1", "t1", "service", "", ""), ("m1", "t1/b1", "meter", "u1", "g1"),
        ("f1/b1", "f1", "service", "", ""), ("m2", "f1/b1", "meter", "u2", "m1"),
        ("own", "s1", "meter", "-", ""), ("g1", "", "gateway", "", ""),
    ]  # fmt: skip
    assert Grid.of(nodes).usage_points == ["u1", "u2"]


def test_a_calendar_is_read_with_its_zones(tmp_path: Path) -> None:
    path = tmp_path / "planned.csv"
    path.write_text("node_id,from,to\nT1,2026-11-30T08:00:00+01:00,2026-11-30T08:00:00Z\nT2,2026-11-30T08:00:00Z,x\n")
    with pytest.raises(Faults, match=r"planned\.csv:3"):
        read_calendar(path, NODES)
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    (work,) = read_calendar(path, NODES)
    assert work == Work("T1", 1_796_022_000_000, 1_796_025_600_000)
    assert works_at(NODES, [work, replace(work, node_id="T9")]) == [work]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"node_id,parent_id,kind\n", "it has no nodes"),
        (b"node_id;parent_id;kind\ns;;substation\n", "the header has no node_id and no parent_id and no kind"),
        ("node_id,parent_id,kind\nM\u00e5s,,substation\n".encode("latin-1"), "it is no CSV in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_grid_is_told(tmp_path: Path, raw: bytes | None, told: str) -> None:
    path = tmp_path / "grid.csv"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(Faults, match=rf"grid\.csv(:1)?: .*{told}"):
        read_grid(path)


def test_work_that_ends_before_it_begins_is_told(tmp_path: Path) -> None:
    path = tmp_path / "planned.csv"
    path.write_text("node_id,from,to\nT1,2026-11-30T08:00:00+01:00,2026-11-30T08:00:00+02:00\n")
    with pytest.raises(Faults, match=r"planned\.csv:2: the work does not end after it begins"):
        read_calendar(path, NODES)


@pytest.mark.parametrize(("name", "told"), [("T11", "'T1'"), ("m3", "'n3'"), ("elsewhere", "name a device")])
def test_work_at_a_node_that_the_grid_does_not_have_is_told(tmp_path: Path, name: str, told: str) -> None:
    path = tmp_path / "planned.csv"
    path.write_text(f"node_id,from,to\n{name},2026-11-30T08:00:00Z,2026-11-30T09:00:00Z\n")
    with pytest.raises(Faults, match=rf"planned\.csv:2(.|\n)*{name}(.|\n)*({told})"):
        read_calendar(path, NODES)


def test_a_calendar_of_any_length_holds_for_gateways_too() -> None:
    """A firmware campaign of one gateway, and thousands of works at devices."""
    one, nodes = shard(), [replace(node, comm_parent_id="g1") if node.meter_id else node for node in NODES]
    works = [("T2", BEGIN + 3_600_000 + i, BEGIN + 7_200_000 + i) for i in range(3_000)]
    works.append(("g1", BEGIN, BEGIN + 600_000))
    node, start, end = zip(*works, strict=True)
    calendar = PlannedWorkBlock("S1", BEGIN, list(node), np.array(start), np.array(end))
    log = [*live(1, 60, HOMES, grid_blocks([*nodes, Node("g1", "", "gateway")])), gasp(60, HOMES[:4])]
    assert told(one, [log[0], calendar, *log[1:], *live(60, 80, HOMES[4:])]) == []


# How meters are heard


def test_silence_is_known_as_far_as_each_way_has_beaten() -> None:
    ways, way_of = Ways(), np.array([0, 1, -1])
    for name in ("a", "b"):
        ways.index(name)
    ways.move({"a": 100_000, "b": 70_000, "c": 200_000}, way_of, new_meters(3))
    assert ways.known_until(way_of, 0).tolist() == [98_000, 68_000, 0]


def test_a_way_that_brings_a_backlog_is_as_far_as_that() -> None:
    ways, way_of, at = Ways(), np.array([0]), np.array([10_000, 40_000, 900_000])
    ways.index("a")
    ways.brought(0, at, np.full(3, 100_000))
    ways.move({"a": 100_000}, way_of, new_meters(1))
    assert ways.known_until(way_of, 0).tolist() == [98_000], "one from the future counts as it arrived"
    ways.brought(0, at[:2], np.full(2, 100_000))
    assert ways.known_until(way_of, 0).tolist() == [38_000]
    assert ways.known_until(way_of, 50_000).tolist() == [88_000], "usual delays are reckoned with elsewhere"


def test_a_way_that_was_away_makes_nobody_silent() -> None:
    ways, way_of, meters = Ways(), np.array([0, 0, 1]), new_meters(3)
    for name in ("a", "b"):
        ways.index(name)
    meters["counted_ms"] = [9_000, 0, 9_000]
    ways.move({"a": 10_000, "b": 10_000}, way_of, meters)
    ways.move({"a": 14_000, "b": 70_000}, way_of, meters)
    assert meters["counted_ms"].tolist() == [9_000, 0, 69_000]


def test_blocks_become_news_in_an_order_of_their_own() -> None:
    grid = Grid.of(NODES)
    rows = [Row("m1", 5, 9, (230.0,)), Row("m0", 7, 9, (float("nan"),)), Row("stranger", 7, 9, (230.0,))]
    told = events([("m2", 3, "last_gasp"), ("m3", 4, "power_up"), ("m3", 4, "tamper"), ("stranger", 1, "last_gasp")])
    blocks: list[EventBlock | HeardBlock] = [heard(rows), told, heard(rows[:1])]
    whole = Known(ways=Ways(), way_of=np.full(9, -1))
    forth = news_of(grid, blocks, whole.ways, whole.way_of)
    back = news_of(grid, blocks[::-1], Ways(), np.full(9, -1))
    evidence = forth.evidence
    kinds = [Kind.READING, Kind.VOLTAGE, Kind.LAST_GASP, Kind.RESTORED]
    assert (evidence.meter.tolist(), evidence.kind.tolist(), evidence.at.tolist()) == (
        [1, 2, 3, 4],
        kinds,
        [7, 5, 3, 4],
    )
    assert [getattr(back.evidence, name).tobytes() for name in ("meter", "kind", "at", "volts")] == [
        getattr(evidence, name).tobytes() for name in ("meter", "kind", "at", "volts")
    ]
    assert (whole.ways.names, whole.way_of.tolist()) == ([WAY], [-1, 0, 0, -1, -1, -1, -1, -1, -1])


def test_loads_are_measured_over_nodes() -> None:
    block = heard([Row(name, 5, 9, (230.0,)) for name in ("own", "m1", "F1", "nowhere")])
    block = replace(block, active_power_w=np.array([1.0, 2.0, 3.0, 4.0]))
    grid = Grid.of(NODES)
    loads = news_of(grid, [block], Ways(), np.full(9, -1)).loads
    assert {load.branch: load.watts for load in loads} == {grid.branch_of["S1"]: 1.0, grid.branch_of["F1"]: 3.0}


def test_a_load_from_the_future_is_of_its_arrival() -> None:
    block = replace(heard([Row("own", 90_000, 1_000, (230.0,))]), active_power_w=np.array([1.0]))
    (load,) = news_of(Grid.of(NODES), [block], Ways(), np.full(9, -1)).loads
    assert load.at == 1_000


# The whole operator


def shard() -> Shard:
    return Shard("grid", 0, {"outage": Outage()}, load_catalogue(), 250)


def live(begin: int, end: int, lit: list[str], nodes: list[GridBlock] | None = None) -> list[object]:
    """Meters that report every 10 s, each in its own second."""
    log: list[object] = [*(nodes or [])]
    for second in range(begin, end):
        at = BEGIN + 1_000 * second
        now = [Row(meter, at, at, (230.0,)) for i, meter in enumerate(lit) if (second + i) % 10 == 0]
        log += [heard(now)] if now else []
        log += [*beats(at - 1_000, 1, source=WAY), *beats(at - 1_000, 1)]
    return log


def told(into: Shard, log: list[object]) -> list[tuple[str, str, str]]:
    alerts = [result for result in feed(into, log) if isinstance(result, Alert)]  # type: ignore[arg-type]
    return [(alert.subject, alert.state, alert.evidence["ending"] or alert.evidence["phase"]) for alert in alerts]


def gasp(second: int, meters: list[str]) -> EventBlock:
    return events([(meter, BEGIN + 1_000 * second - 500, "last_gasp") for meter in meters])


def test_an_outage_outlives_a_change_of_the_grid_and_one_without_its_device_ends() -> None:
    one = shard()
    log = [*live(1, 60, HOMES, grid_blocks(NODES)), gasp(60, HOMES[:4]), *live(60, 80, HOMES[4:])]
    assert told(one, log)[-1] == ("T1", "updated", "located")
    more = [*NODES, Node("n8", "T2", "meter", "", "m8", "u8", "g1"), Node("g1", "", "gateway")]
    assert told(one, [*grid_blocks(more, at=BEGIN + 1), *live(80, 100, HOMES[4:])]) == []
    known = one.wholes["outage"]
    assert isinstance(known, Known) and known.watch is not None and known.state is not None
    assert [known.watch.grid.device(outage.branch) for outage in known.state.outages] == ["T1"]
    described = one.describe(HOMES[0])
    assert described[-1]["outage"]["outages"] == [f"outage/S1/{BEGIN + 59_500}/1"]
    again = shard()
    thaw(freeze(one), again)
    less = [node for node in NODES if node.parent_id != "T1" and node.node_id != "T1"]
    gone = [*grid_blocks(less, at=BEGIN + 2), *live(100, 110, HOMES[4:])]
    assert told(one, gone) == told(again, gone) == [("T1", "cleared", "momentary")]


@pytest.mark.parametrize(("options", "lasted"), [({}, True), ({"outage": {"profile": "ieee1366"}}, False)])
def test_a_stream_chooses_by_which_standard_an_outage_lasts(options: dict[str, dict[str, str]], lasted: bool) -> None:
    """Four minutes are sustained by EN 50160, and not by IEEE 1366."""
    stream = Stream("grid", "grid.evidence", ("outage",), ("alerts",), "dead.letters", "state.grid", options)
    one = Shard("grid", 0, operators_of(stream), load_catalogue(), 250)
    log = [*live(1, 60, HOMES, grid_blocks(NODES)), gasp(60, HOMES[:4]), *live(60, 300, HOMES[4:])]
    phases = [phase for _, _, phase in told(one, log)]
    assert "located" in phases
    assert ("sustained" in phases) == lasted


def test_without_a_grid_nothing_is_said() -> None:
    assert told(shard(), [*live(1, 30, HOMES), gasp(30, HOMES[:4]), *live(30, 60, HOMES[4:])]) == []


def test_a_source_that_brings_nothing_of_the_grid_moves_no_time() -> None:
    one = shard()
    told(one, live(1, 30, HOMES, grid_blocks(NODES)))
    known = one.wholes["outage"]
    assert isinstance(known, Known)
    before = known.now_ms
    told(one, [*beats(BEGIN + 3_600_000, 5, source="of another kind")])
    assert known.now_ms == before == BEGIN + 29_000
    assert SOURCE not in known.speakers
