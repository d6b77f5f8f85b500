"""Alerts, for subscribers who know nothing of us: JSON by Alert.schema.json, with CloudEvents 1.0 headers.

The headers follow the CloudEvents Kafka protocol binding, binary content mode (section 3.2). Beside the attributes of
the specification there are the extensions `severity` and `area`: a subscriber can pick without reading the JSON.
"""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from types import NoneType
from typing import Any

import orjson

from schemas.errors import Reason, Rejected
from schemas.events import Severity

Headers = list[tuple[str, bytes]]

STATES = ("raised", "updated", "cleared")
SCHEMA = "urn:flexmeter:alert:1"
"""The $id of Alert.schema.json."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One numbered version of one alert; what each field means stands in Alert.schema.json."""

    id: str
    number: int
    kind: str
    severity: str
    state: str
    subject: str
    feeder: str | None
    substation: str | None
    at: int
    raised_at: int
    summary: str
    evidence: dict[str, Any]

    @property
    def area(self) -> str:
        """Where it is: the substation and, where known, the feeder, such as "ms-1/f-2"; empty where neither is."""
        return "/".join(place for place in (self.substation, self.feeder) if place)

    def lies_in(self, area: str) -> bool:
        """Whether it lies in that substation, substation/feeder, or feeder.

        >>> alert = Alert("a", 1, "outage", "critical", "raised", "t-7", "f-2", "ms-1", 0, 0, "dark", {})
        >>> [alert.lies_in(area) for area in ("ms-1", "ms-1/f-2", "f-2", "ms-1/f-3", "ms")]
        [True, True, True, False, False]
        """
        return area in (self.feeder, self.substation, self.area)


@dataclass(frozen=True, slots=True)
class AlertMark:
    """What a person says about alerts."""

    id: str
    mark: str
    alert: str
    kind: str
    subject: str
    area: str
    severity: str
    at: int
    until: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """What a router did with one version of an alert."""

    router: str
    alert: str
    number: int
    outcome: str
    told: bool
    at: int


def encode_alert(alert: Alert) -> tuple[bytes, Headers]:
    """The alert's JSON and its headers. The same alert always gives the same bytes."""
    time = datetime.fromtimestamp(alert.at / 1000, UTC).isoformat(timespec="milliseconds")
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{alert.id}/{alert.number}".encode()),
        ("ce_source", b"urn:flexmeter"),
        ("ce_type", f"flexmeter.alert.{alert.kind}.{alert.state}".encode()),
        ("ce_time", time.replace("+00:00", "Z").encode()),
        ("ce_subject", alert.subject.encode()),
        ("ce_dataschema", SCHEMA.encode()),
        ("ce_severity", alert.severity.encode()),
        *([("ce_area", alert.area.encode())] if alert.area else []),
        ("content-type", b"application/json"),
    ]
    return orjson.dumps(asdict(alert), option=orjson.OPT_SORT_KEYS), headers


def decode_alert(value: bytes) -> Alert:
    """The alert of a record's value, without fields that this version does not know.

    Raises:
        Rejected: not JSON, or not an alert by Alert.schema.json, or of a time that no table takes.

    """
    try:
        content = orjson.loads(value)
        known = {name: value for name, value in content.items() if name in _TYPES}
        alert = Alert(**{"feeder": None, "substation": None, **known})
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise Rejected(Reason.SCHEMA, f"not an alert: {error}") from None
    for field in fields(alert):
        if type(getattr(alert, field.name)) not in _TYPES[field.name]:
            raise Rejected(Reason.SCHEMA, f"not an alert: {field.name} is {getattr(alert, field.name)!r}")
    if alert.at not in _TIMES_MS or alert.raised_at not in _TIMES_MS:
        raise Rejected(Reason.SCHEMA, f"not an alert: at {alert.at}, raised at {alert.raised_at}")
    if alert.number not in _NUMBERS or alert.severity not in _SEVERITIES or alert.state not in STATES:
        raise Rejected(Reason.SCHEMA, f"not an alert: {alert.number}, {alert.severity}, {alert.state}")
    return alert


def is_at_least(severity: str, least: str) -> bool:
    """Whether the one severity is as bad as the other, or worse.

    >>> is_at_least("warning", "info"), is_at_least("warning", "critical")
    (True, False)
    """
    ranks = list(Severity)
    return ranks.index(Severity(severity)) >= ranks.index(Severity(least))


_SEVERITIES = frozenset(Severity)
_TIMES_MS = range(round(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1_000))
_NUMBERS = range(1, 1 << 63)
_TYPES: dict[str, tuple[type, ...]] = {
    **{field.name: (field.type,) for field in fields(Alert) if isinstance(field.type, type)},
    "feeder": (str, NoneType),
    "substation": (str, NoneType),
    "evidence": (dict,),
}
