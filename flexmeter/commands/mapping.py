"""`flexmeter mapping`: a mapping proposed for a sample of JSON."""

import re
import time
from pathlib import Path
from typing import Any, BinaryIO

import click

from connectors.decode.json_decoder import decode_json
from connectors.decode.json_text import parse_json
from connectors.decode.mapping import parse_mapping
from connectors.decode.readings import Address, Carries
from flexmeter.answers import of_rows
from flexmeter.facts import one_line
from flexmeter.proposal.propose import propose, text_of
from flexmeter.role import examples, named
from schemas.catalogue import built_in_profiles, load_catalogue
from schemas.errors import Rejected


@click.command(
    epilog=examples(
        "flexmeter mapping sample.json > garage_meter.yaml", "flexmeter mapping --event alarm.json sample.json"
    )
)
@click.option("--profile", "profile_name", help="Map to this profile's quantities; a profile of its own unless told.")
@click.option("--name", help="The name of the new profile, and so of the file; the sample's unless told.")
@click.option("--event", "event_file", type=click.File("rb"), help="A sample of what comes under addresses for events.")
@click.argument("sample", type=click.File("rb"))
def command(profile_name: str | None, name: str | None, event_file: BinaryIO | None, sample: BinaryIO) -> None:
    """Propose a mapping for the JSON in SAMPLE (- for stdin): names, units and quantities guessed, for you to correct.

    The mapping goes to stdout, with the reason for each guess; what it makes of the sample goes to stderr.
    docs/adding-a-source.md goes on from there.
    """
    profile = named(load_catalogue().profiles, profile_name, "profile") if profile_name else None
    content = sample.read()
    document, event = _document(content), _document(event_file.read()) if event_file else None
    proposal = propose(document, profile)
    if isinstance(document, list) and proposal.sample.readings is None:
        raise click.ClickException('a list at the top must be of readings; put it into an object: {"values": [...]}')
    if not proposal.guesses:
        seen = ", ".join(one.leaf.pointer for one in proposal.unguessed) or "none"
        raise click.ClickException(f"no quantity was recognised; the numbers there are: {seen}")
    chosen = profile.name if profile else _name(name or Path(sample.name).stem)
    named_so = "-" if sample.name == "<stdin>" else one_line(Path(sample.name).name)
    text = text_of(proposal, chosen, named_so, profile, event)
    click.echo(text, nl=False)
    click.echo(_read(chosen, text, content), err=True)


def _document(content: bytes) -> Any:
    try:
        return parse_json(content)
    except Rejected as rejected:
        raise click.ClickException(f"the sample cannot be read: {rejected}") from rejected


def _name(text: str) -> str:
    """The text as the name of a profile that there is not yet."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "source"
    return f"{name}_own" if name in built_in_profiles() else name


def _read(name: str, text: str, content: bytes) -> str:
    """What the mapping makes of the sample."""
    mapping = parse_mapping(name, text)
    try:
        address = Address("", name, "METER", Carries.READING)
        decoded = decode_json(content, address, time.time_ns() // 1_000_000, mapping)
    except Rejected as rejected:
        return f"with this mapping the sample is rejected: {rejected}"
    lines = ["so the sample says:"]
    for answer in of_rows(decoded, mapping.profile):
        lines.append(f"  {answer['meter']} at {answer['time'] or 'the time of its arrival'}")
        lines += [f"    {quantity} {value:.10g}" for quantity, value in answer["quantities"].items()]
    return "\n".join(lines)
