"""`flexmeter run`."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console

from flexmeter.known import known
from flexmeter.local.ports import amqp_port, faults, ports
from flexmeter.local.roles import Place, Role
from flexmeter.local.run_folder import held
from flexmeter.local.stack import Stack
from flexmeter.role import stop_on_signals
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.topology import load_topology


@click.command()
@click.option("--topology", "path", default="topology.yaml", envvar="FLEXMETER_TOPOLOGY", show_default=True)
@click.option("--folder", default=".run", envvar="FLEXMETER_RUN", show_default=True, help="Where everything is kept.")
@click.option("--for", "for_s", type=float, envvar="FOR", help="End after so many seconds, with a summary.")
@click.option(
    "--meters", default=200, envvar="METERS", show_default=True, help="How many household meters the fleet is."
)
def command(path: str, folder: str, for_s: float | None, meters: int) -> None:
    """Start everything on this machine, show it live, stop it on Ctrl-C.

    Kafka, mosquitto (RabbitMQ where the topology has an AMQP bridge), topics, sinks, workers, bridges, and a fleet of
    meters; data and logs are kept in a folder.
    With --for: exit code 1 if anything that the fleet sent is not in ClickHouse at the end.
    """
    try:
        sys.exit(_run(Path(path), Path(folder), for_s, meters))
    except (Unavailable, Faults, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _run(path: Path, folder: Path, for_s: float | None, meters: int) -> int:
    stop_on_signals()
    with held(folder.absolute()) as mine:
        wanted = ports()
        if taken := faults(wanted):
            raise click.ClickException("\n".join(taken))
        kafka, mqtt, page = (port.number for port in wanted)
        place = Place(mine, kafka, mqtt, page, amqp_port())
        topology = load_topology(path, place.settings(os.environ), known())
        fleet = ("--meters", str(meters), "--duplicates", "0.01", "--garbage", "0.001")
        stack = Stack(place, topology, path, Role("fleet", "", 0, fleet), Console(file=sys.stdout))
        return _live(stack, for_s)


def _live(stack: Stack, for_s: float | None) -> int:
    try:
        stack.set_up()
        stack.console.print(f"page: {stack.place.page}", highlight=False)
        stack.show(for_s)
        return 0 if stack.account() else 1
    except KeyboardInterrupt:
        return 0
    finally:
        stack.take_down()
