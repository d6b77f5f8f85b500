"""An embedded ClickHouse with a day of a small district up to now, and the page over it.

`serve_page FOLDER PORT` shows the dashboards of FOLDER/dashboards, and ends when its standard input does.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors import tables
from connectors.chdb_store import ChdbStore
from flexmeter.local.ports import free_port
from flexmeter.page.boards import FOLDER
from flexmeter.page.interface import Interface
from schemas.catalogue import load_catalogue
from tests.district import AS_THEY_CAME, day_until
from tests.sink_process import reachable
from tests.stored import insert_all


@contextmanager
def served(folder: Path, homes: int = 6) -> Iterator[int]:
    """The port of the page, in a process of its own, of the project's dashboards, which are copied into the folder."""
    shutil.copytree(FOLDER, folder / "dashboards")
    port = free_port()
    argv = [sys.executable, "-m", "tests.serve_page", str(folder), str(port), str(homes)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            deadline = time.monotonic() + 120
            while not reachable(port):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            yield port
        finally:
            process.stdin.close()
            process.wait(20)


def main(folder: str, port: str, homes: str) -> None:
    store = ChdbStore(Path(folder, "chdb"))
    store.migrate(tables.statements(load_catalogue()))
    insert_all(store, day_until(time.time_ns() // 1_000_000, int(homes)))
    store.migrate(AS_THEY_CAME)
    interface = Interface(store, int(port), Path(folder, "dashboards"))
    sys.stdin.read()
    interface.close()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
