"""Loads topology.yaml: what runs and how it joins, checked as a whole before anything connects.

The file is read into the types of `topology_model` by `topology_reader`; the rules are in `topology_check`. All faults
come in one report.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from schemas.faults import Fault, Faults
from schemas.router_check import check_routers
from schemas.topology_check import check, scheme
from schemas.topology_model import Bridge, Kafka, Known, Router, Rule, Signature, Sink, Stream, Topic, Topology
from schemas.topology_reader import Document, Section

__all__ = [
    "Bridge",
    "Kafka",
    "Known",
    "Router",
    "Rule",
    "Signature",
    "Sink",
    "Stream",
    "Topic",
    "Topology",
    "load_topology",
    "parse_topology",
]

# A person need not be woken by what may be over before they have read of it.
_MAIL_HOLD_OFF_S = 60


def load_topology(path: str | Path, env: Mapping[str, str] = os.environ, known: Known | None = None) -> Topology:
    """Read and check the topology; nothing is connected to.

    Raises:
        Faults: everything that is wrong with the file.

    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Faults(str(path), [Fault(0, f"cannot be read: {error}", "give --topology a YAML file")]) from error
    return parse_topology(str(path), text, env, known)


def parse_topology(source: str, text: str, env: Mapping[str, str], known: Known | None = None) -> Topology:
    """Check the text of a topology; `source` is what the faults call it. Raises Faults."""
    document = Document(source, env)
    topology = document.read(text, _topology)
    document.findings += check(topology, known or Known()) + check_routers(topology, known or Known())
    document.raise_faults()
    return topology


def _topology(root: Section) -> Topology:
    return Topology(
        kafka=root.one("kafka", _kafka),
        register=root.text("register"),
        topics=MappingProxyType(root.each("topics", _topic)),
        bridges=MappingProxyType(root.each("bridges", _bridge)),
        streams=MappingProxyType(root.each("streams", _stream)),
        sinks=MappingProxyType(root.each("sinks", _sink)),
        principals=root.text("principals", default=""),
        keys=root.text("keys", default=""),
        routers=MappingProxyType(root.each("routers", _router)),
    )


def _kafka(section: Section) -> Kafka:
    return Kafka(
        bootstrap=section.text("bootstrap", remedy="write host:port of a broker"),
        security=section.text("security", default="PLAINTEXT"),
        options=section.options("options"),
    )


def _topic(name: str, section: Section) -> Topic:
    return Topic(
        name=name,
        records=section.texts("records", remedy="list the record types of schemas/records that it carries"),
        by=section.text("by", remedy="say what it is cut by"),
        partitions=section.number("partitions"),
        retention_hours=section.number("retention_hours", default=0) or None,
        compact=section.flag("compact", default=False),
    )


def _bridge(name: str, section: Section) -> Bridge:
    protocol = section.text("protocol")
    return Bridge(
        name=name,
        protocol=protocol,
        url=section.text("url", remedy="write where the source is, as protocol://host:port"),
        subscribe=section.texts("subscribe", remedy="list the addresses to receive from"),
        decoder=section.text("decoder"),
        readings=section.text("readings", remedy="name the topic of its readings"),
        events=section.text("events", remedy="name the topic of its events"),
        dead_letters=section.text("dead_letters", remedy="name the topic of what it rejects"),
        linger_ms=section.number("linger_ms", default=500),
        options=section.options("options"),
        # An MQTT broker does not tell who published: its own rules say who may write which topic.
        anonymous=section.flag("anonymous", default=protocol == "mqtt"),
        counters=section.text("counters", default=""),
        time_zone=section.text("time_zone", default=""),
    )


def _stream(name: str, section: Section) -> Stream:
    one = "name exactly one topic: its log is the only order there is, so what must be read together goes on one topic"
    return Stream(
        name=name,
        input=section.text("input", remedy=one),
        operators=section.texts("operators", remedy="list the operators that work on the input"),
        outputs=section.texts("outputs", remedy="list the topics of its results"),
        dead_letters=section.text("dead_letters", remedy="name the topic of what it rejects"),
        state=section.text("state", remedy="name a compacted topic of its own for its state"),
        options=section.each("options", _operator_options),
    )


def _operator_options(name: str, section: Section) -> dict[str, str]:
    return {option: section.text(option, remedy="put the value in quotes") for option in section.names()}


def _sink(name: str, section: Section) -> Sink:
    return Sink(
        name=name,
        url=section.text("url", remedy="write where it delivers to, as scheme://place"),
        inputs=section.texts("inputs", remedy="list the topics that it delivers"),
        dead_letters=section.text("dead_letters", remedy="name the topic of what it rejects"),
        options=section.options("options"),
    )


def _router(name: str, section: Section) -> Router:
    url = section.text("url", remedy="write where the receiver is: smtp://, smtps://, http:// or https://")
    hold_off_s = _MAIL_HOLD_OFF_S if scheme(url) in ("smtp", "smtps") else 0
    return Router(
        name=name,
        url=url,
        input=section.text("input", remedy="name the topic of alerts"),
        marks=section.text("marks", remedy="name the topic of what people acknowledge and silence"),
        deliveries=section.text("deliveries", remedy="name the topic of what routers have delivered"),
        dead_letters=section.text("dead_letters", remedy="name the topic of what could not be delivered"),
        rules=section.list_of(
            "rules", partial(_rule, hold_off_s), remedy="list at least one rule; {} wants every alert"
        ),
        options=section.options("options"),
        timeout_s=section.number("timeout_s", default=10),
        give_up_after_s=section.number("give_up_after_s", default=86_400),
        digest_above=section.number("digest_above", default=5),
        digest_every_s=section.number("digest_every_s", default=60),
    )


def _rule(hold_off_s: int, section: Section) -> Rule:
    return Rule(
        kinds=section.texts("kinds", needed=False),
        severity=section.text("severity", default=""),
        areas=section.texts("areas", needed=False),
        states=section.texts("states", needed=False),
        hold_off_s=section.number("hold_off_s", default=hold_off_s, least=0),
    )
