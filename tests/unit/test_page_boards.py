"""What the page asks by a panel's or variable's name is the dashboard's own SQL, by the data source's rules."""

import json
from pathlib import Path
from typing import Any

import pytest

from flexmeter.page.boards import FOLDER, Unknown, boards, listed, question

TARGET = {
    "refId": "A",
    "rawSql": "SELECT 1 WHERE $__timeFilter_ms(at) AND meter IN (${meter:sqlstring}) AND w = $__interval_s",
}
CLICKHOUSE = {"type": "grafana-clickhouse-datasource"}
BOARD: dict[str, Any] = {
    "uid": "a-board",
    "title": "A board",
    "templating": {"list": [{"name": "meter", "query": {"rawSql": "SELECT '${__x}'"}}, {"name": "n", "query": "1,2"}]},
    "panels": [
        {"id": 1, "datasource": {"type": "prometheus"}, "targets": [{"refId": "A", "expr": "up"}]},
        {"id": 2, "type": "row", "panels": [{"id": 3, "datasource": CLICKHOUSE, "targets": [TARGET]}]},
    ],
}
ASKED = {"dashboard": ["a-board"], "panel": ["3"], "ref": ["A"], "from": ["1000"], "to": ["2000"], "interval": ["5000"]}


def test_a_panel_asks_its_sql_for_the_time_and_the_values_chosen() -> None:
    sql = question({"a-board": BOARD}, ASKED | {"var-meter": ["a", "b'"]})
    assert sql == (
        "SELECT 1 WHERE at >= fromUnixTimestamp64Milli(1000) AND at <= fromUnixTimestamp64Milli(2000) "
        "AND meter IN ('a','b''') AND w = 5"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"dashboard": ["another"]},
        {"panel": ["9"]},
        {"panel": ["1"]},
        {"ref": ["B"]},
        {"from": ["now"]},
        {"to": []},
        {"interval": ["1", "2"]},
        {"var-meter": ["a"], "variable": ["x"]},
        {"var-meter": ["a"], "variable": ["n"]},
        {"variable": ["meter"]},
        {},
    ],
)
def test_what_does_not_exist_or_is_not_said_is_refused(change: dict[str, list[str]]) -> None:
    with pytest.raises(Unknown):
        question({"a-board": BOARD}, ASKED | change)


def test_every_dashboard_of_the_project_is_listed_and_told_whether_it_can_be_drawn() -> None:
    shown = listed(boards(FOLDER))
    assert {each["uid"] for each in shown if not each["drawable"]} == {"flexmeter-pipeline"}
    assert len(shown) == len(list(FOLDER.glob("*/*.json")))
    assert all(each["title"] and each["description"] for each in shown)


def test_a_dashboard_is_added_and_changed_by_its_file(tmp_path: Path) -> None:
    assert boards(tmp_path) == {}
    path = tmp_path / "folder" / "any-name.json"
    path.parent.mkdir()
    path.write_text(json.dumps(BOARD))
    assert boards(tmp_path)["a-board"]["title"] == "A board"
    path.write_text(json.dumps(BOARD | {"title": "Another title"}))
    assert boards(tmp_path)["a-board"]["title"] == "Another title"
