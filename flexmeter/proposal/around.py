"""What stands around the quantities of a sample: the time, the meter, the device's own counter, and codes of events."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connectors.decode.json_decoder import LONGEST_ID
from connectors.decode.mapping import TimeFormat
from flexmeter.proposal.sample import Leaf
from flexmeter.proposal.words import of, split
from schemas.events import load_events

_TIME: Final = of("time timestamp ts t datetime date at unixtime epoch measured read zeit utc")
_NOT_THE_TIME: Final = of("up uptime last start started boot zone timezone offset since interval gas minute")
_COUNTER: Final = of("seq sequence counter msg message number no nr frame")
_ID_WORDS: Final = (
    {"meter", "id"}, {"meterid"}, {"meter", "number"}, {"serial", "number"}, {"serialnumber"}, {"equipment", "id"},
    {"unique", "id"}, {"device", "id"}, {"deviceid"}, {"mac"}, {"sn"}, {"eui"}, {"meter"}, {"serial"}, {"src"}, {"id"},
    {"device"}, {"identifier"}, {"hub"}, {"zaehlernummer"},
)  # fmt: skip
"""Words of a key that says whose reading it is, the likeliest first."""
_BESIDE_IDS: Final = of("id number no nr meter device dev serial server equipment unique identifier address")
_LIKELY_IDS: Final = 14
_ID_CODES: Final = frozenset(((0, 96, 1), (0, 0, 0), (1, 0, 0), (0, 42, 0)))
"""A, C, D of OBIS codes that identify a meter."""
_CODE: Final = re.compile(r"[\w .:/-]{1,100}", re.ASCII)
_ID: Final = re.compile(r"[^\s/+#]{2,}")
_YEAR_2001_S, _YEAR_2100_S = 1_000_000_000, 4_102_444_800


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf taken for something, and why; `more` is what else the mapping says of it."""

    leaf: Leaf
    why: str
    sure: int
    more: tuple[tuple[str, str], ...] = ()


def time_of(leaves: Iterable[Leaf]) -> Place | None:
    """The likeliest time.

    >>> found = time_of([Leaf(("unixtime",), 1764144000, ("unixtime",), ("unixtime",))])
    >>> found.more, found.sure
    ((('format', 'epoch_s'),), 2)
    """
    found = [place for leaf in leaves if (place := _time(leaf)) is not None]
    return max(found, key=lambda place: (place.sure, -len(place.leaf.path)), default=None)


def _time(leaf: Leaf) -> Place | None:
    named = bool(set(leaf.own) & _TIME) and not set(leaf.own) & _NOT_THE_TIME
    if isinstance(leaf.value, str) and leaf.number is None:
        return _text_time(leaf, leaf.value, named)
    number = leaf.number
    if not named or number is None:
        return None
    for format_, factor in ((TimeFormat.EPOCH_S, 1), (TimeFormat.EPOCH_MS, 1_000)):
        if _YEAR_2001_S <= number / factor < _YEAR_2100_S:
            unit = "seconds" if factor == 1 else "milliseconds"
            return Place(leaf, f"{unit} since 1970", 2, (("format", format_.value),))
    return None


def _text_time(leaf: Leaf, text: str, named: bool) -> Place | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) < len("2026-11-24T08") or not 2000 <= moment.year < 2200:
        return None
    if moment.tzinfo is None:
        why = "ISO 8601 without offset: is it UTC? else write the meter's offset"
        return Place(leaf, why, 1 if named else 0, (("format", "iso8601"), ("offset", "+00:00")))
    return Place(leaf, "ISO 8601 with its offset", 2 if named else 1, (("format", "iso8601"),))


def meter_of(leaves: Iterable[Leaf]) -> Place | None:
    """The likeliest id of the meter.

    >>> serial, mac = (Leaf((key,), value, (key,), (key,)) for key, value in (("serial", 4711), ("mac", "A8032AB1")))
    >>> meter_of([serial, mac]).leaf.path
    ('mac',)
    """
    found = [(rank, leaf) for leaf in leaves if (rank := _id_rank(leaf)) is not None]
    if not found:
        return None
    rank, leaf = min(found, key=lambda one: (one[0], len(one[1].path)))
    why = "does it name the meter, as the register does? leave it out where the address has {meter}"
    return Place(leaf, why, int(rank < _LIKELY_IDS))


