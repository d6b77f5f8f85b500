"""`flexmeter run`."""

import logging
import os
import sys
from pathlib import Path

import click
from rich.console import Console

from flexmeter.known import known
from flexmeter.local.access import ALL, PROTOCOLS, only, settings, sources
from flexmeter.local.ports import faults, ports, source_ports
from flexmeter.local.roles import Place, Role
from flexmeter.local.run_folder import held
from flexmeter.local.stack import Stack
from flexmeter.role import examples, stop_on_signals
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.topology import load_topology

FAULTY = ("--fault", "reversed_phase", "--history-days", "9")
"""One meter is faulty, and has been in order long enough to be known: so an alert is raised within seconds."""


@click.command(
    epilog=examples(
        "flexmeter run", "flexmeter run --sources mqtt --meters 50", "PAGE_PORT=8223 flexmeter run --for 60"
    )
)
@click.option(
    "--topology",
    "path",
    default="topology.yaml",
    envvar="FLEXMETER_TOPOLOGY",
    show_default=True,
    help="What runs and how it joins.",
)
@click.option("--folder", default=".run", envvar="FLEXMETER_RUN", show_default=True, help="Where everything is kept.")
@click.option("--for", "for_s", type=float, envvar="FOR", help="End after so many seconds, with a summary.")
@click.option(
    "--meters", default=200, envvar="METERS", show_default=True, help="How many household meters the fleet is."
)
@click.option(
    "--sources",
    "chosen",
    default=ALL,
    envvar="SOURCES",
    show_default=True,
    help=f"Which bridges, by protocol: {','.join(PROTOCOLS)}; MQTT is always among them.",
)
def command(path: str, folder: str, for_s: float | None, meters: int, chosen: str) -> None:
    """Start everything on this machine, show it live, stop it on Ctrl-C.

    Kafka, mosquitto, RabbitMQ (for AMQP), topics, sinks, workers, bridges, and a fleet of meters of every kind; data
    and logs are kept in a folder.
    With --for: exit code 1 if anything that the fleet sent is not in ClickHouse at the end.
    Ports are environment variables: KAFKA_PORT, MQTT_PORT, HTTP_PORT, COAP_PORT, AMQP_PORT, PAGE_PORT.
    """
    try:
        sys.exit(_run(Path(path), Path(folder), for_s, meters, sources(chosen)))
    except (Unavailable, Faults, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _run(path: Path, folder: Path, for_s: float | None, meters: int, protocols: tuple[str, ...]) -> int:
    stop_on_signals()
    logging.getLogger("librdkafka").setLevel(logging.ERROR)  # that it waits for a Kafka just started is no news
    with held(folder.absolute()) as mine:
        wanted, more = ports(), source_ports(protocols)
        if taken := faults((*wanted, *more.values())):
            raise click.ClickException("\n".join(taken))
        kafka, mqtt, page = (port.number for port in wanted)
        place = Place(mine, kafka, mqtt, page, more["amqp"].number if "amqp" in more else 0)
        env = {**os.environ, **settings(mine, more)}
        topology = only(load_topology(path, place.settings(env), known()), protocols)
        spoken = {bridge.protocol for bridge in topology.bridges.values()}
        also = [option for protocol in more if protocol in spoken for option in ("--also", protocol)]
        fleet = ("--meters", str(meters), "--duplicates", "0.01", "--garbage", "0.001", *FAULTY, *also)
        stack = Stack(place, topology, path, Role("fleet", "", 0, fleet), Console(file=sys.stdout))
        return _live(stack, for_s, env)


def _live(stack: Stack, for_s: float | None, env: dict[str, str]) -> int:
    try:
        stack.set_up(env)
        stack.console.print(f"page: {stack.place.page}", highlight=False)
        stack.show(for_s)
        return 0 if stack.account() else 1
    except KeyboardInterrupt:
        return 0
    finally:
        stack.take_down()
