"""Run the operator `nilm` over the mains of one home, causally, and read off what it said about each sample.

`first` is what stood when the sample was processed: of each load the newest fact that was decided by then. `amended` is
what the last revision of each load says of its whole time. Both are held under the mains, as the operator does.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bench.nilm_homes import Home
from bench.nilm_score import activations, threshold_w
from schemas.arrays import Float64s, Int64s
from schemas.catalogue import load_catalogue
from schemas.results import ApplianceEventBlock
from streams.contract import Labels, Meters, Released, Result, Rows
from streams.nilm.energy import STEPS_PER_WATT
from streams.nilm.frame import fed_in_at, nominal_of
from streams.nilm.home import feeds_in
from streams.nilm.operator import Nilm, split

PROFILE = "nilm_meter"
TURN_ROWS = 2_048
LATELY = 200
LIKE = 0.2
"""A label is of one of so many facts told lately, and its power is so near to what was seen."""


@dataclass(frozen=True, slots=True)
class Event:
    """A row of an ApplianceEventBlock."""

    number: int
    revision: int
    state: str
    appliance: str
    decided_at: int
    start: int
    end: int
    power_w: float


class Label(NamedTuple):
    """What someone in the home says who saw an appliance run. Epoch seconds."""

    at: int
    begin: int
    appliance: str
    power_w: float


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a home."""

    events: list[Event]
    microseconds_a_row: float
    state_bytes: int


def run(home: Home, train_until: int | None = None, operator: Nilm | None = None) -> Run:
    """All rows in turns, as a shard hands them on; with labels until `train_until`, epoch seconds."""
    operator = operator or Nilm()
    catalogue = load_catalogue()
    quantities = tuple(catalogue.quantities[name] for name in catalogue.profiles[PROFILE].quantities)
    meters = Meters(PROFILE, quantities, ["home"], [None], [None], np.array([interval_ms(home)]))
    state = np.zeros(1, operator.dtype(quantities))
    events: list[Event] = []
    labels = _labels(home, train_until)
    cuts = np.searchsorted(home.at, [label.at for label in labels], side="right").tolist()
    turns = sorted({*range(0, len(home.at), TURN_ROWS), *cuts, len(home.at)})
    began = time.process_time()
    for begin, end in pairwise(turns):
        results = operator.on_released(state, meters, _released(home, begin, end, meters))
        events += [event for result in results for event in _events(result)]
        said = [label for label, cut in zip(labels, cuts, strict=True) if cut == end]
        results = operator.on_labels(state, meters, _said(said, events))
        events += [event for result in results for event in _events(result)]
    taken = time.process_time() - began
    return Run(events, taken * 1e6 / max(len(home.at), 1), state.dtype.itemsize)


def interval_ms(home: Home) -> int:
    """How often the home reports: nine of ten rows come within it, so that jitter makes no gaps."""
    if len(home.at) < 2:
        return 1_000
    return int(np.percentile(np.diff(home.at), 90, method="lower")) * 1_000


def _released(home: Home, begin: int, end: int, meters: Meters) -> Released:
    at = home.at[begin:end] * 1_000
    values = np.full((len(at), len(meters.quantities)), np.nan)
    for i, quantity in enumerate(meters.quantities):
        if quantity.name == "active_power_w":
            values[:, i] = home.mains_w[begin:end]
        elif quantity.name == "reactive_power_var" and home.reactive_var is not None:
            values[:, i] = home.reactive_var[begin:end]
        elif quantity.name == "voltage_v" and home.voltage_v is not None:
            values[:, i] = home.voltage_v[begin:end]
    none = np.zeros(len(at), np.int64)
    rows = Rows(none, at, at, none.astype(np.int32), values)
    return Released(rows, np.zeros(1, np.int64), at[-1:])


