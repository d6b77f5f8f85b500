"""`flexmeter doctor`."""

import sys

import click

from flexmeter.local.checkup import main


@click.command()
def command() -> None:
    """Say what is there, what is missing, and what installs it. Exit code 1 if anything needed is missing."""
    sys.exit(main())
