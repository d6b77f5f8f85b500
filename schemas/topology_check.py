"""The rules that a topology keeps, each a function from the whole of it to what breaks the rule.

What could not be read is empty here and was reported by the reader. Rules pass over it, and over names that another
rule reports: one mistake is one fault.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from importlib.resources import files

from schemas.faults import choose_one_of, closest
from schemas.register import is_zone
from schemas.topology_model import Bridge, Known, Stream, Topic, Topology
from schemas.topology_reader import Finding, Path

BY = ("meter", "substation", "partition", "source")
"""What a topic can be cut into partitions by."""

SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""librdkafka's security.protocol."""

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_TOPIC_NAME = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*")
_STATE = ("StateChunk", "StateCommit")

Findings = Iterator[Finding]
Mentions = list[tuple[Path, str]]
Rule = Callable[[Topology, Known], Findings]


def check(topology: Topology, known: Known) -> list[Finding]:
    """Everything that breaks a rule."""
    return [finding for rule in RULES for finding in rule(topology, known)]


@lru_cache(maxsize=1)
def record_types() -> frozenset[str]:
    """The record types of schemas/records."""
    names = (entry.name for entry in (files("schemas") / "records").iterdir())
    return frozenset(name.split(".")[0] for name in names if name.endswith((".avsc", ".schema.json")))


def names(topology: Topology, known: Known) -> Findings:
    """Names are those of metrics, tables and Kubernetes objects as well."""
    remedy = "write small letters and digits, a letter first, joined by '-' or '_' (in topics also by '.')"
    for kind in ("topics", "bridges", "streams", "sinks", "routers"):
        pattern = _TOPIC_NAME if kind == "topics" else _NAME
        for name in getattr(topology, kind):
            if name and not pattern.fullmatch(name):
                yield Finding((kind, name), "no usable name", remedy)


def words(topology: Topology, known: Known) -> Findings:
    """Words of a closed set are of it."""
    yield from unknown(("kafka", "security"), "security protocol", topology.kafka.security, SECURITY)
    for topic in topology.topics.values():
        yield from unknown(("topics", topic.name, "by"), "partitioning", topic.by, BY)
        for at, record in each(("topics", topic.name, "records"), topic.records):
            yield from unknown(at, "record type", record, record_types())
    for bridge in topology.bridges.values():
        yield from unknown(("bridges", bridge.name, "protocol"), "protocol", bridge.protocol, known.protocols)
        yield from unknown(("bridges", bridge.name, "decoder"), "decoder", bridge.decoder, known.decoders)
        if bridge.time_zone and not is_zone(bridge.time_zone):
            message = f"unknown time zone {bridge.time_zone!r}"
            yield Finding(("bridges", bridge.name, "time_zone"), message, "write one such as Europe/Stockholm")
    for stream in topology.streams.values():
        for at, operator in each(("streams", stream.name, "operators"), stream.operators):
            yield from unknown(at, "operator", operator, known.operators)


def urls_have_their_scheme(topology: Topology, known: Known) -> Findings:
    """A bridge's URL has its protocol's scheme, with or without TLS; a sink's URL has one that a sink is made for."""
    for bridge in topology.bridges.values():
        schemes = (bridge.protocol, f"{bridge.protocol}s")
        if bridge.protocol and bridge.url and scheme(bridge.url) not in schemes:
            message = f"{scheme(bridge.url)!r} is no scheme of the protocol {bridge.protocol}"
            yield Finding(("bridges", bridge.name, "url"), message, f"begin with {schemes[0]}:// or {schemes[1]}://")
    for sink in topology.sinks.values():
        if sink.url:
            yield from unknown_scheme(("sinks", sink.name, "url"), sink.url, known.sinks)


def unknown_scheme(at: Path, url: str, known: Collection[str] | None) -> Findings:
    """The URL has one of the schemes that are known."""
    if known is not None and scheme(url) not in known:
        yield Finding(at, f"unknown scheme {scheme(url)!r}", choose_one_of(scheme(url), known))


def mentioned_topics_exist(topology: Topology, known: Known) -> Findings:
    """Every topic that something writes or reads is described."""
    for at, name in (*writes(topology), *reads(topology)):
        yield from unknown(at, "topic", name, topology.topics)


