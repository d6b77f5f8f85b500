"""What the records say about one meter: facts, as a line for a person or as JSON. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from flexmeter.answers import quality_names
from schemas.alert import Alert
from schemas.blocks import DeadLetter, EventBlock, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.master_data import HomeRequestBlock
from schemas.record import Record
from schemas.results import (
    AggregateBlock,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    PresenceBlock,
    RecomputeRequestBlock,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was said about a meter: of what kind, for which time (ms UTC), in words, and in full."""

    kind: str
    at: int
    text: str
    content: Mapping[str, Any]

    def line(self) -> str:
        """One line with the time, the kind and what is said.

        >>> Fact("event", 0, "last_gasp", {}).line()
        '1970-01-01 00:00:00.000Z  event        last_gasp'
        """
        return f"{clock(self.at)}  {self.kind:<11}  {one_line(self.text)}"

    def json(self) -> str:
        """One line of JSON; null where nothing was measured."""
        content = {"kind": self.kind, "at": self.at, **self.content}
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def facts_about(meter: str, record: Record | Alert) -> Iterator[Fact]:
    """Every fact of the record that concerns the meter, in the record's order."""
    match record:
        case ReadingBlock():
            yield from _readings(meter, record)
        case EventBlock():
            yield from _events(meter, record)
        case AggregateBlock():
            yield from _aggregates(meter, record)
        case PresenceBlock():
            yield from _presences(meter, record)
        case AnomalyScoreBlock():
            yield from _scores(meter, record)
        case ApplianceEventBlock():
            yield from _appliance_events(meter, record)
        case ApplianceEnergyBlock():
            yield from _appliance_energies(meter, record)
        case HomeRequestBlock():
            yield from _requests(meter, record)
        case RecomputeRequestBlock():
            yield from _recomputations(meter, record)
        case DeadLetter() if concerns(meter, record):
            yield _dead_letter(record)
        case Alert() if meter == record.subject:
            yield alert_fact(record)


def alert_fact(alert: Alert) -> Fact:
    """What an alert says, whomever it concerns."""
    content = {name: getattr(alert, name) for name in alert.__dataclass_fields__ if name not in ("kind", "at")}
    text = f"{alert.severity:<8}  {alert.state:<7}  {alert.kind}: {alert.summary}"
    return Fact("alert", alert.at, text, {"alert_kind": alert.kind, **content})


def concerns(meter: str, letter: DeadLetter) -> bool:
    """Whether the letter's address names the meter as a level, or its detail as a word.

    >>> letter = DeadLetter("https_turin", "v1/water/reading", 0, "unknown_meter",
    ...     "meter 'KAM12' is not in the register", b"", 0, "")
    >>> concerns("KAM12", letter), concerns("KAM1", letter), concerns("water", letter)
    (True, False, True)
    """
    if meter in letter.address.split("/") or meter in letter.address.split("."):
        return True
    return re.search(rf"(?<![\w.:-]){re.escape(meter)}(?![\w:-])", letter.detail) is not None


def clock(at: int) -> str:
    """A time as people read it, or the bare number of ms where no calendar has it.

    >>> clock(1_795_507_200_123), clock(2**62)
    ('2026-11-24 08:00:00.123Z', '4611686018427387904 ms')
    """
    try:
        return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{at % 1000:03d}Z"
    except (OverflowError, ValueError, OSError):
        return f"{at} ms"


