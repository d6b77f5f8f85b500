"""How long each panel's query takes over 30 days, how that grows with the number of meters, and bytes a row.

    python -m bench.dashboards_speed [--meters 40,160] [--interval-s 300] [--days 30]   (goals: p95 < 500 ms, 1/4 naive)

What the city is, bench/dashboards_data.py says; its size is what fills in some minutes on two cores. Queries go the way
of the interface: a session of their own, one thread, its limits. Each is asked over the range that its dashboard opens
with, and over all days; once to warm up, then five times. Naive: the same rows as they arrive, by time and in any order
of meters, with ClickHouse's own compression and plain types.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench import dashboards_data as data
from bench.report import report
from connectors import tables
from connectors.chdb_store import ChdbStore, QueryFailed
from dashboards.macros import Range, expand
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS

GOAL_MS, GOAL_BYTES = 500.0, 0.25
RUNS = 5
FOLDER = Path("dashboards/grafana/dashboards")
POINTS = 1_000
UNITS_MS = {"h": 3_600_000, "d": DAY_MS, "m": 60_000}
MEASURED = ("readings_raw", "aggregates_raw")

Panel = tuple[str, str, dict[str, Any]]
"""Name, SQL, dashboard."""


def panels() -> Iterator[Panel]:
    """Every panel that asks ClickHouse."""
    for path in sorted(FOLDER.glob("*/*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            if panel["datasource"]["type"] == "grafana-clickhouse-datasource":
                name = f"{board['uid'].removeprefix('flexmeter-')}: {panel['title']}"
                yield name, panel["targets"][0]["rawSql"], board


def fill(store: ChdbStore, meters: int, days: int, interval_s: int) -> tuple[int, float]:
    """Days up to now; the end of them in ms, and the seconds it took. Returns when ClickHouse has merged."""
    catalogue, began = load_catalogue(), time.monotonic()
    store.migrate([*tables.statements(catalogue), *data.meters(meters)])
    end_s = int(time.time()) // data.DAY_S * data.DAY_S
    for day in range(days, 0, -1):
        store.migrate(data.day(catalogue, meters, end_s - day * data.DAY_S, interval_s))
    while int(store.read("SELECT count() FROM system.merges", "TSV", {})):
        time.sleep(0.5)
    return 1_000 * end_s, time.monotonic() - began


def chosen(store: ChdbStore, board: dict[str, Any], shown: Range) -> dict[str, Sequence[str]]:
    """What the dashboard opens with: of each variable the first value, or all of them."""
    made: dict[str, Sequence[str]] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            answer = json.loads(store.read(expand(variable["query"]["rawSql"], shown, made), "JSONCompact", {}))
            values = [str(row[0]) for row in answer["data"]]
            made[variable["name"]] = values if variable["includeAll"] else values[:1]
    return made


def opening_ms(board: dict[str, Any]) -> int:
    """The range that a dashboard opens with: now-24h."""
    told = board["time"]["from"].removeprefix("now-")
    return int(told[:-1]) * UNITS_MS[told[-1]]


def asked(store: ChdbStore, panel: Panel, shown: Range) -> tuple[float, float]:
    """Of the panel's query, ms: the 95th percentile of its time by the clock, and what it costs the processors.

    Infinite where it is beyond the limits. Where others use the machine, the clock says little and the cost much.
    """
    _, sql, board = panel
    query = expand(sql, shown, chosen(store, board, shown))
    took = []
    for run in range(RUNS + 1):
        if run == 1:
            cost = time.process_time()
        began = time.perf_counter()
        try:
            store.read(query, "JSONCompact", {})
        except QueryFailed as error:
            print(panel[0], str(error)[:160], file=sys.stderr)
            return math.inf, math.inf
        took.append(1_000 * (time.perf_counter() - began))
    return float(np.percentile(took[1:], 95)), 1_000 * (time.process_time() - cost) / RUNS


def measured(store: ChdbStore, end_ms: int, days: int) -> dict[str, dict[str, float]]:
    """By panel: p95 and cost, over its opening range and over all days."""
    found: dict[str, dict[str, float]] = {}
    for panel in panels():
        ranges = {"opening": opening_ms(panel[2]), "all": days * DAY_MS}
        found[panel[0]] = {}
        for name, length in ranges.items():
            p95_ms, cpu_ms = asked(store, panel, Range(end_ms - length, end_ms, max(length // POINTS, 1_000)))
            found[panel[0]] |= {name: round(p95_ms, 1), f"{name}_cpu": round(cpu_ms, 1)}
        print(f"{panel[0]:60} {found[panel[0]]}", file=sys.stderr)
    return found


def bytes_a_row(store: ChdbStore, end_ms: int) -> dict[str, dict[str, float]]:
    """Of the large tables, beside naive ones with the rows of one day."""
    found = {}
    for table in MEASURED:
        time_column, random = ("at", "0") if table == "readings_raw" else ("start", "quantity")
        columns = json.loads(store.read(f"DESCRIBE flexmeter.{table}", "JSONCompact", {}))["data"]
        plain = ", ".join(f"`{name}` {_plain(kind)}" for name, kind, *_ in columns)
        since = f"{time_column} >= fromUnixTimestamp64Milli({end_ms - DAY_MS})"
        store.migrate(
            [
                f"CREATE OR REPLACE TABLE flexmeter.naive ({plain}) ENGINE = MergeTree ORDER BY tuple()",
                f"INSERT INTO flexmeter.naive SELECT * FROM flexmeter.{table} WHERE {since} "
                f"ORDER BY {time_column}, cityHash64(meter, {random})",
                f"OPTIMIZE TABLE flexmeter.{table} FINAL",
            ]
        )
        ours, naive = (_bytes_a_row(store, name) for name in (table, "naive"))
        found[table] = {"bytes": round(ours, 2), "naive": round(naive, 2), "share": round(ours / naive, 3)}
        store.migrate(["DROP TABLE flexmeter.naive SYNC"])
    return found


def _plain(kind: str) -> str:
    return "String" if "String" in kind else kind


def _bytes_a_row(store: ChdbStore, table: str) -> float:
    sql = (
        "SELECT sum(data_compressed_bytes) / sum(rows) FROM system.parts "
        f"WHERE active AND database = 'flexmeter' AND table = '{table}'"
    )
    return float(store.read(sql, "TSV", {}))


def size(store: ChdbStore) -> dict[str, Any]:
    """Rows of the large tables, and the whole on disk."""
    sql = (
        "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'flexmeter' "
        "GROUP BY table ORDER BY table"
    )
    rows = [line.split("\t") for line in store.read(sql, "TSV", {}).decode().splitlines()]
    return {
        **{table: int(count) for table, count, _ in rows if table in MEASURED},
        "mb_on_disk": round(sum(int(each) for _, _, each in rows) / 1e6),
    }


@click.command(help=__doc__)
@click.option(
    "--meters", default="40,160", show_default=True, help="Sizes of the city; growth is the last by the first."
)
@click.option("--days", default=30, show_default=True)
@click.option("--interval-s", default=300, show_default=True, help="How often a meter reports.")
def main(meters: str, days: int, interval_s: int) -> None:
    """Measure, print, write."""
    sizes = [int(text) for text in meters.split(",")]
    found: dict[int, dict[str, dict[str, float]]] = {}
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder, closing(ChdbStore(Path(folder))) as store:
            end_ms, filled_s = fill(store, count, days, interval_s)
            print(f"{count} meters filled in {filled_s:.0f} s: {size(store)}", file=sys.stderr)
            found[count] = measured(store, end_ms, days)
            if count == sizes[-1]:
                told = {"size": size(store), "fill_s": round(filled_s), "bytes_a_row": bytes_a_row(store, end_ms)}
    report("dashboards-speed", {**told, **summary(found, days, interval_s)}, ["chdb"])


def summary(found: dict[int, dict[str, dict[str, float]]], days: int, interval_s: int) -> dict[str, Any]:
    """The largest city's figures beside the goal, and how each panel grew from the smallest."""
    first, last = found[min(found)], found[max(found)]
    slow = {name: times for name, times in last.items() if max(times["opening"], times["all"]) >= GOAL_MS}
    worst = {which: max(times[which] for times in last.values()) for which in next(iter(last.values()))}
    for name, times in slow.items():
        print(f"{name}: {times} ms")
    return {
        "meters": sorted(found),
        "days": days,
        "interval_s": interval_s,
        "goal_ms": GOAL_MS,
        "goal_share_of_naive": GOAL_BYTES,
        "worst_ms": worst,
        "panels": len(last),
        "panels_slower_than_goal": slow,
        "panels_ms": last,
        "cost_grew_by": {name: round(times["all_cpu"] / first[name]["all_cpu"], 2) for name, times in last.items()},
    }


if __name__ == "__main__":
    main()
