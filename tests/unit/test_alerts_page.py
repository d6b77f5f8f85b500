"""docs/alerts.md tells a subscriber what is so."""

import re
from pathlib import Path
from typing import Any

import yaml

from flexmeter.known import known
from schemas.alert import decode_alert, encode_alert
from schemas.events import Severity
from schemas.topology import parse_topology
from schemas.topology_model import Router

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "alerts.md").read_text("utf-8")


def block(language: str) -> str:
    """The first block of that language."""
    return PAGE.split(f"```{language}\n")[1].split("```")[0]


def section(title: str) -> str:
    return PAGE.split(f"# {title}\n")[1].split("\n#")[0]


def test_the_alert_it_shows_is_one_and_has_these_headers() -> None:
    alert = decode_alert(block("json").encode())
    headers = {name: value.decode() for name, value in encode_alert(alert)[1]}
    shown = dict(re.findall(r"^\| `([\w-]+)`(?: \(extension\))? \| `([^`]+)`", section("CloudEvents"), re.MULTILINE))
    assert shown == headers


def test_every_field_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE))))
    assert set(decode_alert(block("json").encode()).__dataclass_fields__) <= explained
    assert all(f"`{severity.value}`" in section("One alert") for severity in Severity)


def test_the_routers_it_shows_have_no_fault() -> None:
    shown: dict[str, Any] = yaml.safe_load(block("yaml"))
    whole: dict[str, Any] = yaml.safe_load((ROOT / "topology.yaml").read_text("utf-8"))
    whole["topics"] |= shown["topics"]
    env = {"SMTP_URL": "smtps://user:password@mail.example.org", "WEBHOOK_SECRET": f"whsec_{'A' * 32}"}
    topology = parse_topology("alerts.md", yaml.safe_dump({**whole, "routers": shown["routers"]}), env, known())
    assert set(topology.routers) == {"control_room", "tickets"}


def test_every_setting_of_a_router_is_explained() -> None:
    for name in Router.__dataclass_fields__.keys() - {"name"}:
        assert re.search(rf"\b{name}\b", PAGE), name


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
