"""`flexmeter router`: deliver alerts to one receiver."""

from pathlib import Path

import click

from connectors.kafka import Outlet
from connectors.registry import RECEIVERS
from connectors.router.loop import RouterLoop
from connectors.sink import consumer
from flexmeter.role import (
    checked_topology,
    examples,
    metrics_options,
    named,
    start_role,
    stopping_on_signals,
    topology_option,
)
from schemas.topology import Router, Topology
from schemas.topology_check import scheme


@click.command(epilog=examples("flexmeter router --topology examples/topology-all.yaml --name control_room"))
@topology_option
@click.option("--name", required=True, help="The router of topology.yaml to run.")
@metrics_options
def command(topology_path: Path, name: str, metrics_host: str, metrics_port: int) -> None:
    """Deliver alerts that a rule wants by e-mail or webhook, each version once; docs/alerts.md.

    Nothing is committed before the receiver has it: what a killed router had not delivered goes out when it is back.
    """
    topology = checked_topology(topology_path)
    router = named(topology.routers, name, "router")
    start_role(metrics_host, metrics_port)
    loop = make_router(topology, router)
    stopping_on_signals(loop.stop)
    loop.run()


def make_router(topology: Topology, router: Router) -> RouterLoop:
    """The router of that name; raises Faults for a file that it names and that cannot be read."""
    receiver = RECEIVERS[scheme(router.url)](router)
    group = f"flexmeter-router-{router.name}"
    return RouterLoop(router, topology, consumer(topology.kafka, group), receiver, Outlet(topology.kafka, group))
