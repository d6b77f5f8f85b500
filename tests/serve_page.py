"""An embedded ClickHouse with an hour of plausible data up to now, and the page over it: `serve_page FOLDER PORT`.

Ends when its standard input does.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors import tables
from connectors.chdb_store import ChdbStore
from connectors.rows import ROWS, Origin
from flexmeter.page.interface import Interface
from schemas.alert import Alert
from schemas.catalogue import load_catalogue
from tests.plausible import aggregate_block, event_block, garbage, hourly_block, reading_block

METERS = 30
_ALERTS = [
    ("critical", "raised", "E350-00007", "Power lost at E350-00007 (last gasp)"),
    ("warning", "updated", "F2", "Three meters of feeder F2 are silent"),
    ("info", "cleared", "E350-00003", "Power is back at E350-00003 after 4 min"),
]


def hour_until(now: int) -> Iterator[Any]:
    minute = now // 60_000 * 60_000
    for turn in range(-360, 0, 30):
        yield reading_block(METERS, range(turn, turn + 30), now)
    yield aggregate_block(METERS, range(-60, 0), minute)
    yield hourly_block(METERS, range(-24, 0), now // 3_600_000 * 3_600_000)
    yield event_block(now)
    yield garbage(now)
    for number, (severity, state, subject, summary) in enumerate(_ALERTS):
        at = now - number * 97_000
        yield Alert(f"a{number}", 1, "last_gasp", severity, state, subject, "F1", "S1", at, at, summary, {})


def main(folder: str, port: str) -> None:
    store = ChdbStore(Path(folder))
    store.migrate(tables.statements(load_catalogue()))
    for offset, record in enumerate(hour_until(time.time_ns() // 1_000_000)):
        for rows in ROWS[type(record)](record, Origin("t", 0, offset)):
            store.insert(rows.table, rows.columns)
    interface = Interface(store, int(port))
    sys.stdin.read()
    interface.close()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
