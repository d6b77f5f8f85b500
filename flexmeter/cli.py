"""The command line: which commands there are. Each is imported when it is called, so that `doctor` works with parts
missing and `--help` is quick.
"""

import importlib
from typing import Any

import click

from schemas.faults import Faults

# section -> name -> (module, help). The help is repeated here so that listing the commands imports none of them.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Try it on this machine": {
        "run": ("flexmeter.commands.run", "Start everything on this machine and show it live."),
        "doctor": ("flexmeter.commands.doctor", "Say what is missing and what installs it."),
        "fleet": ("flexmeter.commands.fleet", "Be many meters that speak the real protocols."),
        "send": ("flexmeter.commands.send", "Put one reading on the bus and show where it went."),
    },
    "Say what is there": {
        "topology": ("flexmeter.commands.topology", "Check and show topology.yaml; create its topics."),
        "register": (
            "flexmeter.commands.register",
            "Say which meters exist: a CSV file, with what differs told first.",
        ),
        "grid": ("flexmeter.commands.grid", "Publish the grid for the stream that looks for outages."),
        "home": ("flexmeter.commands.home", "Say what a home wants of nilm: consent, withdraw, label."),
    },
    "Run one part": {
        "bridge": ("flexmeter.commands.bridge", "Bring the readings of one source onto Kafka."),
        "worker": ("flexmeter.commands.worker", "Run one stream."),
        "sink": ("flexmeter.commands.sink", "Write topics to ClickHouse; serve the local page."),
        "recompute": ("flexmeter.commands.recompute", "Compute hours again for which rows came too late."),
        "router": ("flexmeter.commands.router", "Deliver alerts by e-mail or webhook."),
        "replay": ("flexmeter.commands.replay", "Rebuild a stream whose operators changed."),
    },
    "Look": {
        "tail": ("flexmeter.commands.tail", "Show a meter's readings and results as they pass."),
        "state": ("flexmeter.commands.state", "Show what the streams know of a meter."),
        "alerts": ("flexmeter.commands.alerts", "Show alerts, acknowledge and silence them."),
        "dead-letters": ("flexmeter.commands.dead_letters", "Show what was rejected; re-drive what is mended."),
    },
    "Kinds of meters": {
        "decode": ("flexmeter.commands.decode", "Decode one payload and show what it says."),
        "mapping": ("flexmeter.commands.mapping", "Propose a mapping for a sample of JSON."),
    },
    "ClickHouse": {
        "keep": ("flexmeter.commands.keep", "Say how long ClickHouse keeps raw readings."),
        "users": ("flexmeter.commands.users", "Print the SQL that makes ClickHouse's users."),
        "erase": ("flexmeter.commands.erase", "Erase a meter from ClickHouse, and prove it."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Commands(click.Group):
    """The literal sections above, imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the sections."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; its module is imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. All faults of a file, or of Kafka's topics, are told on stderr; the exit code is 2."""
        try:
            return super().invoke(ctx)
        except Faults as faults:
            raise click.UsageError(str(faults)) from faults

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])


@click.command(cls=Commands)
@click.version_option(package_name="flexmeter")
def main() -> None:
    """Meter readings from MQTT, CoAP, AMQP and HTTPS through Kafka and Faust into ClickHouse.

    Each command's own --help has its options, with units and defaults, and examples.
    """
