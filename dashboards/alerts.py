"""Alerts: how each stands, how it came to that, and what meters said about themselves."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.page import CLICKHOUSE_SOURCE, Line, page, to
from dashboards.panels import CRITICAL, FINE, SEVERITIES, WARNING, Column, lines, number, table
from dashboards.queries import series
from dashboards.queries import table as rows

_PLACE = {
    "at": Column("dateTimeAsIso"),
    "severity": Column(words=SEVERITIES),
    "raised_at": Column("dateTimeAsIso"),
    "subject": Column(leads_to=("As a meter", to("flexmeter-meter", "meter", "subject"))),
    "substation": Column(leads_to=("This substation", to("flexmeter-grid", "substation"))),
}


def dashboard() -> Dashboard:
    """Opens with a week."""
    return page(
        "flexmeter-alerts",
        "Alerts",
        "What is wrong now, what was, and what meters said about themselves.",
        [CLICKHOUSE_SOURCE],
        [
            Line(4, [_open(severity) for severity in SEVERITIES] + [_lasted()]),
            Line(9, [_now()]),
            Line(9, [_raised(), _by_feeder()]),
            Line(9, [_history()]),
            Line(9, [_events_by_kind(), _events()]),
        ],
        since="now-7d",
    )


def _open(severity: str) -> Panel:
    return number(
        f"Open, {severity}",
        f"Alerts of severity {severity} that are not cleared.",
        "short",
        rows(f"""
            SELECT countIf(state != 'cleared' AND severity = '{severity}') AS open
            FROM flexmeter.alerts
            """),
        [(None, FINE), (1, CRITICAL if severity == "critical" else WARNING)] if severity != "info" else [(None, FINE)],
    )


def _lasted() -> Panel:
    return number(
        "How long alerts last",
        "Median time from raised to cleared, of the alerts cleared in the time range.",
        "s",
        rows("""
            SELECT quantile(0.5)(dateDiff('second', raised_at, at)) AS lasted
            FROM flexmeter.alerts
            WHERE state = 'cleared' AND $__timeFilter_ms(at)
            HAVING count() > 0
            """),
    )


def _now() -> Panel:
    return table(
        "Open alerts",
        "What is not cleared, the gravest first, then the newest.",
        rows("""
            SELECT at, severity, state, kind, subject, substation, feeder, summary, raised_at
            FROM flexmeter.alerts
            WHERE state != 'cleared'
            ORDER BY indexOf(['critical', 'warning', 'info'], severity), at DESC
            LIMIT 200
            """),
        _PLACE,
    )


def _raised() -> Panel:
    return lines(
        "Alerts raised by day",
        "How many alerts were raised, by their severity.",
        "short",
        series("""
            SELECT toStartOfDay(raised_at) AS time, severity AS series, uniqExact(id) AS value
            FROM flexmeter.alerts
            WHERE $__timeFilter_ms(raised_at)
            GROUP BY time, series
            ORDER BY time, series
            """),
        SEVERITIES,
        bars=True,
        lowest=0,
        interval="1d",
    )


def _by_feeder() -> Panel:
    return table(
        "Alerts by feeder",
        "Alerts raised in the time range, by where they are.",
        rows("""
            SELECT substation, feeder, count() AS alerts, countIf(state != 'cleared') AS open, max(at) AS newest
            FROM flexmeter.alerts
            WHERE $__timeFilter_ms(raised_at)
            GROUP BY substation, feeder
            ORDER BY alerts DESC, substation, feeder
            LIMIT 100
            """),
        {
            "alerts": Column("short", is_bar=True),
            "open": Column("short"),
            "newest": Column("dateTimeAsIso"),
            "substation": _PLACE["substation"],
        },
    )


def _history() -> Panel:
    return table(
        "History",
        "Every version of every alert in the time range, the newest first.",
        rows("""
            SELECT at, id, number, severity, state, kind, subject, substation, feeder, summary
            FROM flexmeter.alert_history
            WHERE $__timeFilter_ms(at)
            ORDER BY at DESC, id, number DESC
            LIMIT 500
            """),
        {**{name: _PLACE[name] for name in ("at", "severity", "subject", "substation")}, "number": Column("none")},
    )


def _events_by_kind() -> Panel:
    return table(
        "Events by kind",
        "What meters said about themselves in the time range.",
        rows("""
            SELECT kind, count() AS events, uniqExact(meter) AS meters, max(at) AS newest
            FROM flexmeter.events
            WHERE $__timeFilter_ms(at)
            GROUP BY kind
            ORDER BY events DESC, kind
            """),
        {"events": Column("short", is_bar=True), "meters": Column("short"), "newest": Column("dateTimeAsIso")},
    )


def _events() -> Panel:
    return table(
        "Events",
        "The newest 200 of the time range.",
        rows("""
            SELECT at, kind, meter, substation, feeder, detail
            FROM flexmeter.events
            WHERE $__timeFilter_ms(at)
            ORDER BY at DESC, meter
            LIMIT 200
            """),
        {
            "at": Column("dateTimeAsIso"),
            "meter": Column(leads_to=("This meter", to("flexmeter-meter", "meter"))),
            "substation": _PLACE["substation"],
        },
    )
