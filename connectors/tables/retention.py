"""How long rows are kept: raw readings and windows of a minute for a while, quarters of an hour and hours for ever.

Counted from when a row was inserted, not from the time that it tells of: last year's recording that is replayed, or a
gateway's backlog, stays as long as what comes live. ClickHouse forgets as it merges, so what is due goes some hours
later.
"""

from collections.abc import Mapping

from connectors.tables import DATABASE
from schemas.faults import Fault, Faults, choose_one_of

MOST_DAYS = 2_000
OPTIONS = ("readings_days", "minutes_days")
"""A sink's options in topology.yaml."""
_NEVER_DAYS = 18_250
"""Fifty years, for a TTL under which nothing is due: a DateTime ends in 2106."""
_BY_THE_MINUTE = ("1min", "rolling_15min")


def of_options(sink: str, options: Mapping[str, str]) -> list[str]:
    """What a sink sets when it starts, by its options; a table whose option is not given stays as it is.

    Rows that are there already are removed as ClickHouse merges.

    Raises:
        Faults: an option is unknown, or no number of days.

    >>> of_options("clickhouse", {})
    []
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
    days = {name: int(options[name]) if name in options else None for name in OPTIONS}
    return [f"{statement} SETTINGS materialize_ttl_after_modify = 0" for statement in statements(**days)]


def statements(readings_days: int | None, minutes_days: int | None) -> list[str]:
    """What sets the tables' TTL, by the time of their insertion; 0 = for ever, None leaves a table as it is.

    Harmless when repeated. A TTL that is not there cannot be removed, so one is set before.

    >>> [statement.split(" TTL")[0] for statement in statements(readings_days=0, minutes_days=30)]
    ['ALTER TABLE flexmeter.readings_raw MODIFY', 'ALTER TABLE flexmeter.readings_raw REMOVE', \
'ALTER TABLE flexmeter.aggregates_raw MODIFY']
    """
    windows = ", ".join(f"'{window}'" for window in _BY_THE_MINUTE)
    wanted = [
        ("readings_raw", readings_days, ""),
        ("aggregates_raw", minutes_days, f" DELETE WHERE `window` IN ({windows})"),
    ]
    made = []
    for table, days, which in wanted:
        altering = f"ALTER TABLE {DATABASE}.{table}"
        kept = f"{altering} MODIFY TTL toDateTime(`inserted_at`, 'UTC') + INTERVAL {days or _NEVER_DAYS} DAY{which}"
        made += [] if days is None else [kept] if days else [kept, f"{altering} REMOVE TTL"]
    return made
