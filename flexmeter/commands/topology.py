"""`flexmeter topology`: check topology.yaml without connecting to anything; show what flows where; create topics."""

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path as FilePath

import click

from connectors.kafka import ensure_topics
from flexmeter.known import known
from flexmeter.role import examples, topology_option
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.topology import Topology, load_topology
from schemas.topology_check import reads, writes
from schemas.topology_reader import Path


@click.group(epilog=examples("flexmeter topology check", "flexmeter topology show", "flexmeter topology create"))
def command() -> None:
    """Check and show topology.yaml; create its topics."""


@command.command()
@topology_option
def check(topology_path: FilePath) -> None:
    """Name every fault, with its line and what to do about it.

    Connects to nothing. Exit code 1 if there is one.
    """
    topology = _load(topology_path)
    parts = ("topics", "bridges", "streams", "sinks", "routers")
    click.echo(f"{topology_path}: no fault; " + ", ".join(f"{kind}: {len(getattr(topology, kind))}" for kind in parts))


@command.command()
@topology_option
def show(topology_path: FilePath) -> None:
    """Draw what flows where, and list all bridges, streams, sinks and routers."""
    for line in picture(_load(topology_path)):
        click.echo(line)


@command.command()
@topology_option
def create(topology_path: FilePath) -> None:
    """Create on Kafka the topics that are missing.

    They are replicated as the broker's default says; those that are there are left alone.
    Exit code 1 if one has another number of partitions, or if Kafka is away.
    """
    topology = _load(topology_path)
    try:
        ensure_topics(topology.kafka, topology.topics.values())
    except Unavailable as away:
        raise click.ClickException(str(away)) from away
    except Faults as faults:
        raise click.ClickException(str(faults)) from faults
    click.echo(f"{topology_path}: Kafka has all {len(topology.topics)} topics")


def picture(topology: Topology) -> Iterator[str]:
    """Every topic between those who write it and those who read it, then what each of them does."""
    rows = [("written by", "topic", "read by"), *_flows(topology)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for writer, topic, reader in rows:
        yield f"{writer:{widths[0]}}  {topic:{widths[1]}}  {reader}".rstrip()
    yield ""
    for bridge in topology.bridges.values():
        yield f"bridge {bridge.name}: {_without_password(bridge.url)}, {bridge.decoder}, {' '.join(bridge.subscribe)}"
    for stream in topology.streams.values():
        yield f"stream {stream.name}: {', '.join(stream.operators)}; state in {stream.state}"
    for sink in topology.sinks.values():
        yield f"sink {sink.name}: {_without_password(sink.url)}"
    for router in topology.routers.values():
        yield f"router {router.name}: {_without_password(router.url)}, {len(router.rules)} rules"


def _flows(topology: Topology) -> Iterator[tuple[str, str, str]]:
    for topic in topology.topics.values():
        label = f"-> {topic.name} ({topic.partitions} by {topic.by}: {', '.join(topic.records)})"
        writers, readers = _ends(writes(topology), topic.name), _ends(reads(topology), topic.name)
        for row, (writer, reader) in enumerate(zip_longest(writers, readers)):
            yield writer or "", "" if row else label, f"-> {reader}" if reader else ""


def _ends(mentions: Iterable[tuple[Path, str]], topic: str) -> list[str]:
    """Who mentions the topic, such as "stream grid"; state is the stream's own affair."""
    return [f"{str(at[0]).removesuffix('s')} {at[1]}" for at, name in mentions if name == topic and at[2] != "state"]


def _without_password(url: str) -> str:
    """The URL for other eyes.

    >>> _without_password("mqtts://bridge:s3cret@broker:8883")
    'mqtts://bridge@broker:8883'
    """
    return re.sub(r"(?<=//)([^/:@]*):[^/]*@", r"\1@", url)


def _load(path: FilePath) -> Topology:
    try:
        return load_topology(path, known=known())
    except Faults as faults:
        found = len(faults.faults)
        raise click.ClickException(f"{found} fault{'s' * (found > 1)}\n{faults}") from faults
