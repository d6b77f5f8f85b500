"""`flexmeter alerts ack`, `silence`, `marks`, `lift`: what people say about alerts, as records on Kafka."""

import getpass
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from connectors.kafka import Outlet
from connectors.router.marks import ACKNOWLEDGED, SILENCED
from flexmeter.facts import clock, one_line
from flexmeter.listen import Listener
from flexmeter.role import asking_kafka, checked_topology, topology_option
from schemas.alert import Alert, AlertMark
from schemas.codec import encode
from schemas.durations import duration_ms
from schemas.errors import Unavailable
from schemas.events import Severity
from schemas.partition import partition_of
from schemas.topology import Topic, Topology

_CATCH_UP_S = 60.0
_SEND_S = 30.0

Record = TypeVar("Record")


class Duration(click.ParamType):
    """A time such as 90m, 4h or 2d, in ms."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The text as ms."""
        found = duration_ms(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration such as 90m, 4h or 2d", param, ctx)
        return found


def _who(command: Callable[..., None]) -> Callable[..., None]:
    """`--by` and `--reason`, which every mark has."""
    reason = click.option("--reason", default="", help="Why, for others.")
    return click.option("--by", default=_me, help="Who says so; your user name unless told.")(reason(command))


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "somebody"


@click.command()
@click.argument("alert")
@_who
@topology_option
def ack(alert: str, by: str, reason: str, topology_path: Path) -> None:
    """Acknowledge an alert: routers tell no more of it but its end.

    ALERT is its id, as `flexmeter alerts --json` tells it.
    """
    topology = checked_topology(topology_path)
    topic = marks_topic(topology)
    with asking_kafka():
        known = newest(topology, [t for t in topology.topics.values() if "Alert" in t.records], Alert, lambda a: a.id)
        if alert not in known:
            raise click.UsageError(f"Kafka has no alert {alert!r}; `flexmeter alerts --json` shows their ids")
        mark = AlertMark(f"ack/{alert}", ACKNOWLEDGED, alert, "", "", "", "", _now_ms(), 0, by, reason)
        _send(topology, topic, mark)
    click.echo(f"acknowledged; `flexmeter alerts lift {mark.id}` takes it back")


@click.command()
@click.option("--kind", default="", help="Alerts of this kind.")
@click.option("--area", default="", help="Alerts of this substation, substation/feeder, or feeder.")
@click.option("--subject", default="", help="Alerts about this meter, feeder or device.")
@click.option(
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    help="Alerts that are at most so severe.",
)
@click.option("--for", "for_ms", type=Duration(), required=True, help="How long: 90m, 4h, 2d.")
@_who
@topology_option
def silence(
    kind: str, area: str, subject: str, severity: str | None, for_ms: int, by: str, reason: str, topology_path: Path
) -> None:
    """Silence alerts for a while: routers spare them. What one has been told of is still told to be over."""
    if not (kind or area or subject or severity):
        raise click.UsageError("say what is to be silenced: --kind, --area, --subject or --severity")
    topology, now_ms = checked_topology(topology_path), _now_ms()
    name = f"silence/{uuid.uuid4().hex[:8]}"
    mark = AlertMark(name, SILENCED, "", kind, subject, area, severity or "", now_ms, now_ms + for_ms, by, reason)
    with asking_kafka():
        _send(topology, marks_topic(topology), mark)
    click.echo(f"silenced until {clock(mark.until)}; `flexmeter alerts lift {mark.id}` ends it before")


@click.command()
@topology_option
def marks(topology_path: Path) -> None:
    """Show the acknowledgements and silences that hold now."""
    topology, now_ms = checked_topology(topology_path), _now_ms()
    with asking_kafka():
        known = newest(topology, [marks_topic(topology)], AlertMark, lambda mark: mark.id)
    for mark in sorted(known.values(), key=lambda mark: (mark.at, mark.id)):
        if mark.until == 0 or now_ms < mark.until:
            click.echo(one_line(line(mark)))


@click.command()
@click.argument("mark")
@topology_option
def lift(mark: str, topology_path: Path) -> None:
    """Take an acknowledgement back, or end a silence.

    MARK is its id, as `flexmeter alerts marks` tells it.
    """
    topology = checked_topology(topology_path)
    topic = marks_topic(topology)
    with asking_kafka():
        known = newest(topology, [topic], AlertMark, lambda mark: mark.id)
        if mark not in known:
            raise click.UsageError(f"there is no mark {mark!r}; `flexmeter alerts marks` shows those there are")
        _send(topology, topic, replace(known[mark], until=_now_ms()))
    click.echo("lifted")


def line(mark: AlertMark) -> str:
    """A mark for a person.

    >>> line(AlertMark("ack/a", "acknowledged", "a", "", "", "", "", 0, 0, "ann", "on my way"))
    '1970-01-01 00:00:00.000Z  ack/a  acknowledged alert=a by ann: on my way'
    """
    names = ("alert", "kind", "subject", "area", "severity")
    about = " ".join(f"{name}={getattr(mark, name)}" for name in names if getattr(mark, name))
    until = f" until {clock(mark.until)}" if mark.until else ""
    because = f": {mark.reason}" if mark.reason else ""
    return f"{clock(mark.at)}  {mark.id}  {mark.mark} {about}{until} by {mark.by}{because}"


def marks_topic(topology: Topology) -> Topic:
    """The topic of marks, or a usage error."""
    for topic in topology.topics.values():
        if "AlertMark" in topic.records:
            return topic
    raise click.UsageError("no topic of the topology carries AlertMark; add one: docs/alerts.md")


def newest(
    topology: Topology, topics: list[Topic], kind: type[Record], key: Callable[[Record], str]
) -> dict[str, Record]:
    """The last record of each key that the topics hold; raises Unavailable where Kafka is away."""
    places = [(topic, partition) for topic in topics for partition in range(topic.partitions)]
    found: dict[str, Record] = {}
    with Listener(topology, places, from_start=True) as listener:
        for heard in listener.records(time.monotonic() + _CATCH_UP_S):
            if heard is not None and isinstance(heard.record, kind):
                found[key(heard.record)] = heard.record
            if listener.caught_up():
                return found
    raise Unavailable("kafka", f"its topics were not read to their end within {_CATCH_UP_S:.0f} s")


def _send(topology: Topology, topic: Topic, mark: AlertMark) -> None:
    outlet = Outlet(topology.kafka, "flexmeter-alerts")
    outlet.produce(topic.name, partition_of(mark.id, topic.partitions), encode(mark), key=mark.id.encode())
    if not outlet.close(_SEND_S):
        raise Unavailable("kafka", f"it did not take the record within {_SEND_S:.0f} s")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
