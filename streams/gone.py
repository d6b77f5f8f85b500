"""Meters that no longer report: what is open of them is closed before their state is forgotten (shard.py)."""

from typing import Any

from schemas.alert import Alert
from schemas.durations import DAY_MS

GONE_AFTER_MS = 30 * DAY_MS
"""Without a row for so long, by the time of its own source, nothing more will come of what is open."""
_DAYS = GONE_AFTER_MS // DAY_MS


def closing(
    id: str,
    number: int,
    kind: str,
    subject: str,
    feeder: str | None,
    substation: str | None,
    raised_at: int,
    last: int,
    row: str = "row",
) -> Alert:
    """The version that clears an alert because its meter, whose last row was of `last` (ms UTC), is gone."""
    evidence: dict[str, Any] = {"last_reported": last, "gone_after_days": _DAYS}
    return Alert(
        id=id,
        number=number,
        kind=kind,
        severity="info",
        state="cleared",
        subject=subject,
        feeder=feeder,
        substation=substation,
        at=max(last, raised_at) + GONE_AFTER_MS,
        raised_at=raised_at,
        summary=f"{subject}: {kind.replace('_', ' ')} is not followed any more: no {row} of the meter for {_DAYS} days",
        evidence=evidence,
    )
