"""The usual rule, to compare with: k last gasps, or a share of a transformer's meters, then the common ancestor.

A transformer is out when two of its meters, or 30 % of them, gasped within two minutes and were not heard since. When
at least half of the transformers under a device are out, it is that device. So outage management systems group calls.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.outage_files import Event
from schemas.alert import Alert
from streams.outage.tree import Grid

GASPS, SHARE, ESCALATES = 2, 0.3, 0.5
WINDOW_MS = 120_000
WAIT_MS = 60_000
"""It is located when nothing was added for so long."""


@dataclass
class Group:
    """An outage by the rule."""

    number: int
    device: int
    raised_ms: int
    start_ms: int
    changed_ms: int
    phase: str = "provisional"
    version: int = 0
    back: set[int] = field(default_factory=set)


class UsualRule:
    """Follows events one by one, and looks at the time with each."""

    def __init__(self, grid: Grid, sustained_ms: int) -> None:
        self.grid, self.sustained_ms = grid, sustained_ms
        self.transformer = [self._transformer(branch) for branch in grid.meter_branch.tolist()]
        self.transformers = sorted(set(self.transformer))
        self.gasped: dict[int, int] = {}
        self.groups: list[Group] = []
        self.number = 0

    def run(self, events: Iterable[Event]) -> list[Alert]:
        """Alerts in order."""
        alerts: list[Alert] = []
        for event in events:
            now = event.received_at_ms
            row = self.grid.row_of.get(event.meter_id)
            if row is not None and event.type == "last_gasp":
                self.gasped[row] = event.at_ms
                alerts += self._gasp(row, now)
            elif row is not None and event.at_ms > self.gasped.get(row, event.at_ms):
                del self.gasped[row]
                alerts += self._heard(row, now)
            alerts += self._time(now)
        return alerts

    def _transformer(self, branch: int) -> int:
        way = [branch, *self.grid.above(branch)]
        return next((b for b in way if "transformer" in self.grid.kinds[b]), way[min(1, len(way) - 1)])

    def _out(self, transformer: int, now: int) -> bool:
        rows = range(*self.grid.meters(transformer).indices(len(self.grid.meter_ids)))
        count = sum(now - self.gasped[row] < WINDOW_MS for row in rows if row in self.gasped)
        return count >= GASPS or count >= SHARE * len(rows) > 0

    def _gasp(self, row: int, now: int) -> Iterator[Alert]:
        at = self.transformer[row]
        if not self._out(at, now):
            return
        device = at
        for above in self.grid.above(at):
            below = [t for t in self.transformers if above <= t < self.grid.end[above]]
            if sum(self._out(t, now) for t in below) < max(2, ESCALATES * len(below)):
                break
            device = above
        related = [group for group in self.groups if self.grid.related(group.device, device)]
        if not related:
            self.number += 1
            group = Group(self.number, device, now, self.gasped[row], now)
            self.groups.append(group)
            yield self._alert(group, now)
            return
        first = related[0]
        wider = min(first.device, device)
        if wider != first.device:
            first.device, first.changed_ms = wider, now
            yield self._alert(first, now)
        for other in related[1:]:
            self.groups.remove(other)
            yield self._alert(other, now, "merged")

    def _heard(self, row: int, now: int) -> Iterator[Alert]:
        branch = int(self.grid.meter_branch[row])
        for group in list(self.groups):
            if group.device <= branch < self.grid.end[group.device]:
                group.back.add(row)
                rows = self.grid.meters(group.device)
                left = [r for r in range(rows.start, rows.stop) if r in self.gasped]
                if len(group.back) > len(left):
                    self.groups.remove(group)
                    yield self._alert(group, now, "restored")

    def _time(self, now: int) -> Iterator[Alert]:
        for group in self.groups:
            if group.phase == "provisional" and now - group.changed_ms > WAIT_MS:
                group.phase = "located"
                yield self._alert(group, now)
            if group.phase == "located" and now - group.start_ms > self.sustained_ms:
                group.phase = "sustained"
                yield self._alert(group, now)

    def _alert(self, group: Group, now: int, ending: str | None = None) -> Alert:
        group.version += 1
        phase = "closed" if ending else group.phase
        evidence: dict[str, Any] = {
            "phase": phase,
            "ending": ending,
            "start_ms": group.start_ms,
            "confidence": 1.0,
            "dark": [],
        }
        device = self.grid.device(group.device)
        state = "cleared" if ending else "raised" if group.version == 1 else "updated"
        return Alert(
            f"rule/{group.number}", group.version, "outage", "warning", state, device, None, None, now,
            group.raised_ms, "", evidence,
        )  # fmt: skip
