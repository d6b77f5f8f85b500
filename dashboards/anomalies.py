"""Anomalies: one meter's load in the band that was expected of it, and what is wrong with meters, with the reasons."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.meter import METER
from dashboards.page import CLICKHOUSE_SOURCE, Line, choice, page, to
from dashboards.panels import (
    BLUE,
    FINE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    WARNING,
    Column,
    band,
    lines,
    number,
    table,
)
from dashboards.queries import series
from dashboards.queries import table as rows

_FAULTS = "(startsWith(id, 'meter_fault/') OR startsWith(id, 'neighbours/'))"
_ALARMS = f"({_FAULTS} OR kind = 'anomaly')"
_KINDS = {
    "anomaly": BLUE,
    "stuck_register": ORANGE,
    "reversed_phase": VERMILLION,
    "phase_loss": GREEN,
    "sudden_drop": SKY,
    "scale_change": GREY,
}
_LAST_DAY = "start >= greatest($__fromTime_ms, $__toTime_ms - INTERVAL 1 DAY) AND start <= $__toTime_ms"
_AS_A_METER = {"meter": Column(leads_to=("Everything of this meter", to("flexmeter-meter", "meter")))}
_HERE = {"meter": Column(leads_to=("Its load and band", to("flexmeter-anomalies", "meter")))}


def dashboard() -> Dashboard:
    """Opens with ten days: a new meter is known after one, its faults after seven."""
    meters = choice(
        "meter",
        "Meter",
        "Those with the newest alarms first; the first 2,000, any other can be typed in. Of those without a load "
        "nothing is expected",
        f"""
        SELECT meter
        FROM (SELECT DISTINCT meter FROM flexmeter.meters) AS known
        LEFT JOIN (
            SELECT subject AS meter, max(at) AS newest FROM flexmeter.alerts WHERE {_ALARMS} GROUP BY meter
        ) AS alarmed USING (meter)
        ORDER BY newest DESC, meter
        LIMIT 2000
        """,
    )
    return page(
        "flexmeter-anomalies",
        "Anomalies",
        "What was expected of a meter and what came; which meters are at fault, in which way, and why that is thought.",
        [CLICKHOUSE_SOURCE, meters],
        [
            Line(4, [_open("faults", _FAULTS), _open("anomalies", "kind = 'anomaly'"), _judged(), _learning()]),
            Line(11, [_band()]),
            Line(8, [_rarity(), _of_this_meter()]),
            Line(11, [_newest()]),
            Line(9, [_by_kind(), _raised()]),
            Line(9, [_most_unusual()]),
        ],
        since="now-10d",
    )


def _open(what: str, which: str) -> Panel:
    return number(
        f"Open {what}",
        f"Alarms about {what} that are not cleared.",
        "short",
        rows(f"SELECT countIf(state != 'cleared') AS open FROM flexmeter.alerts WHERE {which}"),
        [(None, FINE), (1, WARNING)],
    )


def _judged() -> Panel:
    return number(
        "Meters judged",
        "Meters of which at least one quarter of an hour was judged on the last day of the time range.",
        "short",
        rows(f"""
            SELECT uniqExactIf(meter, state != 'learning') AS meters
            FROM flexmeter.anomaly_scores
            WHERE {_LAST_DAY}
            """),
    )


def _learning() -> Panel:
    return number(
        "Still learning",
        "Meters whose newest quarter of an hour, on the last day of the time range, was not judged yet: a new one is "
        "only learned for 25 hours.",
        "short",
        rows(f"""
            SELECT countIf(newest = 'learning') AS meters
            FROM (
                SELECT meter, argMax(state, start) AS newest
                FROM flexmeter.anomaly_scores
                WHERE {_LAST_DAY}
                GROUP BY meter
            )
            """),
    )


def _band() -> Panel:
    return band(
        "Load and its expected band",
        "The load of each quarter of an hour [W; m3/h for water and gas], what was expected of it before it came, and "
        "the band that about 98 of 100 quarters lie in. Dots are quarters that an alarm tells of, or that end "
        "with one about a fault.",
        "short",
        series(f"""
            WITH told AS (
                SELECT intDiv(toUnixTimestamp(raised_at) - 1, 900) * 900 AS quarter
                FROM flexmeter.alerts
                WHERE subject IN (${{meter:sqlstring}}) AND {_ALARMS}
            )
            SELECT
                start AS time, low, high, expected, load,
                if(state = 'alerted' OR toUnixTimestamp(start) IN told, load, NULL) AS alarm
            FROM flexmeter.anomaly_scores
            WHERE {METER} AND $__timeFilter_ms(start)
            ORDER BY time
            """),
        {"low": SKY, "high": SKY, "expected": GREY, "load": BLUE, "alarm": VERMILLION},
        marked="alarm",
        interval="15m",
    )


def _rarity() -> Panel:
    return lines(
        "How rare it was",
        "Rarity of each quarter of an hour in decades; from 6 on it is unusual, from 10 on an alarm is raised.",
        "none",
        series(f"""
            SELECT start AS time, rarity_decades AS rarity
            FROM flexmeter.anomaly_scores
            WHERE {METER} AND $__timeFilter_ms(start)
            ORDER BY time
            """),
        {"rarity": BLUE},
        limits=[(None, FINE), (6, ORANGE), (10, VERMILLION)],
        lowest=0,
        interval="15m",
    )


def _of_this_meter() -> Panel:
    return table(
        "Alarms of this meter",
        "Every version of every alarm about the meter in the time range, the newest first.",
        rows("""
            SELECT at, kind, state, summary
            FROM flexmeter.alert_history
            WHERE subject IN (${meter:sqlstring}) AND $__timeFilter_ms(at)
            ORDER BY at DESC, id, number DESC
            LIMIT 200
            """),
        {"at": Column("dateTimeAsIso")},
    )


def _newest() -> Panel:
    return table(
        "Newest alarms",
        "Alarms raised in the time range, as each stands now: what was expected, what came, and since when.",
        rows(f"""
            SELECT
                raised_at AS raised, state, kind, subject AS meter, summary,
                if(JSONHas(evidence, 'expected'), JSONExtractFloat(evidence, 'expected'), NULL) AS expected,
                JSONExtractFloat(evidence, if(JSONHas(evidence, 'came'), 'came', 'measured')) AS came,
                if(JSONHas(evidence, 'rarity_decades'), JSONExtractFloat(evidence, 'rarity_decades'), NULL) AS decades,
                substation, feeder
            FROM flexmeter.alerts
            WHERE {_ALARMS} AND $__timeFilter_ms(raised_at)
            ORDER BY raised DESC, id
            LIMIT 200
            """),
        {
            "raised": Column("dateTimeAsIso"),
            "expected": Column("none"),
            "came": Column("none"),
            "decades": Column("none"),
            **_HERE,
            "substation": Column(leads_to=("This substation", to("flexmeter-grid", "substation"))),
        },
    )


def _by_kind() -> Panel:
    return table(
        "Faults by kind",
        "Alarms raised in the time range by what they say is wrong, and how long those lasted that are over (median).",
        rows(f"""
            SELECT
                kind,
                count() AS alarms,
                countIf(state != 'cleared') AS open,
                uniqExact(subject) AS meters,
                if(open < alarms, quantileIf(0.5)(seconds, state = 'cleared'), NULL) AS lasted,
                max(raised_at) AS newest
            FROM (SELECT *, dateDiff('second', raised_at, at) AS seconds FROM flexmeter.alerts)
            WHERE {_ALARMS} AND $__timeFilter_ms(raised_at)
            GROUP BY kind
            ORDER BY alarms DESC, kind
            """),
        {
            "alarms": Column("short", is_bar=True),
            "open": Column("short"),
            "meters": Column("short"),
            "lasted": Column("s"),
            "newest": Column("dateTimeAsIso"),
        },
    )


def _raised() -> Panel:
    return lines(
        "Alarms by day",
        "How many alarms were raised, by kind.",
        "short",
        series(f"""
            SELECT toStartOfDay(raised_at) AS time, kind AS series, count() AS value
            FROM flexmeter.alerts
            WHERE {_ALARMS} AND $__timeFilter_ms(raised_at)
            GROUP BY time, series
            ORDER BY time, series
            """),
        _KINDS,
        bars=True,
        lowest=0,
        interval="1d",
    )


def _most_unusual() -> Panel:
    return table(
        "Most unusual quarters",
        "Of each meter the rarest quarter of an hour in the time range, the rarest first.",
        rows("""
            SELECT
                meter,
                max(rarity_decades) AS decades,
                argMax(start, rarity_decades) AS quarter,
                argMax(load, rarity_decades) AS came,
                argMax(expected, rarity_decades) AS expected,
                any(unit) AS unit,
                countIf(state IN ('unusual', 'alerted')) AS unusual
            FROM flexmeter.anomaly_scores AS scores
            WHERE $__timeFilter_ms(scores.start)
            GROUP BY meter
            ORDER BY decades DESC, meter
            LIMIT 100
            """),
        {
            **_AS_A_METER,
            "decades": Column("none", is_bar=True),
            "quarter": Column("dateTimeAsIso"),
            "came": Column("none"),
            "expected": Column("none"),
            "unusual": Column("short"),
        },
    )
