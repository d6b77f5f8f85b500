"""The reference pages of docs/reference, written from the data itself: `python -m flexmeter.reference`.

A test fails when a page no longer says what the data says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from connectors.http_openapi import openapi
from connectors.topic_template import TopicTemplate
from schemas.catalogue import load_catalogue
from schemas.events import load_events
from schemas.topology import load_topology
from schemas.units import units_like

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

NOTICE = "<!-- Written by `python -m flexmeter.reference`; edit the data in schemas/ instead. -->"


def quantities() -> Iterator[str]:
    """What can be measured, in which unit, and from which units it is converted."""
    yield from ("# Quantities", "", NOTICE, "")
    yield "A name ends with its unit. Sources may state the units in brackets; the decoder converts them once."
    yield ""
    yield from _table(
        ("name", "unit", "kind", "resolution", "plausible", "OBIS", "meaning"),
        (
            (
                f"`{quantity.name}`",
                _units(quantity.unit),
                str(quantity.kind),
                f"{quantity.resolution:g}",
                f"{quantity.minimum:g} .. {quantity.maximum:g}",
                quantity.obis or "",
                quantity.description,
            )
            for quantity in load_catalogue().quantities.values()
        ),
    )


def profiles() -> Iterator[str]:
    """Kinds of meters, and what each reports."""
    yield from ("# Profiles", "", NOTICE)
    for profile in load_catalogue().profiles.values():
        yield from ("", f"## `{profile.name}`", "", f"{profile.description}.", "")
        measures = "a substation's infeed" if profile.infeed else "a customer"
        yield (
            f"Medium {profile.medium}; measures {measures}; every {profile.interval_ms / 1000:g} s; "
            f"rows may be out of order by {profile.lateness_intervals} intervals; idle after {profile.idle_intervals}."
        )
        yield ""
        yield from (f"{number}. `{quantity}`" for number, quantity in enumerate(profile.quantities, 1))


def events() -> Iterator[str]:
    """Kinds of events, with their codes."""
    yield from ("# Events", "", NOTICE, "")
    yield "CIM is the EndDeviceEventType of IEC 61968-9, where one was found in use."
    yield ""
    yield from _table(
        ("kind", "severity", "clears", "CIM", "meaning"),
        (
            (f"`{event.name}`", str(event.severity), event.clears or "", event.cim or "", event.description)
            for event in load_events().values()
        ),
    )


def interface() -> Iterator[str]:
    """The HTTPS bridge's OpenAPI document, with the paths of topology.yaml."""
    topology = load_topology(FOLDER.parents[1] / "topology.yaml", {})
    paths = next(bridge.subscribe for bridge in topology.bridges.values() if bridge.protocol == "http")
    yield orjson.dumps(openapi([TopicTemplate.parse(path) for path in paths]), option=orjson.OPT_INDENT_2).decode()


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "quantities.md": quantities,
    "profiles.md": profiles,
    "events.md": events,
    "openapi.json": interface,
}


def page(name: str) -> str:
    """The text of a page."""
    return "\n".join(PAGES[name]()) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"


def _units(base: str) -> str:
    others = [unit for unit in units_like(base) if unit not in (base, "")]
    return f"{base} ({', '.join(others)})" if others else base


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(page(name), "utf-8")
