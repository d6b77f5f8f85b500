"""`flexmeter register`: a file's meters onto the topic that bridges follow."""

from collections.abc import Mapping
from pathlib import Path

import click

from flexmeter.registered import bring, standing
from flexmeter.role import checked_topology, examples, topology_option
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.register import Device, load_register
from schemas.register_change import change_of
from schemas.register_rules import clashes


@click.command(
    epilog=examples(
        "flexmeter register meters.csv --dry-run",
        "flexmeter register meters.csv",
        "flexmeter register - --yes --remove",
    )
)
@topology_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what differs, and do nothing.")
@click.option("--remove", is_flag=True, help="Remove meters that are not in the file; otherwise they stay.")
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
def command(topology_path: Path, yes: bool, dry_run: bool, remove: bool, file: Path | None) -> None:
    """Register the meters of FILE (the topology's `register` unless told; - = standard input), a CSV file.

    A file with a fault changes nothing. What differs from the register is told, and done when you agree. Bridges know
    it within seconds. docs/register.md has the columns.
    """
    topology = checked_topology(topology_path)
    topic = topology.register_topic
    if topic is None:
        raise click.UsageError(
            f"no topic of the topology carries Device: bridges read {topology.register} at their start"
        )
    path = file or Path(topology.register)
    wanted = _checked(path)
    try:
        there = standing(topology, topic)
        change = change_of(there, wanted)
        click.echo(f"{path}: {len(wanted):,} meters, no fault; on the topic {topic.name}: {len(there):,}")
        for line in change.lines(remove):
            click.echo(f"  {line}")
        staying = [] if remove else [there[meter] for meter in change.missing]
        if faults := list(clashes(staying, wanted.values())) if staying else []:
            raise Faults(f"{path} with what stays", faults)
        if not change.to_do(remove):
            click.echo("nothing to do")
        elif not dry_run and (yes or click.confirm("Do that?", abort=True)):
            bring(topology, topic, change, wanted, remove)
            click.echo(f"done: Kafka has {change.to_do(remove):,} changes")
    except (Unavailable, Faults) as error:
        raise click.ClickException(str(error)) from error


def _checked(path: Path) -> Mapping[str, Device]:
    """The file's meters; every fault of it on stderr and exit code 1 otherwise."""
    try:
        return load_register(path).devices
    except Faults as faults:
        found = len(faults.faults)
        raise click.ClickException(f"{found:,} fault{'s' * (found > 1)}, nothing was done\n{faults}") from faults
