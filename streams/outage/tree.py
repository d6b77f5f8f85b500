"""The grid as a tree of supply, and the tree of communication beside it.

Supply: substation -> feeder -> switch, fuse -> transformer -> service -> meter. Devices that no meter can tell apart
(a fuse with nothing but one transformer under it) are one **branch** here. Branches stand in preorder, so what hangs
under one is a slice, and so are its meters.

Communication: meter -> relay or gateway -> gateway ... -> head end. A gateway may name the node that supplies it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from schemas.arrays import Int64s
from schemas.faults import Fault, Faults

KINDS = ("substation", "feeder", "switch", "fuse", "transformer", "service", "meter")
"""Protective devices and what they end in, from the top down."""
GATEWAY = "gateway"
NOBODY = "-"
"""The usage point of a meter that serves no customer."""


@dataclass(frozen=True, slots=True)
class Node:
    """A line of the grid's file; an empty string where a column says nothing.

    A meter's usage point is its own id where empty, and none where it is `NOBODY`: a substation's own meter.
    """

    node_id: str
    parent_id: str
    kind: str
    phase: str = ""
    meter_id: str = ""
    usage_point_id: str = ""
    comm_parent_id: str = ""


@dataclass(frozen=True)
class Span:
    """A branch and all under it, level by level; positions count from the branch itself."""

    first: int
    size: int
    levels: tuple[Int64s, ...]
    """Branches of each level, the topmost alone in the first."""
    parents: tuple[Int64s, ...]
    """Of each level but the first: the branches above it, each once, in the order of their children."""
    starts: tuple[Int64s, ...]
    """Where each parent's children begin in the level."""

    @property
    def slice(self) -> slice:
        """The branches, in the grid's arrays."""
        return slice(self.first, self.first + self.size)


@dataclass(frozen=True)
class Comms:
    """Relays and gateways, each before those below it; the head end, over all, is the first."""

    ids: Sequence[str]
    parent: Int64s
    """-1 for the head end."""
    of_meter: Int64s
    """Where each meter is heard through."""
    supplied_at: Int64s
    """The branch without which the whole of it is silent: what supplies it, else the lowest over all its meters."""


@dataclass(frozen=True)
class Grid:
    """Branches in preorder, meters in the order of their branches."""

    node_ids: Sequence[tuple[str, ...]]
    """Devices of each branch, from the top down."""
    kinds: Sequence[tuple[str, ...]]
    parent: Int64s
    """-1 for a root."""
    end: Int64s
    """One past the last branch under each."""
    depth: Int64s
    meter_ids: Sequence[str]
    meter_branch: Int64s
    usage_points: Sequence[str]
    usage_point_of: Int64s
    """Of each meter; -1 where it serves nobody."""
    feeder_of: Sequence[str]
    """Of each branch: the node id of its feeder, else of its root."""
    comms: Comms
    nodes: Sequence[Node] = ()
    """What it was made of."""
    _spans: dict[int, Span] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> "Grid":
        """The grid of the nodes.

        Raises:
            Faults: a node that stands twice, a parent that is none, a circle, an unknown kind.

        """
        return _built(list(nodes))

    @cached_property
    def roots(self) -> Int64s:
        """Branches that nothing supplies: the substations."""
        return np.flatnonzero(self.parent < 0)

    @cached_property
    def root_of(self) -> Int64s:
        """Position in `roots` of each branch's root."""
        return np.searchsorted(self.roots, np.arange(len(self.parent)), side="right") - 1

    @cached_property
    def branch_of(self) -> Mapping[str, int]:
        """The branch of each device."""
        return {node_id: branch for branch, ids in enumerate(self.node_ids) for node_id in ids}

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """The position of each meter."""
        return {meter_id: row for row, meter_id in enumerate(self.meter_ids)}

    @cached_property
    def first_meter(self) -> Int64s:
        """How many meters stand before each branch's; one entry more than there are branches."""
        return np.searchsorted(self.meter_branch, np.arange(len(self.parent) + 1))

    @cached_property
    def place_of(self) -> Mapping[str, tuple[str, str]]:
        """The substation and feeder of each usage point: of its first meter."""
        found: dict[str, tuple[str, str]] = {}
        for branch, point in zip(self.meter_branch.tolist(), self.usage_point_of.tolist(), strict=True):
            root = int(self.roots[self.root_of[branch]])
            if point >= 0:
                found.setdefault(self.usage_points[point], (self.node_ids[root][0], self.feeder_of[branch]))
        return found

    def meters(self, branch: int) -> slice:
        """The meters under a branch."""
        return slice(int(self.first_meter[branch]), int(self.first_meter[self.end[branch]]))

    def meters_under(self, span: slice) -> Int64s:
        """How many meters hang under each branch of a slice."""
        return self.first_meter[self.end[span]] - self.first_meter[span]

    def customers(self, branches: Iterable[int]) -> int:
        """Usage points under any of the branches."""
        rows = [self.usage_point_of[self.meters(branch)] for branch in branches]
        found = np.unique(np.concatenate(rows)) if rows else np.zeros(0, np.int64)
        return int((found >= 0).sum())

    def device(self, branch: int) -> str:
        """The device that stands for a branch: the likeliest to open, of those that no meter can tell apart."""
        order = ("fuse", "transformer", "switch", "feeder", "service", "substation", "meter")
        return min(zip(self.kinds[branch], self.node_ids[branch], strict=True), key=lambda one: order.index(one[0]))[1]

    def above(self, branch: int) -> list[int]:
        """The branches that supply a branch, from it upwards, itself left out."""
        found: list[int] = []
        while (branch := int(self.parent[branch])) >= 0:
            found.append(branch)
        return found

    def related(self, one: int, other: int) -> bool:
        """Whether one of two branches supplies the other, or both are one."""
        return bool(one <= other < self.end[one] or other <= one < self.end[other])

    def span(self, branch: int) -> Span:
        """A branch and all under it."""
        if branch not in self._spans:
            self._spans[branch] = self._new_span(branch)
        return self._spans[branch]

    def _new_span(self, branch: int) -> Span:
        end = int(self.end[branch])
        depth = self.depth[branch:end] - self.depth[branch]
        levels = [np.flatnonzero(depth == level) for level in range(int(depth.max()) + 1)]
        above = self.parent[branch:end] - branch
        firsts = [np.flatnonzero(np.append(True, np.diff(above[level]) != 0)) for level in levels[1:]]
        parents = [above[level][first] for level, first in zip(levels[1:], firsts, strict=True)]
        return Span(branch, end - branch, tuple(levels), tuple(parents), tuple(firsts))


