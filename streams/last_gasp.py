"""Last gasps and restorations as alerts, at once: one alert per meter and loss of power.

A restoration that overtakes its last gasp clears it all the same, so the order of arrival changes nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.catalogue import Quantity
from streams.contract import Events, Meters, Operator, Result, State

LAST_GASP, POWER_RESTORED = "last_gasp", "power_restored"


class LastGasp(Operator):
    """Raised with the first last gasp, cleared with the restoration; gasps in between say nothing new."""

    name = "last_gasp"
    version = 1
    takes = frozenset({"EventBlock"})
    gives = frozenset({"Alert"})

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The newest loss of power, whether it is still open, and the newest restoration."""
        return np.dtype([("raised_at", "i8"), ("open", "?"), ("restored_at", "i8")])

    def on_events(self, state: State, meters: Meters, events: Events) -> list[Result]:
        """Events one by one: they are rare, and each may change what the next one means."""
        results: list[Result] = []
        for meter, at, kind, substation in zip(
            events.meter.tolist(), events.at.tolist(), events.kind, events.substations, strict=True
        ):
            known = state[meter]
            if kind == LAST_GASP and at > known["raised_at"] and not known["open"]:
                known["raised_at"], known["open"] = at, True
                results.append(_alert(meters, meter, substation, at, at))
            elif kind == POWER_RESTORED:
                known["restored_at"] = max(at, known["restored_at"])
            if known["open"] and known["restored_at"] > known["raised_at"]:
                known["open"] = False
                results.append(
                    _alert(meters, meter, substation, int(known["raised_at"]), int(known["restored_at"]), cleared=True)
                )
        return results


def _alert(meters: Meters, meter: int, substation: str | None, raised_at: int, at: int, cleared: bool = False) -> Alert:
    subject = meters.ids[meter]
    clock = datetime.fromtimestamp(raised_at / 1000, UTC).isoformat(timespec="seconds")
    lasted = f", back after {(at - raised_at) / 1000:.0f} s" if cleared else ""
    return Alert(
        id=f"last_gasp/{subject}/{raised_at}",
        number=2 if cleared else 1,
        kind=LAST_GASP,
        severity="info" if cleared else "critical",
        state="cleared" if cleared else "raised",
        subject=subject,
        feeder=meters.feeders[meter],
        substation=substation,
        at=at,
        raised_at=raised_at,
        summary=f"Meter {subject} lost power at {clock}{lasted}",
        evidence={"events": [LAST_GASP, POWER_RESTORED] if cleared else [LAST_GASP]},
    )
