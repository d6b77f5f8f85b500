"""`flexmeter erase`: a meter's data out of ClickHouse."""

from pathlib import Path

import click

from connectors.erasure import erasing, proving
from flexmeter.administration import sink_option, tables_of
from flexmeter.role import examples, topology_option


@click.command(epilog=examples("flexmeter erase LGZ1030655933000"))
@topology_option
@sink_option
@click.argument("meter")
def command(topology_path: Path, name: str, meter: str) -> None:
    """Erase METER from every table, and prove that none names it any more.

    The embedded ClickHouse belongs to its sink while that runs: end the sink first. Kafka's topics forget by their
    retention; a meter that goes on reporting comes back: take it out of the register before.
    """
    with tables_of(topology_path, name) as (store, made):
        store.migrate(erasing(meter, made))
        store.migrate(proving(meter, made))
    click.echo(f"{meter} is erased: no column of text of any table names it")
