"""The grid as the register publishes it: blocks of nodes by substation, put together to one grid of the partition."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter

import numpy as np
import numpy.typing as npt
import orjson

from schemas.faults import Faults
from schemas.master_data import GridBlock
from streams.outage.tree import GATEWAY, Grid, Node

log = logging.getLogger(__name__)

MOST_NODES = 2_000
"""Nodes of one block."""
_COLUMNS = attrgetter(*(column.name for column in fields(Node)))


def blocks_of(substation: str, nodes: Sequence[Node], at_ms: int) -> Iterator[GridBlock]:
    """The nodes under a substation as what is published, in parts that Kafka takes."""
    cuts = [nodes[i : i + MOST_NODES] for i in range(0, len(nodes), MOST_NODES)]
    for part, some in enumerate(cuts):
        columns = [list(column) for column in zip(*map(_COLUMNS, some), strict=True)]
        yield GridBlock(substation, at_ms, part, len(cuts), *columns)


def by_substation(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """The nodes under each node that nothing supplies, and the gateways that its meters are heard through."""
    by_id = {node.meter_id: node for node in nodes if node.meter_id} | {node.node_id: node for node in nodes}
    supply = [node for node in nodes if node.kind != GATEWAY]
    found: dict[str, list[Node]] = {node.node_id: [] for node in supply if not node.parent_id}
    top: dict[str, str] = {}
    ways: dict[str, dict[str, None]] = {root: {} for root in found}
    for node in supply:
        root = _top(node, by_id, top)
        found[root].append(node)
        above = node.comm_parent_id
        while above in by_id and above not in ways[root]:
            ways[root][above] = None
            above = by_id[above].comm_parent_id
    for root, names in ways.items():
        found[root] += [by_id[name] for name in names if by_id[name].kind == GATEWAY]
    return found


def _top(node: Node, by_id: dict[str, Node], known: dict[str, str]) -> str:
    path = []
    while node.node_id not in known and node.parent_id:
        path.append(node.node_id)
        node = by_id[node.parent_id]
    root = known.setdefault(node.node_id, node.node_id)
    known.update(dict.fromkeys(path, root))
    return root


@dataclass
class Tree:
    """What is known of one substation, and what has come of a newer publication that is not whole yet."""

    at_ms: int = 0
    nodes: list[Node] = field(default_factory=list)
    coming_ms: int = 0
    parts: dict[int, list[Node]] = field(default_factory=dict)


@dataclass
class Trees:
    """The substations of a partition."""

    known: dict[str, Tree] = field(default_factory=dict)
    _saved: npt.NDArray[np.uint8] | None = None
    """As JSON, until blocks come: it is large, and changes seldom."""

    def take(self, blocks: Sequence[GridBlock]) -> Grid | None:
        """Keep blocks; the whole grid, if it is another now."""
        self._saved = None if blocks else self._saved
        changed = [self.put(block) for block in sorted(blocks, key=lambda one: (one.at, one.substation, one.part))]
        return self.grid() if any(changed) else None

    def put(self, block: GridBlock) -> bool:
        """Keep a block; whether the substation's nodes are others now. A grid with faults is not taken over."""
        tree = self.known.setdefault(block.substation, Tree())
        if block.at <= tree.at_ms or block.at < tree.coming_ms:
            return False
        if block.at > tree.coming_ms:
            tree.coming_ms, tree.parts = block.at, {}
        columns = (block.node, block.parent, block.kind, block.phase, block.meter, block.usage_point, block.comm_parent)
        tree.parts[block.part] = [Node(*row) for row in zip(*columns, strict=True)]
        if len(tree.parts) < block.parts:
            return False
        before = tree.nodes
        nodes = [node for part in sorted(tree.parts) for node in tree.parts[part]]
        tree.at_ms, tree.parts = block.at, {}
        if _built(nodes) is not None:
            tree.nodes = nodes
        return tree.nodes != before

    def grid(self) -> Grid | None:
        """All substations together; None without any.

        A node or meter that stands under two is where the newer publication has it: it has moved. What hung under it,
        and hangs under nothing now, is left out until its substation is published again.
        """
        seen: set[str] = set()
        kept: dict[str, list[Node]] = {}
        for name, tree in sorted(self.known.items(), key=lambda one: (-one[1].at_ms, one[0])):
            own = [node for node in tree.nodes if not _names(node) & seen]
            kept[name] = own
            seen.update(*map(_names, own))
        return _built(_hanging([node for name in sorted(kept) for node in kept[name]]))

    def saved(self) -> npt.NDArray[np.uint8]:
        """As JSON, byte by byte."""
        if self._saved is None:
            known = {
                name: [tree.at_ms, _rows(tree.nodes), tree.coming_ms, [(n, _rows(p)) for n, p in tree.parts.items()]]
                for name, tree in self.known.items()
            }
            self._saved = np.frombuffer(orjson.dumps(known), np.uint8)
        return self._saved

    @classmethod
    def loaded(cls, saved: npt.NDArray[np.uint8]) -> "Trees":
        """What `saved` gave."""
        found = cls()
        for name, (at_ms, nodes, coming_ms, parts) in orjson.loads(saved.tobytes()).items():
            found.known[name] = Tree(at_ms, _nodes(nodes), coming_ms, {n: _nodes(part) for n, part in parts})
        return found


def _names(node: Node) -> set[str]:
    return {f"node {node.node_id}", f"meter {node.meter_id}"} if node.meter_id else {f"node {node.node_id}"}


def _hanging(nodes: list[Node]) -> list[Node]:
    """Those whose way up ends at a root."""
    count = 0
    while count != len(nodes):
        count = len(nodes)
        supply = {node.node_id for node in nodes if node.kind != GATEWAY}
        nodes = [node for node in nodes if node.kind == GATEWAY or not node.parent_id or node.parent_id in supply]
    return nodes


def _rows(nodes: Sequence[Node]) -> list[tuple[str, ...]]:
    return list(map(_COLUMNS, nodes))


def _nodes(rows: Sequence[Sequence[str]]) -> list[Node]:
    return [Node(*row) for row in rows]


def _built(nodes: Sequence[Node]) -> Grid | None:
    try:
        return Grid.of(nodes) if any(node.meter_id for node in nodes) else None
    except Faults as faults:
        log.warning("a grid is not taken over, the one before stays: %s", faults)
        return None
