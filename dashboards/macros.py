"""What Grafana and its ClickHouse data source make of a query before it is sent.

The rules are those of grafana-clickhouse-datasource (pkg/macros/macros.go) and of Grafana's variable format
`sqlstring`; only what the dashboards use is known here, and anything else is an error. So is a macro whose closing
bracket is followed by another: older versions of the data source take the second for a part of its argument.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MACRO = re.compile(r"\$__(\w+)(?:\(([^()]*)\)(?!\)))?")
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class Range:
    """The time range of a dashboard [ms since 1970 UTC, both ends included], and the width of a point [ms]."""

    from_ms: int
    to_ms: int
    interval_ms: int


def expand(sql: str, shown: Range, chosen: Mapping[str, Sequence[str]]) -> str:
    """The query as ClickHouse gets it; ValueError for a macro or variable that is not known.

    >>> expand("SELECT 1 WHERE $__timeFilter_ms(at)", Range(1_000, 2_000, 10), {})
    'SELECT 1 WHERE at >= fromUnixTimestamp64Milli(1000) AND at <= fromUnixTimestamp64Milli(2000)'
    >>> expand("SELECT $__timeInterval_ms(at) AS time", Range(0, 60_000, 250), {})
    'SELECT toStartOfInterval(toDateTime64(at, 3), INTERVAL 250 millisecond) AS time'
    >>> expand("meter IN (${meter:sqlstring})", Range(0, 0, 1), {"meter": ["a", "b's"]})
    "meter IN ('a','b''s')"
    """
    return _MACRO.sub(lambda found: _macro(found[1], found[2], shown), interpolate(sql, chosen))


def interpolate(text: str, chosen: Mapping[str, Sequence[str]]) -> str:
    """The text with the chosen values in the place of variables; each must be written as `${name:sqlstring}`.

    >>> interpolate("${meter}", {"meter": ["a"]})
    Traceback (most recent call last):
    ...
    ValueError: ${meter} is not quoted: write ${meter:sqlstring}
    """

    def value(found: re.Match[str]) -> str:
        name, form = found.groups()
        if name not in chosen:
            raise ValueError(f"there is no variable {name}")
        if form != "sqlstring":
            raise ValueError(f"{found[0]} is not quoted: write ${{{name}:sqlstring}}")
        return ",".join(_sqlstring(one) for one in chosen[name])

    return _VARIABLE.sub(value, text)


def _macro(name: str, argument: str | None, shown: Range) -> str:
    match name, argument:
        case "fromTime_ms", None:
            return _time(shown.from_ms)
        case "toTime_ms", None:
            return _time(shown.to_ms)
        case "timeFilter_ms", str(column):
            return f"{column} >= {_time(shown.from_ms)} AND {column} <= {_time(shown.to_ms)}"
        case "timeInterval_ms", str(column):
            return f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {max(shown.interval_ms, 1)} millisecond)"
        case "interval_s", None:
            return str(max(shown.interval_ms // 1000, 1))
    raise ValueError(f"$__{name} is not a macro that the dashboards may use")


def _time(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _sqlstring(value: str) -> str:
    return "'" + value.replace("'", "''").replace('"', '\\"') + "'"
