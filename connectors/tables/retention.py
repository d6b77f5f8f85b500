"""How long rows are kept: raw readings and windows of a minute for a while, quarters of an hour and hours for ever.

ClickHouse forgets as it merges, so what is due goes some hours later. A reading that comes later than readings are kept
is forgotten soon after it has come; the results of its time stay.
"""

from connectors.tables import DATABASE

MOST_DAYS = 2_000
_BY_THE_MINUTE = ("1min", "rolling_15min")
# A TTL is counted in DateTime, which ends in 2106 and then begins anew; a meter's wrong clock may write any year.
_TIME = "toDateTime(least(`{column}`, toDateTime64('2100-01-01 00:00:00', 3, 'UTC')), 'UTC')"


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
