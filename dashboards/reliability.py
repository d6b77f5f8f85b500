"""How reliable supply was, as panels: the indices of IEEE 1366 over the days that the time range touches."""

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.dark import HERE
from dashboards.page import to
from dashboards.panels import BLUE, Column, lines, number, table
from dashboards.queries import series
from dashboards.queries import table as rows

_THESE_DAYS = "start >= toStartOfDay($__fromTime_ms, 'UTC') AND start <= $__toTime_ms"
_BY_FEEDER = f"""
            SELECT
                substation, feeder, max(customers) AS customers, sum(sustained_interruptions) AS interrupted,
                sum(sustained_ms) / 1000 AS lasted_s, sum(momentary_events) AS momentary
            FROM flexmeter.reliability
            WHERE {HERE} AND {_THESE_DAYS}
            GROUP BY substation, feeder
            """
_FIVE_YEARS_D = 5 * 365
FEEDER = Column(leads_to=("This feeder", to("flexmeter-grid", "feeder", keeps="substation")))


def _index(title: str, says: str, unit: str, expression: str) -> Panel:
    return number(
        title, says, unit, rows(f"SELECT {expression} AS value FROM ({_BY_FEEDER}) HAVING sum(customers) > 0")
    )


def saidi() -> Panel:
    """System average interruption duration index."""
    says = "Mean time without supply of a customer on the days (UTC) of the time range, by sustained interruptions."
    return _index("SAIDI", says, "s", "sum(lasted_s) / sum(customers)")


def saifi() -> Panel:
    """System average interruption frequency index."""
    return _index(
        "SAIFI",
        "Sustained interruptions of a customer on the days (UTC) of the time range, on average.",
        "none",
        "sum(interrupted) / sum(customers)",
    )


def caidi() -> Panel:
    """Customer average interruption duration index."""
    return _index(
        "CAIDI",
        "Mean duration of a customer's sustained interruption on the days (UTC) of the time range, if there was one.",
        "s",
        "if(sum(interrupted) > 0, sum(lasted_s) / sum(interrupted), NULL)",
    )


def maifi() -> Panel:
    """Momentary average interruption event frequency index."""
    return _index(
        "MAIFI_E",
        "Momentary interruption events of a customer on the days (UTC) of the time range, on average.",
        "none",
        "sum(momentary) / sum(customers)",
    )


def feeders() -> Panel:
    """All of them by feeder."""
    return table(
        "Reliability by feeder",
        "The indices of each feeder on the days (UTC) of the time range; feeder empty: customers at the substation.",
        rows(f"""
            SELECT
                substation, feeder, customers, lasted_s / customers AS SAIDI, interrupted / customers AS SAIFI,
                if(interrupted > 0, lasted_s / interrupted, NULL) AS CAIDI, momentary / customers AS MAIFI_E
            FROM ({_BY_FEEDER})
            WHERE customers > 0
            ORDER BY SAIDI DESC, substation, feeder
            LIMIT 200
            """),
        {
            "feeder": FEEDER,
            "customers": Column("short"),
            "SAIDI": Column("s", is_bar=True),
            "SAIFI": Column("none"),
            "CAIDI": Column("s"),
            "MAIFI_E": Column("none"),
        },
    )


def days() -> Panel:
    """SAIDI of each day."""
    return lines(
        "SAIDI by day",
        "Mean time without supply of a customer, by the day on which the interruption began.",
        "s",
        series(f"""
            SELECT start AS time, sum(sustained_ms) / 1000 / sum(customers) AS SAIDI
            FROM flexmeter.reliability
            WHERE {HERE} AND {_THESE_DAYS}
            GROUP BY time
            HAVING sum(customers) > 0
            ORDER BY time
            """),
        {"SAIDI": BLUE},
        bars=True,
        lowest=0,
        interval="1d",
    )


def major_event_days() -> Panel:
    """Days beyond the threshold of the 2.5 beta method."""
    return number(
        "Major event days",
        "Days of the time range whose SAIDI is above T_MED = exp(alpha + 2.5 beta) of the five years before (IEEE "
        "1366, clause 5.3); not computable from fewer days.",
        "none",
        rows(f"""
            WITH
                (
                    SELECT (count(), exp(avg(logs) + 2.5 * stddevSamp(logs)))
                    FROM
                    (
                        SELECT
                            start,
                            if(sum(sustained_ms) > 0, log(sum(sustained_ms) / 60000 / sum(customers)), NULL) AS logs
                        FROM flexmeter.reliability
                        WHERE
                            {HERE} AND start <= $__toTime_ms
                            AND start > $__toTime_ms - toIntervalDay({_FIVE_YEARS_D + 1})
                        GROUP BY start
                    )
                ) AS days
            SELECT if(days.1 < {_FIVE_YEARS_D}, 'not computable', toString(above)) AS found
            FROM
            (
                SELECT countIf(saidi > days.2) AS above
                FROM
                (
                    SELECT start, sum(sustained_ms) / 60000 / sum(customers) AS saidi
                    FROM flexmeter.reliability
                    WHERE {HERE} AND {_THESE_DAYS}
                    GROUP BY start
                )
            )
            """),
        fields="/^found$/",
    )
