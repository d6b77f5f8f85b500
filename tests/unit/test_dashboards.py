"""The dashboards and alert rules that Grafana is given: as the code describes them, by its schema, and complete."""

import importlib
import json
import math
import re
from collections.abc import Iterator
from enum import Enum
from itertools import combinations
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import REGISTRY

from dashboards.__main__ import PAGES, files
from dashboards.macros import Range, expand
from tests.grafana import BOARDS, FOLDER, PANELS, Shown, variables

SDK = "grafana_foundation_sdk.models"
METRICS = (
    "streams.metrics",
    "connectors.bridge",
    "connectors.sink",
    "connectors.coap",
    "connectors.http",
    "connectors.mqtt",
    "connectors.register_topic",
    "connectors.router.loop",
    "flexmeter.recomputation.loop",
)
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "provisioning/alerting/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
UIDS = list(BOARDS)
MADE = files()


@pytest.mark.parametrize("name", MADE)
def test_what_is_committed_is_what_the_code_describes(name: str) -> None:
    assert (FOLDER / name).read_text() == MADE[name], "run: python -m dashboards"


def test_nothing_else_is_committed() -> None:
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.glob("dashboards/*/*")} == {
        name for name in MADE if name.startswith("dashboards/")
    }


# Grafana's schema


def faults(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Where a value is not what the SDK's types, made from Grafana's schema, say."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(value, dict) and hasattr(kind, "from_json"):
        value = kind.from_json(value)  # the SDK reads transformations no deeper than their list
    if kind in (Any, object):
        kind = type(value)
    if origin in (Union, UnionType):
        ways = [list(faults(value, each, where)) for each in inner]
        yield from () if [] in ways else min(ways, key=len)
    elif origin is Literal:
        yield from () if value in inner else [f"{where}: {value!r} is none of {inner}"]
    elif origin is list and isinstance(value, list):
        for number, each in enumerate(value):
            yield from faults(each, inner[0], f"{where}[{number}]")
    elif origin is dict and isinstance(value, dict):
        for key, each in value.items():
            yield from faults(each, inner[1], f"{where}.{key}")
    elif origin is None and kind is float and isinstance(value, int) and not isinstance(value, bool):
        return
    elif origin is not None or not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        yield f"{where}: {value!r} is no {kind}"
    elif type(value).__module__.startswith(SDK) and not isinstance(value, Enum):
        for name, hint in get_type_hints(type(value)).items():
            yield from faults(_typed(getattr(value, name), hint), hint, f"{where}.{name}")


def unknown(committed: Any, read: Any, where: str) -> Iterator[str]:
    """Where the SDK's types, which read it, do not give back what is committed. What they add by default is no loss."""
    if isinstance(committed, dict) and isinstance(read, dict):
        for key, value in committed.items():
            yield from unknown(value, read.get(key), f"{where}.{key}")
    elif isinstance(committed, list) and isinstance(read, list) and len(committed) == len(read):
        for number, (value, again) in enumerate(zip(committed, read, strict=True)):
            yield from unknown(value, again, f"{where}[{number}]")
    elif committed != read:
        yield where


def _typed(value: Any, hint: Any) -> Any:
    """Values of enumerations come as they stand in the JSON: as members, where they are any."""
    for kind in (*get_args(hint), hint):
        if isinstance(kind, type) and issubclass(kind, Enum) and value in [member.value for member in kind]:
            return kind(value)
    return value


@pytest.mark.parametrize("uid", UIDS)
def test_dashboards_are_as_grafana_s_schema_says(uid: str) -> None:
    register_default_plugins()
    board = Dashboard.from_json(BOARDS[uid])
    assert list(unknown(BOARDS[uid], json.loads(json.dumps(board, cls=JSONEncoder)), uid)) == []
    assert list(faults(board, Dashboard, uid)) == []


def test_the_schema_finds_what_it_does_not_know() -> None:
    register_default_plugins()
    board: Any = json.loads(json.dumps(BOARDS["flexmeter-fleet"]))
    board["panels"][6]["options"]["legend"]["colour"] = "red"
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert list(unknown(board, read, "board")) == ["board.panels[6].options.legend.colour"]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("panels", 0, "title"), 7),
        (("panels", 0, "gridPos", "w"), "wide"),
        (("panels", 0, "fieldConfig", "defaults", "color", "mode"), "rainbow"),
        (("panels", 6, "options", "legend", "placement"), "somewhere"),
        (("templating", "list", 0, "refresh"), 9),
        (("time", "from"), None),
    ],
)
def test_the_schema_finds_what_is_wrong(path: tuple[str | int, ...], wrong: object) -> None:
    register_default_plugins()
    board: Any = json.loads(json.dumps(BOARDS["flexmeter-fleet"]))
    place = board
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    assert list(faults(Dashboard.from_json(board), Dashboard, "board"))


