"""Where the results of a fault run differ from those of an uninterrupted one, and from the truth."""

from collections.abc import Iterator, Mapping

import numpy as np

from bench.faults_log import Found
from bench.faults_truth import LoadFact, LoadKey
from bench.faults_windows import AGGREGATE, WINDOWS, Aggregates
from schemas.alert import decode_alert
from schemas.codec import decode
from schemas.results import Account, AggregateBlock, LoadBlock, PresenceBlock, RecomputeRequestBlock

STEPS_PER_WH = 36_000_000
"""Steps of 0.1 W ms in a Wh."""
SHOWN = 3


def run_faults(name: str, run: Found, calm: Found) -> Iterator[str]:
    """Where a run and the uninterrupted one did not say the same, record by record, byte for byte."""
    for missing in list(calm.values.keys() - run.values.keys())[:SHOWN]:
        yield f"{name}: lost: {_shown(calm.values[missing])}"
    for extra in list(run.values.keys() - calm.values.keys())[:SHOWN]:
        yield f"{name}: nobody else says: {_shown(run.values[extra])}"
    lost, more = len(calm.values.keys() - run.values.keys()), len(run.values.keys() - calm.values.keys())
    if lost + more > 0:
        yield f"{name}: {lost} of {len(calm.values)} records lost, {more} that the uninterrupted run has not"


def _shown(value: bytes) -> str:
    text = value.decode(errors="replace") if value[:1] == b"{" else repr(decode(value))
    return " ".join(text.split())[:240]


def aggregates(found: Found, ids: list[str]) -> tuple[Aggregates, list[str]]:
    """The highest version of each aggregate, and what is said in two ways."""
    place = {meter: i for i, meter in enumerate(ids)}
    parts = []
    for value in found.values.values():
        block = decode(value)
        if isinstance(block, AggregateBlock):
            parts.append(_rows(block, place))
    rows = np.concatenate(parts) if parts else np.empty(0, AGGREGATE)
    rows = np.unique(canonical(rows))
    key = rows[["meter", "quantity", "window", "start", "version", "revision"]]
    twice = np.flatnonzero(key[1:] == key[:-1])
    faults = [f"aggregates: one key and version says two things: {rows[i]} and {rows[i + 1]}" for i in twice[:SHOWN]]
    fact = rows[["meter", "quantity", "window", "start"]]
    highest = rows[np.append(fact[1:] != fact[:-1], True)[: len(rows)]]
    highest["version"] = highest["revision"] = 0
    return highest, faults


def _rows(block: AggregateBlock, place: Mapping[str, int]) -> Aggregates:
    rows = np.zeros(len(block.row_meter), AGGREGATE)
    rows["meter"] = np.array([place.get(meter, -1) for meter in block.meters])[block.row_meter]
    rows["window"] = np.array([WINDOWS.index(window) for window in block.windows])[block.row_window]
    rows["quantity"], rows["version"] = block.row_quantity, block.operator_version
    for name in AGGREGATE.names or ():
        if name not in ("meter", "window", "quantity", "version"):
            rows[name] = getattr(block, name)
    return rows


def canonical(rows: Aggregates) -> Aggregates:
    """With one bit pattern for "does not apply", so that rows can be compared as bytes."""
    made = rows.copy()
    for name in ("mean", "min", "max", "energy_trapezoid_wh", "register_difference"):
        made[name][np.isnan(made[name])] = -1e300
    return made


def aggregate_faults(name: str, wanted: Aggregates, ids: list[str], found: Found) -> Iterator[str]:
    """`wanted` in canonical form, sorted."""
    rows, faults = aggregates(found, ids)
    yield from faults
    if rows.tobytes() == wanted.tobytes():
        return
    for text, some in (("missing or other", np.setdiff1d(wanted, rows)), ("not wanted", np.setdiff1d(rows, wanted))):
        yield f"{name}: {len(some)} aggregates {text}, of {len(wanted)}: {list(some[:SHOWN])}"


def presence_faults(name: str, wanted: Mapping[tuple[str, int], tuple[object, ...]], found: Found) -> Iterator[str]:
    """A fact of presence missing, other, said in two ways, or of nothing."""
    said: dict[tuple[str, int], tuple[object, ...]] = {}
    for value in found.values.values():
        block = decode(value)
        assert isinstance(block, PresenceBlock)
        for row, place in enumerate(block.row_meter):
            key = (block.meters[place], int(block.number[row]))
            fact = (block.state[row], int(block.since[row]), int(block.last_at[row]), block.feeders[place])
            if said.setdefault(key, fact) != fact:
                yield f"{name}: presence {key} says two things: {said[key]} and {fact}"
    yield from _differences(f"{name}: presence", wanted, said)


