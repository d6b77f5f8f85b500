"""The grid as a tree of nodes: from a file of its own, or as far as the register of meters tells it.

A file (docs/outage.md has the meaning of each column):

    node_id,parent_id,kind,phase,meter_id,usage_point_id,comm_parent_id

The calendar, times in ISO 8601:

    node_id,from,to
    t-17,2026-11-30T08:00:00+01:00,2026-11-30T12:00:00+01:00
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from connectors.table_file import read_table, unreadable
from schemas.catalogue import Catalogue
from schemas.faults import Fault, Faults, closest
from schemas.register import Device, Register
from streams.outage.tree import GATEWAY, KINDS, NOBODY, Node

COLUMNS = tuple(field.name for field in fields(Node))
NEEDED = ("node_id", "parent_id", "kind")
HEADER = ",".join(COLUMNS)
CALENDAR = ("node_id", "from", "to")


@dataclass(frozen=True, slots=True)
class Work:
    """Planned work at a node, or a firmware campaign of a gateway; ms UTC."""

    node_id: str
    start_ms: int
    end_ms: int


def read_grid(path: Path) -> list[Node]:
    """The nodes of a file; columns may stand in any order, unknown ones are left out.

    A kind that is none of ours (recloser, breaker, head end) is a gateway if it only stands in ways of communication,
    else a switch. A meter without a meter_id has its node's.

    Raises:
        Faults: it cannot be read, has no such columns, or no nodes.

    """
    try:
        lines = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")))
        rows = [{name: (row.get(name) or "").strip() for name in COLUMNS} for row in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, HEADER, error) from None
    if lacking := [name for name in NEEDED if name not in (lines.fieldnames or ())]:
        raise Faults(str(path), [Fault(1, f"the header has no {' and no '.join(lacking)}", f"begin with {HEADER}")])
    if not rows:
        raise Faults(str(path), [Fault(0, "it has no nodes", "write a line for each, the substation's without parent")])
    supplies = {row["parent_id"] for row in rows}
    heard_through = {row["comm_parent_id"] for row in rows} - supplies
    for row in rows:
        row["kind"] = row["kind"].lower()
        if row["kind"] not in (*KINDS, GATEWAY):
            row["kind"] = GATEWAY if row["node_id"] in heard_through else "switch"
        if row["kind"] == "meter" and not row["meter_id"]:
            row["meter_id"] = row["node_id"]
    return [Node(**row) for row in rows]


def nodes_of(register: Register, catalogue: Catalogue) -> list[Node]:
    """Substation, feeder, transformer, building, meter, as far as the register names them; electricity alone.

    A substation's own meter hangs at it and serves nobody. Meters whose substation is unknown are left out.
    """
    found: dict[str, Node] = {}
    for device in register.devices.values():
        profile = catalogue.profiles[device.profile]
        if profile.medium != "electricity" or device.substation is None:
            continue
        for node in _way_to(device):
            found.setdefault(node.node_id, node)
        above = list(_way_to(device))[-1].node_id
        usage_point = NOBODY if profile.infeed else device.usage_point or ""
        found[device.meter_id] = Node(
            device.meter_id, above, "meter", device.phase or "", device.meter_id, usage_point, device.comm_parent or ""
        )
    meters = {device.meter_id for device in register.devices.values()}
    ways = {device.comm_parent for device in register.devices.values() if device.comm_parent}
    return [*found.values(), *(Node(way, "", GATEWAY) for way in sorted(ways - meters))]


def _way_to(device: Device) -> Iterator[Node]:
    """The devices over a meter, from the top down. A building hangs under each transformer or feeder by itself."""
    above = ""
    for node_id, kind in (
        (device.substation, "substation"),
        (device.feeder, "feeder"),
        (device.transformer, "transformer"),
    ):
        if node_id is not None:
            yield Node(node_id, above, kind)
            above = node_id
    if device.building is not None:
        yield Node(f"{above}/{device.building}", above, "service")


def read_calendar(path: Path, nodes: Sequence[Node]) -> list[Work]:
    """The works of a file, at nodes of the grid.

    Raises:
        Faults: everything that is wrong with it.

    """
    works: list[Work] = []
    faults: list[Fault] = []
    names = {node.node_id for node in nodes}
    for row in read_table(path, CALENDAR):
        node_id, start, end = row.values
        if node_id not in names:
            faults.append(Fault(row.line, f"{node_id!r} is no node of the grid", _meant(node_id, nodes)))
        try:
            work = Work(node_id, _ms(start), _ms(end))
        except ValueError as error:
            faults.append(Fault(row.line, str(error), "write a time such as 2026-11-30T08:00:00+01:00"))
            continue
        if work.end_ms <= work.start_ms:
            faults.append(Fault(row.line, "the work does not end after it begins", "exchange the two times, if meant"))
        works.append(work)
    if faults:
        raise Faults(str(path), faults)
    return works


def _meant(node_id: str, nodes: Sequence[Node]) -> str:
    own = next((node.node_id for node in nodes if node.meter_id == node_id), None)
    near = own or closest(node_id, {node.node_id for node in nodes})
    return f"write {near!r}, if that is meant" if near else "name a device, a meter's node or a gateway of the grid"


def works_at(nodes: Sequence[Node], works: Sequence[Work]) -> list[Work]:
    """Those at any of the nodes."""
    names = {node.node_id for node in nodes}
    return [work for work in works if work.node_id in names]


def _ms(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return round(time.timestamp() * 1_000)
