"""One stream with topics of its own, as if topology.yaml said so."""

from schemas.topology_model import Kafka, Stream, Topic, Topology

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
