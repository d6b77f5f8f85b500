"""The dashboards that the page shows, as Grafana is given them, and the SQL that their panels and variables ask."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

import dashboards
from dashboards.macros import Range, expand

CLICKHOUSE = "grafana-clickhouse-datasource"
FOLDER = Path(dashboards.__file__).parent / "grafana" / "dashboards"

Board = Mapping[str, Any]
Asked = Mapping[str, Sequence[str]]
"""A form: each name with its values."""


class Unknown(Exception):
    """There is no such dashboard, panel or variable, or not with what was asked."""


def boards(folder: Path) -> dict[str, Board]:
    """uid -> dashboard, of every JSON file in the folders; a file that was added since is among them."""
    read = [_read(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("*/*.json"))]
    return {board["uid"]: board for board in read}


@lru_cache(maxsize=256)
def _read(path: Path, _changed_ns: int) -> Board:
    board: Board = orjson.loads(path.read_bytes())
    return board


def listed(shown: Mapping[str, Board]) -> list[dict[str, Any]]:
    """What a menu needs of each; `drawable` if any of its panels asks ClickHouse."""
    return [
        {
            "uid": uid,
            "title": board["title"],
            "description": board.get("description", ""),
            "drawable": _is_drawable(board),
        }
        for uid, board in shown.items()
    ]


def _is_drawable(board: Board) -> bool:
    return any(panel.get("datasource", {}).get("type") == CLICKHOUSE for panel in panels(board))


def panels(board: Board) -> Iterable[Mapping[str, Any]]:
    """All of a dashboard, those in closed rows too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def question(shown: Mapping[str, Board], asked: Asked) -> str:
    """The SQL of one target of a panel, or of a variable, for a time range and values of the variables.

    `asked` holds `dashboard`, `panel` and `ref`, or `variable`; `from`, `to` and `interval` [ms]; `var-NAME` as often
    as the variable has values.

    Raises:
        Unknown: there is no such thing, or it asks no ClickHouse, or a number is none.
    """
    board = shown.get(_one(asked, "dashboard"))
    if board is None:
        raise Unknown("there is no such dashboard")
    chosen = {name[4:]: values for name, values in asked.items() if name.startswith("var-")}
    try:
        time = Range(*(int(_one(asked, name)) for name in ("from", "to", "interval")))
        return expand(_sql(board, asked), time, chosen)
    except ValueError as error:
        raise Unknown(str(error)) from None


def _sql(board: Board, asked: Asked) -> str:
    if "variable" in asked:
        name = _one(asked, "variable")
        found = [each["query"] for each in board["templating"]["list"] if each["name"] == name]
    else:
        panel, ref = _one(asked, "panel"), _one(asked, "ref")
        of_it = [each for each in panels(board) if str(each["id"]) == panel]
        found = [target for each in of_it for target in each.get("targets", ()) if target["refId"] == ref]
    if not found or "rawSql" not in found[0]:
        raise Unknown("there is no such query for ClickHouse")
    return str(found[0]["rawSql"])


def _one(asked: Asked, name: str) -> str:
    values = asked.get(name, ())
    if len(values) != 1:
        raise Unknown(f"{name} is asked for, once")
    return values[0]
