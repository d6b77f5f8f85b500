"""The register as bridges have it, for commands; and a file's way onto its topic."""

from collections.abc import Mapping

import click

from connectors.kafka import Outlet, ensure_topics
from connectors.register_topic import RegisterTopic, publish
from flexmeter.role import asking_kafka
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.register import Device, Register, load_register
from schemas.register_change import Change, change_of
from schemas.topology import Topic, Topology

PATIENCE_S = 300.0


def registered(topology: Topology) -> Register:
    """What bridges know now: the topic, or where there is none the file.

    Raises:
        Unavailable: Kafka is away.
        Faults: the file has faults.

    """
    if topology.register_topic is None:
        return load_register(topology.register)
    return Register(standing(topology, topology.register_topic))


def devices_or_exit(topology: Topology) -> Mapping[str, Device]:
    """The devices that bridges know now, for a command; a faulty file is a usage error."""
    try:
        with asking_kafka():
            return registered(topology).devices
    except Faults as faults:
        raise click.UsageError(str(faults)) from faults


def standing(topology: Topology, topic: Topic) -> Mapping[str, Device]:
    """What is on the topic, which is made if it is not there; raises Unavailable where Kafka is away."""
    ensure_topics(topology.kafka, [topic])
    reader = RegisterTopic(topology.kafka, topic)
    try:
        reader.read()
    finally:
        reader.close()
    return reader.register.devices


def bring(topology: Topology, topic: Topic, change: Change, wanted: Mapping[str, Device], remove: bool) -> None:
    """Put on the topic what differs; returns when Kafka has it.

    Raises:
        Unavailable: it does not take it in time. What it took holds; the same again does the rest.

    """
    outlet = Outlet(topology.kafka, "flexmeter-register")
    for meter in (*change.added, *change.changed):
        publish(outlet, topic, meter, wanted[meter])
    for meter in change.missing if remove else ():
        publish(outlet, topic, meter, None)
    if not outlet.close(PATIENCE_S):
        raise Unavailable("kafka", f"it did not take all of the register within {PATIENCE_S:.0f} s")


def fill(topology: Topology) -> int:
    """Let the topic, where there is one, hold what the topology's own file does, and nothing else; how many meters.

    Raises:
        Unavailable: Kafka is away.
        Faults: the file has faults.

    """
    wanted = load_register(topology.register).devices
    topic = topology.register_topic
    if topic is not None:
        bring(topology, topic, change_of(standing(topology, topic), wanted), wanted, remove=True)
    return len(wanted)
