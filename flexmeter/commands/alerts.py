"""`flexmeter alerts`: the alerts there are, and those that come."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from click.core import ParameterSource

from connectors.router.marks import Marks
from flexmeter.commands import alert_marks
from flexmeter.facts import alert_fact
from flexmeter.listen import Listener
from flexmeter.role import asking_kafka, checked_topology, examples, stop_on_signals, topology_option
from schemas.alert import Alert, AlertMark, is_at_least
from schemas.errors import Unavailable
from schemas.events import Severity
from schemas.record import Record
from schemas.topology import Topic, Topology

_CATCH_UP_S = 60.0


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "flexmeter alerts --follow --severity warning",
        "flexmeter alerts --json --area malmo-north",
        "flexmeter alerts ack outage/malmo-north/1795507200000/1 --reason 'crew is on its way'",
        "flexmeter alerts silence --area malmo-north --for 4h --reason 'works until noon'",
    ),
)
@topology_option
@click.option("--follow", is_flag=True, help="Go on with each change as it comes. Ctrl-C ends it.")
@click.option("--kind", help="Only alerts of this kind, such as last_gasp.")
@click.option("--area", help="Only those of this substation, substation/feeder, or feeder.")
@click.option(
    "--severity", type=click.Choice([severity.value for severity in Severity]), help="Only what is at least so severe."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--for", "for_s", type=click.FloatRange(min=0), help="With --follow: end after so many seconds.")
@click.pass_context
def command(
    ctx: click.Context,
    topology_path: Path,
    follow: bool,
    kind: str | None,
    area: str | None,
    severity: str | None,
    as_json: bool,
    for_s: float | None,
) -> None:
    """Show the newest version of each alert that Kafka has, by time; with --follow also what comes.

    [acknowledged] and [silenced] say what people have said of it.
    """
    if ctx.invoked_subcommand is not None:
        _must_be_alone(ctx)
        return
    topology = checked_topology(topology_path)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    ends = math.inf if for_s is None else time.monotonic() + for_s
    seen = Seen()
    stop_on_signals()
    try:
        with asking_kafka(), Listener(topology, places_of_alerts(topology), from_start=True) as listener:
            for alert in _news(listener, seen, ends if follow else 0):
                if wanted(alert, kind, severity, area):
                    click.echo(shown(alert, seen.marks.of(alert, time.time_ns() // 1_000_000), as_json))
    except KeyboardInterrupt:
        return


def _must_be_alone(ctx: click.Context) -> None:
    """A subcommand has options of its own: none that stands before it may be passed over, as if it held."""
    for option in ctx.command.params:
        if ctx.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            name, subcommand = option.opts[0], ctx.invoked_subcommand
            raise click.UsageError(f"{name} stands before {subcommand}: write it behind, if {subcommand} has it")


for _subcommand in (alert_marks.ack, alert_marks.silence, alert_marks.marks, alert_marks.lift):
    command.add_command(_subcommand)


@dataclass(slots=True)
class Seen:
    """The newest version of each alert, and the marks."""

    newest: dict[str, Alert] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)

    def take(self, record: Record | Alert) -> Alert | None:
        """The alert, where it is news; repeats after a restart, and versions that were overtaken, are none."""
        if isinstance(record, AlertMark):
            self.marks.learn(record)
        if not isinstance(record, Alert):
            return None
        known = self.newest.get(record.id)
        if known is not None and known.number >= record.number:
            return None
        self.newest[record.id] = record
        return record


def places_of_alerts(topology: Topology) -> list[tuple[Topic, int]]:
    """Every partition of every topic that carries alerts, or marks of them."""
    topics = [topic for topic in topology.topics.values() if {"Alert", "AlertMark"} & set(topic.records)]
    return [(topic, partition) for topic in topics for partition in range(topic.partitions)]


def wanted(alert: Alert, kind: str | None, severity: str | None, area: str | None) -> bool:
    """Whether it is of the kind, at least so severe, and in the area; None = any."""
    return (
        kind in (None, alert.kind)
        and (severity is None or is_at_least(alert.severity, severity))
        and (area is None or alert.lies_in(area))
    )


def shown(alert: Alert, mark: str, as_json: bool) -> str:
    """The alert as one line."""
    fact = alert_fact(alert)
    if as_json:
        return replace(fact, content={**fact.content, "mark": mark or None}).json()
    return fact.line() + (f"  [{mark}]" if mark else "")


def _news(listener: Listener, seen: Seen, until: float) -> Iterator[Alert]:
    """The newest version of each alert, by time; then each change as it comes, until `time.monotonic()` is there.

    Raises:
        Unavailable: the topics were not read to their end in time.

    """
    for heard in listener.records(time.monotonic() + _CATCH_UP_S):
        if heard is not None:
            seen.take(heard.record)
        if listener.caught_up():
            break
    else:
        raise Unavailable("kafka", f"the topics of alerts were not read to their end within {_CATCH_UP_S:.0f} s")
    yield from sorted(seen.newest.values(), key=lambda alert: (alert.at, alert.id))
    for heard in listener.records(until):
        if heard is not None and (news := seen.take(heard.record)):
            yield news