def _id_rank(leaf: Leaf) -> int | None:
    text = str(leaf.value) if isinstance(leaf.value, (str, int)) and not isinstance(leaf.value, bool) else ""
    if not _ID.fullmatch(text) or len(text) > LONGEST_ID:
        return None
    if leaf.code is not None:
        return 0 if (leaf.code[0], *leaf.code[2:4]) in _ID_CODES else None
    own = set(leaf.own)
    rank = next((rank for rank, words in enumerate(_ID_WORDS) if words <= own <= words | _BESIDE_IDS), None)
    if rank is None or (isinstance(leaf.value, int) and len(text) < 6):  # a small number counts
        return None
    return rank


def sequence_of(leaves: Iterable[Leaf]) -> Place | None:
    """The device's own counter."""
    for leaf in leaves:
        is_count = isinstance(leaf.value, int) and not isinstance(leaf.value, bool) and leaf.value >= 0
        if is_count and set(leaf.own) & _COUNTER and set(leaf.own) <= _COUNTER | {"id"}:
            return Place(leaf, "counts the messages?", 1)
    return None


def event_codes(document: Any) -> tuple[Sequence[Leaf], str]:
    """Leaves of an event that may be its code, the likeliest first; and the pointer of the device's own words."""
    fields = document.items() if isinstance(document, dict) else ()
    leaves = [Leaf((key,), value, split(key), split(key)) for key, value in fields]
    leaves = [leaf for leaf in leaves if leaf.can_be_written]
    named = [one for one in leaves if set(one.own) & {"event", "alarm", "code", "type", "kind", "status", "alert"}]
    texts = [one for one in named if type(one.value) in (str, int) and _CODE.fullmatch(str(one.value))]
    detail = next((one for one in leaves if set(one.own) & {"detail", "message", "text", "description"}), None)
    return sorted(texts, key=lambda one: "event" not in one.own), detail.pointer if detail else ""


def kind_of(code: str) -> tuple[str, int]:
    """The kind of event that a device's code probably means, and how sure that is.

    >>> kind_of("LAST_GASP"), kind_of("powerFailure"), kind_of("E17")
    (('last_gasp', 2), ('power_down', 1), ('device_fault', 0))
    """
    words = split(code)
    exact = next((kind for kind in load_events() if split(kind) == words), None)
    if exact is not None:
        return exact, 2
    return next(((kind, 1) for kind, wanted in _KINDS for some in wanted if set(some.split()) <= set(words)),
                ("device_fault", 0))  # fmt: skip


_KINDS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("last_gasp", ("gasp",)),
    ("power_restored", ("power restored", "power back", "power return")),
    ("power_up", ("power up", "power on")),
    ("power_down", ("power down", "power failure", "power fail", "power off", "power outage", "outage")),
    ("tamper", ("tamper", "fraud", "cover", "magnet", "magnetic")),
    ("over_voltage", ("over voltage", "overvoltage", "high voltage", "swell")),
    ("under_voltage", ("under voltage", "undervoltage", "low voltage", "sag")),
    ("over_current", ("over current", "overcurrent")),
    ("breaker_opened", ("breaker open", "relay off", "disconnect", "disconnected", "breaker opened")),
    ("breaker_closed", ("breaker close", "relay on", "connect", "breaker closed")),
    ("battery_low", ("battery",)),
    ("clock_set", ("clock",)),
)


def without(leaves: Iterable[Leaf], taken: Iterable[Place | None]) -> Iterator[Leaf]:
    """The leaves that are not taken for something else."""
    paths = {place.leaf.path for place in taken if place is not None}
    return (leaf for leaf in leaves if leaf.path not in paths)
