"""A mapping proposed for a sample: the file's text, each guess with its why, and all that was not guessed."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.decode.mapping import Path
from flexmeter.facts import one_line
from flexmeter.proposal.agreement import in_agreement, with_totals, without_sums
from flexmeter.proposal.around import Place, event_codes, kind_of, meter_of, sequence_of, time_of, without
from flexmeter.proposal.meaning import SURE, Guess, Unguessed, context_of, guess
from flexmeter.proposal.sample import Leaf, Sample, take_apart
from flexmeter.proposal.units import canonical
from schemas.catalogue import Profile, quantities

_PLAIN = re.compile(r"/?[A-Za-z_][\w./-]*|/[\w./-]+", re.ASCII)
_INTERVAL_S: Final = {"electricity": 60, "heat": 300, "cooling": 300, "water": 3_600, "gas": 3_600}
_LONGEST_COMMENT = 160


@dataclass(frozen=True, slots=True)
class Proposal:
    """Everything that was guessed of a sample."""

    medium: str
    sample: Sample
    guesses: Sequence[Guess]
    unguessed: Sequence[Unguessed]
    meter: Place | None
    time: Place | None
    sequence: Place | None


def propose(document: Any, profile: Profile | None = None) -> Proposal:
    """What the sample probably means; with a profile, only its quantities."""
    sample = take_apart(document)
    everything = (*sample.leaves, *sample.around)
    time, sequence = time_of(everything), sequence_of(everything)
    meter = None if sample.by_id else meter_of(sample.leaves) or meter_of(sample.around)
    numbers = [leaf for leaf in without(sample.leaves, (time, sequence, meter)) if _may_measure(leaf)]
    allowed = profile.quantities if profile else ()
    context = context_of(numbers, allowed, profile.medium if profile else "")
    found = [guess(leaf, context) for leaf in numbers]
    unguessed = [one for one in found if isinstance(one, Unguessed)]
    guesses = in_agreement(with_totals([one for one in found if isinstance(one, Guess)], unguessed))
    best = without_sums(_best(guesses))
    others = [Unguessed(one.leaf, f"also looks like {one.quantity}") for one in guesses if one not in best]
    added = [leaf for one in best if one.plus is not None for leaf in (one.leaf, one.plus)]
    order = list(profile.quantities if profile else quantities())
    return Proposal(
        context.medium,
        sample,
        sorted(best, key=lambda one: order.index(one.quantity)),
        [*(one for one in unguessed if one.leaf not in added), *others],
        meter,
        time,
        sequence,
    )


def _may_measure(leaf: Leaf) -> bool:
    return leaf.number is not None or (leaf.value is None and bool(leaf.own))


def _best(guesses: Iterable[Guess]) -> list[Guess]:
    """The surest guess of each quantity; of equals, the one with the shortest way to it."""
    best: dict[str, Guess] = {}
    for one in sorted(guesses, key=lambda one: (-one.sure, len(one.leaf.path), len(one.leaf.own))):
        best.setdefault(one.quantity, one)
    return list(best.values())


def text_of(proposal: Proposal, name: str, sample_name: str, profile: Profile | None, event: Any = None) -> str:
    """The file's text: a mapping that `parse_mapping` reads as it is."""
    return "\n".join(_lines(proposal, name, sample_name, profile, event)) + "\n"


def _lines(proposal: Proposal, name: str, sample_name: str, profile: Profile | None, event: Any) -> Iterator[str]:
    yield f"# Proposed from {sample_name}: guesses, for you to correct. Behind each stands how sure it is (sure,"
    yield "# likely or guess) and why. Where messages may lack a quantity, add `required: false` to it."
    yield f"# Try it:  flexmeter decode --mapping {name}.yaml {sample_name}"
    yield f"# Use it:  put it as {name}.yaml into the folder that FLEXMETER_SOURCES names (docs/adding-a-source.md)"
    if profile is None:
        yield "profile:"
        yield from _commented("  medium: " + proposal.medium, "what is metered")
        yield from _commented(f"  interval_s: {_INTERVAL_S[proposal.medium]}", "guess: how often does a meter report?")
    sample = proposal.sample
    if sample.readings is not None:
        at = f"{{path: {_quoted(_pointer(sample.readings))}}}" if sample.readings else "{}"
        yield from _commented(f"readings: {at}", "of each meter, by its id" if sample.by_id else "a list of them")
    yield from _place("meter", proposal.meter)
    yield from _place("time", proposal.time, "; add `by: gateway` if it is not the meter's own clock")
    yield from _place("sequence", proposal.sequence)
    if any(isinstance(one.leaf.value, str) for one in proposal.guesses):
        yield from _commented("text_numbers: true", "sure: numbers come as text")
    yield "quantities:"
    for one in proposal.guesses:
        yield from _commented(f"  {one.quantity}: {_entry(one)}", f"{SURE[one.sure]}: {'; '.join(one.why)}")
    yield from _events(event)
    if proposal.unguessed:
        yield "# Not mapped:"
        yield from (
            f"#   {_pointer(one.leaf.path)} {_shown(one.leaf)}: {one_line(one.why)}" for one in proposal.unguessed
        )


def _entry(one: Guess) -> str:
    fields = {"path": _quoted(one.leaf.pointer)}
    if one.unit.name != quantities()[one.quantity].unit or one.unit.name != "1":
        fields["unit"] = _quoted(one.unit.name)
    if one.leaf.unit and canonical(one.leaf.unit) == one.leaf.unit:
        fields["unit_path"] = _quoted(_pointer(one.leaf.unit_path))
    if one.plus is not None:
        fields["plus"] = _quoted(one.plus.pointer)
    if one.leaf.value is None or not one.leaf.everywhere:
        fields["required"] = "false"
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


def _place(key: str, place: Place | None, choice: str = "") -> Iterator[str]:
    if place is None:
        yield f"# {key}: {_ABSENT[key]}"
        return
    more = "".join(f", {name}: {_quoted(value)}" for name, value in place.more)
    yield from _commented(
        f"{key}: {{path: {_quoted(place.leaf.pointer)}{more}}}", f"{SURE[place.sure]}: {place.why}{choice}"
    )


_ABSENT: Final[Mapping[str, str]] = {
    "meter": "none found: the address has to name the meter",
    "time": "none found: readings have the time at which they reach the bridge",
    "sequence": "no counter of the device's own found",
}


def _events(event: Any) -> Iterator[str]:
    if event is None:
        return
    codes, detail = event_codes(event)
    if not codes:
        yield "# events: no code was found in the sample of an event"
        return
    code = str(codes[0].value)
    kind, sure = kind_of(code)
    yield "events:"
    yield from _commented(f"  path: {_quoted(codes[0].pointer)}", "the code")
    if detail:
        yield from _commented(f"  detail_path: {_quoted(detail)}", "the device's own words")
    yield "  codes:"
    yield from _commented(
        f"    {json.dumps(code)}: {kind}", f"{SURE[sure]}; add the other codes: docs/reference/events.md"
    )


def _commented(line: str, comment: str) -> Iterator[str]:
    yield f"{line}  # {one_line(comment)[:_LONGEST_COMMENT]}"


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _pointer(path: Path) -> str:
    return Leaf(path, None).pointer


def _shown(leaf: Leaf) -> str:
    return one_line(json.dumps(leaf.value, ensure_ascii=False))[:40]
