"""Last gasps and restorations as alerts, at once: one alert per meter and loss of power.

A restoration that overtakes its last gasp clears it all the same, and a gasp that overtakes the restoration before it
is an alert of its own: in whatever order they arrive, a meter is dark if its newest gasp is no older than its newest
restoration. So one restoration that is far ahead hides all gasps until then.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.catalogue import Quantity
from streams.contract import Elapsed, Events, Meters, Operator, Result, State
from streams.gone import GONE_AFTER_MS, closing

LAST_GASP, POWER_RESTORED = "last_gasp", "power_restored"


class LastGasp(Operator):
    """Raised with the first last gasp, cleared with the restoration; gasps in between say nothing new."""

    name = "last_gasp"
    version = 3
    takes = frozenset({"EventBlock"})
    gives = frozenset({"Alert"})

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The newest loss of power that was told, whether it is still open, the newest gasp and restoration, and the
        newest event of any kind."""
        times = [(name, "i8") for name in ("raised_at", "gasped_at", "restored_at", "told_at")]
        return np.dtype([*times, ("open", "?")])

    def on_events(self, state: State, meters: Meters, events: Events) -> list[Result]:
        """Events one by one: they are rare, and each may change what the next one means."""
        return [
            _alert(meters, meter, substation, raised_at, cleared_at)
            for meter, at, kind, substation in zip(
                events.meter.tolist(), events.at.tolist(), events.kind, events.substations, strict=True
            )
            for raised_at, cleared_at in _heard(state[meter], kind, at)
        ]

    def on_time(self, state: State, meters: Meters, elapsed: Elapsed) -> list[Result]:
        """Close what is open of meters that tell no more events, though they may report; in other tables nothing is."""
        gone = np.flatnonzero((elapsed.since_arrival_ms > GONE_AFTER_MS) & state["open"])
        closed: list[Result] = [_closed(meters, meter, state[meter]) for meter in gone.tolist()]
        state["open"][gone] = False
        return closed


def _heard(known: Any, kind: str, at: int) -> Iterator[tuple[int, int]]:
    """What an event makes of a meter's alerts: when each was raised, and when it is cleared; 0 = it is raised now."""
    known["told_at"] = max(at, known["told_at"])
    if kind == LAST_GASP:
        known["gasped_at"] = max(at, known["gasped_at"])
        if at > known["raised_at"] and not known["open"]:
            known["raised_at"], known["open"] = at, True
            yield at, 0
    elif kind == POWER_RESTORED:
        known["restored_at"] = max(at, known["restored_at"])
    if known["open"] and known["restored_at"] > known["raised_at"]:
        known["open"] = False
        yield int(known["raised_at"]), int(known["restored_at"])
        if known["gasped_at"] >= known["restored_at"]:
            known["raised_at"], known["open"] = known["gasped_at"], True
            yield int(known["raised_at"]), 0


def _alert(meters: Meters, meter: int, substation: str | None, raised_at: int, cleared_at: int) -> Alert:
    subject = meters.ids[meter]
    clock = datetime.fromtimestamp(raised_at / 1000, UTC).isoformat(timespec="seconds")
    lasted = f", back after {(cleared_at - raised_at) / 1000:.0f} s" if cleared_at else ""
    return Alert(
        id=_name(subject, raised_at),
        number=2 if cleared_at else 1,
        kind=LAST_GASP,
        severity="info" if cleared_at else "critical",
        state="cleared" if cleared_at else "raised",
        subject=subject,
        feeder=meters.feeders[meter],
        substation=substation,
        at=cleared_at or raised_at,
        raised_at=raised_at,
        summary=f"Meter {subject} lost power at {clock}{lasted}",
        evidence={"events": [LAST_GASP, POWER_RESTORED] if cleared_at else [LAST_GASP]},
    )


def _closed(meters: Meters, meter: int, known: Any) -> Alert:
    subject, raised_at, told_at = meters.ids[meter], int(known["raised_at"]), int(known["told_at"])
    place = meters.feeders[meter], meters.substations[meter]
    return closing(_name(subject, raised_at), 2, LAST_GASP, subject, *place, raised_at, told_at, row="event")


def _name(subject: str, raised_at: int) -> str:
    return f"last_gasp/{subject}/{raised_at}"
