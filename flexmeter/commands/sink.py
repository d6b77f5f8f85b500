"""`flexmeter sink`: writes the topics of one sink to ClickHouse; with the embedded one, serves the local page."""

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
from prometheus_client import start_http_server

from connectors import tables
from connectors.chdb_store import ChdbStore
from connectors.clickhouse_server import ClickHouseServer
from connectors.kafka import Outlet
from connectors.rows import ROWS
from connectors.sink import Decode, Sink, consumer
from connectors.store import Store
from flexmeter.page.interface import Interface
from schemas.alert import decode_alert
from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.faults import Faults
from schemas.topology import Topology, load_topology

log = logging.getLogger(__name__)

STORES: Mapping[str, Callable[[str], Store]] = {
    "chdb": lambda url: ChdbStore(Path(url.removeprefix("chdb://"))),
    "clickhouse": ClickHouseServer,
    "clickhouses": ClickHouseServer,
}
"""URL scheme -> store."""

RECORDS = frozenset(record.__name__ for record in ROWS)
"""The records that ClickHouse has tables for."""


@click.command()
@click.option("--name", default="clickhouse", show_default=True, help="Which sink of the topology.")
@click.option("--topology", "path", default="topology.yaml", show_default=True, envvar="FLEXMETER_TOPOLOGY")
@click.option("--http-port", default=8123, show_default=True, envvar="PAGE_PORT", help="Page and queries; 0: none.")
@click.option("--metrics-port", default=0, show_default=True, envvar="FLEXMETER_METRICS_PORT", help="0: none.")
def command(name: str, path: str, http_port: int, metrics_port: int) -> None:
    """Write topics to ClickHouse; with the embedded one, serve the local page and ClickHouse's HTTP interface."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    topology = _topology(path)
    if name not in topology.sinks:
        raise click.UsageError(f"the topology has no sink {name!r}, only {', '.join(topology.sinks) or 'none'}")
    if metrics_port:
        start_http_server(metrics_port, "127.0.0.1")
    url = topology.sinks[name].url
    with closing(STORES[urlsplit(url).scheme](url)) as store:
        sink = make_sink(topology, name, store)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sink.stop())
        sink.migrate(tables.statements(load_catalogue()))
        with _page(store, http_port):
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


def _topology(path: str) -> Topology:
    try:
        return load_topology(path)
    except Faults as faults:
        raise click.ClickException(str(faults)) from faults


@contextmanager
def _page(store: Store, port: int) -> Iterator[None]:
    if port == 0 or not isinstance(store, ChdbStore):
        yield
        return
    try:
        interface = Interface(store, port)
    except OSError as error:
        raise click.ClickException(
            f"port {port} of 127.0.0.1: {error.strerror}; choose another by PAGE_PORT"
        ) from error
    log.info("page and queries at %s", interface.url)
    try:
        yield
    finally:
        interface.close()
