"""`flexmeter send`: one reading of the user's own, and where it went."""

import math
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import click
from confluent_kafka import KafkaException

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import JsonMapping, load_mappings
from connectors.decode.readings import Address, Carries, Reading
from connectors.intake import primary
from connectors.mqtt import publish
from connectors.topic_template import TopicTemplate
from flexmeter.answers import quality_names
from flexmeter.compose import compose_event, compose_reading
from flexmeter.follow import Follower, Found, Sought
from flexmeter.registered import devices_or_exit
from flexmeter.role import checked_topology, examples, named, topology_option
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from schemas.errors import Rejected, Unavailable
from schemas.faults import choose_one_of
from schemas.register import Device, multipliers
from schemas.topology import Bridge, Topology


@click.command(
    epilog=examples(
        "flexmeter send LGZ1030655933000 active_power_l1_w=2300 voltage_l1_v=229.8",
        "flexmeter send LGZ1030655933000 --event last_gasp",
        "flexmeter send LGZ1030655933000 < payload.json",
    )
)
@topology_option
@click.option("--name", "bridge_name", help="The bridge to send through; the first one unless told.")
@click.option("--profile", "profile_name", help="The meter's profile; the register's unless told.")
@click.option("--event", "event_kind", help="Send an event of this kind instead, such as last_gasp.")
@click.option("--detail", default="", help="The event's detail.")
@click.option("--within", "within_s", default=15.0, show_default=True, help="Seconds to wait until it has arrived.")
@click.argument("meter")
@click.argument("values", nargs=-1, metavar="[QUANTITY=VALUE]...")
def command(
    topology_path: Path,
    bridge_name: str | None,
    profile_name: str | None,
    event_kind: str | None,
    detail: str,
    within_s: float,
    meter: str,
    values: tuple[str, ...],
) -> None:
    """Publish one reading of METER as its device would, and show where on Kafka it landed.

    Values are in the units that their names end with; docs/reference/profiles.md has the names. What is not given is
    not measured. Without values the payload is read from stdin.
    Exit code 1 if it was rejected, or did not arrive in time.
    """
    topology = checked_topology(topology_path)
    bridge = _bridge(topology, bridge_name)
    devices = devices_or_exit(topology)
    profile = profile_name or _profile(devices, meter)
    carries = Carries.EVENT if event_kind else Carries.READING
    address = _address(bridge, profile, meter, carries)
    mapping = load_mappings().get(profile)
    payload = _payload(mapping, address, values, event_kind, detail)
    try:
        with Follower(topology, bridge) as follower:
            publish(bridge, address.text, payload)
            click.echo(f"published {len(payload)} bytes to {address.text}")
            began = time.monotonic()
            found = follower.find(sought(payload, address, mapping, devices), within_s)
    except (Unavailable, KafkaException) as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        hint = f"is `flexmeter bridge --name {bridge.name}` running?"
        raise click.ClickException(f"it is on none of the bridge's topics after {within_s:.0f} s; {hint}")
    for line in _story(found, time.monotonic() - began):
        click.echo(line)
    if isinstance(found.record, DeadLetter):
        sys.exit(1)


def _bridge(topology: Topology, name: str | None) -> Bridge:
    bridge = named(topology.bridges, name or next(iter(topology.bridges)), "bridge")
    if bridge.protocol != "mqtt":
        raise click.UsageError(f"{bridge.name} is a bridge of {bridge.protocol}; send goes by MQTT: choose with --name")
    return bridge


def _profile(devices: Mapping[str, Device], meter: str) -> str:
    if meter not in devices:
        raise click.UsageError(f"meter {meter!r} is not in the register; give --profile to send all the same")
    return devices[meter].profile


def _address(bridge: Bridge, profile: str, meter: str, carries: Carries) -> Address:
    for template in map(TopicTemplate.parse, bridge.subscribe):
        if template.carries is carries and "{meter}" in template.levels and template.profile in ("", profile):
            return Address(template.topic(profile, meter), profile, meter, carries)
    raise click.UsageError(f"the bridge {bridge.name} subscribes to no topic that carries a {carries}")


def _payload(
    mapping: JsonMapping | None, address: Address, values: Iterable[str], event_kind: str | None, detail: str
) -> bytes:
    if not values and event_kind is None:
        return sys.stdin.buffer.read()
    if mapping is None:
        remedy = choose_one_of(address.profile, load_mappings())
        raise click.UsageError(f"no mapping for profile {address.profile!r}; {remedy}; or give a payload on stdin")
    now = time.time_ns() // 1_000_000
    if event_kind is not None:
        kinds = mapping.events.codes.values() if mapping.events else ()
        if event_kind not in kinds:
            raise click.UsageError(
                f"{mapping.profile.name} has no event {event_kind!r}; {choose_one_of(event_kind, kinds)}"
            )
        return compose_event(mapping, event_kind, detail, now, address.meter)
    return compose_reading(mapping, dict(_value(mapping, value) for value in values), now, address.meter)


def _value(mapping: JsonMapping, text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    names = [field.quantity.name for field in mapping.quantities if field is not None]
    if name not in names:
        raise click.UsageError(f"{mapping.profile.name} has no quantity {name!r}; {choose_one_of(name, names)}")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise click.UsageError(f"{text!r}: write QUANTITY=NUMBER, or leave out what was not measured")
    return name, value


def sought(payload: bytes, address: Address, mapping: JsonMapping | None, devices: Mapping[str, Device]) -> Sought:
    """What the bridge will have made of the payload where its meters are these devices."""
    try:
        decoded = decode_json(payload, address, time.time_ns() // 1_000_000, mapping) if mapping else None
    except Rejected:
        decoded = None
    if decoded is not None:
        readings = tuple(_on_the_grid(reading, address.profile, devices) for reading in decoded.readings)
        decoded = replace(decoded, readings=readings)
    return Sought(address.text, payload, decoded)


def _on_the_grid(reading: Reading, profile: str, devices: Mapping[str, Device]) -> Reading:
    """As bridges bring it: by the ratios of a meter that is registered with this profile; others they reject."""
    device = devices.get(reading.meter)
    if device is None or device.profile != profile:
        return reading
    return primary(reading, multipliers(device))


def _story(found: Found, after_s: float) -> list[str]:
    place = f"{found.topic} partition {found.partition} offset {found.offset}"
    record, row = found.record, found.row
    if isinstance(record, DeadLetter):
        return [f"rejected: {place}, after {after_s:.2f} s", f"  {record.reason}: {record.detail}"]
    if isinstance(record, ReadingBlock):
        values = zip(record.columns, record.rows_by_column()[:, row], strict=True)
        measured = " ".join(f"{name}={value:.10g}" for name, value in values if value == value)
        quality = ", ".join(quality_names(int(record.quality[row]))) or "good"
        where = f"arrived: {place}, row {row + 1} of {len(record.at)}, after {after_s:.2f} s"
        return [where, f"  at {record.at[row]} ms, quality {quality}: {measured or 'nothing measured'}"]
    assert isinstance(record, EventBlock)
    where = f"arrived: {place}, row {row + 1} of {len(record.at)}, after {after_s:.2f} s"
    return [where, f"  at {record.at[row]} ms: {record.kind[row]} {record.detail[row]}".rstrip()]
