"""`flexmeter keep`: how long ClickHouse keeps what grows most."""

from pathlib import Path

import click

from connectors.tables.retention import MOST_DAYS, statements
from flexmeter.administration import sink_of, sink_option, tables_of
from flexmeter.role import examples, topology_option


@click.command(epilog=examples("flexmeter keep --readings-days 30 --minutes-days 0"))
@topology_option
@sink_option
@click.option(
    "--readings-days",
    type=click.IntRange(0, MOST_DAYS),
    default=90,
    show_default=True,
    help="Days that raw readings are kept; 0 = for ever.",
)
@click.option(
    "--minutes-days",
    type=click.IntRange(0, MOST_DAYS),
    default=365,
    show_default=True,
    help="Days that windows 1min and rolling_15min are kept; 0 = for ever.",
)
def command(topology_path: Path, name: str, readings_days: int, minutes_days: int) -> None:
    """Keep raw readings and windows of a minute so many days; quarters of an hour, hours and all else for ever.

    Older rows are removed at once, and from then on as ClickHouse merges. It holds until it is run with other numbers,
    or the sink starts, which sets what its options in topology.yaml say: change those as well. The embedded ClickHouse
    belongs to its sink while that runs: end the sink first.
    """
    sink = sink_of(topology_path, name)
    with tables_of(sink) as (store, _):
        store.migrate(statements(readings_days, minutes_days))
    for option, what, days in (
        ("readings_days", "raw readings", readings_days),
        ("minutes_days", "windows of a minute", minutes_days),
    ):
        click.echo(f"{what}: " + (f"{days} days" if days else "for ever"))
        if sink.options.get(option, str(days)) != str(days):
            click.echo(f"  until sink {name} starts: its {option} in {topology_path} is {sink.options[option]}")
