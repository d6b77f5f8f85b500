"""The kinds of events that meters report. Data: `events.yaml` beside this file."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml


class Severity(StrEnum):
    """How bad it is: the severities of Alert.schema.json."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of event; `cim` is its EndDeviceEventType (IEC 61968-9), `clears` the kind that it ends."""

    name: str
    severity: Severity
    cim: str | None
    clears: str | None
    description: str


@lru_cache(maxsize=1)
def load_events() -> Mapping[str, EventKind]:
    """Every kind by its name, read from the file that is part of this package.

    >>> load_events()["power_restored"].clears
    'last_gasp'
    """
    entries: dict[str, dict[str, Any]] = yaml.safe_load((files("schemas") / "events.yaml").read_text("utf-8"))
    return MappingProxyType({name: _kind(name, entry) for name, entry in entries.items()})


def _kind(name: str, entry: dict[str, Any]) -> EventKind:
    return EventKind(
        name=name,
        severity=Severity(entry["severity"]),
        cim=entry.get("cim"),
        clears=entry.get("clears"),
        description=entry["description"],
    )
