"""`flexmeter erase`: a meter's data out of ClickHouse."""

from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import click

from connectors import tables
from connectors.erasure import erasing, proving
from connectors.registry import STORES
from flexmeter.role import named, topology_option, topology_or_exit
from schemas.catalogue import load_catalogue
from schemas.errors import Unavailable


@click.command()
@topology_option
@click.option(
    "--name", default="clickhouse", show_default=True, help="The sink of topology.yaml whose tables to erase from."
)
@click.argument("meter")
def command(topology_path: Path, name: str, meter: str) -> None:
    """Erase METER from every table, and prove that none names it any more.

    The embedded ClickHouse belongs to its sink while that runs: end the sink first. Kafka's topics forget by their
    retention; a meter that goes on reporting comes back: take it out of the register before.
    """
    url = named(topology_or_exit(topology_path).sinks, name, "sink").url
    made = tables.statements(load_catalogue())
    try:
        with closing(STORES[urlsplit(url).scheme](url)) as store:
            store.migrate(made)
            store.migrate(erasing(meter, made))
            store.migrate(proving(meter, made))
    except Unavailable as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{meter} is erased: no column of text of any table names it")
