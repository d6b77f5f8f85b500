"""`flexmeter bridge`: run one bridge."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flexmeter.role import metrics_options, named, start_role, topology_option, topology_or_exit
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.topology import Bridge, Topology

if TYPE_CHECKING:
    from connectors.authority import Authority
    from connectors.decode.readings import Decode
    from connectors.watched import Watched

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
@metrics_options
def command(topology_path: Path, bridge_name: str, instance: str, metrics_host: str, metrics_port: int) -> None:
    """Bring the readings of one source onto Kafka.

    Nothing is acknowledged to the source before Kafka has it: what a killed bridge had not finished comes again.
    """
    topology = topology_or_exit(topology_path)
    bridge = named(topology.bridges, bridge_name, "bridge")
    start_role(metrics_host, metrics_port)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        run(topology, bridge, instance, stopping)
    except Faults as faults:
        raise click.UsageError(str(faults)) from faults


def run(topology: Topology, bridge: Bridge, instance: str, stopping: threading.Event) -> None:
    """Make the bridge and run it until `stopping`; raises Faults for files or topics that do not fit."""
    from connectors.bridge import BridgeLoop
    from connectors.counters import CounterTopic
    from connectors.intake import Intake
    from connectors.kafka import Outlet, ensure_topics
    from connectors.registry import SOURCES
    from schemas.register import load_register

    register = load_register(topology.register)
    authority, decoders, watched = _trusted(topology, bridge)
    names = (bridge.readings, bridge.events, bridge.dead_letters, bridge.counters)
    topics = [topology.topics[name] for name in names if name]
    source = SOURCES[bridge.protocol](bridge, instance)
    _wait_for(lambda: ensure_topics(topology.kafka, topics), stopping)
    shared = CounterTopic(topology.kafka, topology.topics[bridge.counters]) if bridge.counters else None
    if shared is not None:
        _wait_for(shared.read, stopping)
    if stopping.is_set():
        return
    intake = Intake(register, decoders, topics[0].partitions, topics[1].partitions, authority)
    outlet = Outlet(topology.kafka, f"flexmeter-{bridge.name}")
    BridgeLoop(bridge, topology, source, outlet, intake, watched=watched, shared=shared).run(stopping.is_set)
    if shared is not None:
        shared.close()


def _trusted(
    topology: Topology, bridge: Bridge
) -> tuple["Authority", "Mapping[str, Mapping[str, Decode]]", "list[Watched[Any]]"]:
    """Who may report, what decrypts, and the files to watch for that."""
    from connectors.authority import EACH_ITSELF, Authority, load_principals
    from connectors.keys import load_keys
    from connectors.registry import DECODERS
    from connectors.watched import Watched

    principals = Watched(Path(topology.principals), load_principals) if topology.principals else None
    keys = Watched(Path(topology.keys), load_keys) if topology.keys else None
    authority = Authority(lambda: principals.value if principals else EACH_ITSELF, bridge.anonymous)
    decoders = {name: make(lambda meter: keys.value.get(meter, ()) if keys else ()) for name, make in DECODERS.items()}
    return authority, {"": decoders[bridge.decoder], **decoders}, [file for file in (principals, keys) if file]


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
