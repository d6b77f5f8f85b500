"""A plan as MQTT messages, in the order of sending, and its truth as files."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from flexmeter.fleet import payloads
from flexmeter.fleet.garbage import Garbage, make_garbage
from flexmeter.fleet.grid import HOME, SUBSTATIONS
from flexmeter.fleet.replay import Plan
from schemas.durations import MINUTE_MS
from schemas.register import Device

READING, REPEAT, GARBAGE, EVENT = "sent", "duplicates", "garbage", "events"
CHUNK = 4_096
GASPS_LOST = 0.1
KEPT_BYTES = 256_000
"""How much of a rejected payload its dead letter holds."""


class Message(NamedTuple):
    """`due` in event time, ms UTC; `device` = index of the device it comes from; `kind` is one of the four above.

    `via` is the protocol, empty for the fleet's broker; `content` the media type of the payload, `sender` the identity
    that the bridge is to know it by, where the protocol has these; `holds` the readings in it.
    """

    due: int
    device: int
    topic: str
    payload: bytes
    kind: str
    via: str = ""
    content: str = "application/json"
    sender: str = ""
    holds: int = 1


def area_of(device: Device, areas: list[str]) -> str:
    """The first level of a device's topics: the substations are divided over the areas.

    >>> d = Device("M1", "malmo_household", "malmo-south", None, None, None, None, 10_000)
    >>> area_of(d, ["malmo"]), area_of(d, ["malmo-north", "malmo-south"])
    ('malmo', 'malmo-south')
    """
    return areas[SUBSTATIONS.index(device.substation or SUBSTATIONS[0]) % len(areas)]


def topic_of(device: Device, areas: list[str], carries: str = "reading") -> str:
    """Where a device publishes."""
    return f"{area_of(device, areas)}/{device.profile}/{device.meter_id}/{carries}"


def direct_topic(device: Device, carries: str = "reading") -> str:
    """The path under which a device that speaks CoAP itself reports."""
    return f"meters/{device.profile}/{device.meter_id}/{carries}"


def messages(plan: Plan, areas: list[str], seed: int) -> Iterator[Message]:
    """Everything the plan sends."""
    topics = [topic_of(d, areas) for d in plan.devices]
    between = _events(plan, areas, seed)
    for number, row in enumerate(garbage_rows(plan, seed)):
        between[row].append(_garbage_message(plan, areas, number, row))
    for first in range(0, len(plan.meter), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(plan.meter)))
        for row, payload in zip(rows.tolist(), _payloads(plan, rows), strict=True):
            yield from between.pop(row, ())
            device = int(plan.meter[row])
            kind = REPEAT if plan.repeat[row] else READING
            yield Message(int(plan.due[row]), device, topics[device], payload, kind)
    for left in between.values():
        yield from left


def _payloads(plan: Plan, rows: np.typing.NDArray[np.int64]) -> Iterator[bytes]:
    at = plan.start + plan.minute[rows] * MINUTE_MS + (plan.offset_ms + plan.clock_ms)[plan.meter[rows]]
    times = np.datetime_as_string(at.astype("datetime64[ms]"), timezone="UTC").tolist()
    columns = (
        plan.minute[rows].tolist(),
        plan.import_wh[rows].tolist(),
        (plan.power_tenths[rows] / 10).tolist(),
        (plan.voltage_hundredths[rows] / 100).tolist(),
    )
    for time, seq, import_wh, power, voltage in zip(times, *columns, strict=True):
        yield payloads.household(time, seq, import_wh, 0, power, voltage)


def garbage_rows(plan: Plan, seed: int) -> list[int]:
    """The row before which each piece of garbage is sent."""
    drawn = np.random.default_rng((seed, 31)).integers(0, len(plan.meter), plan.garbage)
    return [int(row) for row in np.sort(drawn)]


def garbage_of(plan: Plan, areas: list[str], number: int, row: int) -> Garbage:
    """One piece of garbage: the reading of `row`, spoilt."""
    device = plan.devices[int(plan.meter[row])]
    (reading,) = _payloads(plan, np.array([row]))
    return make_garbage(number, area_of(device, areas), device.meter_id, reading)


def _garbage_message(plan: Plan, areas: list[str], number: int, row: int) -> Message:
    piece = garbage_of(plan, areas, number, row)
    return Message(int(plan.due[row]), int(plan.meter[row]), piece.topic, piece.payload, GARBAGE)


def _events(plan: Plan, areas: list[str], seed: int) -> defaultdict[int, list[Message]]:
    """Last gasps and restorations of the outages, by the row before which they are sent."""
    rng = np.random.default_rng((seed, 32))
    between: defaultdict[int, list[Message]] = defaultdict(list)
    for feeder, start, end in plan.outages:
        for index, device in enumerate(plan.devices):
            if device.feeder != feeder:
                continue
            topic = topic_of(device, areas, "event")
            for at, kind in ((start, "last_gasp"), (end, "power_restored")):
                if kind == "last_gasp" and rng.random() < GASPS_LOST:
                    continue
                row = int(np.searchsorted(plan.due, at))
                between[row].append(Message(at, index, topic, payloads.event(at, kind), EVENT))
    return between


def write_truth(plan: Plan, areas: list[str], seed: int, folder: Path) -> None:
    """What a checker needs: stretches.csv, garbage.csv and replay.json."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stretches.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("meter_id", "first", "offset_ms", "base_wh", "clock_ms"))
        numbers = (plan.first, plan.offset_ms, plan.base_wh, plan.clock_ms)
        for device, *values in zip(plan.devices, *(n.tolist() for n in numbers), strict=True):
            out.writerow((device.meter_id, *values))
    with (folder / "garbage.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("topic", "kind", "reason", "length", "sha256", "sha256_kept"))
        for number, row in enumerate(garbage_rows(plan, seed)):
            piece = garbage_of(plan, areas, number, row)
            hashes = (hashlib.sha256(p).hexdigest() for p in (piece.payload, piece.payload[:KEPT_BYTES]))
            out.writerow((piece.topic, piece.kind, piece.reason, len(piece.payload), *hashes))
    told = {
        "start": plan.start,
        "minutes": plan.minutes,
        "interval_ms": MINUTE_MS,
        "profile": HOME,
        "meters": len(plan.devices),
        "readings": plan.readings,
        "duplicates": int(plan.repeat.sum()),
        "garbage": plan.garbage,
        "late": plan.late,
        "outages": plan.outages,
    }
    (folder / "replay.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