def topics_flow(topology: Topology, known: Known) -> Findings:
    """Something writes every topic, and something reads it."""
    ends = (
        (writes(topology), "nothing writes it", "remove it, or name it in a bridge or stream"),
        (reads(topology), "nothing reads it", "remove it, or name it in a stream or sink"),
    )
    for mentions, message, remedy in ends:
        names = {name for _, name in mentions} | _written_by_people(topology)
        if "" in names:
            continue  # the one that could not be read may have named it
        meant = {closest(name, topology.topics) for name in names - topology.topics.keys()}
        for name in topology.topics.keys() - names - meant:
            yield Finding(("topics", name), message, remedy)


def nothing_twice(topology: Topology, known: Known) -> Findings:
    """No list names the same thing twice."""
    for at, items in _lists(topology):
        for name, count in Counter(items).items():
            if count > 1 and name:
                yield Finding((*at, items.index(name)), f"{name!r} stands here {count} times", "name it once")


def retention(topology: Topology, known: Known) -> Findings:
    """No topic grows for ever."""
    for topic in topology.topics.values():
        if not topic.compact and topic.retention_hours is None:
            yield Finding(("topics", topic.name), "would grow for ever", "give retention_hours, or compact: true")


def bridge_topics(topology: Topology, known: Known) -> Findings:
    """Readings are cut by meter, events by substation, and both carry the beats that are the operators' clock."""
    for bridge in topology.bridges.values():
        at = ("bridges", bridge.name)
        yield from must_carry(topology, (*at, "readings"), bridge.readings, ("ReadingBlock", "Beat"), "meter")
        yield from must_carry(topology, (*at, "events"), bridge.events, ("EventBlock", "Beat"), "substation")
        yield from must_carry(topology, (*at, "counters"), bridge.counters, ("TelegramCounter",), "meter")
        counters = topology.topics.get(bridge.counters)
        if counters and not counters.compact:
            yield Finding((*at, "counters"), f"{counters.name!r} is not compacted", "give it compact: true")


def register_topics(topology: Topology, known: Known) -> Findings:
    """One topic, for a meter its newest record."""
    first = topology.register_topic
    for topic in topology.topics.values():
        at = ("topics", topic.name)
        if "Device" not in topic.records:
            continue
        if first is not None and topic.name != first.name:
            yield Finding(at, f"{first.name!r} has the register already", "leave one of them")
        if not topic.compact:
            yield Finding(at, "the register is not compacted", "give it compact: true")
        if len(topic.records) > 1:
            yield Finding((*at, "records"), "the register has nothing beside it", "leave Device alone")
        yield from must_carry(topology, at, topic.name, ("Device",), "meter")


def dead_letter_topics(topology: Topology, known: Known) -> Findings:
    """What is rejected goes where dead letters are."""
    for kind in ("bridges", "streams", "sinks", "routers"):
        for name, part in getattr(topology, kind).items():
            yield from must_carry(topology, (kind, name, "dead_letters"), part.dead_letters, ("DeadLetter",), None)


def state_topics(topology: Topology, known: Known) -> Findings:
    """The state of a stream stands on a compacted topic of its own, partition for partition."""
    owner: dict[str, str] = {}
    for stream in topology.streams.values():
        at = ("streams", stream.name, "state")
        yield from must_carry(topology, at, stream.state, _STATE, "partition")
        topic = topology.topics.get(stream.state)
        if topic and not topic.compact:
            yield Finding(at, f"{topic.name!r} is not compacted", "give it compact: true")
        if topic and owner.setdefault(topic.name, stream.name) != stream.name:
            yield Finding(at, f"{topic.name!r} is the state of {owner[topic.name]!r}", "give it a topic of its own")


def partition_counts(topology: Topology, known: Known) -> Findings:
    """Partition n of the input writes partition n of the state and of what is cut the same way."""
    for stream in topology.streams.values():
        source = topology.topics.get(stream.input)
        at = ("streams", stream.name)
        for where, name in (*each((*at, "outputs"), stream.outputs), ((*at, "state"), stream.state)):
            topic = topology.topics.get(name)
            if (
                source
                and topic
                and topic.by in ("meter", "partition")
                and 0 != topic.partitions != source.partitions != 0
            ):
                counts = f"{name!r} has {topic.partitions} partitions, the input {source.name!r} {source.partitions}"
                yield Finding(where, counts, "give both the same number")


