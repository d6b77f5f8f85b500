"""The three files of a recorded scenario: the grid, what was heard, and what happened. See docs/outage.md.

grid.csv       node_id,parent_id,kind,phase,meter_id,usage_point_id,comm_parent_id
events.jsonl   one object a line, in order of arrival: received_at_ms, at_ms, meter_id, type; with volts, node_id,
               watts, from_ms, to_ms where the type has them
truth.jsonl    device_id, open_ms, close_ms (null = still open)
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from math import nan
from pathlib import Path
from sys import intern
from typing import Any

import orjson

from flexmeter.grid_file import COLUMNS
from streams.outage.tree import Node

MEASURED = {"voltage": "volts", "substation_load": "watts"}
"""Types of events that carry a value, and its name."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of events.jsonl."""

    received_at_ms: int
    at_ms: int
    type: str
    meter_id: str = ""
    node_id: str = ""
    value: float = 0.0
    """Volts or watts."""
    from_ms: int = 0
    to_ms: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of truth.jsonl."""

    device_id: str
    open_ms: int
    close_ms: int | None


def read_events(path: Path) -> Iterator[Event]:
    """The events of events.jsonl, one after the other. Types that are none of ours are counted by the run, not used.

    Raises:
        ValueError: a line that is no event; the message says which.

    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield _event(orjson.loads(line))
                except (KeyError, TypeError, ValueError) as error:
                    raise ValueError(f"{path}:{number}: not an event: {error!r}") from None


def _event(line: Mapping[str, Any]) -> Event:
    kind = line["type"]
    received = int(line["received_at_ms"])
    at = line.get("at_ms")
    return Event(
        received_at_ms=received,
        at_ms=received if at is None else int(at),
        type=intern(kind),
        meter_id=intern(_name(line.get("meter_id"))),
        node_id=_name(line.get("node_id")),
        value=_value(kind, line),
        from_ms=int(line.get("from_ms") or 0),
        to_ms=int(line.get("to_ms") or 0),
    )


def _name(given: str | int | None) -> str:
    """An id as grid.csv has it; others write some as numbers."""
    return "" if given is None else str(given)


def _value(kind: str, line: Mapping[str, Any]) -> float:
    """What was measured; NaN where a measurement has no value."""
    name = MEASURED.get(kind)
    if name is None:
        return 0.0
    value = line.get(name)
    return nan if value is None else float(value)


def read_truth(path: Path) -> list[Fact]:
    """The facts of truth.jsonl.

    Raises:
        ValueError: a line that is no fact; the message says which.

    """
    found = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    one = orjson.loads(line)
                    found.append(Fact(_name(one["device_id"]), int(one["open_ms"]), _or_none(one.get("close_ms"))))
                except (KeyError, TypeError, ValueError) as error:
                    raise ValueError(f"{path}:{number}: not a fact: {error!r}") from None
    return found


def _or_none(value: int | None) -> int | None:
    return None if value is None else int(value)


def write_scenario(folder: Path, nodes: Sequence[Node], events: Iterable[Event], truth: Iterable[Fact]) -> None:
    """The three files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "grid.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *map(astuple, nodes)])
    (folder / "events.jsonl").write_bytes(b"".join(orjson.dumps(_line(e)) + b"\n" for e in events))
    lines = [{"device_id": f.device_id, "open_ms": f.open_ms, "close_ms": f.close_ms} for f in truth]
    (folder / "truth.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def _line(event: Event) -> dict[str, Any]:
    line: dict[str, Any] = {"received_at_ms": event.received_at_ms, "at_ms": event.at_ms, "type": event.type}
    if event.meter_id:
        line["meter_id"] = event.meter_id
    if event.node_id:
        line["node_id"] = event.node_id
    if event.type in MEASURED:
        line[MEASURED[event.type]] = event.value
    if event.type == "planned":
        line |= {"from_ms": event.from_ms, "to_ms": event.to_ms}
    return line
