"""The README's examples name things that are there."""

import re
from pathlib import Path

import pytest

from flexmeter.cli import COMMANDS
from flexmeter.fleet import grid

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_its_meter_is_one_of_the_fleets() -> None:
    meters = set(re.findall(r"flexmeter (?:send|tail) (\S+)", README))
    assert meters == {grid.household_id(0)}


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^flexmeter ([\w-]+)", README, re.MULTILINE))))
def test_its_commands_exist(command: str) -> None:
    assert command in COMMANDS


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[2] / link).exists()
