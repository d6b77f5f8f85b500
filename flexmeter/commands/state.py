"""`flexmeter state`: what the streams know of a meter, from their saved states."""

import asyncio
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import orjson
import yaml
from aiokafka.errors import KafkaError

from flexmeter.role import asking_kafka, checked_topology, examples, named, topology_option
from schemas.catalogue import load_catalogue
from schemas.errors import Unavailable
from schemas.partition import partition_of
from schemas.topology import Stream, Topology
from streams import state_topic
from streams.registry import operators_of
from streams.shard import Shard
from streams.snapshot import Incompatible, thaw


@click.command(
    epilog=examples("flexmeter state LGZ1030655933000", "flexmeter state LGZ1030655933000 --name metering --json")
)
@topology_option
@click.option("--name", "stream_name", help="Only this stream; all unless told.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a stream and profile, a line each.")
@click.argument("meter")
def command(topology_path: Path, stream_name: str | None, as_json: bool, meter: str) -> None:
    """Show what the streams know of METER, as of the state that each saved last.

    Reads the state topics only: joins no group, disturbs no worker. Exit code 1 if no stream knows the meter.
    """
    topology = checked_topology(topology_path)
    streams = {stream_name: named(topology.streams, stream_name, "stream")} if stream_name else topology.streams
    with asking_kafka():
        try:
            found = asyncio.run(_found(topology, streams, meter))
        except KafkaError as error:
            raise Unavailable("kafka", str(error)) from error
    for one in found:
        click.echo(orjson.dumps(one).decode() if as_json else yaml.safe_dump(one, sort_keys=False, allow_unicode=True))
    if not found:
        raise click.ClickException(f"no saved state knows {meter!r}: it has not reported, or not since the last save")


async def _found(topology: Topology, streams: Mapping[str, Stream], meter: str) -> list[dict[str, Any]]:
    found = []
    for stream in streams.values():
        for partition in _partitions(topology, stream, meter):
            saved, _ = await state_topic.restore(topology.kafka, stream.state, partition)
            if saved is not None:
                found += _told(stream, partition, saved.payload, meter)
    return found


def _partitions(topology: Topology, stream: Stream, meter: str) -> Iterator[int]:
    """Those that can know the meter: its own, or all where the stream is cut another way."""
    topic = topology.topics[stream.input]
    yield from [partition_of(meter, topic.partitions)] if topic.by == "meter" else range(topic.partitions)


def _told(stream: Stream, partition: int, payload: bytes, meter: str) -> list[dict[str, Any]]:
    operators = operators_of(stream)
    shard = Shard(stream.name, partition, operators, load_catalogue(), turn_ms=0)
    try:
        thaw(payload, shard)
    except Incompatible as incompatible:
        raise click.ClickException(str(incompatible)) from incompatible
    head = {"meter": meter, "stream": stream.name, "partition": partition, "next_offset": shard.next_offset}
    return [{**head, **_plain(described)} for described in shard.describe(meter)]


def _plain(value: Any) -> Any:
    """NaN as null, which JSON and YAML know."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
