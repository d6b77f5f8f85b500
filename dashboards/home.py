"""A home: what its appliances draw, as the stream `nilm` tells them apart from its one meter."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.meter import METER, what_ran
from dashboards.page import CLICKHOUSE_SOURCE, Line, choice, page
from dashboards.panels import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, Column, lines, number, table
from dashboards.queries import series
from dashboards.queries import table as rows

_COLOURS = {
    "remainder": GREY,
    "kettle": ORANGE,
    "dishwasher": BLUE,
    "washing_machine": SKY,
    "fridge": GREEN,
    "tumble_dryer": VERMILLION,
}
_QUARTERS = f"{METER} AND window = '15min' AND $__timeFilter_ms(start)"
_LOADS = f"{METER} AND state NOT IN ('withdrawn', 'cycle_finished')"

HOMES = choice(
    "meter",
    "Home",
    "Homes that consented, and have not withdrawn; those with most appliances told in the time range come first",
    """
    SELECT meter FROM
    (
        SELECT meter, 0 AS told FROM flexmeter.home_requests
        GROUP BY meter HAVING argMaxIf(kind, (at, kind), kind != 'label') = 'consent'
        UNION ALL
        SELECT meter, 1 AS told FROM flexmeter.appliance_events WHERE $__timeFilter_ms(start)
    )
    WHERE meter NOT IN
    (
        SELECT meter FROM flexmeter.home_requests
        GROUP BY meter HAVING argMaxIf(kind, (at, kind), kind != 'label') = 'withdraw'
    )
    GROUP BY meter
    ORDER BY sum(told) DESC, meter
    LIMIT 2000
    """,
)


def dashboard() -> Dashboard:
    """Opens with a day."""
    return page(
        "flexmeter-home",
        "Home",
        "What the appliances of a home draw, told from its one meter; only of homes that consented.",
        [CLICKHOUSE_SOURCE, HOMES],
        [
            Line(4, [_energy(), _explained(), _on_now()]),
            Line(10, [_power()]),
            Line(9, [_loads(), _days()]),
            Line(9, [_appliances(), what_ran()]),
            Line(7, [_requests()]),
        ],
        since="now-24h",
    )


def _energy() -> Panel:
    return number(
        "Energy",
        "What the home drew in the quarters of an hour of the time range that are told.",
        "watth",
        rows(f"SELECT sum(energy_wh) AS energy_wh FROM flexmeter.appliance_energy WHERE {_QUARTERS}"),
    )


def _explained() -> Panel:
    return number(
        "Explained",
        "Share of that energy that some appliance explains; what is always on and what nobody knows is the rest.",
        "percentunit",
        rows(f"""
            SELECT sumIf(energy_wh, appliance != 'remainder') / sum(energy_wh) AS explained
            FROM flexmeter.appliance_energy
            WHERE {_QUARTERS}
            """),
    )


def _on_now() -> Panel:
    return number(
        "On now",
        "What the appliances that are on draw together.",
        "watt",
        rows(f"SELECT sumIf(power_w, state = 'on') AS power_w FROM flexmeter.appliance_events WHERE {_LOADS}"),
    )


def _power() -> Panel:
    return lines(
        "Power by appliance",
        "Mean of each quarter of an hour, stacked: appliances and remainder add up to the mains. A quarter "
        "is told when it is over, and corrected for an hour.",
        "watt",
        series(f"""
            SELECT start AS time, appliance AS series, energy_wh * 3600000 / covered_ms AS value
            FROM flexmeter.appliance_energy
            WHERE {_QUARTERS} AND covered_ms > 0
            ORDER BY time, series
            """),
        _COLOURS,
        bars=True,
        interval="15m",
    )


def _loads() -> Panel:
    return lines(
        "Loads",
        "Each appliance while it is believed to be on, up to now.",
        "watt",
        series(f"""
            WITH
                $__interval_s AS step,
                greatest(start, $__fromTime_ms) AS first,
                least(if(state = 'on', now64(3), end), $__toTime_ms) AS last
            SELECT
                toDateTime(arrayJoin(range(
                    toUInt32(intDiv(toUnixTimestamp(first), step)),
                    toUInt32(intDiv(toUnixTimestamp(greatest(first, last)), step) + 1)
                )) * step) AS time,
                appliance AS series,
                sum(power_w) AS value
            FROM flexmeter.appliance_events
            WHERE {_LOADS} AND start <= $__toTime_ms AND (end >= $__fromTime_ms OR state = 'on')
            GROUP BY time, series
            ORDER BY time, series
            """),
        _COLOURS,
        bars=True,
        interval="10s",
    )


def _days() -> Panel:
    return lines(
        "Energy by day",
        "What each appliance drew on each day (UTC) of the time range; the present day as far as it is told.",
        "watth",
        series(f"""
            SELECT toStartOfDay(start) AS time, appliance AS series, sum(energy_wh) AS value
            FROM flexmeter.appliance_energy
            WHERE {_QUARTERS}
            GROUP BY time, series
            ORDER BY time, series
            """),
        _COLOURS,
        bars=True,
        interval="1d",
    )


def _appliances() -> Panel:
    return table(
        "Appliances",
        "How often each was on in the time range, when last, and what that took.",
        rows(f"""
            SELECT appliance, count() AS runs, max(start) AS last_on, sum(energy_wh) AS energy_wh,
                avg(confidence) AS confidence
            FROM flexmeter.appliance_events
            WHERE {_LOADS} AND $__timeFilter_ms(start)
            GROUP BY appliance
            ORDER BY energy_wh DESC
            """),
        {
            "runs": Column("short"),
            "last_on": Column("dateTimeAsIso"),
            "energy_wh": Column("watth"),
            "confidence": Column("percentunit"),
        },
    )


def _requests() -> Panel:
    return table(
        "What the home asked for",
        "Consent, withdrawal, and what people said of loads, the newest first.",
        rows(f"""
            SELECT at, kind, appliance, if(number > 0, toString(number), '') AS load, nullIf(power_w, 0) AS power_w
            FROM flexmeter.home_requests
            WHERE {METER}
            ORDER BY at DESC
            LIMIT 100
            """),
        {"at": Column("dateTimeAsIso"), "power_w": Column("watt")},
    )
