"""The rules that the routers of a topology keep; `schemas.topology_check` has those for everything else."""

from collections.abc import Callable

from schemas.alert import STATES
from schemas.events import Severity
from schemas.topology_check import Findings, each, must_carry, scheme, unknown, unknown_scheme
from schemas.topology_model import Known, Router, Topology
from schemas.topology_reader import Finding, Path

LONGEST_TIMEOUT_S = 30


def check_routers(topology: Topology, known: Known) -> list[Finding]:
    """Everything that breaks a rule."""
    return [
        finding
        for router in topology.routers.values()
        for rule in RULES
        for finding in rule(("routers", router.name), router, topology, known)
    ]


def words(at: Path, router: Router, topology: Topology, known: Known) -> Findings:
    """Severities and states are such. Kinds of alerts are whatever operators give."""
    for i, rule in enumerate(router.rules):
        yield from unknown((*at, "rules", i, "severity"), "severity", rule.severity, list(Severity))
        for where, state in each((*at, "rules", i, "states"), rule.states):
            yield from unknown(where, "state", state, STATES)


def topics(at: Path, router: Router, topology: Topology, known: Known) -> Findings:
    """It reads alerts and marks, and writes deliveries."""
    yield from must_carry(topology, (*at, "input"), router.input, ("Alert",), None)
    yield from must_carry(topology, (*at, "marks"), router.marks, ("AlertMark",), None)
    yield from must_carry(topology, (*at, "deliveries"), router.deliveries, ("AlertDelivery",), None)


def marks_stay(at: Path, router: Router, topology: Topology, known: Known) -> Findings:
    """The newest record of each mark is kept for ever, or a silence would end before its time."""
    topic = topology.topics.get(router.marks)
    if topic and "AlertMark" in topic.records and not topic.compact:
        yield Finding((*at, "marks"), f"{topic.name!r} is not compacted", "give it compact: true")


def deliveries_outlive_alerts(at: Path, router: Router, topology: Topology, known: Known) -> Findings:
    """An alert that can still be read is one of which it is known whether it was delivered."""
    alerts, topic = topology.topics.get(router.input), topology.topics.get(router.deliveries)
    if alerts and topic and not topic.compact and (topic.retention_hours or 0) < (alerts.retention_hours or 0):
        message = f"{topic.name!r} forgets after {topic.retention_hours} h what was delivered of {alerts.name!r}"
        yield Finding((*at, "deliveries"), message, f"keep it for {alerts.retention_hours} h, or give it compact: true")


def patience(at: Path, router: Router, topology: Topology, known: Known) -> Findings:
    """One exchange must not last so long that Kafka takes the router for dead."""
    if router.timeout_s > LONGEST_TIMEOUT_S:
        yield Finding((*at, "timeout_s"), f"{router.timeout_s} s is too long", f"write at most {LONGEST_TIMEOUT_S}")


def receiver(at: Path, router: Router, topology: Topology, known: Known) -> Findings:
    """The receiver can be made of its URL and options."""
    if not router.url:
        return
    yield from unknown_scheme((*at, "url"), router.url, known.receivers)
    faults = (known.receivers or {}).get(scheme(router.url))
    for key, message, remedy in faults(router) if faults else ():
        yield Finding((*at, key) if key == "url" else (*at, "options", key), message, remedy)


RULES: tuple[Callable[[Path, Router, Topology, Known], Findings], ...] = (
    words,
    topics,
    marks_stay,
    deliveries_outlive_alerts,
    patience,
    receiver,
)