def request_faults(name: str, wanted: set[tuple[str, str, int, int]], found: Found) -> Iterator[str]:
    """Windows of late rows that nobody wants computed again, or that should not be."""
    said = set()
    for value in found.values.values():
        block = decode(value)
        assert isinstance(block, RecomputeRequestBlock)
        for row, place in enumerate(block.row_meter):
            said.add((block.meters[place], block.profiles[place], int(block.start[row]), int(block.end[row])))
    if said != wanted:
        yield f"{name}: {len(wanted - said)} requests missing, {len(said - wanted)} not wanted"


def alert_faults(wanted: Mapping[tuple[str, int], tuple[object, ...]], values: Mapping[bytes, bytes]) -> Iterator[str]:
    """An alert missing, other, said in two ways, or of nothing."""
    said: dict[tuple[str, int], tuple[object, ...]] = {}
    for alert in map(decode_alert, values.values()):
        fact = (alert.state, alert.subject, alert.feeder, alert.substation, alert.at, alert.raised_at)
        if said.setdefault((alert.id, alert.number), fact) != fact:
            yield f"alert {alert.id} number {alert.number} says two things"
    yield from _differences("alerts", wanted, said)


def load_faults(name: str, wanted: Mapping[LoadKey, LoadFact], found: list[Found]) -> Iterator[str]:
    """A feeder's or substation's load missing, other, said in two ways, or of nothing, in its highest revision."""
    said: dict[tuple[LoadKey, int], tuple[float, ...]] = {}
    highest: dict[LoadKey, int] = {}
    for value in (value for one in found for value in one.values.values()):
        block = decode(value)
        assert isinstance(block, LoadBlock)
        columns = (block.counted.tolist(), block.energy_wh.tolist(), block.covered_ms.tolist())
        for row, (start, revision) in enumerate(zip(block.start.tolist(), block.revision.tolist(), strict=True)):
            key = (block.substation, block.feeder[row], start)
            fact = tuple(column[row] for column in columns)
            if said.setdefault((key, revision), fact) != fact:
                yield f"{name}: load of {key}, revision {revision}, says two things: {said[key, revision]} and {fact}"
            highest[key] = max(revision, highest.get(key, 0))
    held = {key: said[key, revision] for key, revision in highest.items()}
    truth = {key: (counted, energy / STEPS_PER_WH, covered) for key, (counted, energy, covered) in wanted.items()}
    wrong = [key for key, fact in truth.items() if held.get(key) != fact]
    for key in wrong[:SHOWN]:
        yield f"{name}: load of {key}: {truth[key]} expected, {held.get(key)} found"
    more = held.keys() - truth.keys()
    if wrong or more:
        yield f"{name}: {len(wrong)} of {len(truth)} loads missing or other, {len(more)} not wanted"


def account_faults(name: str, stream: str, wanted: Mapping[str, int], found: Found) -> Iterator[str]:
    """Where the newest account of a stream over this partition is not what the log comes to."""
    accounts = [account for account in map(decode, found.values.values()) if isinstance(account, Account)]
    of_stream = [account for account in accounts if account.stream == stream]
    if not of_stream:
        yield f"{name}: no account of {stream}"
        return
    newest = max(of_stream, key=lambda account: account.next_offset)
    if wrong := {what: (n, getattr(newest, what)) for what, n in wanted.items() if getattr(newest, what) != n}:
        yield f"{name}: account of {stream}: (expected, found): {wrong}"


def _differences(
    name: str, wanted: Mapping[tuple[str, int], tuple[object, ...]], said: Mapping[tuple[str, int], tuple[object, ...]]
) -> Iterator[str]:
    wrong = [key for key, fact in wanted.items() if said.get(key) != fact]
    for key in wrong[:SHOWN]:
        yield f"{name}: {key}: {wanted[key]} expected, {said.get(key)} found"
    more = said.keys() - wanted.keys()
    if wrong or more:
        yield f"{name}: {len(wrong)} of {len(wanted)} missing or other, {len(more)} not wanted"
