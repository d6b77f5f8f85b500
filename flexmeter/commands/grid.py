"""`flexmeter grid`: publish the grid, and its calendar, to the stream that looks for outages."""

import logging
import time
from pathlib import Path

import click
import numpy as np

from connectors.kafka import Outlet, ensure_topics
from flexmeter.grid_file import Work, nodes_of, read_calendar, read_grid, works_at
from flexmeter.registered import registered
from flexmeter.role import checked_topology, examples, start_role, topology_option
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.master_data import GridBlock, PlannedWorkBlock
from schemas.partition import partition_of
from schemas.topology import Topic, Topology
from streams.outage.tree import Grid, Node
from streams.outage.trees import blocks_of, by_substation

log = logging.getLogger("flexmeter.grid")
PATH = click.Path(exists=True, dir_okay=False, path_type=Path)
PATIENCE_S = 30.0


@click.command(epilog=examples("flexmeter grid", "flexmeter grid --grid grid.csv --planned works.csv"))
@topology_option
@click.option(
    "--grid",
    "grid_path",
    type=PATH,
    envvar="FLEXMETER_GRID",
    show_envvar=True,
    help="A CSV file of its nodes, with the columns of docs/outage.md; unless told, what the register says.",
)
@click.option("--planned", "planned_path", type=PATH, help="A CSV file of planned works: they replace those before.")
def command(topology_path: Path, grid_path: Path | None, planned_path: Path | None) -> None:
    """Publish the grid as it is now: the tree from each substation to its meters, and gateways.

    Run it once, and whenever the grid, the register or the calendar has changed: it replaces what was published before,
    substation by substation; what is the same changes nothing.
    """
    topology, now_ms = checked_topology(topology_path), time.time_ns() // 1_000_000
    start_role()
    try:
        nodes = read_grid(grid_path) if grid_path else _nodes_at(topology, now_ms)
        Grid.of(nodes)
        works = read_calendar(planned_path, nodes) if planned_path else None
        publish(topology, nodes, works, now_ms)
    except (Faults, Unavailable) as error:
        raise click.ClickException(str(error)) from None


def _nodes_at(topology: Topology, now_ms: int) -> list[Node]:
    """As the register has them, without the meters that are gone or still to come."""
    nodes = nodes_of(registered(topology).valid_at(now_ms), load_catalogue())
    if not nodes:
        raise click.ClickException("the register names no substation of an electricity meter: there is no grid in it")
    return nodes


def publish(topology: Topology, nodes: list[Node], works: list[Work] | None, at_ms: int) -> None:
    """Put the grid, and the calendar where one is given, on every topic that carries them.

    Raises:
        Unavailable: Kafka did not take all of it in time.

    """
    topics = [topic for topic in topology.topics.values() if "GridBlock" in topic.records]
    ensure_topics(topology.kafka, topics)
    outlet = Outlet(topology.kafka, "flexmeter-grid")
    substations = by_substation(nodes)
    for substation, own in substations.items():
        blocks: list[GridBlock | PlannedWorkBlock] = list(blocks_of(substation, own, at_ms))
        if works is not None:
            blocks.append(_calendar(substation, works_at(own, works), at_ms))
        for topic in topics:
            _produce(outlet, topic, substation, blocks)
    if not outlet.close(PATIENCE_S):
        raise Unavailable("kafka", f"it did not take everything within {PATIENCE_S:.0f} s")
    log.info("published %d substations with %d nodes", len(substations), len(nodes))


def _produce(outlet: Outlet, topic: Topic, substation: str, blocks: list[GridBlock | PlannedWorkBlock]) -> None:
    for block in blocks:
        outlet.produce(topic.name, partition_of(substation, topic.partitions), encode(block))


def _calendar(substation: str, works: list[Work], at_ms: int) -> PlannedWorkBlock:
    return PlannedWorkBlock(
        substation=substation,
        at=at_ms,
        node=[work.node_id for work in works],
        start=np.array([work.start_ms for work in works], np.int64),
        end=np.array([work.end_ms for work in works], np.int64),
    )
