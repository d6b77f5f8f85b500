"""`flexmeter tail`: what is said about a meter, as it passes."""

import logging
import math
import time
from pathlib import Path

import click

from flexmeter.facts import facts_about
from flexmeter.listen import Listener
from flexmeter.registered import registered
from flexmeter.role import asking_kafka, checked_topology, examples, stop_on_signals, topology_option
from schemas.errors import Unavailable
from schemas.faults import Faults
from schemas.partition import partition_of
from schemas.topology import Topic, Topology

QUIET_S = 10.0
ELSEWHERE = frozenset({"EventBlock", "Alert", "DeadLetter"})  # not cut by meter: any partition may speak of it


@click.command(
    epilog=examples("flexmeter tail LGZ1030655933000", "flexmeter tail LGZ1030655933000 --from-start --json --for 10")
)
@topology_option
@click.option("--from-start", is_flag=True, help="Begin with what Kafka still has, not with what comes next.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--for", "for_s", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.argument("meter")
def command(topology_path: Path, from_start: bool, as_json: bool, for_s: float | None, meter: str) -> None:
    """Show METER's readings, results, events, alerts and dead letters as they pass on Kafka. Ctrl-C ends it."""
    topology = checked_topology(topology_path)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop_on_signals()
    try:
        with asking_kafka(), Listener(topology, places_of(meter, topology), from_start) as listener:
            _show(listener, topology, meter, as_json, math.inf if for_s is None else time.monotonic() + for_s)
    except KeyboardInterrupt:
        return


def places_of(meter: str, topology: Topology) -> list[tuple[Topic, int]]:
    """Where records about the meter can be: its own partition, or all where the topic is cut another way."""
    places = []
    for topic in topology.topics.values():
        if topic.by == "meter":
            places.append((topic, partition_of(meter, topic.partitions)))
        elif ELSEWHERE & set(topic.records):
            places += [(topic, partition) for partition in range(topic.partitions)]
    return places


def advice(meter: str, others: int, registered: bool | None) -> str:
    """What to check where nothing comes; `others` counts the records that passed and were not about the meter.

    >>> advice("m1", 0, True)
    'nothing of m1 for 10 s, and no beat of any bridge: check that a bridge and its broker run (flexmeter bridge)'
    """
    quiet = f"nothing of {meter} for {QUIET_S:.0f} s"
    if registered is False:
        return f"{quiet}: it is not in the register; check its id, or add it (its payloads go to the dead letters)"
    if not others:
        return f"{quiet}, and no beat of any bridge: check that a bridge and its broker run (flexmeter bridge)"
    return f"{quiet}, while {others} other records passed: check that the meter sends, and to which address"


def _show(listener: Listener, topology: Topology, meter: str, as_json: bool, until: float) -> None:
    others, quiet_since = 0, time.monotonic()
    for heard in listener.records(until):
        if heard is not None:
            facts = list(facts_about(meter, heard.record))
            for fact in facts:
                click.echo(fact.json() if as_json else fact.line())
            others += not facts
            if facts:
                others, quiet_since = 0, time.monotonic()
        if time.monotonic() - quiet_since >= QUIET_S:
            click.echo(advice(meter, others, _registered(meter, topology)), err=True)
            others, quiet_since = 0, time.monotonic()


def _registered(meter: str, topology: Topology) -> bool | None:
    """None where the register cannot be read from here."""
    try:
        return meter in registered(topology).devices
    except (Faults, Unavailable):
        return None
