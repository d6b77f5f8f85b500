"""The kinds of panel: lines over time, numbers, a table. Each has a title, says what it shows, and names its units.

Colours are those of Okabe and Ito (2008), which people with any kind of colour vision tell apart, without their purple,
which to some is a grey. Where the number of
series is not known beforehand they are shades of one colour, and the legend holds their values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import stat, timeseries
from grafana_foundation_sdk.models import table as tables
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphFieldConfig,
    GraphThresholdsStyleConfig,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ReduceDataOptions,
    SortOrder,
    StackingConfig,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardFieldConfigSourceOverrides,
    DynamicConfigValue,
    FieldColor,
    FieldColorModeId,
    FieldConfig,
    FieldConfigSource,
    MatcherConfig,
    Panel,
    Threshold,
    ThresholdsConfig,
    ThresholdsMode,
)

from dashboards.queries import CLICKHOUSE, PROMETHEUS, Sql

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILLION, GREY = "#D55E00", "#BBBBBB"
FINE, WARNING, CRITICAL = BLUE, ORANGE, VERMILLION
SEVERITIES = {"critical": CRITICAL, "warning": WARNING, "info": SKY}

Limits = Sequence[tuple[float | None, str]]
"""(from this value on, colour), rising; the first from None."""


@dataclass(frozen=True)
class Column:
    """How a table shows a column: its unit, its limits or the colours of its words, as a bar or not, and where a click
    on it leads."""

    unit: str = ""
    limits: Limits = ()
    is_bar: bool = False
    leads_to: tuple[str, str] | None = None
    most: float | None = None
    words: Mapping[str, str] | None = None


def lines(
    title: str,
    says: str,
    unit: str,
    query: Dataquery,
    colours: Mapping[str, str] | None = None,
    limits: Limits = (),
    bars: bool = False,
    lowest: float | None = None,
    interval: str | None = None,
) -> Panel:
    """Lines over time, or stacked bars; `limits` are drawn across. `interval` is that of the data, "10s"."""
    custom = GraphFieldConfig(
        draw_style=GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE,
        fill_opacity=80 if bars else 0,
        show_points=VisibilityMode.NEVER if bars else VisibilityMode.AUTO,
        stacking=StackingConfig(StackingMode.NORMAL if bars else StackingMode.NONE),
        thresholds_style=GraphThresholdsStyleConfig(
            GraphThresholdsStyleMode.DASHED if limits else GraphThresholdsStyleMode.OFF
        ),
    )
    one = FieldColor(FieldColorModeId.SHADES, BLUE)
    defaults = FieldConfig(unit=unit, min_val=lowest, color=one, thresholds=_thresholds(limits), custom=custom)
    if isinstance(query, Sql) and " AS series" in query.sql:
        defaults.display_name = "${__field.labels.series}"
    overrides = [
        _override(name, color=FieldColor(FieldColorModeId.FIXED, colour)) for name, colour in (colours or {}).items()
    ]
    legend = VizLegendOptions(LegendDisplayMode.TABLE, LegendPlacement.BOTTOM, True, calcs=["lastNotNull", "max"])
    tooltip = VizTooltipOptions(TooltipDisplayMode.MULTI, SortOrder.DESCENDING)
    panel = _panel("timeseries", title, says, query, FieldConfigSource(defaults, overrides))
    panel.options, panel.interval = timeseries.Options(legend=legend, tooltip=tooltip), interval
    return panel


def number(title: str, says: str, unit: str, query: Dataquery, limits: Limits = (), fields: str | None = None) -> Panel:
    """One number, in the colour of the limit it has reached; or the word in the column that `fields` matches."""
    defaults = FieldConfig(unit=unit, thresholds=_thresholds(limits or [(None, FINE)]), no_value="none")
    defaults.color = FieldColor(FieldColorModeId.THRESHOLDS)
    panel = _panel("stat", title, says, query, FieldConfigSource(defaults))
    panel.options = stat.Options(
        graph_mode=BigValueGraphMode.NONE,
        color_mode=BigValueColorMode.VALUE,
        reduce_options=ReduceDataOptions(calcs=["lastNotNull"], fields=fields),
    )
    return panel


def table(title: str, says: str, query: Dataquery, columns: Mapping[str, Column]) -> Panel:
    """Rows; `columns` says of each column that is more than text how it is shown."""
    overrides = [_override(name, **_shown(column)) for name, column in columns.items()]
    panel = _panel("table", title, says, query, FieldConfigSource(FieldConfig(), overrides))
    panel.options = tables.Options()
    return panel


def _panel(kind: str, title: str, says: str, query: Dataquery, config: FieldConfigSource) -> Panel:
    source = CLICKHOUSE if isinstance(query, Sql) else PROMETHEUS
    panel = Panel(kind, title=title, description=says, transparent=None, datasource=source, targets=[query])
    panel.field_config, panel.repeat_direction = config, None
    return panel


def _shown(column: Column) -> dict[str, object]:
    shown: dict[str, object] = {}
    if column.unit:
        shown["unit"] = column.unit
    if column.limits:
        shown["thresholds"] = _thresholds(column.limits)
        shown["color"] = FieldColor(FieldColorModeId.THRESHOLDS)
        shown["custom.cellOptions"] = {"type": "color-text"}
    if column.words:
        options = {word: {"color": colour, "index": place} for place, (word, colour) in enumerate(column.words.items())}
        shown["mappings"] = [{"type": "value", "options": options}]
        shown["custom.cellOptions"] = {"type": "color-text"}
    if column.is_bar:
        shown["min"], shown["max"] = 0, column.most
        shown["custom.cellOptions"] = {"type": "gauge", "mode": "basic"}
        shown.setdefault("color", FieldColor(FieldColorModeId.FIXED, BLUE))
    if column.leads_to:
        title, url = column.leads_to
        shown["links"] = [{"title": title, "url": url}]
    return {name: value for name, value in shown.items() if value is not None}


def _override(field: str, **properties: object) -> DashboardFieldConfigSourceOverrides:
    values = [DynamicConfigValue(name, value) for name, value in properties.items()]
    return DashboardFieldConfigSourceOverrides(MatcherConfig("byName", field), values)


def _thresholds(limits: Limits) -> ThresholdsConfig | None:
    if not limits:
        return None
    return ThresholdsConfig(ThresholdsMode.ABSOLUTE, [Threshold(value, colour) for value, colour in limits])
