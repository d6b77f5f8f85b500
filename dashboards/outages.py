"""Outages: what is dark now, what was, and the indices of IEEE 1366 that follow from it."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import reliability
from dashboards.dark import CUSTOMERS_NOW, CUSTOMERS_OVER_TIME, DARK, HERE, OPENED, TREE
from dashboards.page import CLICKHOUSE_SOURCE, Line, choice, page, to
from dashboards.panels import (
    CRITICAL,
    FINE,
    GREY,
    ORANGE,
    PHASES,
    SKY,
    VERMILLION,
    WARNING,
    Column,
    lines,
    number,
    states,
    table,
)
from dashboards.queries import series
from dashboards.queries import table as rows

SUBSTATIONS = choice(
    "substation",
    "Substation",
    "Substations whose grid is published",
    "SELECT DISTINCT substation FROM flexmeter.reliability ORDER BY substation",
    any_number=True,
)
_REAL = f"{HERE} AND ending NOT IN ('merged', 'withdrawn')"
_MOST_LANES = 40
_NONE_KNOWN = "No outage is known now."
_NONE_THEN = "No outage is known of this time range."
_SURE = Column("percentunit", [(None, WARNING), (0.9, FINE)], decimals=1)
_TO_ONE = "Everything of this outage"
_LINKS = {
    "device": Column(leads_to=(_TO_ONE, to("flexmeter-outage", "outage", "id"))),
    "id": Column(is_hidden=True),
    "phase": Column(words=PHASES),
    "feeder": reliability.FEEDER,
    "since": Column("dateTimeAsIso"),
}


def dashboard() -> Dashboard:
    """Opens with half a day: first what is dark now, then what was, then the indices."""
    return page(
        "flexmeter-outages",
        "Outages",
        "What is dark now and which device opened, what was, and how reliable supply is: SAIDI, SAIFI, CAIDI, MAIFI_E.",
        [CLICKHOUSE_SOURCE, SUBSTATIONS],
        [
            Line(4, [_open(), _customers_dark(), _dark_longest(), _unsure()]),
            Line(8, [_now()]),
            Line(11, [_timeline()]),
            Line(10, [_tree()]),
            Line(9, [_customers_over_time(), _begun()]),
            Line(9, [_past()]),
            Line(
                4,
                [
                    reliability.saidi(),
                    reliability.saifi(),
                    reliability.caidi(),
                    reliability.maifi(),
                    _longest(),
                    reliability.major_event_days(),
                ],
            ),
            Line(9, [reliability.feeders(), reliability.days()]),
        ],
        since="now-12h",
    )


def _open() -> Panel:
    return number(
        "Outages now",
        "Devices that are open now, as far as is known: provisional ones too.",
        "short",
        rows(f"SELECT countIf({DARK}) AS outages FROM flexmeter.outages"),
        [(None, FINE), (1, CRITICAL)],
    )


def _customers_dark() -> Panel:
    return number(
        "Customers without supply",
        "Usage points under what is dark now, each counted once.",
        "short",
        rows(CUSTOMERS_NOW),
        [(None, FINE), (1, CRITICAL)],
    )


def _dark_longest() -> Panel:
    return number(
        "Dark the longest",
        "For how long the oldest outage of those that last has lasted.",
        "s",
        rows(f"""
            SELECT max(dateDiff('second', started_at, now64(3, 'UTC'))) AS lasts
            FROM flexmeter.outages
            WHERE {DARK}
            HAVING count() > 0
            """),
        [(None, FINE), (0, CRITICAL)],
    )


def _unsure() -> Panel:
    return number(
        "Of them provisional",
        "Outages now of which it is not sure yet which device opened, or whether one did.",
        "short",
        rows(f"SELECT countIf({DARK} AND phase = 'provisional') AS outages FROM flexmeter.outages"),
        [(None, FINE), (1, WARNING)],
    )


def _now() -> Panel:
    return table(
        "Dark now",
        "Each outage that lasts, the largest first: which device opened, since when, how many customers are without "
        "supply, how sure it is that they are and that it was this device. A click on the device shows the others that "
        "it may be.",
        rows(f"""
            SELECT
                device, customers_dark, started_at AS since, dateDiff('second', started_at, now64(3, 'UTC')) AS lasts,
                replaceAll(phase, '_', ' ') AS phase, probability_still_dark AS sure_it_is_dark,
                confidence AS sure_of_device, substation, feeder, id
            FROM flexmeter.outages
            WHERE {DARK}
            ORDER BY customers_dark DESC, started_at
            LIMIT 200
            """),
        {
            **_LINKS,
            "customers_dark": Column("short", is_bar=True),
            "lasts": Column("s", decimals=1),
            "sure_it_is_dark": _SURE,
            "sure_of_device": _SURE,
        },
        _NONE_KNOWN,
    )


def _timeline() -> Panel:
    return states(
        "Outages over time",
        "A lane for each outage, from when supply was lost until it was back, and what was known of it then: "
        f"those that last first, the largest on top, then the newest; {_MOST_LANES} at most. #2 is the second one of "
        "its device. A click on a lane shows everything of its outage.",
        rows(f"""
            WITH
                shown AS
                (
                    SELECT
                        id, started_at, ended_at,
                        row_number() OVER (PARTITION BY device ORDER BY started_at, id) AS nth,
                        if(nth = 1, device, concat(device, ' #', toString(nth))) AS lane,
                        row_number() OVER (
                            ORDER BY state = 'cleared', customers_dark DESC, started_at DESC, id
                        ) AS place
                    FROM flexmeter.outages
                    WHERE
                        {_REAL} AND started_at <= $__toTime_ms
                        AND (ended_at IS NULL OR ended_at >= $__fromTime_ms)
                    ORDER BY place
                    LIMIT {_MOST_LANES}
                )
            SELECT lane, id, greatest(moment, $__fromTime_ms) AS time, argMax(known, number) AS state
            FROM
            (
                SELECT
                    place, lane, shown.id AS id, number, replaceAll(phase, '_', ' ') AS known,
                    if(number = 1, least(at, shown.started_at), least(at, ifNull(shown.ended_at, at))) AS moment
                FROM flexmeter.outage_history AS told
                INNER JOIN shown ON told.id = shown.id
                WHERE at <= $__toTime_ms
            )
            GROUP BY place, lane, id, time
            ORDER BY place, time
            """),
        Column(
            words=PHASES, leads_to=(_TO_ONE, "/d/flexmeter-outage?var-outage=${__field.labels.id}&${__url_time_range}")
        ),
        _NONE_THEN,
    )


def _tree() -> Panel:
    return table(
        "The grid: what is dark",
        "From each substation down, the darkest first: its feeders, and the way to each device that is dark, with all "
        "below it. lit: no outage is known; unknown: no customer is there to tell. An outage of a single customer: see "
        "Dark now.",
        rows(f"""
            WITH RECURSIVE {TREE}
                (
                    SELECT groupUniqArrayArray({OPENED}) FROM flexmeter.outages WHERE {DARK}
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
            WHERE NOT hasAny(arrayPopBack(way), opened) AND (length(way) <= 2 OR dark > 0 OR hasAny(way, opened))
            ORDER BY max(unserved) OVER (PARTITION BY tree.substation) DESC, tree.substation, way
            LIMIT 500
            """),
        {
            "feeder": _LINKS["feeder"],
            "state": Column(words={"dark": CRITICAL, "partly dark": WARNING, "lit": FINE, "unknown": GREY}),
            "customers": Column("short"),
            "customers_dark": Column("short", is_bar=True),
        },
        "No grid is published: see flexmeter grid.",
    )


def _customers_over_time() -> Panel:
    return lines(
        "Customers without supply over time",
        "As it was known at each moment: the customers that all outages together left dark, each counted once.",
        "short",
        series(CUSTOMERS_OVER_TIME),
        {"customers": VERMILLION},
        lowest=0,
        steps=True,
    )


def _begun() -> Panel:
    return lines(
        "Outages begun by hour",
        "Those that lasted, and those that were over before they counted as sustained.",
        "short",
        series(f"""
            SELECT
                toStartOfHour(started_at) AS time, if(ending = 'momentary', 'momentary', 'sustained') AS series,
                uniqExact(id) AS value
            FROM flexmeter.outages
            WHERE {_REAL} AND $__timeFilter_ms(started_at)
            GROUP BY time, series
            ORDER BY time, series
            """),
        {"momentary": SKY, "sustained": ORANGE},
        bars=True,
        lowest=0,
        interval="1h",
        nothing=_NONE_THEN,
    )


def _past() -> Panel:
    return table(
        "Outages",
        "All that began in the time range, the newest first; what was taken back, or became part of another, is left "
        "out.",
        rows(f"""
            SELECT
                device, started_at AS since,
                if(ended_at IS NULL, NULL, dateDiff('second', started_at, ended_at)) AS lasted,
                replaceAll(phase, '_', ' ') AS phase, ending, customers, confidence AS sure_of_device,
                substation, feeder, id
            FROM flexmeter.outages
            WHERE {_REAL} AND $__timeFilter_ms(started_at)
            ORDER BY started_at DESC, id
            LIMIT 500
            """),
        {
            **_LINKS,
            "lasted": Column("s", nothing="lasts", decimals=1),
            "customers": Column("short", is_bar=True),
            "sure_of_device": _SURE,
        },
        _NONE_THEN,
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
