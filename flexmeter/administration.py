"""What commands that open a sink's database have in common."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click

from connectors import tables
from connectors.clickhouse_errors import ClickHouseFault
from connectors.registry import STORES
from connectors.store import Store
from flexmeter.role import checked_topology, named
from schemas.catalogue import load_catalogue
from schemas.errors import Unavailable
from schemas.topology import Sink

sink_option = click.option(
    "--name", default="clickhouse", show_default=True, help="The sink of topology.yaml whose tables are meant."
)


def sink_of(topology_path: Path, name: str) -> Sink:
    """The sink of that name; ClickException where the topology is at fault or has none."""
    return named(checked_topology(topology_path).sinks, name, "sink")


@contextmanager
def tables_of(sink: Sink) -> Iterator[tuple[Store, list[str]]]:
    """The sink's database, and the statements that make its tables, which have run.

    ClickException if it is away, or refuses something. The embedded ClickHouse belongs to its sink while that runs.
    """
    made = tables.statements(load_catalogue())
    try:
        with closing(open_store(sink.url)) as store:
            store.migrate(made)
            yield store, made
    except (Unavailable, ClickHouseFault) as error:
        raise click.ClickException(str(error)) from error


def open_store(url: str) -> Store:
    """The database that a sink writes to; ClickException where the embedded one cannot be opened."""
    try:
        return STORES[urlsplit(url).scheme](url)
    except RuntimeError as error:  # chdb's
        raise click.ClickException(f"{url} cannot be opened: {error}") from error
