"""This engine as a contestant: `streams.engine` as `flexmeter worker` runs it, with the operators that it is told.

python -m bench.peers.flexmeter.worker OPERATOR[,OPERATOR] PARTITIONS
"""

import logging
import os
import sys

from bench.minute_mean import MinuteMean
from bench.peers import told
from schemas.catalogue import load_catalogue
from schemas.topology_model import Kafka, Stream, Topic, Topology
from streams.engine import Engine, Settings, run
from streams.registry import OPERATORS

RESULTS = ("ReadingBlock", "AggregateBlock", "PresenceBlock", "PartialLoadBlock")


def topology(
    bootstrap: str, name: str, input_: str, output: str, operators: tuple[str, ...], partitions: int
) -> Topology:
    """What this run is told as if by topology.yaml: one stream, and topics that no other run has."""

    def topic(topic_name: str, records: tuple[str, ...], compact: bool = False) -> Topic:
        return Topic(topic_name, records, "meter", partitions, None, compact)

    topics = [
        topic(input_, ("ReadingBlock", "Beat")),
        topic(output, RESULTS),
        topic(f"{name}.facts", ("Account", "RecomputeRequestBlock", "PartialLoadBlock", "HeardBlock", "Beat")),
        topic(f"{name}.dead", ("DeadLetter",)),
        topic(f"{name}.state", ("StateChunk", "StateCommit"), compact=True),
    ]
    stream = Stream(name, input_, operators, (output, f"{name}.facts"), f"{name}.dead", f"{name}.state")
    kafka = Kafka(bootstrap, "PLAINTEXT", {})
    return Topology(kafka, "", {each.name: each for each in topics}, {}, {name: stream}, {})


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
