"""The OpenAPI 3.1 document of the HTTPS bridge, made from what its code goes by: templates, content types, statuses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from connectors.decode.readings import Carries
from connectors.http_content import CONTENTS, by_hexadecimal
from connectors.topic_template import LONGEST_ADDRESS, TopicTemplate
from schemas.catalogue import load_catalogue
from schemas.errors import Reason

_ANSWERS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The body is not of its content type, or its checksum is wrong; it is a dead letter. "
    "Or the request itself cannot be read: nothing of it is kept",
    HTTPStatus.UNAUTHORIZED: "No token or certificate, or an unknown one",
    HTTPStatus.FORBIDDEN: "The sender may not report for a meter; the payload is a dead letter",
    HTTPStatus.NOT_FOUND: "No such path, or nothing decodes the profile so",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not come in time",
    HTTPStatus.CONFLICT: "The first request with this idempotency key is under way",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body, or a payload, is too large",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"The path has more than {LONGEST_ADDRESS} characters",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "No such content type",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Payloads were read and cannot be taken: they are dead letters, all others are "
    "taken. Or the idempotency key came with another body: this one is a dead letter",
    HTTPStatus.TOO_MANY_REQUESTS: "This sender has too much under way, or brings more than its rate",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not stored in time, or too much under way",
}
_LATER = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def openapi(templates: Sequence[TopicTemplate]) -> Mapping[str, Any]:
    """The document for a bridge with these paths."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FLEXMETER readings",
            "version": "1",
            "description": "Meters, hubs and concentrators send readings and events. 202 means that they are stored. "
            "429 and 503 ask to send the same again after Retry-After seconds: a repeat counts once. Any other 4xx: "
            "sending the same again does not help.",
        },
        "paths": {"/" + "/".join(template.levels): {"post": _operation(template)} for template in templates},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "certificate": {"type": "mutualTLS"}},
            "schemas": {"Accepted": _accepted(), "Problem": _problem()},
            "headers": {"RetryAfter": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}},
        },
        "security": [{"token": []}, {"certificate": []}],
    }


def _operation(template: TopicTemplate) -> Mapping[str, Any]:
    what = "Readings" if template.carries is Carries.READING else "Events"
    whose = "of one meter" if "{meter}" in template.levels else "of the meters that the payloads name"
    return {
        "operationId": "_".join(["post", *(level.strip("{}") for level in template.levels)]),
        "summary": f"{what} {whose}",
        "parameters": [*(_parameter(level) for level in template.levels if level.startswith("{")), _IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": {name: _body(name) for name in CONTENTS}},
        "responses": {
            "202": {"description": "Stored", "content": _content("application/json", "Accepted")},
            **{str(status.value): _response(status, text) for status, text in _ANSWERS.items()},
        },
    }


_IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeat with the same key and body within an hour gets the first one's answer",
    "schema": {"type": "string", "maxLength": 255},
}


def _parameter(level: str) -> Mapping[str, Any]:
    profiles = {"enum": sorted(load_catalogue().profiles)} if level == "{profile}" else {}
    return {"name": level.strip("{}"), "in": "path", "required": True, "schema": {"type": "string", **profiles}}


def _body(name: str) -> Mapping[str, Any]:
    if CONTENTS[name].split is by_hexadecimal:
        telegram = {"type": "string", "pattern": "^([0-9A-Fa-f]{2})+$"}
        return {"schema": {"type": "array", "minItems": 1, "items": telegram}}
    return {} if name.endswith("json") else {"schema": {"type": "string"}}


def _response(status: HTTPStatus, description: str) -> Mapping[str, Any]:
    headers = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}} if status in _LATER else {}
    return {"description": description, "headers": headers, "content": _content("application/problem+json", "Problem")}


def _content(media_type: str, schema: str) -> Mapping[str, Any]:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _accepted() -> Mapping[str, Any]:
    return {
        "type": "object",
        "required": ["accepted"],
        "properties": {"accepted": {"type": "integer", "minimum": 1, "description": "Payloads that are stored"}},
    }


def _problem() -> Mapping[str, Any]:
    rejected = {
        "type": "object",
        "required": ["index", "reason", "detail"],
        "properties": {
            "index": {"type": "integer", "minimum": 0, "description": "Which of the body's payloads"},
            "reason": {"enum": sorted(reason.value for reason in Reason)},
            "detail": {"type": "string"},
        },
    }
    return {
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "accepted": {"type": "integer", "minimum": 0, "description": "Payloads that are stored all the same"},
            "rejected": {"type": "array", "items": rejected, "description": "The first hundred of them"},
        },
    }
