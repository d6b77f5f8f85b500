"""Answers to requests: a status for what became of their payloads and, where not all is well, a problem (RFC 9457)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import orjson

from connectors.source import Delivery
from schemas.errors import Reason

RETRY_AFTER_S = 5
MOST_NAMED = 100
"""Rejected payloads that an answer names; all are counted."""

STATUS: Mapping[Reason, HTTPStatus] = {
    Reason.EMPTY: HTTPStatus.BAD_REQUEST,
    Reason.ENCODING: HTTPStatus.BAD_REQUEST,
    Reason.MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.CHECKSUM: HTTPStatus.BAD_REQUEST,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Reason.UNKNOWN_PROFILE: HTTPStatus.NOT_FOUND,
}
"""Reason -> status; every other reason means that the payload was read and is not usable: 422."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether sending the same again would have the same answer."""
        return self.status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
    """A problem document; its type is about:blank, for the status says what kind it is.

    >>> problem(HTTPStatus.NOT_FOUND, "no such path").body
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"no such path"}'
    """
    document = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **members}
    return Answer(status, orjson.dumps(document), {"Content-Type": "application/problem+json", **(headers or {})})


def busy(status: HTTPStatus, detail: str, wait_s: float = RETRY_AFTER_S) -> Answer:
    """Later, please: 429 or 503 with the time to wait."""
    return problem(status, detail, {"Retry-After": str(math.ceil(wait_s))})


@lru_cache(1_024)
def _accepted(count: int) -> Answer:
    return Answer(HTTPStatus.ACCEPTED, orjson.dumps({"accepted": count}), {"Content-Type": "application/json"})


def outcome(deliveries: Sequence[Delivery]) -> Answer:
    """What became of a request whose payloads Kafka has, as readings or as dead letters."""
    rejected = [(index, one.rejected) for index, one in enumerate(deliveries) if one.rejected is not None]
    accepted = len(deliveries) - len(rejected)
    if not rejected:
        return _accepted(accepted)
    statuses = {STATUS.get(one.reason, HTTPStatus.UNPROCESSABLE_ENTITY) for _, one in rejected}
    status = statuses.pop() if len(statuses) == 1 else HTTPStatus.UNPROCESSABLE_ENTITY
    named = [
        {"index": index, "reason": one.reason.value, "detail": one.detail[:1_000]}
        for index, one in rejected[:MOST_NAMED]
    ]
    detail = f"{len(rejected)} of {len(deliveries)} payloads cannot be taken and are kept as dead letters"
    return problem(status, detail, accepted=accepted, rejected=named)
