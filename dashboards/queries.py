"""What a panel asks, and of whom: ClickHouse by SQL, Prometheus by PromQL.

Dashboards name their data source by a variable, so that one set of them serves any; alert rules cannot, and name the
sources that `grafana/provisioning/datasources` makes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import prometheus
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from schemas.quality import Quality

CLICKHOUSE = DataSourceRef("grafana-clickhouse-datasource", "${clickhouse}")
PROMETHEUS = DataSourceRef("prometheus", "${prometheus}")
CLICKHOUSE_UID, PROMETHEUS_UID = "flexmeter-clickhouse", "flexmeter-prometheus"

TIMED = f"bitAnd(quality, {int(Quality.FUTURE)}) = 0"
"""Rows whose time can be believed."""
_LONG_AGO = "since < $__toTime_ms - INTERVAL 30 DAY"
SILENT = f"state = 'silent' AND NOT {_LONG_AGO}"
"""Meters that fell silent, of `presence_now`; not those that have been so for long: they were swapped or taken away."""
REPORTING = f"meter NOT IN (SELECT meter FROM flexmeter.presence_now WHERE state = 'silent' AND {_LONG_AGO})"
"""The meters without those."""


@dataclass(frozen=True)
class Sql(Dataquery):
    """SQL for ClickHouse: rows as a table, or (time, numbers) and (time, series, value) as series."""

    sql: str
    is_series: bool
    ref_id: str = "A"

    def to_json(self) -> dict[str, object]:
        """As the data source stores a query of its SQL editor; `format` 0 is its time series, 1 its table."""
        return {
            "refId": self.ref_id,
            "editorType": "sql",
            "queryType": "timeseries" if self.is_series else "table",
            "format": 0 if self.is_series else 1,
            "rawSql": self.sql,
        }


def table(sql: str) -> Sql:
    """Rows."""
    return Sql(dedent(sql).strip(), is_series=False)


def series(sql: str) -> Sql:
    """Lines over time; the rows in order of their first column, `time`."""
    return Sql(dedent(sql).strip(), is_series=True)


def measured(columns: Mapping[str, str], where: str) -> Sql:
    """Means over time of columns of the readings, each under its own name; what was never measured draws no line."""
    pairs = ", ".join(f"('{name}', {column})" for name, column in columns.items())
    return series(f"""
        SELECT $__timeInterval_ms(at) AS time, measured.1 AS series, avg(measured.2) AS value
        FROM flexmeter.readings
        ARRAY JOIN [{pairs}] AS measured
        WHERE {where} AND $__timeFilter_ms(at) AND {TIMED} AND isFinite(measured.2)
        GROUP BY time, series
        ORDER BY time, series
        """)


def promql(expression: str, legend: str) -> prometheus.Dataquery:
    """A metric over time; `legend` is Prometheus' form: `{{label}}`."""
    return prometheus.Dataquery(expr=expression, legend_format=legend, ref_id="A", range_val=True)
