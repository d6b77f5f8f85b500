"""How long each panel's and variable's query takes over 30 days, how that grows with the meters, and bytes a row.

    python -m bench.dashboards_speed [--meters 40,160] [--interval-s 300] [--days 30]   (goals: p95 < 500 ms, 1/4 naive)
    python -m bench.dashboards_speed --meters 1000,10000      (rows, disk and time are estimated before it begins)

What the city is, bench/dashboards_data.py says; the default size is what fills in some minutes on two cores. Queries go
the way of the interface: a session of their own, one thread, its limits. Each is asked over the range that its
dashboard opens with, and over all days; once to warm up, then five times. A panel that finds nothing over all days is
an error: it would be timed on nothing. Naive: the same rows as they arrive, by time and in any order of meters, with
ClickHouse's own compression and plain types. Exit 1 where a goal is missed.
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
from schemas.catalogue import Catalogue, load_catalogue
from schemas.durations import DAY_MS

GOAL_MS, GOAL_BYTES = 500.0, 0.25
RUNS = 5
FOLDER = Path("dashboards/grafana/dashboards")
POINTS = 1_000
UNITS_MS = {"h": 3_600_000, "d": DAY_MS, "m": 60_000}
MEASURED = ("readings_raw", "aggregates_raw")
# What a row took of the disk and, until it was merged, of two cores when this was last tried: for the estimate alone.
BYTES_A_ROW = {"readings_raw": 21, "aggregates_raw": 18}
FILL_S_A_ROW = {"readings_raw": 4e-6, "aggregates_raw": 1.5e-6}

Board = dict[str, Any]
Panel = tuple[str, str, Board]
"""Name, SQL, dashboard."""


def boards() -> list[Board]:
    """Every dashboard."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*/*.json"))]


def panels(board: Board) -> Iterator[Panel]:
    """Every variable and panel of it that asks ClickHouse."""
    uid = board["uid"].removeprefix("flexmeter-")
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"{uid}: ${variable['name']}", variable["query"]["rawSql"], board
    for panel in board["panels"]:
        if panel["datasource"]["type"] == "grafana-clickhouse-datasource":
            yield f"{uid}: {panel['title']}", panel["targets"][0]["rawSql"], board


def windows(catalogue: Catalogue) -> data.Windows:
    """What the panels read of the aggregates."""
    return data.asked_for(catalogue, (sql for board in boards() for _, sql, _ in panels(board)))


def estimate(sizes: Sequence[int], days: int, interval_s: int) -> str:
    """What the largest city will need."""
    catalogue = load_catalogue()
    rows = {n: days * c for n, c in data.rows_a_day(catalogue, max(sizes), interval_s, windows(catalogue)).items()}
    bytes_, seconds = (sum(rows[table] * each[table] for table in rows) for each in (BYTES_A_ROW, FILL_S_A_ROW))
    named = ", ".join(f"{count:,} {table}" for table, count in rows.items())
    return (
        f"{max(sizes):,} meters over {days} days: {named}; about {bytes_ / 1e9:.1f} GB, {2 * bytes_ / 1e9:.1f} GB "
        f"while it merges, and {seconds / 60:.0f} minutes to fill"
    )


def fill(store: ChdbStore, meters: int, days: int, interval_s: int) -> tuple[int, float]:
    """Days up to now; the end of them in ms, and the seconds it took. Returns when ClickHouse has merged."""
    catalogue, began = load_catalogue(), time.monotonic()
    store.migrate([*tables.statements(catalogue), *data.meters(meters)])
    end_s = int(time.time()) // data.DAY_S * data.DAY_S
    for day in range(days, 0, -1):
        store.migrate(data.day(catalogue, meters, end_s - day * data.DAY_S, interval_s, windows(catalogue)))
        print(f"{days - day + 1} of {days} days, {time.monotonic() - began:.0f} s", file=sys.stderr)
    while int(store.read("SELECT count() FROM system.merges", "TSV", {})):
        time.sleep(0.5)
    return 1_000 * end_s, time.monotonic() - began


def chosen(store: ChdbStore, board: Board, shown: Range) -> dict[str, Sequence[str]]:
    """What the dashboard opens with: of each variable the first value, or all of them."""
    made: dict[str, Sequence[str]] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            answer = json.loads(store.read(expand(variable["query"]["rawSql"], shown, made), "JSONCompact", {}))
            values = [str(row[0]) for row in answer["data"]]
            made[variable["name"]] = values if variable["includeAll"] else values[:1]
    return made


def opening_ms(board: Board) -> int:
    """The range that a dashboard opens with: now-24h."""
    told = board["time"]["from"].removeprefix("now-")
    return int(told[:-1]) * UNITS_MS[told[-1]]