def _labels(home: Home, until: int | None) -> list[Label]:
    """Each run of which a sub-meter saw the end before `until`: said when it is off."""
    found: list[Label] = []
    for name, values in home.appliances_w.items() if until is not None else ():
        for begin, end in activations(home.at, np.nan_to_num(values) > threshold_w(name)):
            first, off = np.searchsorted(home.at, begin), np.searchsorted(home.at, end, side="right")
            if off < len(home.at) and home.at[off] < (until or 0):
                found.append(Label(int(home.at[off]), int(begin), name, float(np.nanmax(values[first:off]))))
    return sorted(found)


def _said(labels: Sequence[Label], events: Sequence[Event]) -> Labels:
    """As users label: the load by its number, among those that were told; what was not told cannot be labelled."""
    loads = [(label, load) for label in labels if (load := _load_of(label, events)) is not None]
    return Labels(
        np.zeros(len(loads), np.int64),
        np.array([label.at * 1_000 for label, _ in loads], np.int64),
        np.array([load.number for _, load in loads], np.int64),
        np.array([load.power_w for _, load in loads], np.float64),
        [label.appliance for label, _ in loads],
    )


def _load_of(label: Label, events: Sequence[Event]) -> Event | None:
    """The load told lately that ran meanwhile and drew about as much as the appliance did at most."""
    newest = {event.number: event for event in events[-LATELY:]}
    meanwhile = [
        event
        for event in newest.values()
        if event.state in ("on", "off", "lost")
        and event.start < label.at * 1_000
        and (not event.end or event.end >= label.begin * 1_000)
        and abs(event.power_w - label.power_w) < LIKE * label.power_w
    ]
    return min(meanwhile, key=lambda event: abs(event.power_w - label.power_w), default=None)


def _events(result: Result) -> Iterator[Event]:
    if isinstance(result, ApplianceEventBlock):
        for row, appliance in enumerate(result.appliance):
            yield Event(
                int(result.number[row]),
                int(result.revision[row]),
                result.state[row],
                appliance,
                int(result.decided_at[row]),
                int(result.start[row]),
                int(result.end[row]),
                float(result.power_w[row]),
            )


def first_told(events: list[Event], home: Home, names: list[str]) -> dict[str, Float64s]:
    """Power of each appliance as it stood when each sample was processed, W."""
    spans: list[tuple[str, int, int, float]] = []
    by_number: dict[int, list[Event]] = {}
    for event in events:
        if event.state != "cycle_finished":
            by_number.setdefault(event.number, []).append(event)
    for told in by_number.values():
        ends = [event.decided_at for event in told[1:]] + [2**62]
        spans += [(e.appliance, e.decided_at, end, e.power_w) for e, end in zip(told, ends, strict=True) if not e.end]
    return _powers(spans, home, names)


def amended(events: list[Event], home: Home, names: list[str]) -> dict[str, Float64s]:
    """Power of each appliance as the last revisions say, W."""
    last = {event.number: event for event in events if event.state != "cycle_finished"}
    spans = [(e.appliance, e.start, e.end + 1 if e.end else 2**62, e.power_w) for e in last.values()]
    return _powers(spans, home, names)


def _powers(spans: list[tuple[str, int, int, float]], home: Home, names: list[str]) -> dict[str, Float64s]:
    """Sum of spans [begin, end) in ms, at the voltage of each sample, held under the mains.

    Of appliances that are not asked for, too.
    """
    at_ms: Int64s = home.at * 1_000
    known = sorted({appliance for appliance, *_ in spans if appliance != "unknown"} | set(names))
    drawn = np.zeros((len(at_ms), len(known) + 1))
    for appliance, begin, end, power_w in spans:
        if appliance != "unknown":
            first, last = np.searchsorted(at_ms, [begin, end])
            drawn[first:last, known.index(appliance) + 1] += power_w
    if home.voltage_v is not None:
        drawn /= nominal_of(home.voltage_v[:, None])[:, None]
    steps = np.rint(home.mains_w * STEPS_PER_WATT).astype(np.int64)
    fed_in = fed_in_at(at_ms, steps, np.arange(len(steps)) == 0, np.zeros(len(steps), np.int64))
    parts = split(steps, drawn, feeds_in(fed_in, at_ms)) / STEPS_PER_WATT
    return {name: parts[:, known.index(name) + 1] for name in names}
