"""`flexmeter dead-letters`: what could not be taken, and what is put through its bridge again."""

import logging
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from connectors.age import age_limit
from connectors.counters import Counters, CounterTopic
from connectors.intake import Intake
from connectors.kafka import Outlet, ensure_topics
from connectors.redrive import Outcome, PayloadKey, Redrive, deliver, key_of, obstacle
from flexmeter.answers import written
from flexmeter.commands.bridge import trusted
from flexmeter.letters import Choice, Kept, Since, letters
from flexmeter.registered import registered
from flexmeter.role import asking_kafka, checked_topology, examples, named, stop_on_signals, topology_option
from schemas.blocks import DeadLetter
from schemas.errors import Reason, Unavailable
from schemas.topology import Bridge, Topology

MOST_BYTES = 1 << 30
"""Payloads that are re-driven at once, since they are held together."""
KAFKA_S = 120.0

_PLACE = re.compile(r"(.+)/(\d{1,9})/(\d{1,18})")


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "flexmeter dead-letters list --since 2h --reason unknown_meter",
        "flexmeter dead-letters show dead.letters/3/17 | flexmeter decode --profile district_heat -",
        "flexmeter dead-letters redrive --meter KAM12345678 --dry-run",
    ),
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the payloads that could not be taken, with their reasons; put them through their bridge again.

    Without a command: all of them.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop_on_signals()
    if ctx.invoked_subcommand is None:
        with list_letters.make_context("list", [], parent=ctx) as listing:
            list_letters.invoke(listing)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which letters; the command is given the `choice`."""

    @wraps(command)
    def with_choice(
        reasons: tuple[str, ...],
        sources: tuple[str, ...],
        meter: str,
        address: str,
        since: int | None,
        last: int | None,
        **rest: Any,
    ) -> None:
        command(choice=Choice(reasons, sources, meter, address, since or 0, last or 0), **rest)

    for option in (
        click.option("--last", type=click.IntRange(1), help="Only so many, the newest."),
        click.option("--since", type=Since(), help="What came since then: 2026-11-24T08:00, 90m, 4h, 2d."),
        click.option("--address", default="", help="From this address; * stands for anything: 'malmo/water/*'."),
        click.option("--meter", default="", help="Whose address or detail names this meter."),
        click.option("--source", "sources", multiple=True, help="Of this bridge, stream, sink or router."),
        click.option("--reason", "reasons", multiple=True, type=click.Choice(list(map(str, Reason))), metavar="REASON",
                     help="Rejected for this reason, such as unknown_meter."),
        topology_option,
    ):  # fmt: skip
        with_choice = option(with_choice)
    return with_choice


@command.command("list")
@choosing
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, without the payload.")
@click.option(
    "--hex", "as_hex", is_flag=True, help="Only the payloads, one a line, for `flexmeter decode --lines --hex -`."
)
def list_letters(topology_path: Path, choice: Choice, as_json: bool, as_hex: bool) -> None:
    """Show dead letters, one a line, the newest last.

    Of each its time, place, source, reason, detail, size and address.
    Those of streams and sinks are records of Kafka that could not be read or written: they cannot be re-driven.
    """
    topology = checked_topology(topology_path)
    hindered: dict[str, str] = {}

    def light() -> Iterator[Kept]:
        """Without the payloads, of which there may be more than there is memory."""
        for kept in letters(topology):
            if choice.wants(kept.letter) and (why := obstacle(kept.letter, topology.bridges)):
                hindered[kept.place] = why
            yield replace(kept, letter=replace(kept.letter, payload=b""))

    with _told(), _piped():
        for kept in choice.of(letters(topology) if as_hex else light()):
            if as_hex:
                click.echo(kept.letter.payload.hex())
            else:
                why = hindered.get(kept.place, "")
                click.echo(kept.json(why) if as_json else kept.line(why))


@command.command()
@topology_option
@click.option("--raw", is_flag=True, help="The very bytes, whatever they are.")
@click.argument("place")
def show(topology_path: Path, raw: bool, place: str) -> None:
    """Print a payload, for `flexmeter decode -`.

    PLACE is that of its letter, as `list` names it. What is printed is its text, or hexadecimal digits where it is none
    (`decode --hex` of JSON); what is known of it goes to stderr.
    """
    topology = checked_topology(topology_path)
    found = _PLACE.fullmatch(place)
    if found is None:
        raise click.UsageError(f"{place!r} is no place such as dead.letters/3/17, as `flexmeter dead-letters` shows")
    topic, partition = named(topology.topics, found[1], "topic"), int(found[2])
    if partition >= topic.partitions:
        raise click.UsageError(f"{topic.name} has partitions 0 to {topic.partitions - 1}")
    with _told():
        kept = next((kept for kept in letters(topology, [topic], [partition]) if kept.offset == int(found[3])), None)
    if kept is None:
        raise click.ClickException(f"there is no dead letter at {place}: none came there, or it is forgotten by now")
    click.echo(kept.line(obstacle(kept.letter, topology.bridges)), err=True)
    sys.stdout.buffer.write(kept.letter.payload if raw else written(kept.letter.payload))


@command.command()
@choosing
@click.option("--dry-run", is_flag=True, help="Say what would become of them, and do nothing.")
def redrive(topology_path: Path, choice: Choice, dry_run: bool) -> None:
    """Put payloads through their bridge again.

    They are decoded and judged as of now, with the time at which they first came.
    For what has been mended since: a meter is registered, a key or permission there, a mapping corrected. Doing it
    again changes nothing: the same reading counts once. What is rejected again has a dead letter anew only if the
    reason is another.
    """
    topology = checked_topology(topology_path)
    with _told():
        kept, reasons = _read(topology, choice)
        chosen = {key_of(one.letter): one for one in kept if not obstacle(one.letter, topology.bridges)}
        _announce(topology, kept, list(chosen.values()), dry_run)
        by_bridge: dict[str, list[DeadLetter]] = defaultdict(list)
        for one in chosen.values():
            by_bridge[one.letter.source].append(one.letter)
        for name, own in by_bridge.items():
            outcome = _redriven(topology, topology.bridges[name], own, reasons, dry_run)
            click.echo(f"{name}: {said(outcome, dry_run)}")


def said(outcome: Outcome, dry_run: bool) -> str:
    """What became of a bridge's payloads.

    >>> said(Outcome(3, 3, 1, Counter(unit=2), Counter(unit=1)), dry_run=False)
    '3 taken (3 readings, 1 events), 2 rejected again (unit 2), of which dead letters anew: unit 1'
    """
    would = "would be " if dry_run else ""
    words = f"{outcome.taken} {would}taken ({outcome.readings} readings, {outcome.events} events)"
    words += f", {outcome.rejected.total()} {would}rejected again"
    if outcome.rejected:
        words += f" ({_counts(outcome.rejected)})"
    if outcome.anew:
        words += f", of which dead letters anew: {_counts(outcome.anew)}"
    return words


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


@contextmanager
def _told() -> Iterator[None]:
    """Say what is away, and end."""
    try:
        with asking_kafka():
            yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@contextmanager
def _piped() -> Iterator[None]:
    """`| head` has enough. What changes something has then ended before its time: exit status 1, as click has it."""
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(0) from None


def _read(topology: Topology, choice: Choice) -> tuple[list[Kept], Mapping[PayloadKey, set[str]]]:
    """The chosen letters, the oldest first, and for what reasons each payload has one."""
    reasons: dict[PayloadKey, set[str]] = defaultdict(set)
    held = 0

    def noted() -> Iterator[Kept]:
        nonlocal held
        for kept in letters(topology):
            reasons[key_of(kept.letter)].add(kept.letter.reason)
            held += len(kept.letter.payload) if choice.wants(kept.letter) else 0
            if held > MOST_BYTES and not choice.last:
                raise click.ClickException(f"more than {MOST_BYTES >> 20} MiB: choose fewer, by --since, --source ...")
            yield kept

    return choice.of(noted()), reasons


def _announce(topology: Topology, kept: Sequence[Kept], chosen: Sequence[Kept], dry_run: bool) -> None:
    hindered = Counter(f"{one.letter.source}: {why}" for one in kept if (why := obstacle(one.letter, topology.bridges)))
    for which, count in hindered.most_common():
        click.echo(f"{count} of {which}; cannot be re-driven")
    by_bridge: dict[str, Counter[str]] = defaultdict(Counter)
    for one in chosen:
        by_bridge[one.letter.source][one.letter.reason] += 1
    for name, counter in by_bridge.items():
        act = "would go" if dry_run else "go"
        click.echo(f"{name}: {counter.total()} payloads {act} through its decoding and intake ({_counts(counter)})")
    if not chosen:
        click.echo("nothing to re-drive")


def _redriven(
    topology: Topology,
    bridge: Bridge,
    own: Sequence[DeadLetter],
    reasons: Mapping[PayloadKey, set[str]],
    dry_run: bool,
) -> Outcome:
    """Re-drive payloads of one bridge, or only judge them."""
    shared = CounterTopic(topology.kafka, topology.topics[bridge.counters]) if bridge.counters else None
    intake, outlet = _intake(topology, bridge), Outlet(topology.kafka, f"flexmeter-redrive-{bridge.name}")
    names = (bridge.readings, bridge.events, bridge.dead_letters, bridge.counters)
    ensure_topics(topology.kafka, [topology.topics[name] for name in names if name])
    if shared is not None:
        shared.read()

    def produce(topic: str, partition: int, value: bytes) -> None:
        if not dry_run:
            outlet.produce(topic, partition, value)

    run = Redrive(bridge, topology, intake, shared.counters if shared else Counters(), produce)
    for letter in own:
        run.take(letter, reasons[key_of(letter)])
    run.finish()
    if not dry_run and not deliver(outlet, shared, KAFKA_S):
        raise Unavailable("kafka", "it did not take all of it in time; do it again, which doubles nothing")
    if shared is not None:
        shared.close()
    return run.outcome


def _intake(topology: Topology, bridge: Bridge) -> Intake:
    """The bridge's own, with the register, permissions and keys of now."""
    register = registered(topology)
    authority, decoders, _ = trusted(topology, bridge, register)
    readings, events = topology.topics[bridge.readings], topology.topics[bridge.events]
    return Intake(register, decoders, readings.partitions, events.partitions, authority, age_limit(bridge))
