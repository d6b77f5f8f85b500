"""Heat network: what the heat meters of the buildings say, together and each."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.meter import METER
from dashboards.page import CLICKHOUSE_SOURCE, Line, meters, page, profiles_with, to
from dashboards.panels import (
    BLUE,
    CRITICAL,
    FINE,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    WARNING,
    Column,
    lines,
    number,
    table,
)
from dashboards.queries import TIMED, measured, series
from dashboards.queries import table as rows

_PROFILES = profiles_with("heat_power_w")
_NAMED = ", ".join(f"'{profile}'" for profile in _PROFILES)
_RETURN_C = [(None, FINE), (50, WARNING), (60, CRITICAL)]
_QUARTER = "window = '15min' AND $__timeFilter_ms(start) AND isFinite(mean)"


def dashboard() -> Dashboard:
    """Opens with a day."""
    return page(
        "flexmeter-heat",
        "Heat network",
        "Temperatures, flow, power and energy of the heating substations, and which of them send back too warm.",
        [CLICKHOUSE_SOURCE, meters(_PROFILES)],
        [
            Line(4, [_power_now(), _heard(), _energy()]),
            Line(9, [_power(), _temperatures()]),
            Line(10, [_substations()]),
            Line(9, [_meter_temperatures(), _meter_flow()]),
            Line(9, [_meter_power(), _meter_energy()]),
        ],
        since="now-24h",
    )


def _power_now() -> Panel:
    return number(
        "Heat power now",
        "Sum of the substations' mean power in the newest quarter of an hour that has come.",
        "watt",
        rows(f"""
            SELECT sum(mean) AS power
            FROM flexmeter.aggregates
            WHERE quantity = 'heat_power_w' AND {_QUARTER}
            GROUP BY start
            ORDER BY start DESC
            LIMIT 1
            """),
    )


def _heard() -> Panel:
    return number(
        "Substations that reported",
        "Heat meters with a result in the time range; one comes when a quarter of an hour is over.",
        "short",
        rows(f"""
            SELECT uniqExact(meter) AS meters
            FROM flexmeter.aggregates
            WHERE quantity = 'heat_power_w' AND {_QUARTER}
            """),
    )


def _energy() -> Panel:
    return number(
        "Heat delivered",
        "What the heat registers counted in the hours of the time range.",
        "watth",
        rows("""
            SELECT sum(register_difference) AS energy
            FROM flexmeter.aggregates
            WHERE quantity = 'heat_energy_wh' AND window = '1h' AND $__timeFilter_ms(start)
                AND isFinite(register_difference)
            """),
    )


def _power() -> Panel:
    return lines(
        "Heat power of the network",
        "Sum of the mean power of all substations by the quarter of an hour. The newest quarter may lack some of them.",
        "watt",
        series(f"""
            SELECT start AS time, sum(mean) AS power
            FROM flexmeter.aggregates
            WHERE quantity = 'heat_power_w' AND {_QUARTER}
            GROUP BY time
            ORDER BY time
            """),
        {"power": VERMILLION},
        interval="15m",
    )


def _temperatures() -> Panel:
    return lines(
        "Temperatures of the network",
        "Median of the substations' mean temperatures by the quarter of an hour.",
        "celsius",
        series(f"""
            SELECT
                start AS time,
                quantileIf(0.5)(mean, quantity = 'forward_temperature_c') AS forward,
                quantileIf(0.5)(mean, quantity = 'return_temperature_c') AS return
            FROM flexmeter.aggregates
            WHERE quantity IN ('forward_temperature_c', 'return_temperature_c') AND {_QUARTER}
                AND meter IN (SELECT meter FROM flexmeter.meters WHERE profile IN ({_NAMED}))
            GROUP BY time
            ORDER BY time
            """),
        {"forward": VERMILLION, "return": BLUE},
        interval="15m",
    )


def _substations() -> Panel:
    return table(
        "Least cooled",
        "The 100 substations whose heat exchanger takes least out of the water: mean temperatures of the time range, "
        "and their difference. A warm return costs pumping and efficiency of the whole network.",
        rows(f"""
            SELECT
                meter,
                avg(forward_temperature_c) AS forward, avg(return_temperature_c) AS return,
                forward - return AS difference, avg(flow_m3_per_h) AS flow, avg(heat_power_w) AS power
            FROM flexmeter.readings
            WHERE profile IN ({_NAMED}) AND $__timeFilter_ms(at) AND {TIMED}
                AND isFinite(forward_temperature_c + return_temperature_c + flow_m3_per_h + heat_power_w)
            GROUP BY meter
            ORDER BY difference, meter
            LIMIT 100
            """),
        {
            "meter": Column(leads_to=("This substation below", to("flexmeter-heat", "meter"))),
            "forward": Column("celsius"),
            "return": Column("celsius", _RETURN_C),
            "difference": Column("celsius"),
            "flow": Column("m3/h"),
            "power": Column("watt"),
        },
    )


def _meter_temperatures() -> Panel:
    return lines(
        "Temperatures of the chosen substation",
        "Forward and return flow, as the meter reported them.",
        "celsius",
        measured({"forward": "forward_temperature_c", "return": "return_temperature_c"}, METER),
        {"forward": VERMILLION, "return": BLUE},
    )


def _meter_flow() -> Panel:
    return lines(
        "Flow of the chosen substation",
        "Flow of the heat carrier, as the meter reported it.",
        "m3/h",
        measured({"flow": "flow_m3_per_h"}, METER),
        {"flow": SKY},
    )


def _meter_power() -> Panel:
    return lines(
        "Power of the chosen substation",
        "Heat power as the meter reported it, and the highest that it has stored.",
        "watt",
        measured({"power": "heat_power_w", "stored peak": "heat_power_peak_w"}, METER),
        {"power": VERMILLION, "stored peak": GREY},
    )


def _meter_energy() -> Panel:
    return lines(
        "Heat by hour of the chosen substation",
        "What the heat register counted in each hour.",
        "watth",
        series(f"""
            SELECT start AS time, register_difference AS heat
            FROM flexmeter.aggregates
            WHERE {METER} AND quantity = 'heat_energy_wh' AND window = '1h' AND $__timeFilter_ms(start)
                AND isFinite(register_difference)
            ORDER BY time
            """),
        {"heat": ORANGE},
        bars=True,
        interval="1h",
    )
