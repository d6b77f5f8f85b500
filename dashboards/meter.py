"""Meter: everything that is known of one."""

from collections.abc import Iterable

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.grid import VOLTAGE_BAND
from dashboards.page import CLICKHOUSE_SOURCE, Line, meters, page, to
from dashboards.panels import (
    BLUE,
    CRITICAL,
    FINE,
    GREEN,
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
from dashboards.queries import measured, series
from dashboards.queries import table as rows
from schemas.quality import Quality

METER = "meter IN (${meter:sqlstring})"
POWERS = {
    "L1": "active_power_l1_w",
    "L2": "active_power_l2_w",
    "L3": "active_power_l3_w",
    "all phases": "active_power_w",
    "import": "active_power_import_w",
    "export": "active_power_export_w",
    "heat": "heat_power_w",
}
_VOLTAGES = {"L1": "voltage_l1_v", "L2": "voltage_l2_v", "L3": "voltage_l3_v", "one phase": "voltage_v"}
_ENERGIES = {"import": "active_energy_import_wh", "export": "active_energy_export_wh", "heat": "heat_energy_wh"}
_COLOURS = {"L1": BLUE, "L2": ORANGE, "L3": GREEN, "all phases": GREY, "one phase": GREY}
_COLOURS |= {"import": SKY, "export": VERMILLION, "heat": VERMILLION}  # no meter has both


def coloured(series: Iterable[str]) -> dict[str, str]:
    """Each series of a meter with its colour, the same on every page."""
    return {name: _COLOURS[name] for name in series}


def dashboard() -> Dashboard:
    """Opens with six hours."""
    return page(
        "flexmeter-meter",
        "Meter",
        "One meter: load, voltage, registers, how far its readings can be trusted, and whether it is there.",
        [CLICKHOUSE_SOURCE, meters()],
        [
            Line(4, [_profile(), _newest(), _completeness(), _presence()]),
            Line(9, [_load(), _voltage()]),
            Line(9, [_energy(), _registers()]),
            Line(9, [_appliances(), what_ran()]),
            Line(8, [_quality(), _received()]),
            Line(9, [_events(), _silences(), _place()]),
        ],
    )


def _profile() -> Panel:
    return number(
        "Profile",
        "The kind of meter, which says what it reports and how often.",
        "none",
        rows(f"SELECT profile FROM flexmeter.meters WHERE {METER} LIMIT 1"),
        fields="/^profile$/",
    )


def _newest() -> Panel:
    return number(
        "Since the newest reading",
        "How long before the end of the time range the meter last measured anything in it.",
        "s",
        rows(f"""
            SELECT dateDiff('second', max(at), $__toTime_ms) AS age
            FROM flexmeter.readings
            WHERE {METER} AND $__timeFilter_ms(at) AND bitAnd(quality, {int(Quality.FUTURE)}) = 0
            HAVING count() > 0
            """),
    )


def _completeness() -> Panel:
    return number(
        "Completeness",
        "Readings received of those that the interval promises, in the hours of the time range in which any came.",
        "percentunit",
        rows(f"""
            SELECT sum(received) / sum(expected) AS completeness
            FROM flexmeter.completeness
            WHERE {METER} AND $__timeFilter_ms(hour) AND hour < toStartOfHour($__toTime_ms)
            """),
        [(None, CRITICAL), (0.95, WARNING), (0.99, FINE)],
    )


def _presence() -> Panel:
    return number(
        "Times it fell silent",
        "How often in the time range the meter sent nothing for long while its source went on.",
        "short",
        rows(f"""
            SELECT countIf(state = 'silent') AS silences
            FROM flexmeter.presence
            WHERE {METER} AND $__timeFilter_ms(since)
            """),
        [(None, FINE), (1, WARNING)],
    )


def _load() -> Panel:
    return lines(
        "Power",
        "Power as the meter reported it, as means over a point's width.",
        "watt",
        measured(POWERS, METER),
        coloured(POWERS),
    )


def _voltage() -> Panel:
    return lines(
        "Voltage",
        "RMS voltage as the meter reported it; dashed the limits of EN 50160: 230 V - 15 %, - 10 %, + 10 %.",
        "volt",
        measured(_VOLTAGES, METER),
        coloured(_VOLTAGES),
        limits=VOLTAGE_BAND,
    )


def _energy() -> Panel:
    names = ", ".join(f"'{name}'" for name in _ENERGIES.values())
    labels = ", ".join(f"'{label}'" for label in _ENERGIES)
    return lines(
        "Energy by hour",
        "What each energy register counted in the hour; resets and exchanges of the meter do not count.",
        "watth",
        series(f"""
            SELECT
                start AS time,
                transform(quantity, [{names}], [{labels}], quantity) AS series,
                register_difference AS value
            FROM flexmeter.aggregates
            WHERE {METER} AND quantity IN ({names}) AND window = '1h' AND $__timeFilter_ms(start)
                AND isFinite(register_difference)
            ORDER BY time, series
            """),
        coloured(_ENERGIES),
        bars=True,
        interval="1h",
    )


def _registers() -> Panel:
    return lines(
        "Energy registers",
        "What the meter's energy registers stood at.",
        "watth",
        measured(_ENERGIES, METER),
        coloured(_ENERGIES),
    )


def _appliances() -> Panel:
    return lines(
        "Energy by appliance",
        "What the stream `nilm` holds each appliance to have drawn in the quarter of an hour. The remainder is what "
        "none explains.",
        "watth",
        series(f"""
            SELECT start AS time, appliance AS series, energy_wh AS value
            FROM flexmeter.appliance_energy
            WHERE {METER} AND window = '15min' AND $__timeFilter_ms(start)
            ORDER BY time, series
            """),
        {"remainder": GREY},
        bars=True,
        interval="15m",
    )


def what_ran() -> Panel:
    """Loads that `nilm` told, one a row."""
    return table(
        "What ran",
        "Appliances that the stream `nilm` saw running in the time range, the newest first, and how sure it is.",
        rows(f"""
            SELECT start, if(end > start, end, NULL) AS until, appliance, state, power_w, energy_wh, confidence,
                toString(number) AS load
            FROM flexmeter.appliance_events
            WHERE {METER} AND $__timeFilter_ms(start)
            ORDER BY start DESC, number DESC
            LIMIT 100
            """),
        {
            "start": Column("dateTimeAsIso"),
            "until": Column("dateTimeAsIso"),
            "power_w": Column("watt"),
            "energy_wh": Column("watth"),
            "confidence": Column("percentunit"),
        },
    )


def _quality() -> Panel:
    flags = ", ".join(f"('{flag.name.lower().replace('_', ' ')}', {flag.value})" for flag in Quality if flag.name)
    return lines(
        "Doubtful readings",
        "Readings with each mark of quality, by the width of a point; none is a reading that can be trusted.",
        "short",
        series(f"""
            SELECT $__timeInterval_ms(at) AS time, flag.1 AS series, countIf(bitAnd(quality, flag.2) != 0) AS value
            FROM flexmeter.readings
            ARRAY JOIN [{flags}] AS flag
            WHERE {METER} AND $__timeFilter_ms(at)
            GROUP BY time, series
            ORDER BY time, series
            """),
        bars=True,
        lowest=0,
        interval="1m",
    )


def _received() -> Panel:
    return lines(
        "Readings by hour",
        "Readings received in each hour, beside how many the interval promises.",
        "short",
        series(f"""
            SELECT hour AS time, sum(received) AS received, sum(expected) AS expected
            FROM flexmeter.completeness
            WHERE {METER} AND $__timeFilter_ms(hour)
            GROUP BY time
            ORDER BY time WITH FILL STEP INTERVAL 1 HOUR
            """),
        {"received": BLUE, "expected": GREY},
        lowest=0,
        interval="1h",
    )


def _events() -> Panel:
    return table(
        "Events",
        "What the meter said about itself in the time range, the newest first.",
        rows(f"""
            SELECT at, kind, detail
            FROM flexmeter.events
            WHERE {METER} AND $__timeFilter_ms(at)
            ORDER BY at DESC
            LIMIT 100
            """),
        {"at": Column("dateTimeAsIso")},
    )


def _silences() -> Panel:
    return table(
        "Presence",
        "When the meter fell silent and when it reported again, in the time range.",
        rows(f"""
            SELECT since, state, last_at AS `last reading`
            FROM flexmeter.presence
            WHERE {METER} AND $__timeFilter_ms(since)
            ORDER BY number DESC
            LIMIT 100
            """),
        {"since": Column("dateTimeAsIso"), "last reading": Column("dateTimeAsIso")},
    )


def _place() -> Panel:
    return table(
        "Place in the grid",
        "Where the register says that the meter hangs, and how often it should report.",
        rows(f"SELECT substation, feeder, profile, interval_ms AS interval FROM flexmeter.meters WHERE {METER}"),
        {
            "substation": Column(leads_to=("This substation", to("flexmeter-grid", "substation"))),
            "interval": Column("ms"),
        },
    )
