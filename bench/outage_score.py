"""What was published about a scenario, held against what happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from bench.outage_files import Event, Fact
from schemas.alert import Alert
from schemas.durations import MINUTE_MS
from streams.outage.tree import Grid

LATE_MS = 60_000
CLOCK_MS = 2_000
"""An alert is about a fact if the two overlap in time, give or take this, and it was raised after the device opened."""
LOW_VOLTAGE, LEAST_V = 0.5, 50.0
"""A voltage tells a loss of supply if it is less than this share of what is usual for its meter; less than this many V
is no voltage of a supply."""
TOLD = ("located", "sustained", "partly_restored")


@dataclass
class Happened:
    """A fact, and what of it could be seen: the time in which nothing above its device was open too."""

    fact: Fact
    branch: int
    close_ms: int
    visible_ms: int
    planned: bool
    heard_ms: int | None = None
    """When the first last gasp that tells of it arrived."""
    returned: bool = False
    """Whether a restoration that tells of it arrived."""


@dataclass
class Said:
    """One alert: all its versions."""

    versions: list[Alert] = field(default_factory=list)

    @property
    def start_ms(self) -> int:
        """When supply was lost, by its last word on it."""
        return int(self.versions[-1].evidence["start_ms"])

    @property
    def end_ms(self) -> int | None:
        """When all was back, by its last word on it; None = it is not."""
        end = self.versions[-1].evidence.get("end_ms")
        return None if end is None else int(end)

    @property
    def raised_ms(self) -> int:
        """When it was published."""
        return self.versions[0].at

    @property
    def located(self) -> Alert | None:
        """The version that first told the device for sure."""
        return next((version for version in self.versions if version.evidence["phase"] in TOLD), None)

    @property
    def sustained(self) -> bool:
        """Whether it was ever called sustained."""
        return any(version.evidence["phase"] == "sustained" for version in self.versions)

    @property
    def merged(self) -> bool:
        """Whether it was taken into another one."""
        return bool(self.versions[-1].evidence["ending"] == "merged")

    def devices(self, grid: Grid) -> list[tuple[int, int]]:
        """Branches that it names as open, and when it first did: its own, and nested ones once that is back."""
        first = self.located or self.versions[-1]
        named = {grid.branch_of[first.subject]: self.raised_ms}
        for version in self.versions:
            if version.evidence["phase"] == "partly_restored":
                for device in version.evidence["dark"]:
                    named.setdefault(grid.branch_of[device], version.at)
        return list(named.items())


def what_happened(
    grid: Grid, truth: Sequence[Fact], events: Iterable[Event], end_ms: int
) -> tuple[list[Happened], int]:
    """The facts that meters can tell, and how many there are that none can (no meter under the device)."""
    told = [fact for fact in truth if fact.device_id in grid.branch_of]
    known, found = _alike_together(grid, told, end_ms), []
    for fact in known:
        branch = grid.branch_of[fact.device_id]
        close = max(fact.open_ms, min(end_ms, end_ms if fact.close_ms is None else fact.close_ms))
        above = {branch, *grid.above(branch)} - {branch}
        over = [
            (other.open_ms, end_ms if other.close_ms is None else other.close_ms)
            for other in known
            if grid.branch_of[other.device_id] in above
        ]
        found.append(Happened(fact, branch, close, _left(fact.open_ms, close, over), planned=False))
    _note_events(grid, found, events)
    return found, len(truth) - len(told)


def _alike_together(grid: Grid, facts: Iterable[Fact], end_ms: int) -> list[Fact]:
    """Facts that overlap, of devices that no meter can tell apart, as one: the branch is dark from first to last."""
    found: list[Fact] = []
    newest: dict[int, int] = {}
    for fact in sorted(facts, key=lambda fact: fact.open_ms):
        at = newest.get(grid.branch_of[fact.device_id])
        before = None if at is None else found[at]
        if at is not None and before is not None and fact.open_ms <= (before.close_ms or end_ms):
            last = None if None in (before.close_ms, fact.close_ms) else max(before.close_ms or 0, fact.close_ms or 0)
            found[at] = replace(before, close_ms=last)
        else:
            newest[grid.branch_of[fact.device_id]] = len(found)
            found.append(fact)
    return found


def _left(begin: int, end: int, taken: Iterable[tuple[int, int]]) -> int:
    """How much of an interval the others leave."""
    left, at = 0, begin
    for a, b in sorted(taken):
        if b > at and a < end:
            left += max(0, a - at)
            at = max(at, b)
    return left + max(0, end - at)


def _note_events(grid: Grid, happened: Sequence[Happened], events: Iterable[Event]) -> None:
    """First last gasp of each fact, whether a restoration came, and whether the calendar had it."""
    events = list(events)
    low = low_voltages(events)
    for event in events:
        if event.type == "planned" and event.node_id in grid.branch_of:
            _note_planned(grid, happened, event)
        row = grid.row_of.get(event.meter_id, -1)
        lost = event.type == "last_gasp" or (event.type == "voltage" and event.value < low[event.meter_id])
        if row < 0 or not (lost or event.type == "restored"):
            continue
        branch = int(grid.meter_branch[row])
        for one in happened:
            if one.branch <= branch < grid.end[one.branch]:
                if lost and one.heard_ms is None and one.fact.open_ms - 2_000 <= event.at_ms <= one.close_ms:
                    one.heard_ms = event.received_at_ms
                one.returned |= not lost and one.fact.open_ms < event.at_ms <= one.close_ms + LATE_MS


def low_voltages(events: Iterable[Event]) -> dict[str, float]:
    """Below which voltage each meter has lost its supply: by the middle of those of a whole recording that are none of
    a meter without supply."""
    told: dict[str, list[float]] = {}
    for event in events:
        if event.type == "voltage":
            told.setdefault(event.meter_id, []).append(event.value)
    supplied = {meter: [one for one in volts if one >= LEAST_V] for meter, volts in told.items()}
    return {meter: LOW_VOLTAGE * float(np.median(volts)) if volts else LEAST_V for meter, volts in supplied.items()}


def _note_planned(grid: Grid, happened: Iterable[Happened], event: Event) -> None:
    over = grid.branch_of[event.node_id]
    for one in happened:
        inside = event.from_ms - MINUTE_MS <= one.fact.open_ms and one.close_ms <= event.to_ms + 2 * MINUTE_MS
        one.planned |= over <= one.branch < grid.end[over] and inside


def by_id(alerts: Iterable[Alert]) -> list[Said]:
    """The versions of each alert together, in the order of their raising."""
    found: dict[str, Said] = {}
    for alert in alerts:
        found.setdefault(alert.id, Said()).versions.append(alert)
    return list(found.values())


def score(
    grid: Grid,
    happened: Sequence[Happened],
    unseen: int,
    said: Sequence[Said],
    hours: float,
    sustained_ms: int,
) -> dict[str, Any]:
    """Located, missed, false, calibrated, and how soon."""
    real = [one for one in happened if not one.planned]
    outages = [one for one in real if one.visible_ms > sustained_ms]
    short = [one for one in real if 0 < one.visible_ms <= sustained_ms]
    about = [[one for one in happened if _is_about(grid, alert, one)] for alert in said]
    pairs = _paired(grid, outages, said, about)
    distance = {id(one): gap for one, _, gap in pairs}
    gaps = [distance.get(id(one)) for one in outages]
    exact, near = sum(gap == 0 for gap in gaps), sum(gap == 1 for gap in gaps)
    nothing = [not any(not one.planned for one in found) for found in about]
    false = [alert for alert, none in zip(said, nothing, strict=True) if none]
    wrongly = [
        alert
        for alert, found in zip(said, about, strict=True)
        if alert.sustained and not any(one.visible_ms > sustained_ms and not one.planned for one in found)
    ]
    told = {id(alert) for _, alert, _ in pairs}
    extra = sum(
        1
        for alert, found in zip(said, about, strict=True)
        if id(alert) not in told and not alert.merged and any(one.visible_ms > sustained_ms for one in found)
    )
    waits = {
        "provisional": _waits((one.heard_ms, alert.raised_ms) for one, alert, _ in pairs),
        "located": _waits((one.heard_ms, alert.located.at) for one, alert, _ in pairs if alert.located),
    }
    beliefs = _beliefs(grid, said, about)
    heard = [gap for one, gap in zip(outages, gaps, strict=True) if one.heard_ms is not None]
    per = {"per_100_momentaries": 100 / len(short) if short else None, "per_day": 24 / hours if hours else None}
    return {
        "outages": len(outages),
        "located_exactly": exact,
        "located_within_one_level": near,
        "located_elsewhere": len(pairs) - exact - near,
        "missed": len(outages) - len(pairs),
        "missed_without_a_word": sum(
            gap is None and one.heard_ms is None and not one.returned for one, gap in zip(outages, gaps, strict=True)
        ),
        "exact_share": exact / len(outages) if outages else None,
        "outages_heard": len(heard),
        "heard_located_exactly": sum(gap == 0 for gap in heard),
        "set_aside": {
            "hidden_under_another": sum(one.visible_ms == 0 for one in real),
            "planned": len(happened) - len(real),
            "without_meters": unseen,
        },
        "momentaries": len(short),
        "momentaries_published": sum(any(one in found for found in about) for one in short),
        "momentaries_heard": sum(one.heard_ms is not None for one in short),
        "alerts": len(said),
        "extra_alerts": extra,
        "false_provisional": {"count": len(false)} | _rates(len(false), per),
        "false_sustained": {"count": len(wrongly)} | _rates(len(wrongly), per),
        "calibration": calibration(beliefs),
        "first_event_to_provisional_s": percentiles(waits["provisional"]),
        "first_event_to_located_s": percentiles(waits["located"]),
        "raw": {"waits_s": waits, "beliefs": beliefs},
    }


def _rates(count: int, per: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if factor is None else count * factor for name, factor in per.items()}


def _is_about(grid: Grid, alert: Said, one: Happened) -> bool:
    return any(_names(grid, alert, branch, since, one) for branch, since in alert.devices(grid))


def _names(grid: Grid, alert: Said, branch: int, since_ms: int, one: Happened) -> bool:
    """Whether a device that an alert names stands for a fact: on one way with it, told after it opened, and in time."""
    ended = alert.end_ms is not None and alert.end_ms < one.fact.open_ms - CLOCK_MS
    told = since_ms >= one.fact.open_ms - CLOCK_MS and alert.start_ms <= one.close_ms + LATE_MS
    return told and not ended and grid.related(branch, one.branch)


def _paired(
    grid: Grid, outages: Sequence[Happened], said: Sequence[Said], about: Sequence[Sequence[Happened]]
) -> list[tuple[Happened, Said, int]]:
    """Each outage with the alert that comes nearest to it; an alert can name several devices, each for one outage."""
    offers = []
    for alert, found in zip(said, about, strict=True):
        if alert.merged:
            continue
        for one in found:
            for branch, since in alert.devices(grid):
                if _names(grid, alert, branch, since, one):
                    gap = abs(int(grid.depth[branch]) - int(grid.depth[one.branch]))
                    offers.append((gap, abs(alert.start_ms - one.fact.open_ms), one, alert, branch))
    pairs: list[tuple[Happened, Said, int]] = []
    served: set[int] = set()
    used: set[tuple[int, int]] = set()
    wanted = {id(one) for one in outages}
    for gap, _, one, alert, branch in sorted(offers, key=lambda offer: offer[:2]):
        if id(one) in wanted and id(one) not in served and (id(alert), branch) not in used:
            served.add(id(one))
            used.add((id(alert), branch))
            pairs.append((one, alert, gap))
    return pairs


def _beliefs(grid: Grid, said: Sequence[Said], about: Sequence[Sequence[Happened]]) -> list[tuple[float, bool]]:
    """For each located alert: how sure it was of its device, and whether it was that one."""
    found = []
    for alert, facts in zip(said, about, strict=True):
        if alert.located is not None and not alert.merged:
            branch = grid.branch_of[alert.located.subject]
            found.append((float(alert.located.evidence["confidence"]), any(one.branch == branch for one in facts)))
    return found


def calibration(beliefs: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Reliability curve: of the alerts that were this sure, how many were right; and the mean distance (ECE).

    >>> calibration([(0.95, True), (0.95, True), (0.55, False)])["expected_error"]
    0.2167
    """
    curve, error = [], 0.0
    edges = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0 + 1e-9)
    for low, high in pairwise(edges):
        inside = [(sure, right) for sure, right in beliefs if low <= sure < high]
        if inside:
            sure, right = float(np.mean([one[0] for one in inside])), float(np.mean([one[1] for one in inside]))
            curve.append({"alerts": len(inside), "said": round(sure, 4), "was": round(right, 4)})
            error += abs(sure - right) * len(inside) / len(beliefs)
    return {"curve": curve, "expected_error": round(error, 4), "alerts": len(beliefs)}


def _waits(pairs: Iterable[tuple[int | None, int]]) -> list[float]:
    """Seconds from the first event to the alert; what no event told of is left out."""
    return [max(0, after - before) / 1_000 for before, after in pairs if before is not None]


def percentiles(waits_s: Sequence[float]) -> dict[str, float | None]:
    """The middle and the slowest twentieth."""
    if not waits_s:
        return {"p50": None, "p95": None, "count": 0}
    return {
        "p50": float(np.percentile(waits_s, 50)),
        "p95": float(np.percentile(waits_s, 95)),
        "count": len(waits_s),
    }
