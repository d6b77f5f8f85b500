"""`flexmeter replay`: rebuild a stream whose operators changed."""

import logging
from pathlib import Path

import click

from flexmeter.commands.worker import run_stream
from flexmeter.role import checked_topology, examples, metrics_options, named, start_role, topology_option
from schemas.durations import HOUR_MS
from schemas.topology import Stream, Topology
from streams.engine import Settings

log = logging.getLogger("flexmeter.replay")


@click.command(epilog=examples("flexmeter replay --name metering_2"))
@topology_option
@click.option(
    "--name", "stream_name", required=True, help="The new entry under `streams`, with a state topic of its own."
)
@click.option("--instance", envvar="FLEXMETER_INSTANCE", help="Different for each, where several replay together.")
@click.option(
    "--withhold-hours",
    default=2.0,
    show_default=True,
    help="Send no results of so much of the input's beginning: their windows began before it.",
)
@metrics_options
def command(
    topology_path: Path,
    stream_name: str,
    instance: str | None,
    withhold_hours: float,
    metrics_host: str,
    metrics_port: int,
) -> None:
    """Run a stream from where its input begins until it has caught up, save its state, and end with exit code 0.

    This is how an operator is changed. Raise its version; copy the stream's entry in topology.yaml under another name,
    with a state topic of its own and the same outputs; replay it while the old workers go on. Its results replace the
    old ones, since their version is higher. When it has caught up, stop the workers of the old entry, start workers of
    the new one, and remove the old entry. A replay that was ended early goes on where it was.
    """
    topology = checked_topology(topology_path)
    stream = named(topology.streams, stream_name, "stream")
    start_role(metrics_host, metrics_port)
    for other in _replaced(topology, stream):
        log.info("when %s has caught up, stop the workers of %s and start those of %s", stream.name, other, stream.name)
    settings = Settings(instance, replay=True, withhold_ms=round(withhold_hours * HOUR_MS))
    run_stream(topology, stream, settings)


def _replaced(topology: Topology, stream: Stream) -> list[str]:
    """Streams that make the same results from the same input."""
    return [
        other.name
        for other in topology.streams.values()
        if other.name != stream.name and other.input == stream.input and set(other.operators) & set(stream.operators)
    ]