def one_line(text: str) -> str:
    r"""The text with everything that would move a terminal's cursor made visible: devices wrote parts of it.

    >>> one_line("a\nb\x1b[2J")
    'a\\nb\\x1b[2J'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def amount(value: float, quantity: str) -> str:
    """A value with its unit.

    >>> amount(230.14, "voltage_l1_v"), amount(float("nan"), "voltage_l1_v")
    ('230.14 V', 'not measured')
    """
    if value != value:
        return "not measured"
    known = load_catalogue().quantities.get(quantity)
    return f"{value:.10g} {known.unit}" if known and known.unit else f"{value:.10g}"


def _rows(meter: str, block: Any) -> Iterator[int]:
    index = {number for number, name in enumerate(block.meters) if name == meter}
    return (row for row, number in enumerate(block.row_meter.tolist()) if number in index)


def _flagged(text: str, bits: int) -> str:
    return f"{text}  [{', '.join(quality_names(bits))}]" if bits else text


def _readings(meter: str, block: ReadingBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        values = dict(zip(block.columns, block.rows_by_column()[:, row].tolist(), strict=True))
        measured = "  ".join(f"{name} {amount(value, name)}" for name, value in values.items() if value == value)
        quality = int(block.quality[row])
        content = {
            "meter": meter,
            "profile": block.profile,
            "source": block.source,
            "received_at": block.received_at,
            "sequence": int(block.sequence[row]),
            "quality": quality_names(quality),
            "values": values,
        }
        yield Fact("reading", int(block.at[row]), _flagged(measured or "nothing measured", quality), content)


def _events(meter: str, block: EventBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        kind, detail, quality = block.kind[row], block.detail[row], int(block.quality[row])
        content = {
            "meter": meter,
            "source": block.source,
            "event": kind,
            "detail": detail,
            "quality": quality_names(quality),
        }
        yield Fact("event", int(block.at[row]), _flagged(f"{kind} {detail}".rstrip(), quality), content)


def _aggregates(meter: str, block: AggregateBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        quantity = block.quantities[int(block.row_quantity[row])]
        window = block.windows[int(block.row_window[row])]
        numbers = {
            name: getattr(block, name)[row].item()
            for name in ("end", "revision", "count", "mean", "min", "max", "energy_trapezoid_wh",
                         "register_difference", "covered_ms")
        }  # fmt: skip
        quality = int(block.quality[row])
        content = {"meter": meter, "quantity": quantity, "window": window, **numbers, "quality": quality_names(quality)}
        text = _flagged(_aggregate_text(quantity, window, numbers), quality)
        yield Fact("aggregate", int(block.start[row]), text, content)


def _aggregate_text(quantity: str, window: str, numbers: Mapping[str, Any]) -> str:
    parts = [f"{numbers['count']} samples"]
    if numbers["mean"] == numbers["mean"]:
        parts += [f"{name} {amount(numbers[name], quantity)}" for name in ("mean", "min", "max")]
    if numbers["energy_trapezoid_wh"] == numbers["energy_trapezoid_wh"]:
        parts.append(f"energy {numbers['energy_trapezoid_wh']:.10g} Wh")
    if numbers["register_difference"] == numbers["register_difference"]:
        parts.append(f"counted {amount(numbers['register_difference'], quantity)}")
    parts.append(f"covered {numbers['covered_ms'] / 1000:.10g} s")
    revision = f", revision {numbers['revision']}" if numbers["revision"] else ""
    return f"{window} to {clock(numbers['end'])}{revision}  {quantity}: {', '.join(parts)}"


def _presences(meter: str, block: PresenceBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        since, last_at, number = int(block.since[row]), int(block.last_at[row]), int(block.number[row])
        content = {"meter": meter, "state": block.state[row], "number": number, "last_at": last_at}
        text = f"{block.state[row]}; newest reading is of {clock(last_at)}"
        yield Fact("presence", since, text, content)


def _scores(meter: str, block: AnomalyScoreBlock) -> Iterator[Fact]:
    figures = ("end", "load", "expected", "low", "high", "rarity_decades")
    for row in _rows(meter, block):
        numbers = {name: getattr(block, name)[row].item() for name in figures}
        text = (
            "{load:.4g} {unit}, expected {expected:.4g} ({low:.4g} to {high:.4g}), rarity {rarity_decades:.1f} decades"
        )
        content = {"meter": meter, "state": block.state[row], "unit": block.unit, **numbers}
        yield Fact("score", int(block.start[row]), f"{block.state[row]}: {text.format(**content)}", content)


def _appliance_events(meter: str, block: ApplianceEventBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        numbers = {
            name: getattr(block, name)[row].item()
            for name in ("number", "revision", "start", "end", "power_w", "energy_wh", "confidence")
        }
        content = {"meter": meter, "state": block.state[row], "appliance": block.appliance[row], **numbers}
        text = f"{block.appliance[row]} {block.state[row]}, load {numbers['number']}, revision {numbers['revision']}: "
        text += f"{numbers['power_w']:.0f} W since {clock(numbers['start'])}, {numbers['energy_wh']:.1f} Wh, "
        yield Fact("appliance", int(block.decided_at[row]), f"{text}{numbers['confidence']:.0%} sure", content)


def _appliance_energies(meter: str, block: ApplianceEnergyBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        appliance, window = block.appliances[block.row_appliance[row]], block.windows[block.row_window[row]]
        numbers = {name: getattr(block, name)[row].item() for name in ("end", "revision", "energy_wh", "covered_ms")}
        content = {"meter": meter, "appliance": appliance, "window": window, **numbers}
        revision = f", revision {numbers['revision']}" if numbers["revision"] else ""
        text = f"{window} to {clock(numbers['end'])}{revision}  {appliance}: {numbers['energy_wh']:.1f} Wh"
        yield Fact("energy", int(block.start[row]), text, content)


def _requests(meter: str, block: HomeRequestBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        kind, power_w, appliance = block.kind[row], block.power_w[row].item(), block.appliance[row]
        content = {"meter": meter, "request": kind, "number": block.number[row].item()}
        content |= {"power_w": power_w, "appliance": appliance}
        text = f"label: what draws {power_w:.0f} W is {appliance}" if kind == "label" else kind
        yield Fact("request", int(block.at[row]), text, content)


def _recomputations(meter: str, block: RecomputeRequestBlock) -> Iterator[Fact]:
    for row in _rows(meter, block):
        end = int(block.end[row])
        text = f"late readings: the time to {clock(end)} is to be computed again"
        yield Fact("recompute", int(block.start[row]), text, {"meter": meter, "end": end})


def _dead_letter(letter: DeadLetter) -> Fact:
    content = {
        "source": letter.source,
        "address": letter.address,
        "reason": letter.reason,
        "detail": letter.detail,
        "payload_length": letter.payload_length,
        "payload_sha256": letter.payload_sha256,
    }
    text = f"{letter.reason}: {letter.detail} ({letter.payload_length} bytes from {letter.address})"
    return Fact("dead_letter", letter.received_at, text, content)
