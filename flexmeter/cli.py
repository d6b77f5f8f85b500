"""The command line: which commands there are. Each is imported when it is called, so that `doctor` works with parts
missing and `--help` is quick.
"""

import importlib

import click

# name -> (module, help). The help is repeated here so that listing the commands imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("flexmeter.commands.run", "Start everything on this machine and show it live."),
    "register": ("flexmeter.commands.register", "Say which meters exist: a CSV file, with what differs told first."),
    "bridge": ("flexmeter.commands.bridge", "Bring the readings of one source onto Kafka."),
    "worker": ("flexmeter.commands.worker", "Run one stream."),
    "replay": ("flexmeter.commands.replay", "Rebuild a stream whose operators changed."),
    "recompute": ("flexmeter.commands.recompute", "Compute hours again for which rows came too late."),
    "sink": ("flexmeter.commands.sink", "Write topics to ClickHouse; serve the local page."),
    "router": ("flexmeter.commands.router", "Deliver alerts by e-mail or webhook."),
    "fleet": ("flexmeter.commands.fleet", "Be many meters that speak the real protocols."),
    "grid": ("flexmeter.commands.grid", "Publish the grid for the stream that looks for outages."),
    "topology": ("flexmeter.commands.topology", "Check and show topology.yaml; create its topics."),
    "decode": ("flexmeter.commands.decode", "Decode one payload and show what it says."),
    "mapping": ("flexmeter.commands.mapping", "Propose a mapping for a sample of JSON."),
    "send": ("flexmeter.commands.send", "Put one reading on the bus and show where it went."),
    "tail": ("flexmeter.commands.tail", "Show a meter's readings and results as they pass."),
    "state": ("flexmeter.commands.state", "Show what the streams know of a meter."),
    "home": ("flexmeter.commands.home", "Say what a home wants of nilm: consent, withdraw, label."),
    "keep": ("flexmeter.commands.keep", "Say how long ClickHouse keeps raw readings."),
    "users": ("flexmeter.commands.users", "Print the SQL that makes ClickHouse's users."),
    "erase": ("flexmeter.commands.erase", "Erase a meter from ClickHouse, and prove it."),
    "alerts": ("flexmeter.commands.alerts", "Show alerts, acknowledge and silence them."),
    "dead-letters": ("flexmeter.commands.dead_letters", "Show what was rejected; re-drive what is mended."),
    "doctor": ("flexmeter.commands.doctor", "Say what is missing and what installs it."),
}


class Commands(click.Group):
    """The literal registry above, imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the registry."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; its module is imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Commands)
@click.version_option(package_name="flexmeter")
def main() -> None:
    """Meter readings from MQTT through Kafka and Faust into ClickHouse."""
