"""A dashboard with a panel of each kind and setting that the page can draw, for any ClickHouse: it asks no table."""

from typing import Any

_SOURCE = {"type": "grafana-clickhouse-datasource", "uid": "${clickhouse}"}
_TIMES = "$__fromTime_ms + toIntervalMinute(number * 15) AS time"
_WAVES = f"SELECT {_TIMES}, 2 + sin(number / 5) AS a, 3 + cos(number / 7) AS b FROM numbers(24)"
_STATES = f"""SELECT {_TIMES}, concat('meter ', toString(number % 2)) AS series,
    if(intDiv(number, 6) % 2, 'silent', 'reporting') AS state FROM numbers(24)"""
_BY_NAME = "SELECT concat('appliance ', toString(number)) AS appliance, 100.0 * (number + 1) AS energy FROM numbers(5)"
_STEPS = {"mode": "absolute", "steps": [{"value": None, "color": "#0072B2"}, {"value": 2.5, "color": "#D55E00"}]}
_STACKED = {"drawStyle": "line", "fillOpacity": 60, "stacking": {"mode": "normal"}}
_MAPPINGS = [{"type": "value", "options": {"silent": {"text": "silent", "color": "#D55E00"}}}]


def _band(lower: str) -> list[dict[str, Any]]:
    matcher = {"id": "byName", "options": "b"}
    return [{"matcher": matcher, "properties": [{"id": "custom.fillBelowTo", "value": lower}]}]


def dashboard() -> dict[str, Any]:
    """As Grafana has it."""
    kinds = [
        _panel("timeseries", "Lines and limits", _WAVES, custom={"thresholdsStyle": {"mode": "dashed+area"}}),
        _panel("timeseries", "Stacked areas", _WAVES, custom=_STACKED),
        _panel("timeseries", "A band", _WAVES, overrides=_band("a")),
        _panel("timeseries", "Points", _WAVES, custom={"drawStyle": "points"}),
        _panel("timeseries", "Steps", _WAVES, custom={"lineInterpolation": "stepAfter", "lineStyle": {"fill": "dash"}}),
        _panel(
            "timeseries", "Shares", _WAVES, custom=_STACKED | {"drawStyle": "bars", "stacking": {"mode": "percent"}}
        ),
        _panel("state-timeline", "States", _STATES, mappings=_MAPPINGS),
        _panel("status-history", "History of states", _STATES, mappings=_MAPPINGS),
        _panel("barchart", "Bars", _BY_NAME),
        _panel("bargauge", "Bar gauges", _WAVES),
        _panel("piechart", "Shares of a whole", _BY_NAME),
        _panel("gauge", "A dial", _WAVES, min=0, max=4),
        _panel("stat", "A number and its past", _WAVES, options={"graphMode": "area"}),
        _panel("stat", "A word", "SELECT 'reporting' AS state"),
        _panel("table", "Rows", _BY_NAME),
        _panel("heatmap", "A kind that is drawn as a table", _BY_NAME),
    ]
    for number, panel in enumerate(kinds):
        panel["id"] = number + 1
        panel["gridPos"] = {"x": number % 4 * 6, "y": number // 4 * 8, "w": 6, "h": 8}
    return {
        "uid": "every-kind",
        "title": "Every kind",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"type": "custom", "name": "size", "query": "small, large"}]},
        "panels": kinds,
    }


def nothing_to_choose() -> dict[str, Any]:
    """With a variable that has no value."""
    panel = _panel("table", "A panel", "SELECT 1 WHERE 'a' IN (${pump:sqlstring})")
    query = {"rawSql": "SELECT 1 WHERE 0"}
    return {
        "uid": "nothing-to-choose",
        "title": "Nothing to choose",
        "templating": {"list": [{"type": "query", "name": "pump", "label": "Heat pump", "query": query}]},
        "panels": [panel | {"id": 1, "gridPos": {"x": 0, "y": 0, "w": 6, "h": 8}}],
    }


def _panel(
    kind: str, title: str, sql: str, options: dict[str, Any] | None = None, overrides: Any = (), **defaults: Any
) -> dict[str, Any]:
    config = {"defaults": {"unit": "watt", "thresholds": _STEPS, **defaults}, "overrides": list(overrides)}
    return {
        "type": kind,
        "title": title,
        "description": f"{title}, to see how it is drawn.",
        "datasource": _SOURCE,
        "targets": [{"refId": "A", "rawSql": sql}],
        "options": options or {},
        "fieldConfig": config,
    }
