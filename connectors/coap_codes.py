"""What CoAP says of a payload's fate: response codes of RFC 7252 (12.1.2), RFC 7959 (2.9) and RFC 8132 (6).

    2.04 Changed                      Kafka has it
    4.00 Bad Request                  the bytes are not what they should be: empty, malformed, encoding, checksum
    4.01 Unauthorized                 nobody authenticated the sender, and this bridge takes nothing from such
    4.02 Bad Option                   with a critical option that is not known here; 5.05 with one for a proxy
    4.03 Forbidden                    the sender may not report for that meter
    4.04 Not Found                    no such path, profile or meter
    4.13 Request Entity Too Large     longer than any decoder reads
    4.15 Unsupported Content-Format   no decoder for that content format
    4.22 Unprocessable Entity         well formed, but not to be believed, or not what the meter may say
    4.29 Too Many Requests            of this sender are under way, or in so short a time (RFC 8516)
    5.03 Service Unavailable          overloaded, or Kafka is away

The Max-Age of 4.29 and 5.03 says after how many seconds to come again.

What the bridge rejected is in the dead letters when the answer leaves; what was refused before (docs/coap.md), a body
of too many blocks among it, is nowhere. The diagnostic payload of either is the reason in words.
"""

from collections.abc import Mapping

from aiocoap import Code, Message
from aiocoap.numbers.optionnumbers import OptionNumber

from connectors.authority import Refused
from schemas.errors import Reason, Rejected

_LONGEST_DIAGNOSTIC_BYTES = 512
_TO_NOTHING = 2 | 8 | 16  # RFC 7967, 2.1: no interest in 2.xx, 4.xx, 5.xx

CODES: Mapping[Reason, Code] = {
    Reason.EMPTY: Code.BAD_REQUEST,
    Reason.ENCODING: Code.BAD_REQUEST,
    Reason.MALFORMED: Code.BAD_REQUEST,
    Reason.CHECKSUM: Code.BAD_REQUEST,
    Reason.TOO_LARGE: Code.REQUEST_ENTITY_TOO_LARGE,
    Reason.FORBIDDEN: Code.FORBIDDEN,
    Reason.UNKNOWN_PROFILE: Code.NOT_FOUND,
    Reason.UNKNOWN_METER: Code.NOT_FOUND,
}
"""Reasons with a code of their own; all others are 4.22."""

DECODERS: Mapping[int | None, str] = {
    None: "",
    0: "",  # text/plain
    42: "",  # application/octet-stream
    50: "json",
    110: "senml",
    112: "senml",  # as CBOR
}
"""Content format (IANA's registry) -> decoder; empty = the bridge's own, for telegrams have no format of theirs."""


def answer(rejected: Rejected | None) -> Message:
    """The response to a payload that Kafka has, as reading or as dead letter.

    >>> answer(None).code.dotted, answer(Rejected(Reason.UNIT, "energy is in 'kg'")).code.dotted
    ('2.04', '4.22')
    """
    if rejected is None:
        return Message(code=Code.CHANGED)
    if isinstance(rejected, Refused) and not rejected.identity:
        return failure(Code.UNAUTHORIZED, str(rejected))
    return failure(CODES.get(rejected.reason, Code.UNPROCESSABLE_ENTITY), str(rejected))


def failure(code: Code, why: str) -> Message:
    """A response that says why, in at most 512 bytes (RFC 7252, 5.5.2)."""
    return Message(code=code, payload=why.encode()[:_LONGEST_DIAGNOSTIC_BYTES].decode(errors="ignore").encode())


def bad_option(number: OptionNumber, non: bool) -> Message:
    """The response to a critical option that is not known here; RFC 7252, 5.4.1 and 5.7.2: none to a NON request."""
    if number in (OptionNumber.PROXY_URI, OptionNumber.PROXY_SCHEME):
        return failure(Code.PROXYING_NOT_SUPPORTED, "this is no proxy")
    response = failure(Code.BAD_OPTION, f"option {int(number)} is not known here")
    response.opt.no_response = _TO_NOTHING if non else None
    return response


def busy(retry_s: int, why: str, code: Code = Code.SERVICE_UNAVAILABLE) -> Message:
    """Come again later (RFC 7252, 5.9.3.4)."""
    response = failure(code, why)
    response.opt.max_age = retry_s
    return response
