"""How panels become a dashboard: its variables, its links to the others, and where each panel stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardDashboardTemplating,
    DashboardDashboardTime,
    DashboardLink,
    DashboardLinkType,
    GridPos,
    Panel,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
    VariableType,
)

from dashboards.queries import CLICKHOUSE, table
from schemas.catalogue import load_catalogue

_COLUMNS = 24
_TAG = "flexmeter"


@dataclass(frozen=True)
class Line:
    """Panels side by side, in equal widths; the height in Grafana's units of about 36 pixels."""

    height: int
    panels: Sequence[Panel]


def page(
    uid: str,
    title: str,
    says: str,
    variables: Sequence[VariableModel],
    lines: Sequence[Line],
    since: str = "now-6h",
    refresh: str = "1m",
) -> Dashboard:
    """A dashboard that opens with the time range since..now; times are the reader's own."""
    others = DashboardLink("Other dashboards", DashboardLinkType.DASHBOARDS, "external link", "", None, [_TAG])
    others.as_dropdown, others.include_vars, others.keep_time = True, True, True
    return Dashboard(
        uid=uid,
        title=title,
        description=says,
        tags=[_TAG],
        fiscal_year_start_month=None,
        graph_tooltip=DashboardCursorSync.CROSSHAIR,
        time=DashboardDashboardTime(since, "now"),
        refresh=refresh,
        links=[others],
        templating=DashboardDashboardTemplating(list(variables)),
        panels=list(_placed(lines)),
    )


def _placed(lines: Sequence[Line]) -> Sequence[Panel]:
    placed: list[Panel] = []
    y = 0
    for line in lines:
        width = _COLUMNS // len(line.panels)
        for number, panel in enumerate(line.panels):
            panel.id_val = len(placed) + 1
            panel.grid_pos = GridPos(line.height, width, number * width, y)
            placed.append(panel)
        y += line.height
    return placed


def to(uid: str, variable: str, column: str = "", keeps: str = "") -> str:
    """The address of a dashboard at the same time, with a variable set from a column of the row that was clicked.

    `keeps` is another variable that stays as it is.

    >>> to("flexmeter-meter", "meter")
    '/d/flexmeter-meter?var-meter=${__data.fields.meter}&${__url_time_range}'
    """
    kept = f"${{{keeps}:queryparam}}&" if keeps else ""
    return f"/d/{uid}?{kept}var-{variable}=${{__data.fields.{column or variable}}}&${{__url_time_range}}"


def source(name: str, label: str, plugin: str) -> VariableModel:
    """Which of the data sources of this kind."""
    variable = _variable(VariableType.DATASOURCE, name, label)
    variable.query, variable.refresh = plugin, VariableRefresh.ON_DASHBOARD_LOAD
    return variable


def choice(name: str, label: str, says: str, sql: str, any_number: bool = False) -> VariableModel:
    """One of what the query returns, or any number of it and first of all everything."""
    variable = _variable(VariableType.QUERY, name, label)
    variable.description, variable.datasource = says, CLICKHOUSE
    variable.query = {**table(sql).to_json(), "refId": name}
    variable.refresh, variable.sort = VariableRefresh.ON_TIME_RANGE_CHANGED, VariableSort.DISABLED
    if any_number:
        variable.multi, variable.include_all = True, True
        variable.current = VariableOption(text=["All"], value=["$__all"])
    return variable


def _variable(kind: VariableType, name: str, label: str) -> VariableModel:
    """Without what the SDK writes of variables of other kinds."""
    variable = VariableModel(kind, name, label, multi=False, include_all=False)
    variable.skip_url_sync = variable.auto = variable.auto_min = variable.auto_count = None
    return variable


CLICKHOUSE_SOURCE = source("clickhouse", "ClickHouse", "grafana-clickhouse-datasource")
PROMETHEUS_SOURCE = source("prometheus", "Prometheus", "prometheus")
PROFILE = choice(
    "profile",
    "Profile",
    "Kinds of meter",
    "SELECT DISTINCT profile FROM flexmeter.meters ORDER BY profile",
    any_number=True,
)
SUBSTATION = choice(
    "substation",
    "Substation",
    "Substations of the register that have meters reporting",
    "SELECT DISTINCT substation FROM flexmeter.meters WHERE substation != '' ORDER BY substation",
)
FEEDER = choice(
    "feeder",
    "Feeder",
    "Feeders of the substation",
    """
    SELECT DISTINCT feeder FROM flexmeter.meters
    WHERE substation IN (${substation:sqlstring}) AND feeder != ''
    ORDER BY feeder
    """,
)


def meters(profiles: Sequence[str] = ()) -> VariableModel:
    """A meter of these profiles, or of all. Of more than 2,000 the rest is typed in, or reached by a link."""
    named = ", ".join(f"'{profile}'" for profile in profiles)
    where = f"WHERE profile IN ({named})" if profiles else ""
    sql = f"SELECT DISTINCT meter FROM flexmeter.meters {where} ORDER BY meter LIMIT 2000"
    return choice("meter", "Meter", "The first 2,000; any other can be typed in", sql)


def profiles_with(quantity: str) -> list[str]:
    """The profiles whose meters report the quantity."""
    return [profile.name for profile in load_catalogue().profiles.values() if quantity in profile.quantities]
