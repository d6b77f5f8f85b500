"""`flexmeter erase`: a meter's data out of ClickHouse."""

from collections.abc import Sequence
from pathlib import Path

import click

from connectors.clickhouse_errors import ClickHouseFault
from connectors.erasure import erasing, proving
from connectors.store import Store
from flexmeter.administration import sink_of, sink_option, tables_of
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
    if not meter.strip():
        raise click.UsageError("name a meter: nothing is erased")
    with tables_of(sink_of(topology_path, name)) as (store, made):
        if not is_named(store, meter, made):
            click.echo(f"nothing to erase: no column of text of any table names {meter}")
            return
        store.migrate(erasing(meter, made))
        store.migrate(proving(meter, made))
    click.echo(f"{meter} is erased: no column of text of any table names it")


def is_named(store: Store, meter: str, made: Sequence[str]) -> bool:
    """Whether any table names the meter."""
    try:
        store.migrate(proving(meter, made))
    except ClickHouseFault:
        return True
    return False
