"""`flexmeter bridge`: run one bridge."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.backoff import Stopped, until_available
from flexmeter.role import (
    await_topics,
    checked_topology,
    examples,
    metrics_options,
    named,
    start_role,
    stopping_on_signals,
    topology_option,
)
from schemas.topology import Bridge, Topology

if TYPE_CHECKING:
    from connectors.authority import Authority
    from connectors.decode.readings import Decode
    from connectors.watched import Watched
    from schemas.register import Register


@click.command(
    epilog=examples("flexmeter bridge --name mqtt_malmo", "flexmeter bridge --name https_turin --metrics-port 9400")
)
@topology_option
@click.option(
    "--name",
    "bridge_name",
    required=True,
    help="The bridge of topology.yaml to run; `flexmeter topology show` lists them.",
)
@click.option(
    "--instance",
    default="",
    envvar="FLEXMETER_INSTANCE",
    show_envvar=True,
    help="One of several that share the bridge's messages: a name that stays the same over restarts.",
)
@metrics_options
def command(topology_path: Path, bridge_name: str, instance: str, metrics_host: str, metrics_port: int) -> None:
    """Bring the readings of one source onto Kafka.

    Nothing is acknowledged to the source before Kafka has it: what a killed bridge had not finished comes again.
    docs/bridges.md explains every setting.
    """
    topology = checked_topology(topology_path)
    bridge = named(topology.bridges, bridge_name, "bridge")
    start_role(metrics_host, metrics_port)
    with suppress(Stopped):
        run(topology, bridge, instance, stopping_on_signals())


def run(topology: Topology, bridge: Bridge, instance: str, stopping: threading.Event) -> None:
    """Make the bridge and run it until `stopping`; raises Faults for files or topics that do not fit, Stopped where
    it was not to wait for Kafka any longer.
    """
    from connectors.age import age_limit
    from connectors.bridge import BridgeLoop
    from connectors.counters import CounterTopic
    from connectors.intake import Intake
    from connectors.kafka import Outlet
    from connectors.register_topic import RegisterTopic
    from connectors.registry import SOURCES
    from schemas.codec import warm_up_encode
    from schemas.register import load_register

    topic = topology.register_topic
    followed = RegisterTopic(topology.kafka, topic) if topic else None
    register = followed.register if followed else load_register(topology.register)
    authority, decoders, files = trusted(topology, bridge, register)
    source = SOURCES[bridge.protocol](bridge, instance)
    await_topics(topology, "bridges", bridge.name, stopping)
    shared = CounterTopic(topology.kafka, topology.topics[bridge.counters]) if bridge.counters else None
    if followed is not None:
        until_available(followed.read_some, stopping)
    if shared is not None:
        until_available(shared.read, stopping)
    readings, events = topology.topics[bridge.readings], topology.topics[bridge.events]
    intake = Intake(register, decoders, readings.partitions, events.partitions, authority, age_limit(bridge))
    outlet = Outlet(topology.kafka, f"flexmeter-{bridge.name}")
    watched = [*files, *([followed] if followed else ())]
    warm_up_encode()
    BridgeLoop(bridge, topology, source, outlet, intake, watched=watched, shared=shared).run(stopping.is_set)
    for reader in (followed, shared):
        if reader is not None:
            reader.close()


def trusted(
    topology: Topology, bridge: Bridge, register: "Register"
) -> tuple["Authority", "Mapping[str, Mapping[str, Decode]]", "list[Watched[Any]]"]:
    """Who may report, what decrypts and decodes, and the files to watch for that."""
    from connectors.authority import EACH_ITSELF, Authority, load_principals
    from connectors.decode.telegram import no_keys
    from connectors.decode.timing import registered_clocks
    from connectors.keys import keys_of, load_keys
    from connectors.registry import DECODERS
    from connectors.watched import Watched

    principals = Watched(Path(topology.principals), load_principals) if topology.principals else None
    keys = Watched(Path(topology.keys), load_keys) if topology.keys else None
    authority = Authority(lambda: principals.value if principals else EACH_ITSELF, bridge.anonymous)
    made_with = (lambda meter: keys_of(meter, keys.value, register)) if keys else no_keys
    clocks = registered_clocks(register, bridge.time_zone)
    decoders = {name: make(made_with, clocks) for name, make in DECODERS.items()}
    return authority, {"": decoders[bridge.decoder], **decoders}, [file for file in (principals, keys) if file]