def found_nothing(answer: bytes) -> bool:
    """Whether no row has any value but zero.

    >>> found_nothing(b'{"data": [[0, null]]}'), found_nothing(b'{"data": [[0, "x"]]}')
    (True, False)
    """
    return not any(value not in (None, 0, "0", "") for row in json.loads(answer)["data"] for value in row)


def asked(store: ChdbStore, query: str) -> tuple[float, float, bytes]:
    """The 95th percentile of a query's time by the clock, what it costs the processors, both in ms, and its answer.

    Where others use the machine, the clock says little and the cost much.

    Raises:
        QueryFailed: it is beyond the limits.

    """
    took = []
    for run in range(RUNS + 1):
        if run == 1:
            cost = time.process_time()
        began = time.perf_counter()
        answer = store.read(query, "JSONCompact", {})
        took.append(1_000 * (time.perf_counter() - began))
    return float(np.percentile(took[1:], 95)), 1_000 * (time.process_time() - cost) / RUNS, answer


def measured(store: ChdbStore, end_ms: int, days: int) -> tuple[dict[str, dict[str, float]], list[str]]:
    """By variable and panel: p95 and cost, over its opening range and over all days; and those that found nothing."""
    found: dict[str, dict[str, float]] = {}
    empty = []
    for board in boards():
        for which, length in {"opening": opening_ms(board), "all": days * DAY_MS}.items():
            shown = Range(end_ms - length, end_ms, max(length // POINTS, 1_000))
            values = chosen(store, board, shown)
            for name, sql, _ in panels(board):
                try:
                    p95_ms, cpu_ms, answer = asked(store, expand(sql, shown, values))
                except QueryFailed as error:
                    print(name, str(error)[:160], file=sys.stderr)
                    p95_ms = cpu_ms = math.inf
                else:
                    empty += [name] if which == "all" and found_nothing(answer) else []
                found.setdefault(name, {}).update({which: round(p95_ms, 1), f"{which}_cpu": round(cpu_ms, 1)})
                print(f"{name:60} {found[name]}", file=sys.stderr)
    return found, empty


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
    if min(sizes) < data.FEWEST:
        raise click.UsageError(f"at least {data.FEWEST} meters, or some panels find nothing")
    print(estimate(sizes, days, interval_s), file=sys.stderr)
    found: dict[int, dict[str, dict[str, float]]] = {}
    told: dict[str, Any] = {}
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder, closing(ChdbStore(Path(folder))) as store:
            end_ms, filled_s = fill(store, count, days, interval_s)
            print(f"{count} meters filled in {filled_s:.0f} s: {size(store)}", file=sys.stderr)
            found[count], empty = measured(store, end_ms, days)
            if empty:
                sys.exit(f"nothing to read, so nothing measured: {', '.join(empty)}")
            if count == max(sizes):
                told = {"size": size(store), "fill_s": round(filled_s), "bytes_a_row": bytes_a_row(store, end_ms)}
    filled = {window: [each.name for each in read] for window, read in windows(load_catalogue()).items()}
    result = {**told, "aggregates": filled, **summary(found, days, interval_s)}
    met = not any(result["panels_slower_than_goal"][str(max(sizes))].values()) and all(
        table["share"] <= GOAL_BYTES for table in told["bytes_a_row"].values()
    )
    report("dashboards-speed", {**result, "met": met}, ["chdb"])
    sys.exit(not met)


def summary(found: dict[int, dict[str, dict[str, float]]], days: int, interval_s: int) -> dict[str, Any]:
    """Each city's slow panels, the largest one's figures, and how each panel grew from the smallest.

    A query that is beyond the interface's limits took infinitely long, which is null in the result.
    """
    first, last = found[min(found)], found[max(found)]
    slow = {
        str(meters): {which: _slow(panels_ms, which) for which in ("opening", "all")}
        for meters, panels_ms in found.items()
    }
    for meters, by_range in slow.items():
        for which, names in by_range.items():
            print(f"{meters} meters, {which}: {len(names)} of {len(last)} above {GOAL_MS:g} ms: {names}")
    worst = {which: max(times[which] for times in last.values()) for which in next(iter(last.values()))}
    return {
        "meters": sorted(found),
        "days": days,
        "interval_s": interval_s,
        "goal_ms": GOAL_MS,
        "goal_share_of_naive": GOAL_BYTES,
        "worst_ms": _finite(worst),
        "panels": len(last),
        "panels_slower_than_goal": slow,
        "panels_ms": {name: _finite(times) for name, times in last.items()},
        "cost_grew_by": _finite({name: times["all_cpu"] / first[name]["all_cpu"] for name, times in last.items()}),
    }


def _slow(panels_ms: dict[str, dict[str, float]], which: str) -> dict[str, float | None]:
    return _finite({name: times[which] for name, times in panels_ms.items() if times[which] >= GOAL_MS})


def _finite(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: round(figure, 2) if math.isfinite(figure) else None for name, figure in figures.items()}


if __name__ == "__main__":
    main()
