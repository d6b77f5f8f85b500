"""`flexmeter bridge`: run one bridge."""

import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click

from flexmeter.role import metrics_option, named, start_role, topology_option, topology_or_exit
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.topology import Bridge, Topology

log = logging.getLogger("flexmeter.bridge")


@click.command()
@topology_option
@click.option("--name", "bridge_name", required=True, help="The bridge of topology.yaml to run.")
@click.option(
    "--instance",
    default="",
    envvar="FLEXMETER_INSTANCE",
    help="One of several that share the bridge's messages: a name that stays the same over restarts.",
)
@metrics_option
def command(topology_path: Path, bridge_name: str, instance: str, metrics_port: int) -> None:
    """Bring the readings of one source onto Kafka.

    Nothing is acknowledged to the source before Kafka has it: what a killed bridge had not finished comes again.
    """
    topology = topology_or_exit(topology_path)
    bridge = named(topology.bridges, bridge_name, "bridge")
    start_role(metrics_port)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        run(topology, bridge, instance, stopping)
    except Faults as faults:
        raise click.UsageError(str(faults)) from faults


def run(topology: Topology, bridge: Bridge, instance: str, stopping: threading.Event) -> None:
    """Make the bridge and run it until `stopping`; raises Faults for a register or topics that do not fit."""
    from connectors.bridge import BridgeLoop
    from connectors.intake import Intake
    from connectors.kafka import Outlet, ensure_topics
    from connectors.registry import DECODERS, SOURCES
    from schemas.register import load_register

    register = load_register(topology.register)
    decoders = DECODERS[bridge.decoder]()
    topics = [topology.topics[name] for name in (bridge.readings, bridge.events, bridge.dead_letters)]
    _wait_for(lambda: ensure_topics(topology.kafka, topics), stopping)
    if stopping.is_set():
        return
    intake = Intake(register, decoders, topics[0].partitions, topics[1].partitions)
    outlet = Outlet(topology.kafka, f"flexmeter-{bridge.name}")
    source = SOURCES[bridge.protocol](bridge, instance)
    BridgeLoop(bridge, topology, source, outlet, intake).run(stopping.is_set)


def _wait_for(attempt: Callable[[], None], stopping: threading.Event) -> None:
    """Try until the world is there, or until told to stop."""
    delay_s = 0.5
    while not stopping.is_set():
        try:
            return attempt()
        except Unavailable as unavailable:
            log.warning("%s; trying again in %.1f s", unavailable, delay_s)
            stopping.wait(delay_s)
            delay_s = min(10.0, 2 * delay_s)
