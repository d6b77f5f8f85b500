"""`flexmeter sink`: writes the topics of one sink to ClickHouse; with the embedded one, serves the local page."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import click

from connectors import tables
from connectors.backoff import Stopped
from connectors.kafka import Outlet
from connectors.sink import Decode, Sink, consumer
from connectors.store import Store
from connectors.tables import retention
from flexmeter.administration import open_store
from flexmeter.page.interface import Interface, Reader
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
from schemas.alert import decode_alert
from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.topology import Topology

log = logging.getLogger(__name__)


@click.command(
    epilog=examples(
        "flexmeter sink", "CLICKHOUSE_URL=clickhouse://sink:secret@db:9000/ flexmeter sink --name clickhouse"
    )
)
@topology_option
@click.option("--name", default="clickhouse", show_default=True, help="The sink of topology.yaml to run.")
@click.option(
    "--http-port",
    default=8123,
    envvar="PAGE_PORT",
    show_default=True,
    show_envvar=True,
    help="With embedded ClickHouse: the page and ClickHouse's HTTP interface, on 127.0.0.1; 0 = no.",
)
@metrics_options
def command(topology_path: Path, name: str, http_port: int, metrics_host: str, metrics_port: int) -> None:
    """Write topics to ClickHouse; with the embedded one, serve the local page and ClickHouse's HTTP interface."""
    topology = checked_topology(topology_path)
    spec = named(topology.sinks, name, "sink")
    made, url = [*tables.statements(load_catalogue()), *retention.of_options(name, spec.options)], spec.url
    start_role(metrics_host, metrics_port)
    # It tells each failed connection with a stack trace; the sink's own line says the same.
    logging.getLogger("clickhouse_driver").setLevel(logging.ERROR)
    with closing(open_store(url)) as store:
        sink = make_sink(topology, name, store)
        stopping = stopping_on_signals(sink.stop)
        sink.migrate(made)
        with _page(store, http_port):
            with suppress(Stopped):
                await_topics(topology, "sinks", name, stopping)
            sink.run()


def make_sink(topology: Topology, name: str, store: Store) -> Sink:
    """The sink of that name, writing to the store."""
    spec = topology.sinks[name]
    group = f"flexmeter-{name}"
    decoders: dict[str, Decode] = {
        topic: decode_alert if topology.topics[topic].records == ("Alert",) else decode for topic in spec.inputs
    }
    outlet = Outlet(topology.kafka, group)
    return Sink(name, consumer(topology.kafka, group), decoders, store, outlet, topology.topics[spec.dead_letters])


@contextmanager
def _page(store: Store, port: int) -> Iterator[None]:
    """The page, where the store can be read here and a port is wanted."""
    if port == 0 or not isinstance(store, Reader):
        yield
        return
    try:
        interface = Interface(store, port)
    except OSError as error:
        raise click.ClickException(
            f"port {port} of 127.0.0.1: {error.strerror}; choose another by PAGE_PORT"
        ) from error
    log.info("page and queries at %s", interface.url)
    with closing(interface):
        yield
