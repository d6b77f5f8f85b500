"""This engine as a contestant: `streams.engine` as `flexmeter worker` runs it, with the operators that it is told.

python -m bench.peers.flexmeter.worker OPERATOR[,OPERATOR] PARTITIONS
"""

import logging
import os
import sys

from bench.minute_mean import MinuteMean
from bench.peers import told
from bench.peers.flexmeter.topology import topology
from schemas.catalogue import load_catalogue
from streams.engine import Engine, Settings, run
from streams.registry import OPERATORS


def main() -> None:
    """Run until SIGTERM."""
    operators = tuple(sys.argv[1].split(","))
    partitions = int(sys.argv[2])
    logging.basicConfig(level=logging.WARNING)
    whole = topology(told.BOOTSTRAP, told.NAME, told.INPUT, told.OUTPUT, operators, partitions)
    known = OPERATORS | {MinuteMean.name: MinuteMean()}
    settings = Settings(os.environ.get("BENCH_INSTANCE", told.NAME), told.SAVE_S)
    chosen = {name: known[name] for name in operators}
    engine = Engine(whole, whole.streams[told.NAME], chosen, load_catalogue(), settings)
    told.tell(lambda: sum(held.shard.counts.received for held in list(engine.held.values())))
    run(engine)


if __name__ == "__main__":
    main()
