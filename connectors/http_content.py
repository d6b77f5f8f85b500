"""What a request's content type says of its body: which decoder reads it, and how payloads stand in it.

application/json                        one payload, laid out as the profile's mapping says
application/x-ndjson                    one such payload a line
application/senml+json, +cbor           a SenML pack (RFC 8428)
application/vnd.flexmeter.wmbus         one telegram; also mbus, dlms, p1
application/vnd.flexmeter.wmbus+json    a JSON list of telegrams in hexadecimal digits
application/octet-stream, or none       one payload for the decoder that topology.yaml names
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.decode.json_text import parse_json
from schemas.errors import Reason, Rejected

MOST_PAYLOADS = 5_000

Split = Callable[[bytes], Sequence[bytes]]


def one(body: bytes) -> Sequence[bytes]:
    """The body is the payload."""
    return (body,)


def by_line(body: bytes) -> Sequence[bytes]:
    """Lines that are not empty; none at all = one empty payload."""
    return [line for line in body.splitlines() if line.strip()] or (b"",)


def by_hexadecimal(body: bytes) -> Sequence[bytes]:
    """Entries of a JSON list; Rejected for anything else."""
    texts = parse_json(body)
    if type(texts) is not list or not texts:
        raise Rejected(Reason.FIELD, "expected a list of telegrams in hexadecimal digits")
    try:
        return [bytes.fromhex(text) for text in texts]
    except (TypeError, ValueError):
        raise Rejected(Reason.MALFORMED, "one of the list is no text of hexadecimal digits") from None


@dataclass(frozen=True, slots=True)
class Content:
    """How a body is read: `decoder` as connectors.registry names it, empty = the bridge's own."""

    decoder: str
    split: Split

    def payloads(self, body: bytes) -> Sequence[bytes]:
        """At least one.

        Raises:
            Rejected: the body is not built so, or has too many.

        """
        payloads = self.split(body)
        if len(payloads) > MOST_PAYLOADS:
            raise Rejected(Reason.TOO_LARGE, f"{len(payloads)} payloads; at most {MOST_PAYLOADS} are taken at once")
        return payloads


TELEGRAMS = ("wmbus", "mbus", "dlms", "p1")

CONTENTS: Mapping[str, Content] = {
    "application/json": Content("json", one),
    "application/x-ndjson": Content("json", by_line),
    "application/senml+json": Content("senml", one),
    "application/senml+cbor": Content("senml", one),
    **{f"application/vnd.flexmeter.{name}": Content(name, one) for name in TELEGRAMS},
    **{f"application/vnd.flexmeter.{name}+json": Content(name, by_hexadecimal) for name in TELEGRAMS},
    "application/octet-stream": Content("", one),
}
"""content type -> how it is read."""
