"""How long rows are kept: raw readings and windows of a minute for a while, quarters of an hour and hours for ever.

ClickHouse forgets as it merges, so what is due goes some hours later. A reading that comes later than readings are kept
is forgotten soon after it has come; the results of its time stay.
"""

from collections.abc import Mapping

from connectors.tables import DATABASE
from schemas.faults import Fault, Faults, choose_one_of

MOST_DAYS = 2_000
OPTIONS = ("readings_days", "minutes_days")
"""A sink's options in topology.yaml."""
_BY_THE_MINUTE = ("1min", "rolling_15min")
# A TTL is counted in DateTime, which ends in 2106 and then begins anew; a meter's wrong clock may write any year.
_TIME = "toDateTime(least(`{column}`, toDateTime64('2100-01-01 00:00:00', 3, 'UTC')), 'UTC')"


def of_options(sink: str, options: Mapping[str, str]) -> list[str]:
    """What a sink sets when it starts, by its options: rows that are there already are removed as ClickHouse merges.

    Raises:
        Faults: an option is unknown, or no number of days.

    >>> len(of_options("clickhouse", {"readings_days": "90", "minutes_days": "0"}))
    1
    >>> of_options("clickhouse", {"readings_days": "soon"})
    Traceback (most recent call last):
    ...
    schemas.faults.Faults: topology: sink clickhouse: 'soon' is no number of days; 0 to 2000, 0 = for ever
    """
    faults = [
        Fault(0, f"sink {sink}: unknown option {name!r}", choose_one_of(name, OPTIONS))
        for name in options
        if name not in OPTIONS
    ]
    faults += [
        Fault(0, f"sink {sink}: {text!r} is no number of days", f"0 to {MOST_DAYS}, 0 = for ever")
        for text in options.values()
        if not (text.isdecimal() and int(text) <= MOST_DAYS)
    ]
    if faults:
        raise Faults("topology", faults)
    days = {name: int(options.get(name, "0")) for name in OPTIONS}
    return [f"{statement} SETTINGS materialize_ttl_after_modify = 0" for statement in statements(**days)]


def statements(readings_days: int, minutes_days: int) -> list[str]:
    """What sets the tables' TTL, by the rows' own time; 0 leaves a table as it is. Harmless when repeated.

    >>> [statement.split(" MODIFY ")[0] for statement in statements(readings_days=90, minutes_days=0)]
    ['ALTER TABLE flexmeter.readings_raw']
    """
    windows = ", ".join(f"'{window}'" for window in _BY_THE_MINUTE)
    wanted = [
        ("readings_raw", "at", readings_days, ""),
        ("aggregates_raw", "start", minutes_days, f" DELETE WHERE `window` IN ({windows})"),
    ]
    return [
        f"ALTER TABLE {DATABASE}.{table} MODIFY TTL {_TIME.format(column=column)} + INTERVAL {days} DAY{which}"
        for table, column, days, which in wanted
        if days
    ]
