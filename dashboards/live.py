"""Live: what comes in this minute, how late, and what is wrong; a feeder and a meter at a glance."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import fleet
from dashboards.grid import FEEDERS_METERS
from dashboards.meter import METER, POWERS, coloured
from dashboards.page import CLICKHOUSE_SOURCE, FEEDER, SUBSTATION, Line, meters, page, profiles_with, to
from dashboards.panels import BLUE, GREEN, ORANGE, SEVERITIES, VERMILLION, Column, lines, number, table
from dashboards.queries import measured, series
from dashboards.queries import table as rows

# A replay of old readings says nothing about latency.
_RECENT = "abs(dateDiff('second', at, received_at)) < 3600"
_INSERTED = "$__timeFilter_ms(inserted_at)"
_ELECTRIC = sorted({*profiles_with("active_power_l1_w"), *profiles_with("active_power_w")})
_PHASES = {"L1": "active_power_l1_w", "L2": "active_power_l2_w", "L3": "active_power_l3_w"}


def dashboard() -> Dashboard:
    """Opens with a quarter of an hour, and asks again every 5 s."""
    return page(
        "flexmeter-live",
        "Live",
        "What comes in now, how long it takes, and what is wrong.",
        [CLICKHOUSE_SOURCE, SUBSTATION, FEEDER, meters(_ELECTRIC)],
        [
            Line(
                4,
                [
                    _throughput_now(),
                    _latency_now(),
                    _slowest_now(),
                    _meters(),
                    fleet.open_alerts(),
                    fleet.dead_letters(),
                ],
            ),
            Line(9, [_feeder(), _meter()]),
            Line(8, [_throughput(), _latency()]),
            Line(8, [_alerts(), _letters()]),
        ],
        since="now-15m",
        refresh="5s",
    )


def _throughput_now() -> Panel:
    return number(
        "Readings a second",
        "Readings inserted in the newest minute of the time range; repeats count too.",
        "cps",
        rows("""
            WITH least(now64(3), $__toTime_ms) AS newest
            SELECT count() / 60 AS readings
            FROM flexmeter.readings_raw
            WHERE inserted_at > newest - INTERVAL 1 MINUTE AND inserted_at <= newest
            """),
    )


def _quantile_now(title: str, says: str, share: float) -> Panel:
    return number(
        title,
        says,
        "ms",
        rows(f"""
            SELECT quantile({share})(dateDiff('millisecond', at, inserted_at)) AS latency
            FROM flexmeter.readings_raw
            WHERE {_INSERTED} AND {_RECENT}
            HAVING count() > 0
            """),
    )


def _latency_now() -> Panel:
    return _quantile_now("Latency, median", "From the device's own time to ClickHouse, over the time range.", 0.5)


def _slowest_now() -> Panel:
    return _quantile_now("Latency, 99 %", "99 % of the readings came faster, from the device to ClickHouse.", 0.99)


def _meters() -> Panel:
    return number(
        "Meters",
        "Meters that have ever reported.",
        "short",
        rows("SELECT uniqExact(meter) AS meters FROM flexmeter.meters"),
    )


def _feeder() -> Panel:
    names = ", ".join(f"'{name}'" for name in _PHASES.values())
    labels = ", ".join(f"'{label}'" for label in _PHASES)
    return lines(
        "Load of feeder ${feeder}",
        "Sum of its meters' one-minute means, by phase. The newest minute is left out until it is whole.",
        "watt",
        series(f"""
            WITH (
                SELECT max(start) FROM flexmeter.aggregates_raw
                WHERE window = '1min' AND start >= $__fromTime_ms AND start <= $__toTime_ms + INTERVAL 2 MINUTE
            ) AS newest
            SELECT
                start AS time,
                transform(quantity, [{names}], [{labels}], quantity) AS series,
                sum(mean) AS value
            FROM flexmeter.aggregates
            WHERE {FEEDERS_METERS} AND window = '1min' AND quantity IN ({names}) AND isFinite(mean)
                AND $__timeFilter_ms(start) AND start < newest
            GROUP BY time, series
            ORDER BY time, series
            """),
        coloured(_PHASES),
        interval="1m",
    )


def _meter() -> Panel:
    return lines(
        "Power of meter ${meter}",
        "As the meter reported it, as means over a point's width.",
        "watt",
        measured(POWERS, METER),
        coloured(POWERS),
        interval="10s",
    )


def _throughput() -> Panel:
    return lines(
        "Rows inserted a second",
        "Rows that ClickHouse took, by the clock of the machine that it runs on; repeats count too.",
        "cps",
        series(f"""
            WITH least(now64(3), $__toTime_ms) AS newest
            SELECT $__timeInterval_ms(inserted_at) AS time, series, count() / $__interval_s AS value
            FROM
            (
                SELECT inserted_at, 'readings' AS series FROM flexmeter.readings_raw WHERE {_INSERTED}
                UNION ALL
                SELECT inserted_at, 'aggregates' AS series FROM flexmeter.aggregates_raw WHERE {_INSERTED}
            )
            WHERE inserted_at < $__timeInterval_ms(newest)
            GROUP BY time, series
            ORDER BY time, series
            """),
        {"readings": BLUE, "aggregates": ORANGE},
        lowest=0,
        interval="5s",
    )


def _latency() -> Panel:
    return lines(
        "Latency from device to ClickHouse",
        "From the device's own time to the insert. Readings that came an hour late or more do not count.",
        "ms",
        series(f"""
            SELECT
                $__timeInterval_ms(inserted_at) AS time,
                quantile(0.5)(dateDiff('millisecond', at, inserted_at)) AS median,
                quantile(0.99)(dateDiff('millisecond', at, inserted_at)) AS `99 %`
            FROM flexmeter.readings_raw
            WHERE {_INSERTED} AND {_RECENT}
            GROUP BY time
            ORDER BY time
            """),
        {"median": GREEN, "99 %": VERMILLION},
        lowest=0,
        interval="5s",
    )


def _alerts() -> Panel:
    return table(
        "Newest alerts",
        "How each alert stands, the newest first.",
        rows("""
            SELECT at, severity, state, subject, feeder, summary
            FROM flexmeter.alerts
            ORDER BY at DESC, id
            LIMIT 50
            """),
        {
            "at": Column("dateTimeAsIso"),
            "severity": Column(words=SEVERITIES),
            "subject": Column(leads_to=("As a meter", to("flexmeter-meter", "meter", "subject"))),
        },
    )


def _letters() -> Panel:
    return table(
        "Set aside",
        "Payloads of the time range that could not be taken, by reason; their bytes are in flexmeter.dead_letters.",
        rows("""
            SELECT
                reason, source, count() AS letters, max(received_at) AS newest,
                substring(argMax(detail, received_at), 1, 120) AS `newest says`
            FROM flexmeter.dead_letters
            WHERE $__timeFilter_ms(received_at)
            GROUP BY reason, source
            ORDER BY letters DESC, reason, source
            LIMIT 50
            """),
        {"letters": Column("short", is_bar=True), "newest": Column("dateTimeAsIso")},
    )