def operators_fit_input(topology: Topology, known: Known) -> Findings:
    """Every operator takes something that the input carries."""
    for stream in topology.streams.values():
        topic = topology.topics.get(stream.input)
        for at, operator in each(("streams", stream.name, "operators"), stream.operators):
            signature = (known.operators or {}).get(operator)
            if topic and signature and not _is_misspelt(topic) and not signature.takes & set(topic.records):
                message = f"{operator!r} takes {_list(signature.takes)}, {topic.name!r} carries {_list(topic.records)}"
                yield Finding(at, message, "move it to a stream with another input")


def options_are_taken(topology: Topology, known: Known) -> Findings:
    """Options are for operators of the stream, and such as they take."""
    for stream in topology.streams.values():
        for operator, options in stream.options.items():
            at = ("streams", stream.name, "options", operator)
            signature = (known.operators or {}).get(operator)
            if operator not in stream.operators:
                yield Finding(
                    at, f"{operator!r} is no operator of this stream", choose_one_of(operator, stream.operators)
                )
            elif signature:
                for name, value in options.items():
                    yield from unknown((*at, name), f"option of {operator}", name, signature.options)
                    yield from unknown((*at, name), f"value of {name}", value, signature.options.get(name))


def results_have_a_topic(topology: Topology, known: Known) -> Findings:
    """Every result of a stream has exactly one topic to go to, and every output something to carry."""
    for stream in topology.streams.values():
        topics = {name: topology.topics[name] for name in stream.outputs if name in topology.topics}
        given = _given(stream, topology, known)
        if not given or len(topics) < len(set(stream.outputs)) or any(_is_misspelt(topic) for topic in topics.values()):
            continue
        at = ("streams", stream.name, "outputs")
        for record in sorted(given):
            carriers = [name for name, topic in topics.items() if record in topic.records]
            if not carriers:
                yield Finding(at, f"no topic for its {record}", f"add a topic that carries {record}")
            if len(carriers) > 1:
                yield Finding(at, f"{_list(carriers)} all carry its {record}", "leave one of them")
        for where, name in each(at, stream.outputs):
            if not given & set(topics[name].records):
                yield Finding(where, f"nothing of this stream goes to {name!r}", "remove it")


def sinks_take_inputs(topology: Topology, known: Known) -> Findings:
    """A sink takes every record type of its inputs. Beats are for streams; sinks pass over them."""
    for sink in topology.sinks.values():
        takes = (known.sinks or {}).get(scheme(sink.url))
        for at, name in each(("sinks", sink.name, "inputs"), sink.inputs):
            topic = topology.topics.get(name)
            left = set(topic.records) & record_types() - {"Beat", *takes} if topic and takes is not None else None
            if left:
                yield Finding(at, f"the sink takes no {_list(left)} of {name!r}", "remove it from the inputs")


RULES: tuple[Rule, ...] = (
    names,
    words,
    urls_have_their_scheme,
    mentioned_topics_exist,
    topics_flow,
    nothing_twice,
    retention,
    bridge_topics,
    register_topics,
    dead_letter_topics,
    state_topics,
    partition_counts,
    operators_fit_input,
    options_are_taken,
    results_have_a_topic,
    sinks_take_inputs,
)


def writes(topology: Topology) -> Mentions:
    """Where a topic is named because it is written, and its name."""
    mentions: Mentions = []
    for bridge in topology.bridges.values():
        at: Path = ("bridges", bridge.name)
        mentions += [((*at, "readings"), bridge.readings), ((*at, "events"), bridge.events)]
        mentions += [((*at, "dead_letters"), bridge.dead_letters), *_counters(bridge)]
    for stream in topology.streams.values():
        at = ("streams", stream.name)
        mentions += each((*at, "outputs"), stream.outputs)
        mentions += [((*at, "dead_letters"), stream.dead_letters), ((*at, "state"), stream.state)]
    mentions += [(("sinks", sink.name, "dead_letters"), sink.dead_letters) for sink in topology.sinks.values()]
    for router in topology.routers.values():
        at = ("routers", router.name)
        mentions += [((*at, "deliveries"), router.deliveries), ((*at, "dead_letters"), router.dead_letters)]
    return mentions


