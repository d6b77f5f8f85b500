"""JSON text (RFC 8259: no NaN, no Infinity) to Python's values, or Rejected."""

from typing import Any

import orjson

from connectors.decode.trust import check_size
from schemas.errors import Reason, Rejected


def parse_json(payload: bytes) -> Any:
    """Read one document.

    Raises:
        Rejected: too_large, empty, encoding or malformed.

    >>> parse_json(b'[1, {"a": null}]')
    [1, {'a': None}]
    """
    check_size(payload)
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _unreadable(payload, error) from None


def _unreadable(payload: bytes, error: orjson.JSONDecodeError) -> Rejected:
    if not payload.strip():
        return Rejected(Reason.EMPTY, f"{len(payload)} bytes, none of them other than white space")
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as fault:
        return Rejected(Reason.ENCODING, f"not UTF-8: {fault.reason} at byte {fault.start}")
    return Rejected(Reason.MALFORMED, f"not JSON: {error}")


def said(value: Any) -> str:
    """A JSON value in words short enough for a report."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:37]}..."
