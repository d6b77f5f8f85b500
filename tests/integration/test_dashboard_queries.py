"""Every query of the dashboards and alert rules, as Grafana's data source would send it, on an embedded ClickHouse."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from connectors import tables
from connectors.chdb_store import ChdbStore
from dashboards.macros import Range, expand
from schemas.alert import Alert
from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.master_data import GridBlock, HomeRequestBlock
from schemas.results import PresenceBlock, ReliabilityBlock
from tests.district import AS_THEY_CAME, day_until
from tests.grafana import BOARDS, FOLDER, PANELS, Shown, variables
from tests.plausible import reading_block
from tests.stored import insert_all

pytestmark = pytest.mark.integration

NOW = time.time_ns() // 1_000_000
DAY = Range(NOW - 86_400_000, NOW + 600_000, 60_000)  # to a little later than now: inserted_at is the insert's own time
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "provisioning/alerting/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
    if rule["data"][0]["datasourceUid"] == "flexmeter-clickhouse"
]
NUMERIC = ("Int", "UInt", "Float", "Nullable(Float", "Nullable(Int")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    store = ChdbStore(tmp_path_factory.mktemp("dashboards") / "chdb")
    store.migrate(tables.statements(load_catalogue()))
    for _ in range(2):  # all of it twice: nothing may count twice
        insert_all(store, day_until(NOW))
    store.migrate(AS_THEY_CAME)
    yield store
    store.close()


def asked(store: ChdbStore, sql: str) -> tuple[list[tuple[str, str]], list[list[Any]]]:
    """([(name, type)], rows)"""
    answer = json.loads(store.read(sql, "JSONCompact", {}))
    return [(column["name"], column["type"]) for column in answer["meta"]], answer["data"]


def chosen(store: ChdbStore, board: dict[str, Any]) -> dict[str, Sequence[str]]:
    """What the dashboard opens with: of each variable the first value, or all of them."""
    made: dict[str, Sequence[str]] = {}
    for name, variable in variables(board).items():
        if variable["type"] == "query":
            _, rows = asked(store, expand(variable["query"]["rawSql"], DAY, made))
            values = [str(row[0]) for row in rows]
            made[name] = values if variable["includeAll"] else values[:1]
    return made


@pytest.mark.parametrize("uid", BOARDS)
def test_every_variable_has_values(store: ChdbStore, uid: str) -> None:
    assert all(chosen(store, BOARDS[uid]).values())


@pytest.mark.parametrize("shown", [shown for shown in PANELS if shown.asks_clickhouse], ids=str)
def test_every_panel_has_data(store: ChdbStore, shown: Shown) -> None:
    (target,) = shown.panel["targets"]
    columns, rows = asked(store, expand(target["rawSql"], DAY, chosen(store, shown.board)))
    names = [name for name, _ in columns]
    numeric = {name for name, kind in columns if kind.startswith(NUMERIC)}
    assert rows
    assert all(any(row[i] is not None for row in rows) for i in range(len(names))), "a column without any value"
    match shown.panel["type"]:
        case "timeseries":
            (first, kind), *rest = columns
            assert first == "time" and kind.startswith("DateTime")
            assert [row[0] for row in rows] == sorted(row[0] for row in rows)
            assert names[1:] == ["series", "value"] or {name for name, _ in rest} == numeric
        case "stat":
            assert len(rows) == 1 and len(columns) == 1
        case "table":
            united = {column for column, what, _ in shown.overrides() if what == "unit"}
            times = {name for name, kind in columns if "DateTime" in kind}
            assert numeric | times == united
            assert {column for column, _, _ in shown.overrides()} <= set(names)
            for url in shown.links():
                assert set(re.findall(r"__data\.fields\.(\w+)", url)) <= set(names)
        case "state-timeline":
            assert names == ["lane", "id", "time", "state"]
            (words,) = (value for _, what, value in shown.overrides() if what == "mappings")
            assert {row[3] for row in rows} <= set(words[0]["options"])
            for lane in {row[0] for row in rows}:
                times = [row[2] for row in rows if row[0] == lane]
                assert times == sorted(set(times)) and len({row[1] for row in rows if row[0] == lane}) == 1
        case kind:
            pytest.fail(f"nothing is asked of a {kind}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_every_rule_has_data_that_it_can_judge(store: ChdbStore, rule: dict[str, Any]) -> None:
    columns, rows = judged(store, rule)
    assert rows
    # One number; the rest are the labels that tell its rows apart.
    assert [kind.startswith(NUMERIC) for _, kind in columns] == [False] * (len(columns) - 1) + [True]
    labels = set(re.findall(r"\.Labels\.(\w+)", rule["annotations"]["summary"]))
    assert labels <= {name for name, _ in columns[:-1]}


def judged(store: ChdbStore, rule: dict[str, Any]) -> tuple[list[tuple[str, str]], list[list[Any]]]:
    data = rule["data"][0]
    begins = NOW - 1_000 * data["relativeTimeRange"]["from"]
    return asked(store, expand(data["model"]["rawSql"], Range(begins, NOW, 1_000), {}))


def series_of(store: ChdbStore, uid: str, title: str, time: Range = DAY) -> list[list[Any]]:
    (shown,) = (shown for shown in PANELS if (shown.board["uid"], shown.panel["title"]) == (uid, title))
    return asked(store, expand(shown.panel["targets"][0]["rawSql"], time, chosen(store, shown.board)))[1]


def ms_of(time: str) -> int:
    """A time as JSONCompact has it."""
    return round(datetime.fromisoformat(f"{time}+00:00").timestamp() * 1_000)


def test_what_was_inserted_twice_counts_once(store: ChdbStore) -> None:
    homes = dict((row[0], row[1:]) for row in series_of(store, "flexmeter-fleet", "Profiles"))
    assert int(homes["district_heat_turin"][0]) == 2
    assert homes["district_heat_turin"][2] == pytest.approx(1, abs=0.05)
    received = asked(store, "SELECT sum(received) FROM flexmeter.completeness")[1]
    assert received == asked(store, "SELECT count() FROM flexmeter.readings")[1]
    assert asked(store, "SELECT state FROM flexmeter.presence_now")[1] == [["resumed"]]


def test_the_balance_is_what_no_meter_accounts_for(store: ChdbStore) -> None:
    assert series_of(store, "flexmeter-grid", "Not accounted for")[0][0] == pytest.approx(0.08)


def test_the_tree_of_the_grid_tells_what_is_dark(store: ChdbStore) -> None:
    """F1-T2 is open now; a feeder is partly dark with it."""
    tree = series_of(store, "flexmeter-outages", "The grid: what is dark")
    assert [(row[0].strip(), row[0].count("\u2003"), row[2], int(row[3]), int(row[4])) for row in tree] == [
        ("S1", 0, "partly dark", 59, 12), ("F1", 1, "partly dark", 19, 12), ("F1-T2", 2, "dark", 12, 12),
        ("F2", 1, "lit", 40, 0), ("tie", 1, "unknown", 0, 0),
    ]  # fmt: skip


def test_outages_that_began_before_the_range_count_in_it(store: ChdbStore) -> None:
    """Two minutes of the time in which F1-T2 is dark, long after it began."""
    late = Range(NOW - 120_000, NOW, 1_000)
    rows = series_of(store, "flexmeter-outages", "Customers without supply over time", late)
    assert [int(customers) for _, customers in rows] == [12, 12]
    lanes = series_of(store, "flexmeter-outages", "Outages over time", late)
    assert [(lane, state) for lane, _, _, state in lanes] == [("F1-T2", "sustained")]


def test_each_outage_has_a_lane_from_when_supply_was_lost_until_it_was_back(store: ChdbStore) -> None:
    """What lasts comes first; then the newest."""
    lanes = series_of(store, "flexmeter-outages", "Outages over time")
    told = [(lane, round((NOW - ms_of(time)) / 1_000), state) for lane, _, time, state in lanes]
    assert told == [
        ("F1-T2", 600, "provisional"), ("F1-T2", 400, "sustained"),
        ("F2", 7_200, "provisional"), ("F2", 3_600, "closed"),
        ("F1-T1", 9_000, "provisional"), ("F1-T1", 8_980, "closed"),
    ]  # fmt: skip


def test_customers_below_two_open_devices_count_once(store: ChdbStore) -> None:
    """A fuse opens with 3 of a feeder's 10 customers, then the feeder, which closes again before the fuse does."""
    nodes = ["S7", "F7", "fuse7"], ["", "S7", "F7"], ["substation", "feeder", "fuse"]
    insert_all(store, [GridBlock("S7", 5, 0, 1, *nodes, *[["", "", ""]] * 4)])
    begin = NOW - 36_000_000
    for device, customers, opened, closed in (("fuse7", 3, 0, 40), ("F7", 10, 10, 30)):
        for number, (minute, dark, state) in enumerate(((opened, customers, "raised"), (closed, 0, "cleared")), 1):
            at, evidence = begin + minute * 60_000, {"customers_dark": dark, "start_ms": begin, "end_ms": begin}
            place = ("warning", state, device, "F7", "S7", at, at)
            insert_all(store, [Alert(f"outage/S7/{device}", number, "outage", *place, device, evidence)])
    (shown,) = (shown for shown in PANELS if shown.panel["title"] == "Customers without supply over time")
    times = [Range(begin - 1, begin + minute * 60_000, 1_000) for minute in (20, 60)]
    then, later = (
        asked(store, expand(shown.panel["targets"][0]["rawSql"], t, {"substation": ["S7"]}))[1] for t in times
    )
    assert [int(customers) for _, customers in then] == [0, 3, 10, 10]
    assert [int(customers) for _, customers in later] == [0, 3, 10, 3, 0, 0]