def _built(nodes: list[Node]) -> Grid:
    supply = {node.node_id: node for node in nodes if node.kind != GATEWAY}
    faults = list(_faults(nodes, supply))
    if faults:
        raise Faults("grid", faults)
    children: dict[str, list[Node]] = {}
    for node in supply.values():
        children.setdefault(node.parent_id, []).append(node)
    branches = list(_branches(children, _with_meters(supply)))
    parent = np.array([above for _, above, _ in branches], np.int64)
    end = np.arange(1, len(branches) + 1, dtype=np.int64)
    depth = np.zeros(len(branches), np.int64)
    for branch in range(len(branches) - 1, -1, -1):
        if parent[branch] >= 0:
            end[parent[branch]] = max(end[parent[branch]], end[branch])
    for branch in range(len(branches)):
        depth[branch] = depth[parent[branch]] + 1 if parent[branch] >= 0 else 0
    meters = [(node, branch) for branch, (members, _, _) in enumerate(branches) for node in members if node.meter_id]
    usage_points = sorted({node.usage_point_id or node.meter_id for node, _ in meters} - {NOBODY})
    place = {usage_point: i for i, usage_point in enumerate(usage_points)}
    branch_of = {node.node_id: branch for branch, (members, _, _) in enumerate(branches) for node in members}
    return Grid(
        node_ids=[tuple(node.node_id for node in members) for members, _, _ in branches],
        kinds=[tuple(node.kind for node in members) for members, _, _ in branches],
        parent=parent,
        end=end,
        depth=depth,
        meter_ids=[node.meter_id for node, _ in meters],
        meter_branch=np.array([branch for _, branch in meters], np.int64),
        usage_points=usage_points,
        usage_point_of=np.array([place.get(node.usage_point_id or node.meter_id, -1) for node, _ in meters], np.int64),
        feeder_of=[feeder for _, _, feeder in branches],
        comms=_comms(nodes, meters, branch_of, parent),
        nodes=nodes,
    )


def _faults(nodes: Sequence[Node], supply: Mapping[str, Node]) -> Iterator[Fault]:
    seen: set[str] = set()
    metered: set[str] = set()
    for line, node in enumerate(nodes, 2):
        if node.kind not in (*KINDS, GATEWAY):
            yield Fault(line, f"unknown kind {node.kind!r}", f"choose one of {', '.join((*KINDS, GATEWAY))}")
        if node.node_id in seen:
            yield Fault(line, f"node {node.node_id!r} stands twice", "remove one of the two lines")
        if node.meter_id and node.meter_id in metered:
            yield Fault(line, f"meter {node.meter_id!r} stands twice", "remove one of the two lines")
        if node.kind != GATEWAY and node.parent_id and node.parent_id not in supply:
            yield Fault(line, f"{node.node_id!r} hangs under {node.parent_id!r}, which is no node", "add it")
        seen.add(node.node_id)
        metered.add(node.meter_id)
    for line, node in enumerate(nodes, 2):
        if node.kind != GATEWAY and _in_circle(node, supply):
            yield Fault(line, f"{node.node_id!r} is supplied by itself", "correct one parent_id of the circle")


