"""Substation and feeder: load, balance, and voltage against the band of EN 50160."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.page import CLICKHOUSE_SOURCE, FEEDER, SUBSTATION, Line, page, to
from dashboards.panels import (
    BLUE,
    CRITICAL,
    FINE,
    GREEN,
    GREY,
    ORANGE,
    SEVERITIES,
    VERMILLION,
    WARNING,
    Column,
    lines,
    number,
    table,
)
from dashboards.queries import series
from dashboards.queries import table as rows

# EN 50160:2010, 4.2.2.2: of the ten-minute means of a week 95 % lie within 10 % of 230 V, and all above -15 %.
LOW_V, HIGH_V, LOWEST_V = 207, 253, 195.5
VOLTAGE_BAND = [(None, CRITICAL), (LOWEST_V, WARNING), (LOW_V, FINE), (HIGH_V, CRITICAL)]
_QUARTERS_PER_HOUR = 4
_SUBSTATION = "substation IN (${substation:sqlstring})"
_WHOLE = f"{_SUBSTATION} AND feeder = ''"
_FEEDER = f"{_SUBSTATION} AND feeder IN (${{feeder:sqlstring}})"
FEEDERS_METERS = f"meter IN (SELECT meter FROM flexmeter.meters WHERE {_FEEDER})"


def dashboard() -> Dashboard:
    """Opens with a day."""
    return page(
        "flexmeter-grid",
        "Substation and feeder",
        "The load of a substation and of its feeders, what of the infeed no meter accounts for, and the voltage that "
        "customers get.",
        [CLICKHOUSE_SOURCE, SUBSTATION, FEEDER],
        [
            Line(4, [_load_now(), _infeed_now(), _unmetered_now(), _outside_band()]),
            Line(9, [_load(), _balance()]),
            Line(8, [_feeders(), _covered()]),
            Line(9, [_feeder_load(), _voltage()]),
            Line(9, [_voltages_by_meter(), _alerts()]),
        ],
        since="now-24h",
    )


def _newest(column: str, of: str = _WHOLE) -> str:
    return f"""
        SELECT {column}
        FROM flexmeter.loads
        WHERE {of} AND $__timeFilter_ms(start)
        ORDER BY start DESC
        LIMIT 1
        """


def _load_now() -> Panel:
    return number(
        "Metered load",
        "What the customers' meters drew together in the newest quarter of an hour that has come.",
        "watt",
        rows(_newest(f"energy_wh * {_QUARTERS_PER_HOUR} AS load")),
    )


def _infeed_now() -> Panel:
    return number(
        "Infeed",
        "What the substation's own meter measured in the newest quarter of an hour for which it has reported.",
        "watt",
        rows(_newest(f"infeed_wh * {_QUARTERS_PER_HOUR} AS infeed", f"{_WHOLE} AND isFinite(infeed_wh)")),
    )


def _unmetered_now() -> Panel:
    return number(
        "Not accounted for",
        "Infeed less metered load, as a share of the infeed: losses, meters that did not report, and theft.",
        "percentunit",
        rows(_newest("(infeed_wh - energy_wh) / infeed_wh AS share", f"{_WHOLE} AND infeed_wh > 0")),
        [(None, FINE), (0.1, WARNING), (0.2, CRITICAL)],
    )


def _outside_band() -> Panel:
    return number(
        "Outside the voltage band",
        "Share of the ten-minute means of the feeder's phases outside 230 V ± 10 %. EN 50160 allows 5 % in a week.",
        "percentunit",
        rows(f"""
            SELECT countIf(mean_v < {LOW_V} OR mean_v > {HIGH_V}) / count() AS share
            FROM flexmeter.voltages_10min
            WHERE {FEEDERS_METERS} AND $__timeFilter_ms(start)
            """),
        [(None, FINE), (0.01, WARNING), (0.05, CRITICAL)],
    )


def _load() -> Panel:
    return lines(
        "Load of the substation",
        "Mean power by the quarter of an hour: of the substation's own meter, and of its customers' meters together.",
        "watt",
        series(f"""
            SELECT
                start AS time,
                energy_wh * {_QUARTERS_PER_HOUR} AS metered,
                if(isFinite(infeed_wh), infeed_wh * {_QUARTERS_PER_HOUR}, NULL) AS infeed
            FROM flexmeter.loads
            WHERE {_WHOLE} AND $__timeFilter_ms(start)
            ORDER BY time
            """),
        {"metered": BLUE, "infeed": ORANGE},
        interval="15m",
    )


def _balance() -> Panel:
    return lines(
        "Balance",
        "Infeed less metered energy in each quarter of an hour. Above zero: losses, silent meters, theft. Below zero: "
        "clocks that differ, or a meter that hangs elsewhere than the register says.",
        "watth",
        series(f"""
            SELECT start AS time, infeed_wh - energy_wh AS `not accounted for`
            FROM flexmeter.loads
            WHERE {_WHOLE} AND $__timeFilter_ms(start) AND isFinite(infeed_wh)
            ORDER BY time
            """),
        {"not accounted for": VERMILLION},
        bars=True,
        interval="15m",
    )


def _feeders() -> Panel:
    return table(
        "Feeders",
        "Each feeder in the newest quarter of an hour that has come: its load, and how many of its meters it sums.",
        rows(f"""
            SELECT
                feeder, max(start) AS newest, argMax(energy_wh, start) * {_QUARTERS_PER_HOUR} AS load,
                argMax(meters, start) AS meters
            FROM flexmeter.loads
            WHERE {_SUBSTATION} AND feeder != '' AND $__timeFilter_ms(start)
            GROUP BY feeder
            ORDER BY load DESC, feeder
            """),
        {
            "feeder": Column(leads_to=("This feeder", to("flexmeter-grid", "feeder", keeps="substation"))),
            "newest": Column("dateTimeAsIso"),
            "load": Column("watt", is_bar=True),
            "meters": Column("short"),
        },
    )


def _covered() -> Panel:
    return lines(
        "How much of the load is known",
        "Time covered by readings, of the time of all meters that are summed. Below 100 % the metered load is too low.",
        "percentunit",
        series(f"""
            SELECT start AS time, covered_ms / (meters * 900000) AS covered
            FROM flexmeter.loads
            WHERE {_WHOLE} AND $__timeFilter_ms(start) AND meters > 0
            ORDER BY time
            """),
        {"covered": GREEN},
        lowest=0,
        interval="15m",
    )


def _feeder_load() -> Panel:
    return lines(
        "Load of the feeder",
        "Mean power of the feeder's meters together, by the quarter of an hour.",
        "watt",
        series(f"""
            SELECT start AS time, energy_wh * {_QUARTERS_PER_HOUR} AS metered
            FROM flexmeter.loads
            WHERE {_FEEDER} AND $__timeFilter_ms(start)
            ORDER BY time
            """),
        {"metered": BLUE},
        interval="15m",
    )


def _voltage() -> Panel:
    return lines(
        "Voltage along the feeder",
        "Ten-minute means of all phases of the feeder's meters: the lowest, the median, the highest. The dashed lines "
        "are the limits of EN 50160: 230 V - 15 %, - 10 %, + 10 %.",
        "volt",
        series(f"""
            SELECT start AS time, min(mean_v) AS lowest, quantile(0.5)(mean_v) AS median, max(mean_v) AS highest
            FROM flexmeter.voltages_10min
            WHERE {FEEDERS_METERS} AND $__timeFilter_ms(start)
            GROUP BY time
            ORDER BY time
            """),
        {"lowest": ORANGE, "median": GREY, "highest": BLUE},
        limits=VOLTAGE_BAND,
        interval="10m",
    )


def _voltages_by_meter() -> Panel:
    return table(
        "Voltage by meter",
        "The feeder's meters with the most ten-minute means outside 230 V ± 10 %, and the extremes of the means.",
        rows(f"""
            SELECT
                meter, countIf(mean_v < {LOW_V} OR mean_v > {HIGH_V}) / count() AS outside,
                min(mean_v) AS lowest, max(mean_v) AS highest
            FROM flexmeter.voltages_10min
            WHERE {FEEDERS_METERS} AND $__timeFilter_ms(start)
            GROUP BY meter
            ORDER BY outside DESC, meter
            LIMIT 100
            """),
        {
            "meter": Column(leads_to=("This meter", to("flexmeter-meter", "meter"))),
            "outside": Column("percentunit", [(None, FINE), (0.01, WARNING), (0.05, CRITICAL)]),
            "lowest": Column("volt", VOLTAGE_BAND),
            "highest": Column("volt", VOLTAGE_BAND),
        },
    )


def _alerts() -> Panel:
    return table(
        "Open alerts of the substation",
        "What is not cleared, the newest first.",
        rows(f"""
            SELECT at, severity, state, feeder, subject, summary
            FROM flexmeter.alerts
            WHERE {_SUBSTATION} AND state != 'cleared'
            ORDER BY at DESC
            LIMIT 100
            """),
        {
            "at": Column("dateTimeAsIso"),
            "severity": Column(words=SEVERITIES),
            "subject": Column(leads_to=("As a meter", to("flexmeter-meter", "meter", "subject"))),
        },
    )
