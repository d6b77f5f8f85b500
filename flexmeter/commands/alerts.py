"""`flexmeter alerts`: the alerts there are, and those that come."""

import logging
import math
import time
from pathlib import Path

import click

from flexmeter.facts import alert_fact
from flexmeter.listen import Listener
from flexmeter.role import stop_on_signals, topology_option, topology_or_exit
from schemas.alert import Alert
from schemas.errors import Unavailable
from schemas.events import Severity
from schemas.topology import Topic, Topology

_CATCH_UP_S = 60.0


@click.command()
@topology_option
@click.option("--follow", is_flag=True, help="Go on with each change as it comes. Ctrl-C ends it.")
@click.option("--kind", help="Only alerts of this kind, such as last_gasp.")
@click.option(
    "--severity", type=click.Choice([severity.value for severity in Severity]), help="Only what is at least so severe."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--for", "for_s", type=click.FloatRange(min=0), help="With --follow: end after so many seconds.")
def command(
    topology_path: Path, follow: bool, kind: str | None, severity: str | None, as_json: bool, for_s: float | None
) -> None:
    """Show the newest version of each alert that Kafka has, by time; with --follow also what comes."""
    topology = topology_or_exit(topology_path)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    ends = math.inf if for_s is None else time.monotonic() + for_s
    newest: dict[str, Alert] = {}

    def show(alert: Alert) -> None:
        if wanted(alert, kind, severity):
            fact = alert_fact(alert)
            click.echo(fact.json() if as_json else fact.line())

    stop_on_signals()
    try:
        with Listener(topology, places_of_alerts(topology), from_start=True) as listener:
            if not _catch_up(listener, newest):
                raise click.ClickException(f"the topic of alerts was not read to its end within {_CATCH_UP_S:.0f} s")
            for alert in sorted(newest.values(), key=lambda alert: (alert.at, alert.id)):
                show(alert)
            for heard in listener.records(ends) if follow else ():
                if heard is not None and isinstance(heard.record, Alert) and is_news(heard.record, newest):
                    show(heard.record)
    except KeyboardInterrupt:
        return
    except Unavailable as away:
        raise click.ClickException(f"{away}; is it running? `flexmeter doctor` looks") from away


def places_of_alerts(topology: Topology) -> list[tuple[Topic, int]]:
    """Every partition of every topic that carries alerts."""
    topics = [topic for topic in topology.topics.values() if "Alert" in topic.records]
    return [(topic, partition) for topic in topics for partition in range(topic.partitions)]


def is_news(alert: Alert, newest: dict[str, Alert]) -> bool:
    """Whether no such or later version of the alert was known; it is noted in `newest`.

    Repeats after a restart of a worker, and versions that were overtaken, are no news.
    """
    known = newest.get(alert.id)
    if known is not None and known.number >= alert.number:
        return False
    newest[alert.id] = alert
    return True


def wanted(alert: Alert, kind: str | None, severity: str | None) -> bool:
    """Whether it is of the kind, and at least so severe; None = any."""
    ranks = list(Severity)
    return kind in (None, alert.kind) and (
        severity is None or ranks.index(Severity(alert.severity)) >= ranks.index(Severity(severity))
    )


def _catch_up(listener: Listener, newest: dict[str, Alert]) -> bool:
    for heard in listener.records(time.monotonic() + _CATCH_UP_S):
        if heard is not None and isinstance(heard.record, Alert):
            is_news(heard.record, newest)
        if listener.caught_up():
            return True
    return False
