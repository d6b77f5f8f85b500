"""`flexmeter home`: what the people of a home want of `nilm`, as records in their meter's partition."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from connectors.kafka import Outlet
from flexmeter.commands.tail import places_of
from flexmeter.listen import Listener
from flexmeter.registered import devices_or_exit
from flexmeter.role import asking_kafka, checked_topology, examples, topology_option
from schemas.codec import encode
from schemas.faults import choose_one_of, closest
from schemas.master_data import HomeRequestBlock
from schemas.partition import partition_of
from schemas.results import ApplianceEventBlock
from schemas.topology import Topic, Topology
from streams.nilm.library import load_library

KAFKA_S = 30.0
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a home; the last three of a label only."""

    meter: str
    at: int
    kind: str
    number: int = 0
    power_w: float = 0.0
    appliance: str = ""


@click.group(
    epilog=examples(
        "flexmeter home consent LGZ1030655933000", "flexmeter home label LGZ1030655933000 kettle --power 2000"
    )
)
def command() -> None:
    """Say what a home wants of `nilm`: consent, withdraw, label a load."""


@command.command()
@topology_option
@click.argument("meter")
def consent(topology_path: Path, meter: str) -> None:
    """Let METER's appliances be told apart from now on."""
    topology = checked_topology(topology_path)
    _check_known(topology, meter)
    _send(topology, [Request(meter, _now(), "consent")])
    click.echo(f"{meter} consents: readings from now on are looked into")


@command.command()
@topology_option
@click.argument("meter")
def withdraw(topology_path: Path, meter: str) -> None:
    """Take METER's consent back.

    Its state is erased, and no reading of it is looked into any more.
    What was told so far stays in ClickHouse until `flexmeter erase`, and in Kafka for as long as its topics keep.
    """
    topology = checked_topology(topology_path)
    _check_known(topology, meter)
    _send(topology, [Request(meter, _now(), "withdraw")])
    click.echo(
        f"{meter} withdrew: what nilm knew of it is erased. Take the consent out of the register too, if it is in"
    )


@command.command()
@topology_option
@click.argument("meter")
@click.argument("appliance")
@click.option(
    "--load", "number", type=int, help="The load by its number, as appliance_events and `flexmeter tail` say."
)
@click.option("--power", "power_w", type=click.FloatRange(1), help="What draws about so many watts.")
def label(topology_path: Path, meter: str, appliance: str, number: int | None, power_w: float | None) -> None:
    """Say which APPLIANCE a load of METER's home is.

    By a name such as kettle or washing_machine, or `unknown`; one that is not known is answered with those that are.
    A load that is still on is told anew at once; from then on the home's loads of that power are taken for it.
    """
    if (number is None) == (power_w is None):
        raise click.UsageError("say which load: by --load or by --power")
    if appliance not in load_library().appliances:
        raise click.UsageError(f"no appliance {appliance!r}; {choose_one_of(appliance, load_library().appliances)}")
    topology = checked_topology(topology_path)
    _check_known(topology, meter)
    if power_w is None:
        power_w = _power_of(topology, meter, number or 0)
    _send(topology, [Request(meter, _now(), "label", number or 0, power_w, appliance)])
    click.echo(
        f"{meter}: what draws about {power_w:.0f} W is {appliance}, if the home consents; else it is passed over"
    )


@command.command()
@topology_option
def announce(topology_path: Path) -> None:
    """Tell all consents of the register. Harmless when repeated: a later withdrawal stands."""
    topology = checked_topology(topology_path)
    devices = devices_or_exit(topology)
    given = [
        Request(one.meter_id, one.nilm_consent_at, "consent")
        for one in devices.values()
        if one.nilm_consent_at is not None
    ]
    _send(topology, given)
    click.echo(f"{len(given)} of {len(devices)} meters consent to nilm")


def blocks(requests: Sequence[Request], partitions: int) -> Iterator[tuple[int, HomeRequestBlock]]:
    """The requests by partition, in order, at most MOST_ROWS in a block."""
    by_partition: dict[int, list[Request]] = {}
    for request in requests:
        by_partition.setdefault(partition_of(request.meter, partitions), []).append(request)
    for partition, found in by_partition.items():
        for begin in range(0, len(found), MOST_ROWS):
            yield partition, _block(found[begin : begin + MOST_ROWS])


def _block(requests: Sequence[Request]) -> HomeRequestBlock:
    meters = list(dict.fromkeys(request.meter for request in requests))
    place = {meter: i for i, meter in enumerate(meters)}
    return HomeRequestBlock(
        meters=meters,
        row_meter=np.array([place[request.meter] for request in requests], np.int32),
        at=np.array([request.at for request in requests], np.int64),
        kind=[request.kind for request in requests],
        number=np.array([request.number for request in requests], np.int64),
        power_w=np.array([request.power_w for request in requests], np.float64),
        appliance=[request.appliance for request in requests],
    )


def _send(topology: Topology, requests: Sequence[Request]) -> None:
    """Returns when Kafka has them."""
    topic = _topic(topology)
    outlet = Outlet(topology.kafka, "flexmeter-home")
    for partition, block in blocks(requests, topic.partitions):
        outlet.produce(topic.name, partition, encode(block))
    if not outlet.close(KAFKA_S):
        raise click.ClickException(f"kafka is unavailable for {KAFKA_S:.0f} s: nothing was requested")


def _check_known(topology: Topology, meter: str) -> None:
    """Raises click.UsageError where the register has no such meter."""
    devices = devices_or_exit(topology)
    if meter not in devices:
        meant = closest(meter, devices)
        remedy = f"did you mean {meant!r}?" if meant else "add it there first"
        raise click.UsageError(f"no meter {meter!r} in the register; {remedy}")


def _topic(topology: Topology) -> Topic:
    for topic in topology.topics.values():
        if "HomeRequestBlock" in topic.records:
            return topic
    raise click.UsageError("no topic of the topology carries HomeRequestBlock: docs/nilm.md says where it belongs")


def _power_of(topology: Topology, meter: str, number: int) -> float:
    """What the load drew, by what Kafka still has of it."""
    places = [(topic, part) for topic, part in places_of(meter, topology) if "ApplianceEventBlock" in topic.records]
    found = 0.0
    with asking_kafka(), Listener(topology, places, from_start=True) as listener:
        for heard in listener.records(time.monotonic() + KAFKA_S):
            if heard is not None and isinstance(heard.record, ApplianceEventBlock):
                found = _power_in(heard.record, meter, number) or found
            if listener.caught_up():
                break
    if not found:
        raise click.UsageError(f"no load {number} of {meter} on Kafka: give its power with --power")
    return found


def _power_in(block: ApplianceEventBlock, meter: str, number: int) -> float:
    rows = [i for i in np.flatnonzero(block.number == number) if block.meters[block.row_meter[i]] == meter]
    return float(block.power_w[rows[-1]]) if rows else 0.0


def _now() -> int:
    return time.time_ns() // 1_000_000
