"""Alerts, what people say of them, and who was told, as rows."""

from typing import Any

import numpy as np
import orjson

from connectors.origin import Origin
from connectors.table_rows import Rows, every
from schemas.alert import Alert, AlertDelivery, AlertMark


def alert(record: Alert, origin: Origin) -> list[Rows]:
    """One row: a numbered version of an alert."""
    columns: dict[str, Any] = {
        "id": [record.id],
        "number": np.array([record.number], np.int64),
        "kind": [record.kind],
        "severity": [record.severity],
        "state": [record.state],
        "subject": [record.subject],
        "feeder": [record.feeder or ""],
        "substation": [record.substation or ""],
        "at": every(record.at, 1),
        "raised_at": every(record.raised_at, 1),
        "summary": [record.summary],
        "evidence": [orjson.dumps(record.evidence).decode()],
    }
    return [Rows("alerts_raw", columns)]


def alert_mark(record: AlertMark, origin: Origin) -> list[Rows]:
    """One row; a mark that was changed has a higher version."""
    texts = ("id", "mark", "alert", "kind", "subject", "area", "severity", "by", "reason")
    columns: dict[str, Any] = {
        **{name: [getattr(record, name)] for name in texts},
        "at": every(record.at, 1),
        "until": every(record.until, 1),
        "version": np.array([origin.offset], np.uint64),
    }
    return [Rows("alert_marks_raw", columns)]


def alert_delivery(record: AlertDelivery, origin: Origin) -> list[Rows]:
    """One row: what a router did with a version of an alert."""
    columns: dict[str, Any] = {
        "router": [record.router],
        "alert": [record.alert],
        "number": np.array([record.number], np.int64),
        "outcome": [record.outcome],
        "told": np.array([record.told], np.uint8),
        "at": every(record.at, 1),
        "version": np.array([origin.offset], np.uint64),
    }
    return [Rows("alert_deliveries_raw", columns)]
