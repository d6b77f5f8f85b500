"""One outage: how it stands, which device it may be, and how that came to be known."""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.page import CLICKHOUSE_SOURCE, Line, choice, page, to
from dashboards.panels import BLUE, FINE, ORANGE, PHASES, VERMILLION, WARNING, Column, Limits, lines, number, table
from dashboards.queries import series
from dashboards.queries import table as rows

OUTAGE = choice(
    "outage",
    "Outage",
    "Those that last first, then the newest; the first 2,000, any other can be typed in",
    "SELECT id FROM flexmeter.outages ORDER BY state = 'cleared', started_at DESC, id LIMIT 2000",
)
_THIS = "id IN (${outage:sqlstring})"
_SURE: Limits = [(None, WARNING), (0.9, FINE)]
_PHASE = "replaceAll(phase, '_', ' ')"
_LASTED_S = "dateDiff('second', started_at, ifNull(ended_at, now64(3, 'UTC')))"
_NOTHING = "Nothing became known of it in this time range: choose one in which it lasted."


def dashboard() -> Dashboard:
    """Opens with six hours."""
    return page(
        "flexmeter-outage",
        "One outage",
        "How an outage stands, which devices it may be and how likely each is, and how that came to be known.",
        [CLICKHOUSE_SOURCE, OUTAGE],
        [
            Line(
                4,
                [
                    _now("State", "Where it is in its life: see docs/outage.md.", "string", _PHASE, PHASES),
                    _now("Supply lost", "When supply was lost.", "dateTimeAsIso", "started_at"),
                    _now("Lasted", "From then until supply was back, or until now.", "s", _LASTED_S),
                    _now("Customers dark", "Usage points that are dark now.", "short", "customers_dark"),
                    _sure("Sure that it is one", "Probability that supply was lost here.", "probability_of_outage"),
                    _sure("Sure of the device", "Probability that it was this device.", "confidence"),
                ],
            ),
            Line(5, [_where()]),
            Line(8, [_devices(), _how_sure()]),
            Line(9, [_versions()]),
        ],
        since="now-6h",
    )


def _now(title: str, says: str, unit: str, expression: str, words: Mapping[str, str] | None = None) -> Panel:
    sql = f"SELECT {expression} AS value FROM flexmeter.outages WHERE {_THIS}"
    return number(title, says, unit, rows(sql), fields="/^value$/", words=words)


def _sure(title: str, says: str, column: str) -> Panel:
    sql = f"SELECT {column} AS value FROM flexmeter.outages WHERE {_THIS}"
    return number(title, says, "percentunit", rows(sql), _SURE)


def _where() -> Panel:
    return table(
        "Where it is",
        "The device that opened, as far as is known, the customers under it, and what of it is dark: all of it, or "
        "what is left if the device is closed again.",
        rows(f"""
            SELECT
                device, substation, feeder, customers, arrayStringConcat(dark, ', ') AS dark, ending, summary
            FROM flexmeter.outages
            WHERE {_THIS}
            """),
        {
            "customers": Column("short"),
            "substation": Column(leads_to=("Outages under this substation", to("flexmeter-outages", "substation"))),
            "feeder": Column(leads_to=("This feeder", to("flexmeter-grid", "feeder"))),
        },
    )


def _devices() -> Panel:
    return table(
        "Which device it may be",
        "The likeliest first; alike: devices that no meter can tell apart from it.",
        rows(f"""
            SELECT
                JSONExtractString(one, 'device') AS device, JSONExtractFloat(one, 'probability') AS probability,
                arrayStringConcat(JSONExtract(one, 'alike', 'Array(String)'), ', ') AS alike
            FROM (SELECT evidence FROM flexmeter.alerts WHERE {_THIS})
            ARRAY JOIN JSONExtractArrayRaw(evidence, 'devices') AS one
            ORDER BY probability DESC, device
            """),
        {"probability": Column("percentunit", is_bar=True, most=1)},
    )


def _how_sure() -> Panel:
    return lines(
        "How sure that was",
        "That supply was lost here, that it still is, and that it was the device named then; as known at each moment.",
        "percentunit",
        series(f"""
            SELECT at AS time, probability_of_outage AS outage, probability_still_dark AS dark, confidence AS device
            FROM
            (
                SELECT * FROM flexmeter.outage_history WHERE {_THIS}
                UNION ALL
                SELECT * REPLACE (least(now64(3, 'UTC'), $__toTime_ms) AS at)
                FROM (SELECT * FROM flexmeter.outages WHERE {_THIS} AND state != 'cleared' AND at <= $__toTime_ms)
            )
            WHERE $__timeFilter_ms(at)
            ORDER BY time
            """),
        {"outage": BLUE, "dark": VERMILLION, "device": ORANGE},
        lowest=0,
        nothing=_NOTHING,
        steps=True,
    )


def _versions() -> Panel:
    return table(
        "How it came to that",
        "Every version of its alert, the newest first.",
        rows(f"""
            SELECT at, number, {_PHASE} AS phase, device, customers_dark, confidence AS sure_of_device, summary
            FROM flexmeter.outage_history
            WHERE {_THIS}
            ORDER BY number DESC
            LIMIT 200
            """),
        {
            "at": Column("dateTimeAsIso"),
            "number": Column("none"),
            "phase": Column(words=PHASES),
            "customers_dark": Column("short"),
            "sure_of_device": Column("percentunit", _SURE),
        },
    )
