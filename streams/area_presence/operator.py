"""Alerts of silence: one for an area that falls silent together, one for a meter that stays silent alone.

An area is a feeder, or where several of a substation's feeders fall silent, the substation: whatever is silent under
one substation is one alert, which is updated when feeders join or the number of meters doubles or halves. It tells that
nothing is heard, not why: outages are told by the operator `outage`, which takes silence for evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.alert import Alert
from schemas.arrays import Int64s
from schemas.master_data import GridBlock
from schemas.record import Record
from schemas.results import HeardBlock
from streams.area_presence.known import LEARNED, Area, Known, Open
from streams.contract import Mask, Operator, Result
from streams.readable import time
from streams.shard import FORGOTTEN_AFTER_MS

KIND = "presence"
TOGETHER, SHARE = 5, 0.3
"""An area is silent when so many of its meters are, and such a share of those that it has."""
BURST_MS = 15 * 60_000
"""They fell silent together who were last heard within this time."""
SETTLED_MS = 30_000
"""So long so many must have been silent, that others may join before it is told."""
BACK, BACK_SHARE = 3, 0.1
"""An area is back when fewer are silent than this, or a smaller share."""
ALONE_INTERVALS, ALONE_MS = 30, 600_000
"""A meter that is silent alone is told of after so many reporting intervals, and so long."""
NAMED = 20


@dataclass(frozen=True, eq=False)
class Look:
    """What is silent at the end of a turn, by meter; the last four by area."""

    areas: Sequence[Area]
    area: Int64s
    silent: Mask
    alone: Mask
    """Silent for so long that it is told even of one."""
    gone: Mask
    """It has left the grid, or was silent for so long that it was taken away: it is forgotten, and not silent."""
    now: Int64s
    """The time of each meter's way, on the bridge's clock, ms UTC."""
    total: Int64s
    count: Int64s
    fallen: npt.NDArray[np.bool_]
    back: npt.NDArray[np.bool_]


class AreaPresence(Operator):
    """One alert a substation whose areas are silent, one a meter that is silent alone.

    Assumes HeardBlocks and the beats of their sources; feeders are known as far as GridBlocks tell them.
    State: about 60 B a meter, and the grid's nodes. Cost: a few numpy passes over all meters a turn.
    """

    name = "area_presence"
    version = 3
    takes = frozenset({"HeardBlock", "GridBlock"})
    gives = frozenset({"Alert"})

    def whole(self, saved: Mapping[str, Any] | None = None) -> Known:
        """Nothing known, or what was saved."""
        return Known() if saved is None else Known.loaded(saved)

    def on_turn(self, whole: Any, records: Sequence[Record], beats: Mapping[str, int] | None) -> list[Result]:
        """Note who was heard; once a beat has ended the turn, look who was not."""
        known: Known = whole
        known.place([record for record in records if isinstance(record, GridBlock)])
        for record in records:
            if isinstance(record, HeardBlock):
                known.hear(record)
        if beats is None or not known.ids:
            return []
        known.move(beats)
        look = _look(known)
        results: list[Result] = [*_areas(known, look), *_alone(known, look)]
        if look.gone.any():
            known.forget(look.gone)
        return results

    def describe_in(self, whole: Any, meter: str) -> dict[str, Any] | None:
        """When it was last heard, and for how long it has been silent."""
        known: Known = whole
        row = known.row(meter)
        if row is None:
            return None
        own = known.meters[row]
        return {
            "heard_at": time(int(own["received_at"])),
            "interval_ms": float(own["interval_ms"]),
            "silent_for_ms": int(known.overdue_ms()[row]),
        }


def _look(known: Known) -> Look:
    areas, area = known.areas()
    overdue, elapsed = known.overdue_ms(), known.elapsed_ms()
    gone = known.meters["left"] | (elapsed > FORGOTTEN_AFTER_MS)
    silent, n = (overdue > 0) & ~gone, len(areas)
    heard_at = known.meters["received_at"]
    newest = np.zeros(n, np.int64)
    np.maximum.at(newest, area[silent], heard_at[silent])
    recent = silent & (heard_at >= newest[area] - BURST_MS)
    total = np.bincount(area[(known.meters["times"] >= LEARNED) & ~gone], minlength=n)
    count, burst = np.bincount(area[silent], minlength=n), np.bincount(area[recent], minlength=n)
    settled = np.bincount(area[recent & (overdue >= SETTLED_MS)], minlength=n)
    return Look(
        areas=areas,
        area=area,
        silent=silent,
        alone=silent & (elapsed > np.maximum(ALONE_INTERVALS * known.meters["interval_ms"], ALONE_MS)),
        gone=gone,
        now=heard_at + elapsed,
        total=total,
        count=count,
        fallen=(settled >= TOGETHER) & (burst >= SHARE * total),
        back=(count < BACK) | (count < BACK_SHARE * total),
    )


def _areas(known: Known, look: Look) -> list[Alert]:
    """Raise, update and clear the alerts of substations."""
    by_substation: dict[str, list[int]] = {}
    for i in np.flatnonzero(look.fallen).tolist():
        by_substation.setdefault(look.areas[i][0], []).append(i)
    alerts = []
    for substation in sorted(by_substation.keys() | known.open.keys()):
        before = known.open.get(substation)
        of = {feeder: i for i, (place, feeder) in enumerate(look.areas) if place == substation}
        lasting = [one for one in (before.feeders if before else []) if one in of and not look.back[of[one]]]
        feeders = sorted({*lasting, *(look.areas[i][1] for i in by_substation.get(substation, []))})
        which = np.isin(look.area, [of[feeder] for feeder in feeders])
        alert = _told(known, look, substation, before, feeders, which)
        alerts += [alert] if alert else []
    return alerts


def _told(
    known: Known, look: Look, substation: str, before: Open | None, feeders: list[str], which: Mask
) -> Alert | None:
    """The substation's alert, where it is another now."""
    silent = which & look.silent
    count = int(silent.sum())
    if before and before.feeders == feeders and before.silent < 2 * count and count < 2 * before.silent:
        return None
    newest = int(look.now.max() if not feeders else look.now[which].max())
    at = max(newest, before.at if before else 0)
    now = Open(before.raised_at if before else at, before.number + 1 if before else 1, at, feeders, count)
    if not feeders:
        del known.open[substation]
        feeders = before.feeders if before else []
        return _area_alert(substation, feeders, now, "cleared", f"{_name(substation, feeders)} is heard again", {})
    known.open[substation] = now
    since = int(known.meters["received_at"][silent].min())
    total = int(which.sum())
    evidence = {
        "silent": count,
        "meters": total,
        "since_ms": since,
        "feeders": feeders,
        "some": sorted(known.ids[row] for row in np.flatnonzero(silent).tolist())[:NAMED],
    }
    clock = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="seconds")
    said = f"{_name(substation, feeders)}: {count} of {total} meters silent since {clock}"
    return _area_alert(substation, feeders, now, "updated" if before else "raised", said, evidence)


