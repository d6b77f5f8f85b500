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

sink_option = click.option(
    "--name", default="clickhouse", show_default=True, help="The sink of topology.yaml whose tables are meant."
)


@contextmanager
def tables_of(topology_path: Path, sink: str) -> Iterator[tuple[Store, list[str]]]:
    """The sink's database, and the statements that make its tables, which have run.

    ClickException if it is away, or refuses something. The embedded ClickHouse belongs to its sink while that runs.
    """
    url = named(checked_topology(topology_path).sinks, sink, "sink").url
    made = tables.statements(load_catalogue())
    try:
        with closing(open_store(url)) as store:
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
