"""What runs and how it joins, as types from which alone things are built. `schemas.topology` loads and checks them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kafka:
    """The broker. `options` is anything else that librdkafka knows, for TLS and SASL."""

    bootstrap: str
    security: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topic:
    """A log: which records, cut into partitions by what, kept how long (None = for ever)."""

    name: str
    records: tuple[str, ...]
    by: str
    partitions: int
    retention_hours: int | None
    compact: bool


@dataclass(frozen=True, slots=True)
class Bridge:
    """Receives from a source and writes readings, events and dead letters to these topics.

    `anonymous` lets those report whom the protocol does not authenticate. `counters` is the topic by which bridges tell
    each other the counters of encrypted telegrams; empty = each knows its own.
    """

    name: str
    protocol: str
    url: str
    subscribe: tuple[str, ...]
    decoder: str
    readings: str
    events: str
    dead_letters: str
    linger_ms: int
    options: Mapping[str, str]
    anonymous: bool = False
    counters: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """One input topic, the operators that work on it, and the topics of their results and of its state."""

    name: str
    input: str
    operators: tuple[str, ...]
    outputs: tuple[str, ...]
    dead_letters: str
    state: str


@dataclass(frozen=True, slots=True)
class Sink:
    """Delivers the records of its inputs to `url`, whose scheme says how."""

    name: str
    url: str
    inputs: tuple[str, ...]
    dead_letters: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything of topology.yaml, each by its name, in the order of the file.

    `principals` and `keys` are files of connectors.authority and connectors.keys; empty = none.
    """

    kafka: Kafka
    register: str
    topics: Mapping[str, Topic]
    bridges: Mapping[str, Bridge]
    streams: Mapping[str, Stream]
    sinks: Mapping[str, Sink]
    principals: str = ""
    keys: str = ""

    def topic_of(self, record: str, among: Iterable[str]) -> Topic:
        """The first topic among the named ones that carries the record type.

        Raises:
            KeyError: none does; the check has excluded that for what a stream gives.

        """
        for name in among:
            if record in self.topics[name].records:
                return self.topics[name]
        raise KeyError(f"no topic carries {record}")


@dataclass(frozen=True, slots=True)
class Signature:
    """Record types that an operator takes and gives, by the names of schemas/records."""

    takes: frozenset[str]
    gives: frozenset[str]


@dataclass(frozen=True, slots=True)
class Known:
    """What the registries of other packages have, for the check; None = not checked.

    `operators` by name; `sinks` by URL scheme, each with the record types it takes.
    """

    protocols: Collection[str] | None = None
    decoders: Collection[str] | None = None
    operators: Mapping[str, Signature] | None = None
    sinks: Mapping[str, Collection[str]] | None = None
