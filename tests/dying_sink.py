"""A sink that kills itself: `python -m tests.dying_sink TOPOLOGY INSERTS`, after so many inserts and before the commit.

0 inserts: it lives. On clickhouse-server the tables must be there: 18.16 cannot make them twice.
"""

import os
import signal
import sys
from collections.abc import Sequence

from connectors import tables
from connectors.columns import Columns
from connectors.registry import STORES
from connectors.store import Store
from flexmeter.commands.sink import make_sink
from schemas.catalogue import load_catalogue
from schemas.topology import load_topology


class Dying:
    """A store that ends the process after so many inserts."""

    def __init__(self, store: Store, inserts: int) -> None:
        self.store, self.left = store, inserts

    def migrate(self, statements: Sequence[str]) -> None:
        self.store.migrate(statements)

    def insert(self, table: str, columns: Columns) -> None:
        self.store.insert(table, columns)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        self.store.close()


def main() -> None:
    topology = load_topology(sys.argv[1], os.environ)
    url = topology.sinks["clickhouse"].url
    scheme = url.split(":")[0]
    store = Dying(STORES[scheme](url), int(sys.argv[2]))
    sink = make_sink(topology, "clickhouse", store)
    signal.signal(signal.SIGTERM, lambda *_: sink.stop())
    if scheme == "chdb":
        sink.migrate(tables.statements(load_catalogue()))
    sink.run()
    store.close()


if __name__ == "__main__":
    main()
