"""Outages: what is dark now, what was, and the indices of IEEE 1366 that follow from it."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.page import CLICKHOUSE_SOURCE, Line, choice, page, to
from dashboards.panels import BLUE, CRITICAL, FINE, GREY, ORANGE, SKY, VERMILLION, WARNING, Column, lines, number, table
from dashboards.queries import series
from dashboards.queries import table as rows

SUBSTATIONS = choice(
    "substation",
    "Substation",
    "Substations whose grid is published",
    "SELECT DISTINCT substation FROM flexmeter.reliability ORDER BY substation",
    any_number=True,
)
_HERE = "substation IN (${substation:sqlstring})"
_DARK = f"{_HERE} AND state != 'cleared'"
_REAL = f"{_HERE} AND ending NOT IN ('merged', 'withdrawn')"
_BY_FEEDER = f"""
            SELECT
                substation, feeder, max(customers) AS customers, sum(sustained_interruptions) AS interrupted,
                sum(sustained_ms) / 1000 AS lasted_s, sum(momentary_events) AS momentary
            FROM flexmeter.reliability
            WHERE {_HERE} AND $__timeFilter_ms(start)
            GROUP BY substation, feeder
            """
_FIVE_YEARS_D = 5 * 365
_LINKS = {
    "device": Column(),
    "feeder": Column(leads_to=("This feeder", to("flexmeter-grid", "feeder", keeps="substation"))),
    "started_at": Column("dateTimeAsIso"),
}


def dashboard() -> Dashboard:
    """Opens with a month."""
    return page(
        "flexmeter-outages",
        "Outages",
        "What is dark now and which device opened, what was, and how reliable supply is: SAIDI, SAIFI, CAIDI, MAIFI_E.",
        [CLICKHOUSE_SOURCE, SUBSTATIONS],
        [
            Line(4, [_open(), _customers_dark(), _saidi(), _saifi(), _caidi(), _maifi()]),
            Line(8, [_now()]),
            Line(10, [_tree()]),
            Line(8, [_timeline(), _begun()]),
            Line(9, [_past()]),
            Line(9, [_feeders(), _days()]),
            Line(4, [_longest(), _major_event_days()]),
        ],
        since="now-30d",
    )


def _open() -> Panel:
    return number(
        "Outages now",
        "Devices that are open now, as far as is known: provisional ones too.",
        "short",
        rows(f"SELECT countIf({_DARK}) AS outages FROM flexmeter.outages"),
        [(None, FINE), (1, CRITICAL)],
    )


def _customers_dark() -> Panel:
    return number(
        "Customers without supply",
        "Usage points under what is dark now.",
        "short",
        rows(f"SELECT sumIf(customers_dark, {_DARK}) AS customers FROM flexmeter.outages"),
        [(None, FINE), (1, CRITICAL)],
    )


def _index(title: str, says: str, unit: str, expression: str) -> Panel:
    return number(
        title, says, unit, rows(f"SELECT {expression} AS value FROM ({_BY_FEEDER}) HAVING sum(customers) > 0")
    )


def _saidi() -> Panel:
    says = "Mean time without supply of a customer in the time range, by sustained interruptions that are over."
    return _index("SAIDI", says, "s", "sum(lasted_s) / sum(customers)")


def _saifi() -> Panel:
    return _index(
        "SAIFI",
        "Sustained interruptions of a customer in the time range, on average.",
        "none",
        "sum(interrupted) / sum(customers)",
    )


def _caidi() -> Panel:
    return _index(
        "CAIDI",
        "Mean duration of a customer's sustained interruption in the time range; none where there was none.",
        "s",
        "if(sum(interrupted) > 0, sum(lasted_s) / sum(interrupted), NULL)",
    )


def _maifi() -> Panel:
    return _index(
        "MAIFI_E",
        "Momentary interruption events of a customer in the time range, on average.",
        "none",
        "sum(momentary) / sum(customers)",
    )


def _now() -> Panel:
    return table(
        "Dark now",
        "Each outage that lasts: which device opened, how sure that is, and how many customers are under it.",
        rows(f"""
            SELECT device, phase, started_at, customers_dark, confidence, substation, feeder, summary
            FROM flexmeter.outages
            WHERE {_DARK}
            ORDER BY customers_dark DESC, started_at
            LIMIT 200
            """),
        {
            **_LINKS,
            "customers_dark": Column("short", is_bar=True),
            "confidence": Column("percentunit", [(None, WARNING), (0.9, FINE)]),
        },
    )


def _tree() -> Panel:
    return table(
        "The grid: what is dark",
        "From each substation down: its feeders, and wherever something is dark the devices on the way and below. lit: "
        "no outage is known; unknown: no customer is there to tell. An outage of a single customer: see Dark now.",
        rows(f"""
            WITH RECURSIVE
                nodes AS (SELECT substation, node, parent, kind, customers FROM flexmeter.grid_nodes WHERE {_HERE}),
                tree AS
                (
                    SELECT substation, node, kind, customers, '' AS feeder, [node] AS way FROM nodes WHERE parent = ''
                    UNION ALL
                    SELECT
                        nodes.substation, nodes.node, nodes.kind, nodes.customers,
                        if(nodes.kind = 'feeder', nodes.node, tree.feeder) AS feeder,
                        arrayPushBack(tree.way, nodes.node) AS way
                    FROM nodes
                    INNER JOIN tree ON nodes.parent = tree.node AND nodes.substation = tree.substation
                ),
                (
                    SELECT groupUniqArrayArray(if(empty(dark), [device], dark)) FROM flexmeter.outages WHERE {_DARK}
                ) AS opened,
                below AS
                (
                    SELECT
                        substation, above, sum(customers) AS served,
                        sumIf(customers, hasAny(way, opened)) AS unserved, countIf(hasAny(way, opened)) AS dark
                    FROM tree
                    ARRAY JOIN way AS above
                    GROUP BY substation, above
                )
            SELECT
                concat(repeat('\u2003', length(way) - 1), node) AS device, kind,
                multiIf(hasAny(way, opened), 'dark', dark > 0, 'partly dark', served = 0, 'unknown', 'lit') AS state,
                served AS customers, unserved AS customers_dark, tree.substation AS substation, feeder
            FROM tree
            INNER JOIN below ON below.substation = tree.substation AND below.above = tree.node
            WHERE length(way) <= 2 OR dark > 0 OR hasAny(way, opened)
            ORDER BY way
            LIMIT 500
            """),
        {
            "feeder": _LINKS["feeder"],
            "state": Column(words={"dark": CRITICAL, "partly dark": WARNING, "lit": FINE, "unknown": GREY}),
            "customers": Column("short"),
            "customers_dark": Column("short", is_bar=True),
        },
    )


def _timeline() -> Panel:
    return lines(
        "Customers without supply over time",
        "As it was known at each moment: the customers that all outages together left dark, older ones included.",
        "short",
        series(f"""
            SELECT time, sum(sum(change)) OVER (ORDER BY time) AS customers
            FROM
            (
                SELECT
                    greatest(at, $__fromTime_ms) AS time,
                    customers_dark - lagInFrame(customers_dark, 1, 0) OVER (
                        PARTITION BY id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    ) AS change
                FROM flexmeter.outage_history
                WHERE {_HERE} AND at <= $__toTime_ms
            )
            GROUP BY time
            ORDER BY time
            """),
        {"customers": VERMILLION},
        lowest=0,
    )


def _begun() -> Panel:
    return lines(
        "Outages begun by day",
        "Those that lasted, and those that were over before they counted as sustained.",
        "short",
        series(f"""
            SELECT
                toStartOfDay(started_at) AS time, if(ending = 'momentary', 'momentary', 'sustained') AS series,
                uniqExact(id) AS value
            FROM flexmeter.outages
            WHERE {_REAL} AND $__timeFilter_ms(started_at)
            GROUP BY time, series
            ORDER BY time, series
            """),
        {"momentary": SKY, "sustained": ORANGE},
        bars=True,
        lowest=0,
        interval="1d",
    )


def _past() -> Panel:
    return table(
        "Outages",
        "All of the time range, the newest first; what was taken back, or became part of another, is left out.",
        rows(f"""
            SELECT
                started_at, device, phase, ending,
                if(ended_at IS NULL, NULL, dateDiff('second', started_at, ended_at)) AS lasted,
                customers, confidence, substation, feeder
            FROM flexmeter.outages
            WHERE {_REAL} AND $__timeFilter_ms(started_at)
            ORDER BY started_at DESC, id
            LIMIT 500
            """),
        {
            **_LINKS,
            "lasted": Column("s"),
            "customers": Column("short", is_bar=True),
            "confidence": Column("percentunit", [(None, WARNING), (0.9, FINE)]),
        },
    )


def _feeders() -> Panel:
    return table(
        "Reliability by feeder",
        "The indices of each feeder in the time range; feeder empty: customers at the substation itself.",
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
            "feeder": _LINKS["feeder"],
            "customers": Column("short"),
            "SAIDI": Column("s", is_bar=True),
            "SAIFI": Column("none"),
            "CAIDI": Column("s"),
            "MAIFI_E": Column("none"),
        },
    )


def _days() -> Panel:
    return lines(
        "SAIDI by day",
        "Mean time without supply of a customer, by the day on which the interruption began.",
        "s",
        series(f"""
            SELECT start AS time, sum(sustained_ms) / 1000 / sum(customers) AS SAIDI
            FROM flexmeter.reliability
            WHERE {_HERE} AND $__timeFilter_ms(start)
            GROUP BY time
            HAVING sum(customers) > 0
            ORDER BY time
            """),
        {"SAIDI": BLUE},
        bars=True,
        lowest=0,
        interval="1d",
    )


def _longest() -> Panel:
    return number(
        "Longest outage",
        "Of those begun in the time range and over by now.",
        "s",
        rows(f"""
            SELECT max(dateDiff('second', started_at, ended_at)) AS lasted
            FROM flexmeter.outages
            WHERE {_REAL} AND $__timeFilter_ms(started_at) AND ended_at IS NOT NULL
            HAVING count() > 0
            """),
    )


def _major_event_days() -> Panel:
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
                            {_HERE} AND start <= $__toTime_ms
                            AND start > $__toTime_ms - toIntervalDay({_FIVE_YEARS_D + 1})
                        GROUP BY start
                    )
                ) AS days
            SELECT if(days.1 < {_FIVE_YEARS_D}, 'not computable', toString(countIf(saidi > days.2))) AS found
            FROM
            (
                SELECT start, sum(sustained_ms) / 60000 / sum(customers) AS saidi
                FROM flexmeter.reliability
                WHERE {_HERE} AND $__timeFilter_ms(start)
                GROUP BY start
            )
            """),
        fields="/^found$/",
    )
