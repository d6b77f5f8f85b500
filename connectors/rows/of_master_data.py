"""What people say of homes and the grid, as rows."""

from typing import Any

import numpy as np

from connectors.columns import same, times, words
from connectors.origin import Origin
from connectors.table_rows import Rows, every, first_wins
from schemas.master_data import GridBlock, HomeRequestBlock

_GATEWAY, _NOBODY = "gateway", "-"


def grid_nodes(block: GridBlock, origin: Origin) -> list[Rows]:
    """A row a device of a part of the grid, and a row of counts for each that meters of the part hang at.

    Who hangs there is left out, as a meter's place may bear its name.
    """
    found: dict[str, dict[str, Any]] = {}
    points: dict[str, set[str]] = {}
    for node, parent, kind, phase, meter, point in zip(
        block.node, block.parent, block.kind, block.phase, block.meter, block.usage_point, strict=True
    ):
        if meter:
            row = found.setdefault(parent, {})
            row["meters"] = row.get("meters", 0) + 1
            points.setdefault(parent, set()).update({point or meter} - {_NOBODY})
        elif kind != _GATEWAY:
            found.setdefault(node, {}).update(parent=parent, kind=kind, phase=phase)
    found.pop("", None)
    columns: dict[str, Any] = {
        "substation": same(block.substation, len(found)),
        "node": list(found),
        "part": np.full(len(found), block.part, np.int64),
        **{name: [row.get(name, "") for row in found.values()] for name in ("parent", "kind", "phase")},
        "customers": np.array([len(points.get(node, ())) for node in found], np.int64),
        "meters": np.array([row.get("meters", 0) for row in found.values()], np.int64),
        "published_at": every(block.at, len(found)),
        "version": np.full(len(found), max(block.at, 0), np.uint64),
    }
    return [Rows("grid_nodes_raw", columns)]


def home_requests(block: HomeRequestBlock, origin: Origin) -> list[Rows]:
    """A row a request of a home."""
    columns: dict[str, Any] = {
        "meter": words(block.row_meter, block.meters),
        "at": times(block.at),
        "kind": list(block.kind),
        "number": block.number,
        "power_w": block.power_w,
        "appliance": list(block.appliance),
        "version": first_wins(origin.offset, len(block.row_meter)),
    }
    return [Rows("home_requests_raw", columns)]