# What we ask of them


def test_ids_and_titles_are_unique() -> None:
    assert len({(shown.board["uid"], shown.panel["id"]) for shown in PANELS}) == len(PANELS)
    assert len({(shown.board["uid"], shown.panel["title"]) for shown in PANELS}) == len(PANELS)
    assert len(BOARDS) == len(list(FOLDER.glob("dashboards/*/*.json"))) == len({b["title"] for b in BOARDS.values()})
    assert len({rule["uid"] for rule in RULES}) == len({rule["title"] for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"[\w-]{8,40}", uid) for uid in [*BOARDS, *(rule["uid"] for rule in RULES)])


@pytest.mark.parametrize("shown", PANELS, ids=str)
def test_panels_say_what_they_show_in_which_unit_and_of_which_source(shown: Shown) -> None:
    panel = shown.panel
    assert panel["title"] and panel["description"].endswith(".")
    assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"]
    name = panel["datasource"]["uid"].removeprefix("${").removesuffix("}")
    assert variables(shown.board)[name]["query"] == panel["datasource"]["type"]


@pytest.mark.parametrize("uid", UIDS)
def test_panels_stand_side_by_side_without_gap_or_overlap(uid: str) -> None:
    taken = [
        (x, y)
        for panel in BOARDS[uid]["panels"]
        for place in (panel["gridPos"],)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken) and max(x for x, _ in taken) < 24


@pytest.mark.parametrize("shown", [shown for shown in PANELS if [*shown.links()]], ids=str)
def test_links_lead_to_dashboards_that_exist_and_take_the_variable(shown: Shown) -> None:
    for url in shown.links():
        uid, query = re.fullmatch(r"/d/([\w-]+)\?(.*)", url).groups()  # type: ignore[union-attr]
        set_there = re.findall(r"var-(\w+)=", query)
        kept = re.findall(r"\$\{(\w+):queryparam\}", query)
        assert set_there and "${__url_time_range}" in query
        assert set(set_there + kept) <= set(variables(BOARDS[uid]))
        assert set(kept) <= set(variables(shown.board))


def test_every_dashboard_leads_to_the_others() -> None:
    for board in BOARDS.values():
        (link,) = board["links"]
        assert set(link["tags"]) <= set(board["tags"]) and link["keepTime"]


@pytest.mark.parametrize("uid", UIDS)
def test_every_variable_is_asked_for(uid: str) -> None:
    text = json.dumps(BOARDS[uid])
    assert all(f"${{{name}" in text for name in variables(BOARDS[uid]))


def test_rules_stand_beside_a_panel_and_go_to_a_contact_point_and_known_sources() -> None:
    read = {
        f"{path.parent.name}/{path.stem}": yaml.safe_load(path.read_text())
        for path in FOLDER.glob("provisioning/*/*.yaml")
    }
    sources = {source["uid"] for source in read["datasources/flexmeter"]["datasources"]}
    points = {point["name"] for point in read["alerting/contact_points"]["contactPoints"]}
    panels = {(shown.board["uid"], shown.panel["id"]) for shown in PANELS}
    for rule in RULES:
        assert rule["data"][0]["datasourceUid"] in sources
        assert rule["notification_settings"]["receiver"] in points
        assert (rule["dashboardUid"], rule["panelId"]) in panels
        assert "$" not in rule["annotations"]["summary"], "Grafana would take it for a variable of its environment"


