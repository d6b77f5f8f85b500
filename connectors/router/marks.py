"""What people have said about alerts: acknowledged, or silenced for a while."""

from dataclasses import dataclass, field

from schemas.alert import Alert, AlertMark, is_at_least

ACKNOWLEDGED, SILENCED = "acknowledged", "silenced"


@dataclass(slots=True)
class Marks:
    """The marks by their ids; the newest record of each holds."""

    by_id: dict[str, AlertMark] = field(default_factory=dict)
    _acknowledged: dict[str, set[str]] = field(default_factory=dict)
    _silences: dict[str, AlertMark] = field(default_factory=dict)

    def learn(self, mark: AlertMark) -> None:
        """Take the next record of the log."""
        self.by_id[mark.id] = mark
        if mark.mark == ACKNOWLEDGED:
            self._acknowledged.setdefault(mark.alert, set()).add(mark.id)
        else:
            self._silences[mark.id] = mark

    def of(self, alert: Alert, now_ms: int) -> str:
        """What holds for the alert now: ACKNOWLEDGED, SILENCED, or neither, which is empty."""
        if any(_holds(self.by_id[name], now_ms) for name in self._acknowledged.get(alert.id, ())):
            return ACKNOWLEDGED
        silenced = any(_holds(mark, now_ms) and _covers(mark, alert) for mark in self._silences.values())
        return SILENCED if silenced else ""


def _holds(mark: AlertMark, now_ms: int) -> bool:
    return mark.at <= now_ms and (mark.until == 0 or now_ms < mark.until)


def _covers(mark: AlertMark, alert: Alert) -> bool:
    return (
        mark.alert in ("", alert.id)
        and mark.kind in ("", alert.kind)
        and mark.subject in ("", alert.subject)
        and (not mark.area or alert.lies_in(mark.area))
        and (not mark.severity or is_at_least(mark.severity, alert.severity))
    )