def _area_alert(
    substation: str, feeders: Sequence[str], told: Open, state: str, summary: str, evidence: dict[str, Any]
) -> Alert:
    feeder = feeders[0] if len(feeders) == 1 and feeders[0] else None
    return Alert(
        id=f"{KIND}/{substation}/{told.raised_at}",
        number=told.number,
        kind=KIND,
        severity="info" if state == "cleared" else "warning",
        state=state,
        subject=feeder or substation,
        feeder=feeder,
        substation=substation or None,
        at=told.at,
        raised_at=told.raised_at,
        summary=summary,
        evidence=evidence,
    )


def _name(substation: str, feeders: Sequence[str]) -> str:
    return f"Feeder {feeders[0]}" if len(feeders) == 1 and feeders[0] else f"Substation {substation}"


def _alone(known: Known, look: Look) -> list[Alert]:
    """Raise and clear the alerts of single meters; those of an area that is told of are told by that."""
    told = known.meters["told_at"] > 0
    covered = np.array(
        [feeder in one.feeders if (one := known.open.get(place)) else False for place, feeder in look.areas]
    )
    raised = np.flatnonzero(look.alone & ~told & ~covered[look.area]).tolist()
    cleared = np.flatnonzero(told & ~look.silent).tolist()
    alerts = []
    for row in sorted([*raised, *cleared]):
        place, feeder = look.areas[int(look.area[row])]
        alerts.append(_alone_alert(known, row, place, feeder, int(look.now[row]), bool(look.gone[row])))
    return alerts


def _alone_alert(known: Known, row: int, substation: str, feeder: str, now_ms: int, gone: bool) -> Alert:
    """Of a meter: raised where none is open, else cleared."""
    own, meter = known.meters[row], known.ids[row]
    raised_at, heard_at = int(own["told_at"]), int(own["received_at"])
    at = max(heard_at, raised_at) if raised_at else now_ms
    known.meters["told_at"][row] = 0 if raised_at else at
    clock = datetime.fromtimestamp(heard_at / 1000, UTC).isoformat(timespec="seconds")
    return Alert(
        id=f"{KIND}/{meter}/{raised_at or at}",
        number=2 if raised_at else 1,
        kind=KIND,
        severity="info",
        state="cleared" if raised_at else "raised",
        subject=meter,
        feeder=feeder or None,
        substation=substation or None,
        at=at,
        raised_at=raised_at or at,
        summary=f"Meter {meter} {'is heard again' if raised_at and not gone else f'was last heard at {clock}'}",
        evidence={"heard_at_ms": heard_at, "interval_ms": round(float(own["interval_ms"]))},
    )