def reads(topology: Topology) -> Mentions:
    """Where a topic is named because it is read, and its name."""
    mentions: Mentions = [one for bridge in topology.bridges.values() for one in _counters(bridge)]
    if topology.register_topic is not None:
        mentions += [(("bridges", name, "register"), topology.register_topic.name) for name in topology.bridges]
    for stream in topology.streams.values():
        at: Path = ("streams", stream.name)
        mentions += [((*at, "input"), stream.input), ((*at, "state"), stream.state)]
    for sink in topology.sinks.values():
        mentions += each(("sinks", sink.name, "inputs"), sink.inputs)
    for router in topology.routers.values():
        at = ("routers", router.name)
        mentions += [((*at, key), getattr(router, key)) for key in ("input", "marks", "deliveries")]
    return mentions


def _written_by_people(topology: Topology) -> set[str]:
    """`flexmeter alerts` writes and reads marks, `flexmeter register` the register."""
    return {name for name, topic in topology.topics.items() if {"AlertMark", "Device"} & set(topic.records)}


def _counters(bridge: Bridge) -> Mentions:
    """Bridges write and read the counters; many have none."""
    return [(("bridges", bridge.name, "counters"), bridge.counters)] if bridge.counters else []


def _lists(topology: Topology) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for topic in topology.topics.values():
        yield ("topics", topic.name, "records"), topic.records
    for bridge in topology.bridges.values():
        yield ("bridges", bridge.name, "subscribe"), bridge.subscribe
    for stream in topology.streams.values():
        yield ("streams", stream.name, "operators"), stream.operators
        yield ("streams", stream.name, "outputs"), stream.outputs
    for sink in topology.sinks.values():
        yield ("sinks", sink.name, "inputs"), sink.inputs
    for router in topology.routers.values():
        for i, rule in enumerate(router.rules):
            for key in ("kinds", "areas", "states"):
                yield ("routers", router.name, "rules", i, key), getattr(rule, key)


def _given(stream: Stream, topology: Topology, known: Known) -> set[str]:
    """Record types that a stream gives: its operators' and the shard's own; empty where that cannot be told."""
    source = topology.topics.get(stream.input)
    signatures = [(known.operators or {}).get(operator) for operator in stream.operators]
    if source is None or _is_misspelt(source) or None in signatures:
        return set()
    taken = set(source.records)
    own = {"Account", "RecomputeRequestBlock"} if "ReadingBlock" in taken else {"Account"}
    given = own.union(*(signature.gives for signature in signatures if signature and signature.takes & taken))
    return given | {"Beat"} if "HeardBlock" in given else given


def must_carry(topology: Topology, at: Path, name: str, records: Collection[str], by: str | None) -> Findings:
    """The topic of that name, where there is one, carries these records, and is cut by that."""
    topic = topology.topics.get(name)
    if topic is None or _is_misspelt(topic):
        return
    missing = set(records) - set(topic.records)
    if missing:
        yield Finding(at, f"{name!r} does not carry {_list(missing)}", "add it to the topic's records, or name another")
    elif by and topic.by in BY and topic.by != by:
        yield Finding(at, f"{name!r} is cut by {topic.by}", f"it must be cut by {by}")


def _is_misspelt(topic: Topic) -> bool:
    """One of the topic's record types is none; what it carries cannot be told."""
    return not record_types().issuperset(topic.records)


def unknown(at: Path, what: str, word: str, known: Collection[str] | None) -> Findings:
    """The word is one of those that are known."""
    if word and known is not None and word not in known:
        yield Finding(at, f"unknown {what} {word!r}", choose_one_of(word, known))


def each(at: Path, words: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """The texts of a list with their places."""
    return (((*at, i), word) for i, word in enumerate(words))


def scheme(url: str) -> str:
    """What stands before ://; empty where that is missing."""
    before, separator, _ = url.partition("://")
    return before if separator else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