def test_customers_below_two_devices_that_are_open_now_count_once(store: ChdbStore) -> None:
    nodes = ["S8", "F8", "fuse8"], ["", "S8", "F8"], ["substation", "feeder", "fuse"]
    insert_all(store, [GridBlock("S8", 5, 0, 1, *nodes, *[["", "", ""]] * 4)])
    for device, customers in (("fuse8", 3), ("F8", 10), ("a meter", 1)):
        place = ("warning", "raised", device, "F8", "S8", NOW, NOW)
        evidence = {"customers_dark": customers, "start_ms": NOW}
        insert_all(store, [Alert(f"outage/S8/{device}", 1, "outage", *place, device, evidence)])
    (shown,) = (shown for shown in PANELS if shown.panel["title"] == "Customers without supply")
    rows = asked(store, expand(shown.panel["targets"][0]["rawSql"], DAY, {"substation": ["S8"]}))[1]
    assert [int(customers) for (customers,) in rows] == [11]


def test_a_grid_that_was_published_anew_holds(store: ChdbStore) -> None:
    node = GridBlock("S9", 5, 0, 1, ["S9", "old"], ["", "S9"], ["substation", "fuse"], *[["", ""]] * 4)
    newer = replace(node, at=6, node=["S9", "new"])
    insert_all(store, [newer, node])
    assert asked(store, "SELECT node FROM flexmeter.grid_nodes WHERE substation = 'S9' ORDER BY node")[1] == [
        ["S9"], ["new"],
    ]  # fmt: skip


