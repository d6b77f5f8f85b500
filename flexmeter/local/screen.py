"""How a snapshot looks: a live picture in a terminal, plain lines elsewhere."""

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flexmeter.local.status import Snapshot, rate


def number(value: float | None, unit: str = "") -> str:
    """A number for people.

    >>> number(1234567.0), number(3.25, " ms"), number(float("nan")), number(None)
    ('1,234,567', '3.2 ms', '-', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    return (f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}") + unit


def plain(earlier: Snapshot, now: Snapshot) -> str:
    """Readings a second and lag by stage and the latency in one line; what is new since the earlier in more."""
    stages = "  ".join(
        f"{stage.name} {number(rate(earlier, now, stage.name))}/s"
        + ("" if stage.lag is None else f" lag {stage.lag:,}")
        for stage in now.stages
    )
    latency = f"p50 {number(now.p50_ms, ' ms')} p99 {number(now.p99_ms, ' ms')}"
    line = f"{stages}  device to ClickHouse {latency}" + (f"  ({now.missing})" if now.missing else "")
    news = [
        f"  alert {one['severity']} {one['state']}: {one['summary']}" for one in now.alerts if one not in earlier.alerts
    ]
    return "\n".join([line, *_heard(earlier, now), *news])


def _heard(earlier: Snapshot, now: Snapshot) -> list[str]:
    """A line for each source that brings profiles which it did not bring before."""
    known = {(kind["source"], kind["profile"]) for kind in earlier.kinds}
    new: dict[object, list[str]] = {}
    for kind in now.kinds:
        if (kind["source"], kind["profile"]) not in known:
            new.setdefault(kind["source"], []).append(str(kind["profile"]))
    return [f"  {source} brings {', '.join(profiles)}" for source, profiles in new.items()]


def picture(earlier: Snapshot, now: Snapshot, page: str, said: Sequence[str], height: int) -> RenderableType:
    """Everything, for a terminal of so many lines: where there are too few, each table shows fewer rows."""
    messages = [*said[-4:], now.missing] if now.missing else list(said[-4:])
    top = [
        Text.assemble(("page: ", "bold"), (page, f"underline link {page}"), "    Ctrl-C ends it; the data is kept"),
        Text(f"device to ClickHouse: p50 {number(now.p50_ms, ' ms')}, p99 {number(now.p99_ms, ' ms')}"),
        *(Text(message, style="yellow", no_wrap=True, overflow="ellipsis") for message in messages),
    ]
    tables = {
        "newest alerts": (["at", "severity", "state", "summary"], now.alerts),
        "newest aggregates": (["meter", "quantity", "window", "at", "count", "mean"], now.aggregates),
        "in the last minute": (["source", "profile", "meters", "readings"], now.kinds),
    }
    lines = height - len(top) - (1 + len(now.stages))
    shown = shares(lines, [len(rows) for _, rows in tables.values()])
    return Group(
        *top,
        _stages(earlier, now),
        *(
            _rows(title, keys, rows[:count])
            for (title, (keys, rows)), count in zip(tables.items(), shown, strict=True)
            if count
        ),
    )


HEAD_LINES = 2
"""Of a table: its title and the names of its columns."""


def shares(lines: int, wanted: Sequence[int]) -> list[int]:
    """How many of its rows each table shows: in turn one more for each, while there is room.

    >>> shares(40, [2, 5, 15]), shares(9, [2, 5, 15]), shares(2, [2, 5, 15])
    ([2, 5, 15], [1, 1, 1], [0, 0, 0])
    """
    shown = [0] * len(wanted)
    for _ in range(max(wanted, default=0)):
        for table, rows in enumerate(wanted):
            cost = 1 if shown[table] else HEAD_LINES + 1
            if shown[table] < rows and cost <= lines:
                shown[table] += 1
                lines -= cost
    return shown


def _stages(earlier: Snapshot, now: Snapshot) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "readings/s", "readings", "waiting"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in now.stages:
        table.add_row(stage.name, number(rate(earlier, now, stage.name)), number(stage.rows), number(stage.lag))
    return table


def _rows(title: str, keys: Sequence[str], rows: Sequence[dict[str, object]]) -> Table:
    cells = [
        [number(value) if isinstance(value := row.get(key), float) else str(value) for key in keys] for row in rows
    ]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for key, texts in zip(keys, zip(*cells, strict=True), strict=True):
        whole = 0 if key == keys[-1] else max(map(len, (key, *texts)))  # only what stands last is cut off
        table.add_column(key, no_wrap=True, overflow="ellipsis", min_width=whole)
    for row in cells:
        table.add_row(*map(Text, row))  # as Text: data is no markup
    return table
