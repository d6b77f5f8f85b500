"""The grid as branches, and the tree of communication."""

import numpy as np
import pytest

from schemas.faults import Faults
from streams.outage.tree import Grid, Node


def meter(name: str, parent: str, gateway: str = "", usage_point: str = "") -> Node:
    return Node(f"n-{name}", parent, "meter", "L1", name, usage_point or f"up-{name}", gateway)


NODES = [
    Node("sub", "", "substation"),
    Node("f1", "sub", "feeder"),
    Node("fuse", "f1", "fuse"),
    Node("t1", "fuse", "transformer"),
    meter("a", "t1", "g1", "house"),
    meter("b", "t1", "g1", "house"),
    Node("t2", "f1", "transformer"),
    meter("c", "t2", "g2"),
    meter("d", "t2", "g2"),
    Node("spare", "f1", "fuse"),
    Node("g1", "t1", "gateway", comm_parent_id="g0"),
    Node("g2", "", "gateway", comm_parent_id="g0"),
]


def test_devices_that_no_meter_can_tell_apart_are_one_branch() -> None:
    grid = Grid.of(NODES)
    assert grid.branch_of["sub"] == grid.branch_of["f1"]
    assert grid.branch_of["fuse"] == grid.branch_of["t1"]
    assert grid.device(grid.branch_of["t1"]) == "fuse"
    assert grid.node_ids[grid.branch_of["f1"]] == ("sub", "f1")


def test_devices_without_meters_are_left_out() -> None:
    assert "spare" not in Grid.of(NODES).branch_of


def test_what_hangs_under_a_branch_is_a_slice() -> None:
    grid = Grid.of(NODES)
    assert grid.meter_ids[grid.meters(grid.branch_of["t2"])] == ["c", "d"]
    assert grid.related(grid.branch_of["f1"], grid.branch_of["t2"])
    assert not grid.related(grid.branch_of["t1"], grid.branch_of["t2"])
    assert grid.above(grid.branch_of["n-c"]) == [grid.branch_of["t2"], grid.branch_of["f1"]]


def test_customers_are_usage_points() -> None:
    grid = Grid.of(NODES)
    assert grid.customers([grid.branch_of["t1"]]) == 1
    assert grid.customers([grid.branch_of["t1"], grid.branch_of["t2"]]) == 3


def test_comms_know_what_supplies_them() -> None:
    grid = Grid.of(NODES)
    place = {comm: i for i, comm in enumerate(grid.comms.ids)}
    assert grid.comms.parent[place["g1"]] == place["g0"]
    assert grid.comms.parent[place["g0"]] == 0
    assert grid.comms.supplied_at[place["g1"]] == grid.branch_of["t1"]
    assert grid.comms.supplied_at[place["g2"]] == grid.branch_of["t2"]
    assert grid.comms.supplied_at[place["g0"]] == grid.branch_of["f1"]
    np.testing.assert_array_equal(grid.comms.of_meter[grid.meters(grid.branch_of["t2"])], [place["g2"]] * 2)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Node("a", "", "pole")], "unknown kind"),
        ([Node("a", "", "fuse"), Node("a", "", "fuse")], "stands twice"),
        ([Node("a", "b", "fuse")], "which is no node"),
        ([Node("a", "b", "fuse"), Node("b", "a", "fuse")], "supplied by itself"),
        ([Node("a", "", "meter", meter_id="m"), Node("b", "", "meter", meter_id="m")], "meter 'm' stands twice"),
    ],
)
def test_faults_are_told(nodes: list[Node], message: str) -> None:
    with pytest.raises(Faults, match=message):
        Grid.of(nodes)
