"""The kinds of panel: lines and states over time, numbers, a table. Each has a title, says what it shows, and names its
units.

Colours are those of Okabe and Ito (2008), which people with any kind of colour vision tell apart, without their purple,
which to some is a grey. Where the number of
series is not known beforehand they are shades of one colour, and the legend holds their values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import stat, statetimeline, timeseries
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
    LineInterpolation,
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
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColor,
    FieldColorModeId,
    FieldConfig,
    FieldConfigSource,
    MatcherConfig,
    Panel,
    RangeMap,
    RegexMap,
    SpecialValueMap,
    Threshold,
    ThresholdsConfig,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from dashboards.queries import CLICKHOUSE, PROMETHEUS, Sql

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILLION, GREY = "#D55E00", "#BBBBBB"
FINE, WARNING, CRITICAL = BLUE, ORANGE, VERMILLION
PHASES = {
    "provisional": SKY, "located": ORANGE, "sustained": VERMILLION, "partly restored": BLUE, "closed": GREY,
}  # fmt: skip
"""Of an outage, in the order of its life (streams/outage/life.py)."""
SEVERITIES = {"critical": CRITICAL, "warning": WARNING, "info": SKY}

Limits = Sequence[tuple[float | None, str]]
"""(from this value on, colour), rising; the first from None."""


@dataclass(frozen=True)
class Column:
    """How a table shows a column: its unit, its limits or the colours of its words, as a bar or not, where a click
    on it leads, and what stands where there is no value."""

    unit: str = ""
    limits: Limits = ()
    is_bar: bool = False
    leads_to: tuple[str, str] | None = None
    most: float | None = None
    words: Mapping[str, str] | None = None
    nothing: str = ""
    is_hidden: bool = False
    decimals: int | None = None


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
    nothing: str | None = None,
    steps: bool = False,
) -> Panel:
    """Lines over time, or stacked bars; `limits` are drawn across. `interval` is that of the data, "10s".

    `nothing` is said where there are no rows; `steps`: a value holds until the next one.
    """
    custom = GraphFieldConfig(
        draw_style=GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE,
        fill_opacity=80 if bars else 0,
        show_points=VisibilityMode.NEVER if bars else VisibilityMode.AUTO,
        line_interpolation=LineInterpolation.STEP_AFTER if steps else None,
        stacking=StackingConfig(StackingMode.NORMAL if bars else StackingMode.NONE),
        thresholds_style=GraphThresholdsStyleConfig(
            GraphThresholdsStyleMode.DASHED if limits else GraphThresholdsStyleMode.OFF
        ),
    )
    one = FieldColor(FieldColorModeId.SHADES, BLUE)
    defaults = FieldConfig(unit=unit, min_val=lowest, color=one, thresholds=_thresholds(limits), custom=custom)
    defaults.no_value = nothing
    if isinstance(query, Sql) and " AS series" in query.sql:
        defaults.display_name = "${__field.labels.series}"
    overrides = [
        _override(name, color=FieldColor(FieldColorModeId.FIXED, colour)) for name, colour in (colours or {}).items()
    ]
    return _over_time(title, says, query, FieldConfigSource(defaults, overrides), interval)


def band(
    title: str,
    says: str,
    unit: str,
    query: Dataquery,
    colours: Mapping[str, str],
    marked: str,
    interval: str | None = None,
) -> Panel:
    """Lines over time in the band between the columns `low` and `high`; dots where the column `marked` has a value."""
    custom = GraphFieldConfig(draw_style=GraphDrawStyle.LINE, fill_opacity=0, show_points=VisibilityMode.NEVER)
    special: dict[str, dict[str, object]] = {
        "low": {"custom.lineWidth": 0},
        "high": {"custom.lineWidth": 0, "custom.fillBelowTo": "low", "custom.fillOpacity": 30},
        "expected": {"custom.lineStyle": {"fill": "dash", "dash": [6, 4]}},
        marked: {"custom.drawStyle": "points", "custom.showPoints": "always", "custom.pointSize": 10},
    }
    overrides = [
        _override(name, color=FieldColor(FieldColorModeId.FIXED, colour), **special.get(name, {}))
        for name, colour in colours.items()
    ]
    return _over_time(title, says, query, FieldConfigSource(FieldConfig(unit=unit, custom=custom), overrides), interval)


def number(
    title: str,
    says: str,
    unit: str,
    query: Dataquery,
    limits: Limits = (),
    fields: str | None = None,
    words: Mapping[str, str] | None = None,
) -> Panel:
    """One number, in the colour of the limit it has reached; or the word in the column that `fields` matches."""
    defaults = FieldConfig(unit=unit, thresholds=_thresholds(limits or [(None, FINE)]), no_value="none")
    defaults.mappings = _mappings(words) if words else None
    defaults.color = FieldColor(FieldColorModeId.THRESHOLDS)
    panel = _panel("stat", title, says, query, FieldConfigSource(defaults))
    panel.options = stat.Options(
        graph_mode=BigValueGraphMode.NONE,
        color_mode=BigValueColorMode.VALUE,
        reduce_options=ReduceDataOptions(calcs=["lastNotNull"], fields=fields),
    )
    return panel


def states(title: str, says: str, query: Dataquery, state: Column, nothing: str) -> Panel:
    """A lane for each `lane` of the rows (lane, id, time, state), in the order in which they come; in each by time.

    `state` says how its words are shown, and where a click on a lane leads: ${__field.labels.id} is the lane's id.
    `nothing` is said where there are no rows.
    """
    defaults = FieldConfig(unit="string", display_name="${__field.labels.lane}", no_value=nothing)
    defaults.custom = statetimeline.FieldConfig(fill_opacity=90)
    config = FieldConfigSource(defaults, [_override("state", **_shown(state))])
    panel = _panel("state-timeline", title, says, query, config)
    legend = VizLegendOptions(LegendDisplayMode.LIST, LegendPlacement.BOTTOM, True)
    panel.options = statetimeline.Options(legend=legend, tooltip=VizTooltipOptions(TooltipDisplayMode.SINGLE))
    by = {"fields": ["lane", "id"], "keepFields": False, "naming": {"asLabels": True}}
    panel.transformations = [DataTransformerConfig("partitionByValues", options=by)]
    return panel


def table(title: str, says: str, query: Dataquery, columns: Mapping[str, Column], nothing: str | None = None) -> Panel:
    """Rows; `columns` says of each column that is more than text how it is shown.

    `nothing` is said where there are no rows; a column that can be empty needs a `nothing` of its own then.
    """
    overrides = [_override(name, **_shown(column)) for name, column in columns.items()]
    panel = _panel("table", title, says, query, FieldConfigSource(FieldConfig(no_value=nothing), overrides))
    panel.options = tables.Options()
    return panel


def _over_time(title: str, says: str, query: Dataquery, config: FieldConfigSource, interval: str | None) -> Panel:
    legend = VizLegendOptions(LegendDisplayMode.TABLE, LegendPlacement.BOTTOM, True, calcs=["lastNotNull", "max"])
    tooltip = VizTooltipOptions(TooltipDisplayMode.MULTI, SortOrder.DESCENDING)
    panel = _panel("timeseries", title, says, query, config)
    panel.options, panel.interval = timeseries.Options(legend=legend, tooltip=tooltip), interval
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
        shown["mappings"] = _mappings(column.words)
        shown["custom.cellOptions"] = {"type": "color-text"}
    if column.is_bar:
        shown["min"], shown["max"] = 0, column.most
        shown["custom.cellOptions"] = {"type": "gauge", "mode": "basic"}
        shown.setdefault("color", FieldColor(FieldColorModeId.FIXED, BLUE))
    if column.nothing:
        shown["noValue"] = column.nothing
    if column.decimals is not None:
        shown["decimals"] = column.decimals
    if column.is_hidden:
        shown["custom.hidden"] = True
    if column.leads_to:
        title, url = column.leads_to
        shown["links"] = [{"title": title, "url": url}]
    return {name: value for name, value in shown.items() if value is not None}


def _mappings(words: Mapping[str, str]) -> list[ValueMap | RangeMap | RegexMap | SpecialValueMap]:
    named = enumerate(words.items())
    return [ValueMap({word: ValueMappingResult(color=colour, index=place) for place, (word, colour) in named})]


def _override(field: str, **properties: object) -> DashboardFieldConfigSourceOverrides:
    values = [DynamicConfigValue(name, value) for name, value in properties.items()]
    return DashboardFieldConfigSourceOverrides(MatcherConfig("byName", field), values)


def _thresholds(limits: Limits) -> ThresholdsConfig | None:
    if not limits:
        return None
    return ThresholdsConfig(ThresholdsMode.ABSOLUTE, [Threshold(value, colour) for value, colour in limits])
