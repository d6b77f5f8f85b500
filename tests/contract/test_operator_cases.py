"""Golden folders of operators: tests/cases/operators/<operator>/<case>/ with log.jsonl and expected.jsonl, no code.

log.jsonl is the input partition, a record a line:
    {"meter": "m1", "at": "2024-01-01T00:00:00Z", "active_power_l1_w": 100}   a reading; what is not named is absent
    {"meter": "m1", "at": "...", "event": "last_gasp"}                        an event
    {"meter": "m1", "at": "...", "request": "consent"}                        what its home requests; a label adds
                                                                              "number", "power_w" and "appliance"
    {"beat": "2024-01-01T00:00:01Z"}                                          a beat of the meters' source
    {"partition": 0, "feeder": "F1", "start": "...", "meters": 2, "energy_wh": 9} what one partition says of a load;
                                                                              feeder null: of the substation's infeed
    {"hour": "...", "loads": {"m1": 300, "m2": -50}}                          the mean loads of meters in that hour
    {"grid": [{"node_id": "T1", "parent_id": "F1", "kind": "transformer"}], "at": "..."}  the grid of S1 as published
    {"planned": "T1", "start": "...", "end": "...", "at": "..."}              its calendar
    {"heard": ["m1", "m2"], "at": "...", "source": "metering/0/x"}            metering heard these meters
A beat may add "times": n for n of them a second apart, and "sources". A reading may add "profile", "interval_s",
"received_at", "feeder", and "times": n for n of them an interval apart, each with a
beat. expected.jsonl has a result a line: its record type, its key, and those fields that matter; a last line
{"results": n} says how many facts there are in all.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.alert import Alert
from schemas.blocks import Beat
from schemas.catalogue import load_catalogue
from schemas.master_data import PlannedWorkBlock
from schemas.results import Account
from streams.contract import Result
from streams.outage.tree import Node
from streams.registry import OPERATORS
from streams.substation_balance import STEPS_PER_WATT_HOUR
from tests.streams_log import (
    SOURCE,
    WAY,
    Input,
    PartialLoad,
    Row,
    block,
    events,
    feed,
    grid_blocks,
    heard,
    hourly_loads,
    partial_loads,
    requests,
    shard,
)

CASES = Path(__file__).parent.parent / "cases" / "operators"
NOT_MEASURED = float("nan")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def iso(at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).isoformat().replace("+00:00", "Z")


def records(line: dict[str, Any]) -> Iterator[Input]:
    if "beat" in line:
        for i in range(line.get("times", 1)):
            yield from (Beat(source, ms(line["beat"]) + i * 1_000) for source in line.get("sources", [SOURCE]))
    elif "grid" in line:
        yield from grid_blocks([Node(**node) for node in line["grid"]], at=ms(line["at"]))
    elif "planned" in line:
        start, end = (np.array([ms(line[key])]) for key in ("start", "end"))
        yield PlannedWorkBlock("S1", ms(line["at"]), [line["planned"]], start, end)
    elif "heard" in line:
        rows = [
            Row(meter, ms(line["at"]), ms(line.get("received_at", line["at"])), (230.0,)) for meter in line["heard"]
        ]
        yield heard(rows, line.get("source", WAY))
    elif "partition" in line:
        energy_steps = round(line["energy_wh"] * STEPS_PER_WATT_HOUR)
        part = PartialLoad(line["partition"], "S1", line["feeder"], ms(line["start"]), line["meters"], energy_steps)
        yield from partial_loads([part])
    elif "hour" in line:
        yield hourly_loads([(meter, ms(line["hour"]), float(load)) for meter, load in line["loads"].items()])
    elif "event" in line:
        yield events([(line["meter"], ms(line["at"]), line["event"])])
    elif "request" in line:
        label = {name: line[name] for name in ("number", "power_w", "appliance") if name in line}
        yield requests([(line["meter"], ms(line["at"]), line["request"])], **label)
    else:
        profile = load_catalogue().profiles[line.get("profile", "malmo_household")]
        interval_ms = round(line.get("interval_s", profile.interval_ms / 1_000) * 1_000)
        values = tuple(float(line.get(name, NOT_MEASURED)) for name in profile.quantities)
        for i in range(line.get("times", 1)):
            at = ms(line["at"]) + i * interval_ms
            received_at = ms(line["received_at"]) if "received_at" in line else at
            feeder = line.get("feeder", "F1")
            yield block([Row(line["meter"], at, received_at, values, 0, interval_ms, profile.name, feeder)])
            if "times" in line:
                yield Beat(SOURCE, received_at)


def told(result: Result) -> Iterator[dict[str, Any]]:
    """A result's facts as expected.jsonl writes them."""
    name = type(result).__name__
    if isinstance(result, Account | Beat):
        return
    if isinstance(result, Alert):
        yield {"record": name} | {f.name: getattr(result, f.name) for f in fields(result)} | _times(result, None)
        return
    columns = {f.name: getattr(result, f.name) for f in fields(result)}
    for row in range(len(columns["row_meter" if "row_meter" in columns else "start"])):
        fact = {"record": name}
        for key, table in (
            ("meter", "meters"),
            ("quantity", "quantities"),
            ("window", "windows"),
            ("appliance", "appliances"),
        ):
            if table in columns:
                fact[key] = columns[table][columns["row_" + key][row]]
        plain = {key: column[row] for key, column in columns.items() if _is_by_row(key, column)}
        fact |= {key: getattr(value, "item", lambda value=value: value)() for key, value in plain.items()}
        yield fact | _times(result, row)


def _is_by_row(name: str, column: Any) -> bool:
    tables = {"meters", "feeders", "substations", "quantities", "windows", "appliances", "profiles"}
    return hasattr(column, "__len__") and not isinstance(column, str) and name not in tables


def _times(result: Result, row: int | None) -> dict[str, str]:
    known = {"start", "end", "at", "raised_at", "since", "last_at", "decided_at"}
    names = [f.name for f in fields(result) if f.name in known]
    times = {name: getattr(result, name) for name in names}
    return {name: iso(int(time if row is None else time[row])) for name, time in times.items()}


folders = sorted(path for path in CASES.glob("*/*") if path.is_dir())


@pytest.mark.parametrize("folder", folders, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_case(folder: Path) -> None:
    operator = OPERATORS[folder.parent.name]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    log = [record for line in lines for record in records(line)]
    got = [fact for result in feed(shard({operator.name: operator}), log) for fact in told(result)]
    *expected, total = [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]
    assert total == {"results": len(got)}
    for wanted in expected:
        assert any(wanted.items() <= fact.items() for fact in got), f"missing: {wanted}\ngot: {got[:20]}"


def test_every_operator_has_a_case() -> None:
    assert {folder.parent.name for folder in folders} == set(OPERATORS)