def _in_circle(node: Node, supply: Mapping[str, Node]) -> bool:
    seen, at = {node.node_id}, supply.get(node.parent_id)
    while at is not None:
        if at.node_id == node.node_id:
            return True
        if at.node_id in seen:
            return False
        seen.add(at.node_id)
        at = supply.get(at.parent_id)
    return False


def _with_meters(supply: Mapping[str, Node]) -> frozenset[str]:
    """Nodes over at least one meter: of the others nothing can be known."""
    found: set[str] = set()
    for node in supply.values():
        at: Node | None = node if node.meter_id else None
        while at is not None and at.node_id not in found:
            found.add(at.node_id)
            at = supply.get(at.parent_id)
    return frozenset(found)


def _branches(
    children: Mapping[str, Sequence[Node]], known: frozenset[str]
) -> Iterator[tuple[Sequence[Node], int, str]]:
    """Members, the branch above, and the feeder of each branch, in preorder."""
    waiting = [(node, -1, "") for node in reversed(children.get("", ())) if node.node_id in known]
    number = 0
    while waiting:
        node, above, feeder = waiting.pop()
        members = [node]
        feeder = node.node_id if node.kind == "feeder" or not feeder else feeder
        below = [child for child in children.get(node.node_id, ()) if child.node_id in known]
        while len(below) == 1 and not members[-1].meter_id:
            members.append(below[0])
            feeder = below[0].node_id if below[0].kind == "feeder" else feeder
            below = [child for child in children.get(members[-1].node_id, ()) if child.node_id in known]
        yield members, above, feeder
        waiting += [(child, number, feeder) for child in reversed(below)]
        number += 1


def _comms(
    nodes: Sequence[Node], meters: Sequence[tuple[Node, int]], branch_of: Mapping[str, int], parent: Int64s
) -> Comms:
    over = {node.node_id: node.comm_parent_id for node in nodes}
    over |= {node.meter_id: node.comm_parent_id for node in nodes if node.meter_id}
    position, above = {"": 0}, [-1]

    def place(comm_id: str) -> int:
        path: list[str] = []
        while comm_id not in position and comm_id not in path:
            path.append(comm_id)
            comm_id = over.get(comm_id, "")
        at = position.get(comm_id, 0)
        for one in reversed(path):
            above.append(at)
            at = position[one] = len(above) - 1
        return at

    of_meter = np.array([place(node.comm_parent_id) for node, _ in meters], np.int64)
    supplied_at = _lowest_over(of_meter, np.array([b for _, b in meters], np.int64), np.array(above), parent)
    for node in nodes:
        supplier = branch_of.get(node.parent_id)
        if node.kind == GATEWAY and node.node_id in position and supplier is not None:
            common = int(supplied_at[position[node.node_id]])
            if common < 0 or _is_under(supplier, common, parent):
                supplied_at[position[node.node_id]] = supplier
    return Comms(list(position), np.array(above, np.int64), of_meter, supplied_at)


def _lowest_over(of_meter: Int64s, meter_branch: Int64s, above: Int64s, parent: Int64s) -> Int64s:
    """The lowest branch over all meters of each relay or gateway; -1 where there is none."""
    lowest: list[int | None] = [None] * len(above)
    for comm, branch in zip(of_meter.tolist(), meter_branch.tolist(), strict=True):
        at = lowest[comm]
        lowest[comm] = branch if at is None else _common(at, branch, parent)
    for comm in range(len(above) - 1, 0, -1):
        here, up = lowest[comm], int(above[comm])
        if here is not None:
            at = lowest[up]
            lowest[up] = here if at is None else _common(at, here, parent)
    return np.array([-1 if at is None else at for at in lowest], np.int64)


def _common(one: int, other: int, parent: Int64s) -> int:
    """The lowest branch over both; a branch's parent stands before it."""
    while one != other:
        if one < 0 or other < 0:
            return -1
        if one > other:
            one = int(parent[one])
        else:
            other = int(parent[other])
    return one


def _is_under(branch: int, top: int, parent: Int64s) -> bool:
    while branch > top:
        branch = int(parent[branch])
    return branch == top
