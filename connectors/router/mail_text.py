"""An alert, or many in a digest, as a mail. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import orjson

from schemas.alert import Alert
from schemas.events import Severity

_MOST_EVIDENCE = 20_000
_RANKS = {severity.value: rank for rank, severity in enumerate(Severity)}


def compose(alerts: Sequence[Alert], sender: str, to: Iterable[str], now: datetime) -> EmailMessage:
    """The mail. Its Message-ID is made of ids and numbers: a repeat has the same one.

    Mails of one alert refer to its first, so that they stand together in the reader's mailbox.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Subject"] = _printable(subject(alerts))
    mail["Date"] = now
    mail["Message-ID"] = message_id([f"{alert.id}/{alert.number}" for alert in alerts], sender)
    if len(alerts) == 1:
        mail["References"] = message_id([alerts[0].id], sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers it
    mail.set_content(_one(alerts[0]) if len(alerts) == 1 else _digest(alerts))
    return mail


def subject(alerts: Sequence[Alert]) -> str:
    """What stands in the list of mails.

    >>> a = Alert("a", 1, "outage", "critical", "raised", "t-7", "f-2", "ms-1", 0, 0, "t-7 dark", {})
    >>> subject([a]), subject([a, a])
    ('[critical] raised: t-7 dark', '[critical] 2 alerts: 2 outage')
    """
    worst = max((alert.severity for alert in alerts), key=lambda severity: _RANKS[severity])
    if len(alerts) == 1:
        return f"[{worst}] {alerts[0].state}: {alerts[0].summary}"
    kinds = Counter(alert.kind for alert in alerts).most_common()
    return f"[{worst}] {len(alerts)} alerts: {', '.join(f'{count} {kind}' for kind, count in kinds)}"


def message_id(names: Iterable[str], sender: str) -> str:
    """A Message-ID (RFC 5322, 3.6.4) that depends on these names alone, at the sender's domain."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]
    return f"<{digest}@{sender.rpartition('@')[2]}>"


def _one(alert: Alert) -> str:
    evidence = orjson.dumps(alert.evidence, option=orjson.OPT_INDENT_2).decode()[:_MOST_EVIDENCE]
    lines = [
        _printable(alert.summary),
        "",
        f"kind      {alert.kind}, {alert.severity}, {alert.state}",
        f"subject   {alert.subject}",
        f"area      {alert.area or 'not known'}",
        f"at        {_clock(alert.at)}",
        f"raised    {_clock(alert.raised_at)}",
        f"id        {alert.id} (number {alert.number})",
        "",
        evidence,
    ]
    return "\n".join(lines) + "\n"


def _digest(alerts: Sequence[Alert]) -> str:
    """One line each, the worst first."""
    ranked = sorted(alerts, key=lambda alert: -_RANKS[alert.severity])
    lines = [
        f"{alert.severity:<8}  {alert.state:<7}  {_clock(alert.at)}  {alert.area or '-'}  {alert.kind}: "
        f"{_printable(alert.summary)}\n          {alert.id} (number {alert.number})"
        for alert in ranked
    ]
    return "\n".join(["Too many at once for a mail each:", "", *lines]) + "\n"


def _printable(text: str) -> str:
    """Without what would begin a new line or header: devices wrote parts of it."""
    return "".join(char if char.isprintable() else " " for char in text)


def _clock(at: int) -> str:
    try:
        return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{at} ms"
