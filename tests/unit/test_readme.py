"""The README's examples name things that are there."""

import re
from pathlib import Path

import pytest

from flexmeter.cli import COMMANDS
from flexmeter.fleet import grid
from schemas.topology import load_topology

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PARTS = {"bridge": "bridges", "worker": "streams", "recompute": "streams", "sink": "sinks", "router": "routers"}


def test_its_meter_is_one_of_the_fleets() -> None:
    meters = set(re.findall(r"flexmeter (?:send|tail) (\S+)", README))
    assert meters == {grid.household_id(0)}


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^flexmeter ([\w-]+)", README, re.MULTILINE))))
def test_its_commands_exist(command: str) -> None:
    assert command in COMMANDS


@pytest.mark.parametrize("role", PARTS)
def test_its_roles_are_entries_of_the_topology_that_it_names(role: str) -> None:
    (options,) = re.findall(rf"^flexmeter {role} (.*?) +#", README, re.MULTILINE)
    words = iter(options.split())
    told = dict(zip(words, words, strict=True))
    topology = load_topology(ROOT / told.get("--topology", "topology.yaml"), env={})
    assert told["--name"] in getattr(topology, PARTS[role])


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
