"""Alerts, for subscribers who know nothing of us: JSON by Alert.schema.json, with CloudEvents 1.0 headers.

The headers follow the CloudEvents Kafka protocol binding, binary content mode (section 3.2).
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from schemas.errors import Reason, Rejected

Headers = list[tuple[str, bytes]]


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


def encode_alert(alert: Alert) -> tuple[bytes, Headers]:
    """The alert's JSON and its headers. The same alert always gives the same bytes."""
    time = datetime.fromtimestamp(alert.at / 1000, UTC).isoformat(timespec="milliseconds")
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{alert.id}/{alert.number}".encode()),
        ("ce_source", b"urn:flexmeter"),
        ("ce_type", f"flexmeter.alert.{alert.kind}.{alert.state}".encode()),
        ("ce_time", time.replace("+00:00", "Z").encode()),
        ("content-type", b"application/json"),
    ]
    return orjson.dumps(asdict(alert), option=orjson.OPT_SORT_KEYS), headers


def decode_alert(value: bytes) -> Alert:
    """The alert of a record's value.

    Raises:
        Rejected: not JSON, or not the fields of an alert.

    """
    try:
        return Alert(**orjson.loads(value))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise Rejected(Reason.SCHEMA, f"not an alert: {error}") from None