def test_major_event_days_are_judged_by_the_five_years_before_the_end_of_the_range(store: ChdbStore) -> None:
    """Days of 20 to 15 years ago, each of a minute or so; one of the last of them of ten hours."""
    day = 86_400_000
    end = NOW // day * day - 15 * 365 * day
    days = np.arange(end - 1_830 * day, end, day)
    lost = np.where(np.arange(len(days)) == 1_825, 36_000_000, 60_000 + np.arange(len(days)) % 7 * 10_000)
    one, nothing = np.ones(len(days), np.int64), np.zeros(len(days), np.int64)
    block = ReliabilityBlock(1, "S1", ["F1"] * len(days), days, one.astype(np.int32), one, one, lost, nothing, lost)
    insert_all(store, [block])
    (shown,) = (shown for shown in PANELS if shown.panel["title"] == "Major event days")
    sql, of = shown.panel["targets"][0]["rawSql"], chosen(store, shown.board)
    month = Range(int(end - 30 * day), int(end), 1_000)
    assert asked(store, expand(sql, month, of))[1] == [["1"]]
    assert asked(store, expand(sql, DAY, of))[1] == [["not computable"]]


def test_ten_minute_means_outside_the_band_are_found(store: ChdbStore) -> None:
    assert series_of(store, "flexmeter-grid", "Voltage by meter")[0] == ["E350-00000", pytest.approx(1 / 3), 205, 231.5]
    lowest, highest = asked(store, "SELECT min(min_v), max(max_v) FROM flexmeter.voltages_10min")[1][0]
    assert (lowest, highest) == (204, 237.5)


