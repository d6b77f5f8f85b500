"""The life of a fault's alert: raised once a check has been suspicious for some hours on end, cleared when it no longer
is, and not told while another fault of the meter is open that explains it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.arrays import Float64s, Int64s
from schemas.durations import HOUR_MS
from streams.contract import Mask, State
from streams.gone import closing


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: after how many hours it is told and taken back, and in which words.

    While one of `because` is open, which explains it, it is not told.
    """

    kind: str
    hours: int
    calm_hours: int
    words: str
    because: tuple[str, ...] = ()
    ended: str = "is over"


@dataclass(frozen=True, slots=True)
class Finding:
    """Of one check: which of n meters are suspicious, what was measured and what was expected."""

    suspicious: Mask
    measured: Float64s
    expected: Float64s
    quantity: Int64s | None = None
    """Of which quantity, by its place in the profile; None = of no single one."""

    def figures(self, i: int) -> dict[str, float]:
        """What words and evidence say of the i-th meter."""
        return {"measured": float(self.measured[i]), "expected": float(self.expected[i])}


@dataclass(frozen=True, slots=True)
class Place:
    """A meter, and where it hangs."""

    id: str
    feeder: str | None
    substation: str | None


def fields(kinds: int) -> list[tuple[Any, ...]]:
    """What must be kept of a meter for so many kinds of fault."""
    runs = [(name, "i4", (kinds,)) for name in ("suspicious_hours", "calm_hours")]
    return [*runs, *((name, "i8", (kinds,)) for name in ("since", "raised_at"))]


def follow(known: State, faults: Sequence[Fault], place: int, suspicious: Mask, hour: Int64s) -> list[int]:
    """Count suspicious and calm hours; of which meters the fault is to be raised or cleared.

    `known` (n,) has the `fields`, and is changed in place; `hour` is the hour of each meter, (n,), since 1970.
    """
    fault = faults[place]
    run = np.where(suspicious, known["suspicious_hours"][:, place] + 1, 0)
    calm = np.where(suspicious, 0, known["calm_hours"][:, place] + 1)
    known["since"][:, place] = np.where(run == 1, hour * HOUR_MS, known["since"][:, place])
    known["suspicious_hours"][:, place], known["calm_hours"][:, place] = run, calm
    because = [i for i, cause in enumerate(faults) if cause.kind in fault.because]
    explained = (known["raised_at"][:, because] > 0).any(axis=1)
    is_open = known["raised_at"][:, place] > 0
    told = np.flatnonzero(np.where(is_open, calm >= fault.calm_hours, (run >= fault.hours) & ~explained))
    which: list[int] = told.tolist()
    return which


def tell(
    operator: str,
    faults: Sequence[Fault],
    place: int,
    known: State,
    of: Place,
    hour: int,
    figures: dict[str, float],
    evidence: dict[str, Any],
) -> Alert:
    """The alert's version that `follow` asked for of a meter after that hour: it is raised, or cleared if it is open.

    `known` is the meter's record of `fields`, and is changed in place.
    """
    at, raised_at = (hour + 1) * HOUR_MS, int(known["raised_at"][place])
    known["raised_at"][place] = 0 if raised_at else at
    evidence = {"since": int(known["since"][place])} | evidence
    return alert(operator, faults[place], of, raised_at, at, figures, evidence)


def alert(
    operator: str, fault: Fault, of: Place, raised_at: int, at: int, figures: dict[str, float], evidence: dict[str, Any]
) -> Alert:
    """The next version of a fault's alert: the one that clears it if it was raised (`raised_at` > 0), at `at`.

    What is not known of the figures, as when no day is whole, is left out.
    """
    told = {name: value for name, value in figures.items() if np.isfinite(value)}
    name = fault.kind.replace("_", " ") + (f" {fault.ended}" if raised_at else "")
    words = f": {fault.words.format(**told)}" if len(told) == len(figures) else ""
    return Alert(
        id=f"{operator}/{of.id}/{fault.kind}/{raised_at or at}",
        number=2 if raised_at else 1,
        kind=fault.kind,
        severity="info" if raised_at else "warning",
        state="cleared" if raised_at else "raised",
        subject=of.id,
        feeder=of.feeder,
        substation=of.substation,
        at=at,
        raised_at=raised_at or at,
        summary=f"{of.id}: {name}{words}",
        evidence={**{name: round(value, 3) for name, value in told.items()}, **evidence},
    )


def close(operator: str, faults: Sequence[Fault], known: State, of: Place, last: int) -> list[Alert]:
    """Clear what is open of a meter whose last row, of `last` (ms UTC), was too long ago; it is followed anew then.

    `known` is the meter's record of `fields`, and is changed in place.
    """
    closed = []
    for place in np.flatnonzero(known["raised_at"]).tolist():
        kind, raised_at = faults[place].kind, int(known["raised_at"][place])
        name = f"{operator}/{of.id}/{kind}/{raised_at}"
        closed.append(closing(name, 2, kind, of.id, of.feeder, of.substation, raised_at, last))
    for name in ("raised_at", "suspicious_hours", "calm_hours"):
        known[name][:] = 0
    return closed
