"""Fleet overview: who reports, how completely, and what could not be taken."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.page import CLICKHOUSE_SOURCE, PROFILE, Line, page, to
from dashboards.panels import CRITICAL, FINE, WARNING, Column, lines, number, table
from dashboards.queries import REPORTING, SILENT, TIMED, Sql, series
from dashboards.queries import table as rows

COMPLETENESS = [(None, CRITICAL), (0.95, WARNING), (0.99, FINE)]
_FIRST_HOUR = "toStartOfHour($__fromTime_ms + INTERVAL 3599999 MILLISECOND)"
_FROM_WHOLE_HOUR = f"at >= {_FIRST_HOUR} AND at <= $__toTime_ms"
_WHOLE_HOURS = f"at >= {_FIRST_HOUR} AND at < toStartOfHour($__toTime_ms)"
_PROFILE = "profile IN (${profile:sqlstring})"


def dashboard() -> Dashboard:
    """Opens with a day."""
    return page(
        "flexmeter-fleet",
        "Fleet overview",
        "Which meters report, how completely, and what of it could not be taken.",
        [CLICKHOUSE_SOURCE, PROFILE],
        [
            Line(4, [_meters(), _completeness(), _silent(), open_alerts(), dead_letters(), _late()]),
            Line(9, [_completeness_by_hour(), _readings_by_hour()]),
            Line(9, [_profiles(), _sources()]),
            Line(10, [_least_complete()]),
            Line(9, [_dead_letters_by_reason(), _newestdead_letters()]),
        ],
        since="now-24h",
    )


def _of_each_meter(columns: str, rest: str = "") -> Sql:
    """Of every meter that has ever reported, but those taken away: what came, and what should have.

    Counted from the beginning of the first whole hour of the time range, or from when the meter was first heard: what
    is new is not incomplete. The newest reading may be on its way, so one less is expected.
    """
    return rows(f"""
        SELECT {columns}
        FROM
        (
            SELECT
                meter, profile, feeder, substation, received,
                greatest({_FIRST_HOUR}, if(received > 0, least(first_at, known_since), known_since)) AS begins,
                greatest(intDiv(dateDiff('millisecond', begins, $__toTime_ms), greatest(interval_ms, 1)) - 1, 0)
                    AS expected,
                least(received, expected) AS counted
            FROM flexmeter.meters AS meters
            LEFT JOIN
            (
                SELECT meter, profile, count() AS received, min(at) AS first_at
                FROM flexmeter.readings
                WHERE {_FROM_WHOLE_HOUR} AND {_PROFILE} AND {TIMED}
                GROUP BY meter, profile
            ) AS came USING (meter, profile)
            LEFT JOIN (SELECT meter, min(since) AS known_since FROM flexmeter.presence GROUP BY meter) AS heard
                USING (meter)
            WHERE {_PROFILE} AND {REPORTING}
        )
        WHERE expected > 0
        {rest}
        """)


def _meters() -> Panel:
    return number(
        "Meters",
        "Meters of the chosen profiles that have ever reported.",
        "short",
        rows(f"SELECT uniqExact(meter) AS meters FROM flexmeter.meters WHERE {_PROFILE}"),
    )


def _completeness() -> Panel:
    return number(
        "Completeness",
        "Readings received of those that the meters' intervals promise, in the time range and since each meter was "
        "first heard.",
        "percentunit",
        _of_each_meter("sum(counted) / sum(expected) AS completeness", "HAVING count() > 0"),
        COMPLETENESS,
    )


def _silent() -> Panel:
    return number(
        "Silent meters",
        "Meters that sent nothing for long while their source went on, as the stream `presence` sees it now; after 30 "
        "days they count as taken away, here and in what is complete.",
        "short",
        rows(f"SELECT countIf({SILENT}) AS silent FROM flexmeter.presence_now"),
        [(None, FINE), (1, WARNING)],
    )


def open_alerts() -> Panel:
    """How many alerts are open."""
    return number(
        "Open alerts",
        "Alerts that are not cleared.",
        "short",
        rows("SELECT countIf(state != 'cleared') AS open FROM flexmeter.alerts"),
        [(None, FINE), (1, WARNING)],
    )


def dead_letters() -> Panel:
    """How many payloads could not be taken."""
    return number(
        "Dead letters",
        "Payloads of the time range that could not be taken.",
        "short",
        rows("SELECT count() AS letters FROM flexmeter.dead_letters WHERE $__timeFilter_ms(received_at)"),
        [(None, FINE), (1, WARNING)],
    )


def _late() -> Panel:
    return number(
        "Hours to compute again",
        "Hours of meters for which rows came later than the streams wait; asked for in the time range.",
        "short",
        rows("SELECT count() AS hours FROM flexmeter.recompute_requests WHERE $__timeFilter_ms(inserted_at)"),
        [(None, FINE), (1, WARNING)],
    )


def _completeness_by_hour() -> Panel:
    return lines(
        "Completeness by hour",
        "Readings received of those that all meters of the chosen profiles should have sent, by whole hours. A meter "
        "counts from the beginning, even if it was installed later; one that was taken away does not count.",
        "percentunit",
        series(f"""
            SELECT
                toStartOfHour(at) AS time,
                count()
                    / (
                        SELECT sum(3600000 / greatest(interval_ms, 1)) FROM flexmeter.meters
                        WHERE {_PROFILE} AND {REPORTING}
                    ) AS completeness
            FROM flexmeter.readings
            WHERE {_WHOLE_HOURS} AND {_PROFILE} AND {TIMED} AND {REPORTING}
            GROUP BY time
            ORDER BY time WITH FILL STEP INTERVAL 1 HOUR
            """),
        limits=COMPLETENESS,
        lowest=0,
        interval="1h",
    )


def _readings_by_hour() -> Panel:
    # Distinct hashes of 64 bits are counted in two thirds of the time of distinct texts.
    return lines(
        "Meters heard by hour",
        "Meters of the chosen profiles that sent anything in the hour.",
        "short",
        series(f"""
            SELECT toStartOfHour(at) AS time, uniqExact(cityHash64(meter)) AS meters
            FROM flexmeter.readings
            WHERE {_FROM_WHOLE_HOUR} AND {_PROFILE} AND {TIMED}
            GROUP BY time
            ORDER BY time WITH FILL STEP INTERVAL 1 HOUR
            """),
        bars=True,
        lowest=0,
        interval="1h",
    )


def _profiles() -> Panel:
    return table(
        "Profiles",
        "Each kind of meter: how many there are, and how completely they report in the time range.",
        _of_each_meter(
            "profile, count() AS meters, sum(received) AS readings, sum(counted) / sum(expected) AS completeness",
            "GROUP BY profile ORDER BY profile",
        ),
        {
            "meters": Column("short"),
            "readings": Column("short"),
            "completeness": Column("percentunit", COMPLETENESS, is_bar=True, most=1),
        },
    )


def _sources() -> Panel:
    return table(
        "Sources",
        "Each bridge: what it brought in the time range, how long readings took from the meter to the bridge, and the "
        "newest of them.",
        rows(f"""
            SELECT
                source, count() AS readings, uniq(meter) AS meters,
                quantile(0.5)(dateDiff('millisecond', at, received_at)) AS `median delay`,
                max(received_at) AS newest
            FROM flexmeter.readings
            WHERE $__timeFilter_ms(at) AND {_PROFILE}
            GROUP BY source
            ORDER BY source
            """),
        {
            "readings": Column("short"),
            "meters": Column("short"),
            "median delay": Column("ms"),
            "newest": Column("dateTimeAsIso"),
        },
    )


def _least_complete() -> Panel:
    return table(
        "Least complete meters",
        "The 100 meters that lack most of what they should have sent in the time range.",
        _of_each_meter(
            "meter, profile, substation, feeder, received, expected, counted / expected AS completeness",
            "ORDER BY completeness, meter LIMIT 100",
        ),
        {
            "meter": Column(leads_to=("This meter", to("flexmeter-meter", "meter"))),
            "substation": Column(leads_to=("This substation", to("flexmeter-grid", "substation"))),
            "received": Column("short"),
            "expected": Column("short"),
            "completeness": Column("percentunit", COMPLETENESS, is_bar=True, most=1),
        },
    )


def _dead_letters_by_reason() -> Panel:
    return table(
        "Dead letters by reason",
        "Payloads of the time range that could not be taken, by why and by source.",
        rows("""
            SELECT reason, source, count() AS letters, max(received_at) AS newest
            FROM flexmeter.dead_letters
            WHERE $__timeFilter_ms(received_at)
            GROUP BY reason, source
            ORDER BY letters DESC, reason, source
            """),
        {"letters": Column("short", is_bar=True), "newest": Column("dateTimeAsIso")},
    )


def _newestdead_letters() -> Panel:
    return table(
        "Newest dead letters",
        "The newest 100 of the time range, and what was wrong; their bytes are in flexmeter.dead_letters.",
        rows("""
            SELECT received_at, reason, source, address, detail, payload_length
            FROM flexmeter.dead_letters
            WHERE $__timeFilter_ms(received_at)
            ORDER BY received_at DESC
            LIMIT 100
            """),
        {"received_at": Column("dateTimeAsIso"), "payload_length": Column("bytes")},
    )