def _fallen_silent(names: list[str], since: int) -> list[ReadingBlock | PresenceBlock]:
    """Meters under a feeder of S10, each with a last reading at that time."""
    readings = replace(reading_block(len(names), range(0, 1), since), profile="submeter_1min", meters=names)
    readings = replace(readings, feeders=["F1"] * len(names), substations=["S10"] * len(names))
    ones, times = np.ones(len(names), np.int64), np.full(len(names), since)
    places = np.arange(len(names), dtype=np.int32)
    return [
        readings,
        PresenceBlock(1, names, ["F1"] * len(names), places, ones, ["silent"] * len(names), times, times),
    ]


def test_meters_that_were_taken_away_are_neither_silent_nor_missing(store: ChdbStore) -> None:
    """Twelve were swapped long ago, three fell silent yesterday; another substation has a feeder of that name."""
    insert_all(store, _fallen_silent([f"old{i}" for i in range(12)], NOW - 40 * 86_400_000))
    insert_all(store, _fallen_silent([f"dark{i}" for i in range(3)], NOW - 86_400_000))
    assert [int(silent) for (silent,) in series_of(store, "flexmeter-fleet", "Silent meters")] == [3]
    found = {rule["uid"]: {tuple(row[:-1]): row[-1] for row in judged(store, rule)[1]} for rule in RULES}
    silent, complete = found["flexmeter-silent-feeder"], found["flexmeter-completeness"]
    assert (silent["S10", "F1"], silent["S1", "F1"], complete["submeter_1min",]) == (3, 0, 0)
    shares = {row[0]: int(row[1]) for row in series_of(store, "flexmeter-fleet", "Profiles")}
    assert shares["submeter_1min"] == 3


def test_a_home_that_withdrew_is_not_offered(store: ChdbStore) -> None:
    sql = expand(variables(BOARDS["flexmeter-home"])["meter"]["query"]["rawSql"], DAY, {})
    (home,) = asked(store, "SELECT DISTINCT meter FROM flexmeter.appliance_events")[1][0]
    assert [home] in asked(store, sql)[1]
    asking = {"meters": [home], "row_meter": np.zeros(1, np.int32), "kind": ["withdraw"], "at": np.array([NOW])}
    nothing = {"number": np.zeros(1, np.int64), "power_w": np.zeros(1), "appliance": [""]}
    insert_all(store, [HomeRequestBlock(**asking, **nothing)])
    assert [home] not in asked(store, sql)[1]


def sql_of_the_docs() -> list[str]:
    blocks = re.findall(r"```sql\n(.*?)```", Path("docs/grafana.md").read_text(), re.DOTALL)
    return [statement for block in blocks for statement in block.strip().rstrip(";").split(";\n")]


@pytest.mark.parametrize("statement", [each.strip() for each in sql_of_the_docs()])
def test_the_sql_of_the_docs_can_be_parsed_and_names_what_exists(store: ChdbStore, statement: str) -> None:
    assert store.read(f"EXPLAIN AST {statement}", "TSVRaw", {})
    named = set(re.findall(r"flexmeter\.(\w+)", statement))
    existing = asked(store, "SELECT name FROM system.tables WHERE database = 'flexmeter'")[1]
    assert named <= {name for (name,) in existing}
