"""`flexmeter recompute`: answers a stream's requests to compute hours again."""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import click

from connectors.backoff import Stopped
from connectors.clickhouse_server import ClickHouseServer
from connectors.database import Database, HttpDatabase
from connectors.kafka import Outlet
from connectors.sink import consumer
from flexmeter.recomputation.answers import Answers
from flexmeter.recomputation.loop import Pace, Recomputation
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
from schemas.topology import Topology
from streams.registry import operators_of
from streams.warm_up import warm_up

DATABASES: Mapping[str, Callable[[str], Database]] = {
    "http": HttpDatabase,
    "https": HttpDatabase,
    "clickhouse": ClickHouseServer,
    "clickhouses": ClickHouseServer,
}


@click.command(epilog=examples("flexmeter recompute --name metering"))
@topology_option
@click.option("--name", "stream_name", required=True, help="The stream of topology.yaml whose requests are answered.")
@click.option("--sink", "sink_name", default="clickhouse", show_default=True, help="The sink that stores its readings.")
@click.option(
    "--database",
    envvar="FLEXMETER_RECOMPUTE_DATABASE",
    show_envvar=True,
    help="Where they are read: clickhouse:// or http://, as a user that may only read. "
    "Not given: as the sink writes them.",
)
@click.option(
    "--http-port", default=8123, envvar="PAGE_PORT", show_default=True, help="Where a sink serves embedded ClickHouse."
)
@click.option(
    "--linger",
    "linger_s",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds to gather requests.",
)
@click.option(
    "--look-again",
    "look_again_s",
    default=60.0,
    show_default=True,
    help="Seconds between looks at hours that the stream has not closed yet.",
)
@metrics_options
def command(
    topology_path: Path,
    stream_name: str,
    sink_name: str,
    database: str | None,
    http_port: int,
    linger_s: float,
    look_again_s: float,
    metrics_host: str,
    metrics_port: int,
) -> None:
    """Compute hours again for which rows came too late, from the stored readings, and send what differs as a revision.

    Start as many as the topic of requests has partitions; each takes its share.
    """
    topology = checked_topology(topology_path)
    stream = named(topology.streams, stream_name, "stream")
    if not any("RecomputeRequestBlock" in topology.topics[name].records for name in stream.outputs):
        raise click.UsageError(f"stream {stream_name} asks for nothing to be computed again")
    sink = named(topology.sinks, sink_name, "sink")
    url = database or _of_sink(sink.url, http_port)
    if urlsplit(url).scheme not in DATABASES:
        raise click.UsageError(f"{url!r} begins with none of {', '.join(f'{scheme}://' for scheme in DATABASES)}")
    start_role(metrics_host, metrics_port)
    with closing(DATABASES[urlsplit(url).scheme](url)) as opened:
        loop = make_recomputation(topology, stream_name, sink_name, opened, Pace(linger_s, look_again_s))
        stopping = stopping_on_signals(loop.stop)
        warm_up(load_catalogue())
        with suppress(Stopped):
            await_topics(topology, "streams", stream_name, stopping)
        loop.run()


def make_recomputation(
    topology: Topology, stream_name: str, sink: str, database: Database, pace: Pace
) -> Recomputation:
    """The loop for a stream of the topology."""
    stream = topology.streams[stream_name]
    group = f"flexmeter-recompute-{stream_name}"
    operators = operators_of(stream)
    answers = Answers(database, operators, load_catalogue())
    read, outlet = consumer(topology.kafka, group), Outlet(topology.kafka, group)
    return Recomputation(topology, stream, sink, read, outlet, answers, pace)


def _of_sink(url: str, http_port: int) -> str:
    """Where a sink's database can be read: the embedded one through the interface of its sink."""
    return f"http://127.0.0.1:{http_port}/" if urlsplit(url).scheme == "chdb" else url
