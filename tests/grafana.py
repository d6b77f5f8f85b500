"""The committed files of Grafana, as the tests read them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("dashboards/grafana")
CLICKHOUSE = "grafana-clickhouse-datasource"
BOARDS: dict[str, dict[str, Any]] = {
    board["uid"]: board
    for board in (json.loads(path.read_text()) for path in sorted(FOLDER.glob("dashboards/*/*.json")))
}


@dataclass(frozen=True)
class Shown:
    """A panel of a dashboard."""

    board: dict[str, Any]
    panel: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.board['uid'].removeprefix('flexmeter-')}: {self.panel['title']}"

    @property
    def asks_clickhouse(self) -> bool:
        return bool(self.panel["datasource"]["type"] == CLICKHOUSE)

    def overrides(self) -> Iterator[tuple[str, str, Any]]:
        """(column or series, property, value)"""
        for override in self.panel["fieldConfig"]["overrides"]:
            for each in override["properties"]:
                yield override["matcher"]["options"], each["id"], each["value"]

    def links(self) -> Iterator[str]:
        """Where a click on one of its columns leads."""
        return (link["url"] for _, what, links in self.overrides() if what == "links" for link in links)


PANELS = [Shown(board, panel) for board in BOARDS.values() for panel in board["panels"]]


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}
