"""Alert rules of Grafana: what should wake somebody, each beside the panel that shows it.

The streams raise the alerts about meters and the grid (`flexmeter.alerts`); the rules here pass the grave ones on, and
watch what no stream sees: that data comes, and that the pipeline itself lives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.grid import HIGH_V, LOW_V
from dashboards.queries import CLICKHOUSE_UID, PROMETHEUS_UID, REPORTING, SILENT, table

FOLDER = "FLEXMETER"
CONTACT_POINT = "FLEXMETER operators"


@dataclass(frozen=True)
class Rule:
    """Fires for each row of the query, or series of the metric, whose number is beyond the limit for a while."""

    uid: str
    title: str
    summary: str
    severity: Literal["critical", "warning"]
    query: str
    beyond: tuple[Literal["gt", "lt"], float]
    for_at_least: str
    panel: tuple[str, str]
    seconds: int = 900
    of: Literal["clickhouse", "prometheus"] = "clickhouse"


RULES: Sequence[Rule] = [
    Rule(
        "flexmeter-critical-alert",
        "Critical alert open",
        "{{ .Labels.kind }} on feeder {{ .Labels.feeder }} of substation {{ .Labels.substation }} is not cleared",
        "critical",
        """
        SELECT kind, substation, feeder, toFloat64(count()) AS open
        FROM flexmeter.alerts
        WHERE severity = 'critical' AND state != 'cleared'
        GROUP BY kind, substation, feeder
        """,
        ("gt", 0),
        "0s",
        ("flexmeter-alerts", "Open alerts"),
    ),
    Rule(
        "flexmeter-completeness",
        "Readings are missing",
        "Meters of profile {{ .Labels.profile }} sent less than 95 % of their readings in the last whole hour",
        "warning",
        f"""
        SELECT meters.profile AS profile, sum(received) / sum(3600000 / greatest(interval_ms, 1)) AS completeness
        FROM flexmeter.meters AS meters
        LEFT JOIN
        (
            SELECT meter, profile, received
            FROM flexmeter.completeness
            WHERE hour = toStartOfHour($__toTime_ms) - INTERVAL 1 HOUR
        ) AS hours USING (meter, profile)
        WHERE {REPORTING}
        GROUP BY profile
        """,
        ("lt", 0.95),
        "15m",
        ("flexmeter-fleet", "Completeness by hour"),
    ),
    Rule(
        "flexmeter-dead-letters",
        "Many dead letters",
        "Source {{ .Labels.source }} sent over 100 payloads in 15 min that could not be taken: {{ .Labels.reason }}",
        "warning",
        """
        SELECT source, reason, toFloat64(count()) AS letters
        FROM flexmeter.dead_letters
        WHERE $__timeFilter_ms(received_at)
        GROUP BY source, reason
        """,
        ("gt", 100),
        "0s",
        ("flexmeter-fleet", "Dead letters by reason"),
    ),
    Rule(
        "flexmeter-silent-feeder",
        "A feeder falls silent",
        "More than 10 meters of feeder {{ .Labels.feeder }} of substation {{ .Labels.substation }} send nothing",
        "warning",
        f"""
        SELECT substation, feeder, toFloat64(countIf(is_silent)) AS silent
        FROM (SELECT DISTINCT meter, substation, feeder FROM flexmeter.meters WHERE feeder != '') AS placed
        LEFT JOIN (SELECT meter, {SILENT} AS is_silent FROM flexmeter.presence_now) AS presence USING (meter)
        GROUP BY substation, feeder
        """,
        ("gt", 10),
        "5m",
        ("flexmeter-fleet", "Silent meters"),
    ),
    Rule(
        "flexmeter-balance",
        "Energy is not accounted for",
        "Over 20 % of what substation {{ .Labels.substation }} takes in reaches no meter, though all report",
        "warning",
        """
        SELECT substation, avg((infeed_wh - energy_wh) / infeed_wh) AS share
        FROM flexmeter.loads
        WHERE feeder = '' AND infeed_wh > 0 AND covered_ms >= 0.95 * meters * 900000 AND $__timeFilter_ms(start)
        GROUP BY substation
        """,
        ("gt", 0.2),
        "15m",
        ("flexmeter-grid", "Balance"),
        seconds=7200,
    ),
    Rule(
        "flexmeter-voltage",
        "Voltage outside EN 50160",
        "Over 5 % of the ten-minute means of feeder {{ .Labels.feeder }} lie outside 230 V ± 10 %",
        "warning",
        f"""
        SELECT substation, feeder, countIf(mean_v < {LOW_V} OR mean_v > {HIGH_V}) / count() AS outside
        FROM flexmeter.voltages_10min AS voltages
        INNER JOIN flexmeter.meters AS meters USING (meter)
        WHERE $__timeFilter_ms(start)
        GROUP BY substation, feeder
        """,
        ("gt", 0.05),
        "10m",
        ("flexmeter-grid", "Voltage along the feeder"),
        seconds=7200,
    ),
    Rule(
        "flexmeter-bridge-away",
        "A bridge cannot reach its source",
        "Bridge {{ .Labels.bridge }} has not reached its source for 5 minutes",
        "critical",
        "min by (bridge) (flexmeter_bridge_ready)",
        ("lt", 1),
        "5m",
        ("flexmeter-pipeline", "Bridges ready"),
        of="prometheus",
    ),
    Rule(
        "flexmeter-sink-away",
        "A sink cannot write",
        "Sink {{ .Labels.sink }} has not found what it writes to for 5 minutes",
        "critical",
        "min by (sink) (flexmeter_sink_available)",
        ("lt", 1),
        "5m",
        ("flexmeter-pipeline", "Sinks available"),
        of="prometheus",
    ),
    Rule(
        "flexmeter-sink-lag",
        "A sink falls behind",
        "Sink {{ .Labels.sink }} has had over 10,000 records to read for 15 minutes",
        "warning",
        "sum by (sink) (flexmeter_sink_lag_records)",
        ("gt", 10_000),
        "15m",
        ("flexmeter-pipeline", "Lag by topic"),
        of="prometheus",
    ),
    Rule(
        "flexmeter-stream-still",
        "A stream stands still",
        "Stream {{ .Labels.stream }} has not worked off a record for 10 minutes",
        "critical",
        "sum by (stream) (abs(delta(flexmeter_next_offset[10m])))",
        ("lt", 1),
        "5m",
        ("flexmeter-pipeline", "Records worked off"),
        of="prometheus",
    ),
]


def provisioning(dashboards: Iterable[Dashboard]) -> dict[str, Any]:
    """The file for Grafana's `provisioning/alerting`; KeyError if a rule's panel does not exist."""
    places = {
        (board.uid, panel.title): panel.id_val
        for board in dashboards
        for panel in board.panels or ()
        if isinstance(panel, Panel)
    }
    rules = [_rule(rule, places) for rule in RULES]
    return {
        "apiVersion": 1,
        "groups": [{"orgId": 1, "name": "flexmeter", "folder": FOLDER, "interval": "1m", "rules": rules}],
    }


def _rule(rule: Rule, places: Mapping[tuple[str | None, str | None], int | None]) -> dict[str, Any]:
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "limit",
        "data": [_asked(rule), _limit(rule)],
        "for": rule.for_at_least,
        "noDataState": "OK",
        "execErrState": "Error",
        "dashboardUid": rule.panel[0],
        "panelId": places[rule.panel],
        "annotations": {"summary": rule.summary},
        "labels": {"severity": rule.severity},
        "notification_settings": {"receiver": CONTACT_POINT},
    }


def _asked(rule: Rule) -> dict[str, Any]:
    if rule.of == "clickhouse":
        uid, model = CLICKHOUSE_UID, table(rule.query).to_json() | {"refId": "asked"}
    else:
        uid, model = PROMETHEUS_UID, {"refId": "asked", "expr": rule.query, "instant": True, "range": False}
    return {
        "refId": "asked",
        "datasourceUid": uid,
        "relativeTimeRange": {"from": rule.seconds, "to": 0},
        "model": model,
    }


def _limit(rule: Rule) -> dict[str, Any]:
    kind, limit = rule.beyond
    return {
        "refId": "limit",
        "datasourceUid": "__expr__",
        "model": {
            "refId": "limit",
            "type": "threshold",
            "expression": "asked",
            "conditions": [{"evaluator": {"type": kind, "params": [limit]}}],
        },
    }
