"""Water: consumption, each meter's flow, and meters through which water never stops running."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.meter import METER
from dashboards.page import CLICKHOUSE_SOURCE, Line, meters, page, profiles_with, to
from dashboards.panels import BLUE, GREEN, SKY, VERMILLION, WARNING, Column, lines, number, table
from dashboards.queries import measured, series
from dashboards.queries import table as rows

_HOURS = "quantity = 'water_volume_m3' AND window = '1h' AND $__timeFilter_ms(start) AND isFinite(register_difference)"


def dashboard() -> Dashboard:
    """Opens with two days, so that a night is among them."""
    return page(
        "flexmeter-water",
        "Water",
        "What is drawn by all and by each, and meters through which water never stops running.",
        [CLICKHOUSE_SOURCE, meters(profiles_with("water_volume_m3"))],
        [
            Line(4, [_drawn(), _heard()]),
            Line(9, [_by_hour(), _never_still()]),
            Line(9, [_meter_by_hour(), _meter_flow()]),
            Line(9, [_meter_register(), _meter_temperature()]),
        ],
        since="now-48h",
    )


def _drawn() -> Panel:
    return number(
        "Water drawn",
        "What all water meters counted in the hours of the time range.",
        "m3",
        rows(f"SELECT sum(register_difference) AS volume FROM flexmeter.aggregates WHERE {_HOURS}"),
    )


def _heard() -> Panel:
    return number(
        "Meters that reported",
        "Water meters with a result in the time range; one comes when an hour is over.",
        "short",
        rows(f"SELECT uniqExact(meter) AS meters FROM flexmeter.aggregates WHERE {_HOURS}"),
    )


def _by_hour() -> Panel:
    return lines(
        "Water drawn by hour",
        "What all water meters counted in each hour. The newest hour may lack some of them.",
        "m3",
        series(f"""
            SELECT start AS time, sum(register_difference) AS drawn
            FROM flexmeter.aggregates
            WHERE {_HOURS}
            GROUP BY time
            ORDER BY time
            """),
        {"drawn": BLUE},
        bars=True,
        interval="1h",
    )


def _never_still() -> Panel:
    return table(
        "Never still",
        "Meters that counted in every hour of the time range for which a result came, by what they counted in the "
        "stillest of these: in a home with a quiet night this is a leak.",
        rows(f"""
            SELECT
                meter, min(register_difference) AS stillest, sum(register_difference) AS drawn, count() AS hours
            FROM flexmeter.aggregates
            WHERE {_HOURS}
            GROUP BY meter
            HAVING stillest > 0
            ORDER BY stillest DESC, meter
            LIMIT 100
            """),
        {
            "meter": Column(leads_to=("This meter below", to("flexmeter-water", "meter"))),
            "stillest": Column("m3", [(None, WARNING)]),
            "drawn": Column("m3"),
            "hours": Column("short"),
        },
    )


def _meter_by_hour() -> Panel:
    return lines(
        "Water drawn by hour through the chosen meter",
        "What the meter's register counted in each hour.",
        "m3",
        series(f"""
            SELECT start AS time, register_difference AS drawn
            FROM flexmeter.aggregates
            WHERE {METER} AND {_HOURS}
            ORDER BY time
            """),
        {"drawn": BLUE},
        bars=True,
        interval="1h",
    )


def _meter_flow() -> Panel:
    return lines(
        "Flow through the chosen meter",
        "As the meter reported it.",
        "m3/h",
        measured({"flow": "water_flow_m3_per_h"}, METER),
        {"flow": SKY},
    )


def _meter_register() -> Panel:
    return lines(
        "Register of the chosen meter",
        "The volume that the meter's register stood at.",
        "m3",
        measured({"volume": "water_volume_m3"}, METER),
        {"volume": GREEN},
    )


def _meter_temperature() -> Panel:
    return lines(
        "Water temperature at the chosen meter",
        "As the meter reported it. Cold drinking water should stay below 25 °C.",
        "celsius",
        measured({"water": "water_temperature_c"}, METER),
        {"water": VERMILLION},
        limits=[(None, BLUE), (25, WARNING)],
    )
