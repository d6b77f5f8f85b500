"""`flexmeter worker`: run one stream."""

from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from connectors.backoff import Stopped
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
from schemas.catalogue import load_catalogue
from schemas.topology import Stream, Topology
from streams.engine import Engine, Settings, run
from streams.registry import operators_of


@click.command(
    epilog=examples("flexmeter worker --name metering", "flexmeter worker --name metering --instance metering-1")
)
@topology_option
@click.option(
    "--name",
    "stream_name",
    required=True,
    help="The stream of topology.yaml to run; `flexmeter topology show` lists them.",
)
@click.option(
    "--instance",
    envvar="FLEXMETER_INSTANCE",
    show_envvar=True,
    help="A name that stays the same over restarts, different for each worker: a successor takes over at once.",
)
@click.option(
    "--save-interval",
    "save_interval_s",
    default=30.0,
    show_default=True,
    help="Least seconds between saves; up to ten times as many, until as much has come in as the state is large.",
)
@click.option(
    "--session-timeout",
    "session_timeout_s",
    default=20.0,
    show_default=True,
    help="Seconds that a worker may be silent until others take over.",
)
@metrics_options
def command(
    topology_path: Path,
    stream_name: str,
    instance: str | None,
    save_interval_s: float,
    session_timeout_s: float,
    metrics_host: str,
    metrics_port: int,
) -> None:
    """Run one stream: its operators over the partitions that its group gives to this worker.

    Start as many workers of a stream as its input topic has partitions; each takes its share.
    """
    topology = checked_topology(topology_path)
    stream = named(topology.streams, stream_name, "stream")
    start_role(metrics_host, metrics_port)
    run_stream(topology, stream, Settings(instance, save_interval_s, session_timeout_s))


def run_stream(topology: Topology, stream: Stream, settings: Settings) -> NoReturn:
    """Be a worker of this stream until told to stop."""
    stopping = stopping_on_signals()
    with suppress(Stopped):
        await_topics(topology, "streams", stream.name, stopping)
    if stopping.is_set():
        raise SystemExit(0)
    operators = operators_of(stream)
    run(Engine(topology, stream, operators, load_catalogue(), settings))