def exposed() -> dict[str, set[str]]:
    """What Prometheus gets of our metrics: name -> labels."""
    for module in METRICS:
        importlib.import_module(module)
    found = {}
    for collector in REGISTRY._collector_to_names:
        (family, *_) = collector.describe() if hasattr(collector, "describe") else collector.collect()
        if family.name.startswith("flexmeter_"):
            ends = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[family.type]
            labels = set(collector._labelnames)
            found |= {family.name + end: labels | ({"le"} if end == "_bucket" else set()) for end in ends}
    return found


def promql() -> Iterator[tuple[str, str]]:
    for shown in PANELS:
        if not shown.asks_clickhouse:
            yield shown.panel["targets"][0]["expr"], shown.panel["targets"][0]["legendFormat"]
    for rule in RULES:
        if "expr" in rule["data"][0]["model"]:
            yield rule["data"][0]["model"]["expr"], rule["annotations"]["summary"].replace("{{ .Labels.", "{{")


def test_promql_names_metrics_and_labels_that_the_code_defines() -> None:
    metrics, asked = exposed(), set()
    for expression, legend in promql():
        names = set(re.findall(r"flexmeter_\w+", expression))
        assert names and names <= set(metrics), expression
        by = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")}
        assert by <= {label for name in names for label in metrics[name]}, expression
        given = set(re.findall(r'label_replace\(.*?, "(\w+)"', expression))
        assert set(re.findall(r"\{\{(\w+)\s*\}\}", legend)) <= by | given, expression
        asked |= names
    unasked = {name for name in metrics if not name.endswith(("_sum", "_count", "_bucket"))} - asked
    counts = {"bridge_acknowledged_total", "bridge_repeated_total", "sink_rows_total", "stream_rows"}
    counts |= {"bridge_over_rate_total", "mqtt_qos0_received_total", "register_meters"}
    assert unasked == {f"flexmeter_{name}" for name in counts}


# docs/grafana.md


def test_the_docs_name_each_variable_of_the_environment_and_each_dashboard() -> None:
    docs = Path("docs/grafana.md").read_text()
    provisioned = " ".join(path.read_text() for path in FOLDER.glob("provisioning/*/*.yaml"))
    assert set(re.findall(r"\bFLEXMETER_[A-Z_]+\b", docs)) - {"FLEXMETER_METRICS_PORT"} == set(
        re.findall(r"\$\{(FLEXMETER_[A-Z_]+)\}", provisioned)
    )
    assert re.findall(r"^\| ([A-Z][\w ]+) \| .* \| \d+ (?:min|h|d) \|$", docs, re.MULTILINE) == [
        module.dashboard().title for modules in PAGES.values() for module in modules
    ]


# Colours


def colours(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from colours(each)
    elif isinstance(value, str) and re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        yield value


# Linear RGB as people without one kind of cone see it: Viénot, Brettel and Mollon (1999), for protan and deutan.
DICHROMATS = {
    "protan": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deutan": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


def seen(colour: str, matrix: list[list[float]]) -> list[float]:
    """The colour as seen, in sRGB 0..255."""
    linear = [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
    mixed = [sum(weight * channel for weight, channel in zip(row, linear, strict=True)) for row in matrix]
    return [255 * min(max(channel, 0.0), 1.0) ** (1 / 2.2) for channel in mixed]


@pytest.mark.parametrize("kind", DICHROMATS)
@pytest.mark.parametrize("shown", PANELS, ids=str)
def test_colours_of_one_panel_can_be_told_apart_by_dichromats(shown: Shown, kind: str) -> None:
    for one, other in combinations(sorted(set(colours(shown.panel["fieldConfig"]))), 2):
        assert math.dist(seen(one, DICHROMATS[kind]), seen(other, DICHROMATS[kind])) > 40, (one, other)


# Macros


def test_macros_that_would_be_misread_or_are_not_known_are_refused() -> None:
    for sql in ("SELECT $__timeFilter(at)", "SELECT $__nonsense", "SELECT f($__timeInterval_ms(at))"):
        with pytest.raises(ValueError, match="is not a macro"):
            expand(sql, Range(0, 1, 1), {})
    with pytest.raises(ValueError, match="no variable"):
        expand("SELECT ${meter:sqlstring}", Range(0, 1, 1), {})


def test_a_value_stays_one_string() -> None:
    assert expand("${m:sqlstring}", Range(0, 1, 1), {"m": ["a' OR '1'='1"]}) == "'a'' OR ''1''=''1'"
