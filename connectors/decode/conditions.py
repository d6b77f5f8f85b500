"""Which events the conditions of a telegram's status are.

Every telegram repeats a condition as long as it stands. What has no line here and is no kind of event itself is told by
`flexmeter decode` alone: a meter that is busy or did not understand a command, and the bits that EN 13757-7 leaves to
the manufacturer, of whose meaning the telegram says nothing.
"""

from collections.abc import Iterable, Iterator, Mapping

from connectors.decode.readings import MeterEvent, Proof
from connectors.decode.timing import RowTime
from schemas.events import load_events

STANDING: Mapping[str, str] = {
    "low_power": "battery_low",
    "permanent_error": "device_fault",
    "temporary_error": "device_fault",
    "abnormal_condition": "abnormal_condition",
    "clock_invalid_value": "device_fault",
}
"""Condition -> kind of event. From M-Bus' status byte (EN 13757-7, 7.5.6) and COSEM's clock status."""


def is_told(condition: str) -> bool:
    """Whether a condition is an event.

    >>> [is_told(condition) for condition in ("permanent_error", "last_gasp", "manufacturer_specific_5")]
    [True, True, False]
    """
    return condition in STANDING or condition in load_events()


def events_of(meter: str, conditions: Iterable[str], time: RowTime, proof: Proof | None) -> Iterator[MeterEvent]:
    """The events of one telegram, one of a kind; the detail of a standing one is the standard's words for it."""
    standing: dict[str, list[str]] = {}
    for condition in dict.fromkeys(conditions):
        if condition in STANDING:
            standing.setdefault(STANDING[condition], []).append(condition)
        elif condition in load_events():
            yield MeterEvent(meter, time.at, time.quality, condition, "", proof)
    for kind, words in standing.items():
        yield MeterEvent(meter, time.at, time.quality, kind, ", ".join(words), proof, stands=True)
