"""What runs and how it joins, as types from which alone things are built. `schemas.topology` loads and checks them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field


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
    each other the counters of encrypted telegrams; empty = each knows its own. `time_zone` (IANA) is where the clocks
    of those meters run of which the register does not say it; empty = nobody knows.
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
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """One input topic, the operators that work on it, and the topics of their results and of its state."""

    name: str
    input: str
    operators: tuple[str, ...]
    outputs: tuple[str, ...]
    dead_letters: str
    state: str
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is chosen for its operators, by operator and option."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Delivers the records of its inputs to `url`, whose scheme says how."""

    name: str
    url: str
    inputs: tuple[str, ...]
    dead_letters: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which alerts a router delivers; an empty tuple or text = any.

    `severity` is the least. `areas` are substations, substation/feeder, or feeders. An outage that is provisional waits
    `hold_off_s` for something surer; where a topology does not say, 60 if it goes by e-mail, else 0.
    """

    kinds: tuple[str, ...] = ()
    severity: str = ""
    areas: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    hold_off_s: int = 0


@dataclass(frozen=True, slots=True)
class Router:
    """Delivers alerts that a rule wants to one receiver, the one behind `url`, whose scheme says how.

    `marks` has what people acknowledged and silenced, `deliveries` what this router did. In a storm, of mails beyond
    `digest_above` in `digest_every_s` one digest is made.
    """

    name: str
    url: str
    input: str
    marks: str
    deliveries: str
    dead_letters: str
    rules: tuple[Rule, ...]
    options: Mapping[str, str]
    timeout_s: int = 10
    give_up_after_s: int = 86_400
    digest_above: int = 5
    digest_every_s: int = 60


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything of topology.yaml, each by its name, in the order of the file.

    `register` is a file of schemas.register. Where a topic carries the register, it fills that; else bridges read it.
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
    routers: Mapping[str, Router] = field(default_factory=dict)

    @property
    def register_topic(self) -> Topic | None:
        """The topic of the register; None: bridges read the file when they start."""
        return next((topic for topic in self.topics.values() if "Device" in topic.records), None)

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
    """Record types that an operator takes and gives, by the names of schemas/records, and its options."""

    takes: frozenset[str]
    gives: frozenset[str]
    options: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The values that each option can have."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the registries of other packages have, for the check; None = not checked.

    `operators` by name; `sinks` by URL scheme, each with the record types it takes; `receivers` by URL scheme, each a
    function that finds what is wrong with a router: ("url" or an option, message, remedy).
    """

    protocols: Collection[str] | None = None
    decoders: Collection[str] | None = None
    operators: Mapping[str, Signature] | None = None
    sinks: Mapping[str, Collection[str]] | None = None
    receivers: Mapping[str, Callable[[Router], Iterable[tuple[str, str, str]]]] | None = None
