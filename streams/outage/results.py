"""What an outage says to the world: numbered versions of one alert, and at its end who was without supply how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.alert import Alert
from schemas.arrays import Int64s
from streams.outage.life import Ending, Outage, Phase
from streams.outage.tree import Grid

KIND = "outage"
NAMED = 20
"""Devices that an alert names at most, of those still dark."""


@dataclass(frozen=True, eq=False)
class Interruption:
    """Customers whose supply one outage interrupted, each with its own end."""

    outage: str
    device: str
    start_ms: int
    usage_points: Sequence[str]
    end_ms: Int64s


def outage_id(grid: Grid, outage: Outage) -> str:
    """Stable over the outage's life, whatever device it turns out to be."""
    return f"outage/{grid.device(int(grid.roots[outage.root]))}/{outage.burst_ms}/{outage.number}"


def alert_of(grid: Grid, outage: Outage, now_ms: int) -> Alert:
    """The outage's present version."""
    customers = grid.customers(outage.dark or [outage.branch])
    device = grid.device(outage.branch)
    return Alert(
        id=outage_id(grid, outage),
        number=outage.version,
        kind=KIND,
        severity=_severity(outage),
        state="cleared" if outage.closed else "raised" if outage.version == 1 else "updated",
        subject=device,
        feeder=grid.feeder_of[outage.branch],
        substation=grid.node_ids[int(grid.roots[outage.root])][0],
        at=now_ms,
        raised_at=outage.raised_ms,
        summary=_summary(outage, device, customers),
        evidence={
            "phase": str(outage.phase),
            "ending": str(outage.ending) or None,
            "start_ms": outage.start_ms,
            "end_ms": outage.end_ms or None,
            "confidence": round(outage.confidence, 4),
            "probability_of_outage": round(outage.happened, 4),
            "probability_still_dark": round(outage.still, 4),
            "customers": grid.customers([outage.branch]),
            "customers_dark": 0 if outage.closed else customers,
            "devices": [
                {"device": grid.device(branch), "alike": list(grid.node_ids[branch]), "probability": round(chance, 4)}
                for branch, chance in outage.ranked
            ],
            "dark": [grid.device(branch) for branch in outage.dark[:NAMED]],
        },
    )


def _severity(outage: Outage) -> str:
    if outage.closed:
        return "info"
    return "critical" if outage.phase in (Phase.SUSTAINED, Phase.PARTLY_RESTORED) else "warning"


def _summary(outage: Outage, device: str, customers: int) -> str:
    since = datetime.fromtimestamp(outage.start_ms / 1000, UTC).isoformat(timespec="seconds")
    if outage.ending == Ending.WITHDRAWN:
        return f"No outage at {device}: taken back"
    if outage.ending == Ending.MERGED:
        return f"Outage at {device} is part of another"
    if outage.closed:
        return f"Outage at {device} is over after {(outage.end_ms - outage.start_ms) / 1000:.0f} s ({outage.ending})"
    word = {Phase.PARTLY_RESTORED: "partly restored", Phase.PROVISIONAL: "likely"}.get(Phase(outage.phase), "dark")
    sure = f"{100 * outage.confidence:.0f} % sure of the device"
    return f"{device} {word} since {since}, {customers} customers, {sure}"
