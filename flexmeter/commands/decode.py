"""`flexmeter decode`: what a payload says, without any broker."""

import math
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import click
import orjson

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import load_mappings
from connectors.decode.readings import Address, Carries, Decoded
from flexmeter.role import named
from schemas.catalogue import load_catalogue
from schemas.errors import Rejected
from schemas.quality import Quality


@click.command()
@click.option("--profile", "profile_name", required=True, help="Which mapping reads it: the meter's profile.")
@click.option("--meter", default="example", show_default=True, help="The id of the meter that sent it.")
@click.option("--event", is_flag=True, help="The payload came under an address for events, not readings.")
@click.option("--lines", is_flag=True, help="Each line of the file is a payload, not the file as a whole.")
@click.argument("file", type=click.File("rb"))
def command(profile_name: str, meter: str, event: bool, lines: bool, file: BinaryIO) -> None:
    """Print one JSON line for each payload in FILE (- for stdin): its readings and events, or why it is rejected.

    Exit code 1 if any was rejected.
    """
    mapping = named(load_mappings(), profile_name, "mapping for the profile")
    address = Address(f"{profile_name}/{meter}", profile_name, meter, Carries.EVENT if event else Carries.READING)
    rejected_any = False
    for payload in _payloads(file.read(), lines):
        try:
            answer = described(decode_json(payload, address, time.time_ns() // 1_000_000, mapping), profile_name)
        except Rejected as rejected:
            answer = {"rejected": rejected.reason, "detail": rejected.detail}
            rejected_any = True
        click.echo(orjson.dumps(answer).decode())
    if rejected_any:
        raise SystemExit(1)


def _payloads(content: bytes, lines: bool) -> Iterator[bytes]:
    if lines:
        yield from content.splitlines()
    else:
        yield content


def described(decoded: Decoded, profile: str) -> dict[str, Any]:
    """What was decoded, with names for everything; null = not measured."""
    names = load_catalogue().profiles[profile].quantities
    readings = [
        {
            "meter": reading.meter,
            "at": reading.at,
            "sequence": reading.sequence,
            "quality": quality_names(reading.quality),
            "values": {
                name: None if math.isnan(value) else value for name, value in zip(names, reading.values, strict=True)
            },
        }
        for reading in decoded.readings
    ]
    events = [
        {
            "meter": event.meter,
            "at": event.at,
            "quality": quality_names(event.quality),
            "kind": event.kind,
            "detail": event.detail,
        }
        for event in decoded.events
    ]
    return {"readings": readings, "events": events}


def quality_names(bits: int) -> list[str]:
    """The set bits by name.

    >>> quality_names(6)
    ['time_by_bridge', 'future']
    """
    return [str(flag.name).lower() for flag in Quality if flag & bits]
