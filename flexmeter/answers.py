"""What `flexmeter decode` reads and prints: payloads out of a file, and one JSON object for each meter and time.

docs/decoding.md describes it for those who rely on it.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from connectors.decode.readings import Decoded
from connectors.decode.telegram import Telegram
from connectors.decode.timing import stated
from connectors.decode.trust import EPOCH, MILLISECOND, plausible, value_quality
from schemas.catalogue import Profile
from schemas.errors import Reason, Rejected
from schemas.quality import Quality

_HEX = re.compile(rb"[0-9A-Fa-f\s|_]+")
_SEPARATORS = b"|_"

Answer = dict[str, Any]


def payloads(content: bytes, may_be_text: bool, by_line: bool) -> Iterator[tuple[int, bytes]]:
    """The telegrams of a file, one a line, with the number of their line.

    Where telegrams may be text, a file that is one JSON document (or nothing at all) is one telegram, over however many
    lines it goes, and so is one that begins with a slash, as P1 does; not so with `by_line`.

    >>> list(payloads(b'2F2F\\n{"a": 1}', True, False)), list(payloads(b'[\\n]', True, False))
    ([(1, b'2F2F'), (2, b'{"a": 1}')], [(1, b'[\\n]')])
    """
    if may_be_text and not by_line and (not content.strip() or _is_document(content)):
        yield 1, content
    else:
        yield from enumerate(content.splitlines(), 1)


def payload_of(written: bytes, may_be_text: bool, may_be_hex: bool = True) -> bytes:
    """The bytes that a telegram is written for: hexadecimal digits (but not spaces, | and _ among them), or the text.

    Where both are possible, what consists of such digits alone is no text.

    Raises:
        Rejected: `Reason.MALFORMED`, for text where only hexadecimal digits are expected.

    >>> payload_of(b"|68_04|", False), payload_of(b'[{"n": "a"}]', True), payload_of(b"6804", True, may_be_hex=False)
    (b'h\\x04', b'[{"n": "a"}]', b'6804')
    """
    if may_be_hex and _HEX.fullmatch(written):
        try:
            return bytes.fromhex(written.translate(None, _SEPARATORS).decode())
        except ValueError:
            pass
    if may_be_text or not written.strip():
        return written
    raise Rejected(Reason.MALFORMED, "not hexadecimal: expected an even number of digits 0-9 A-F")


def written(payload: bytes) -> bytes:
    """What a file must hold so that `payloads` and `payload_of` read this payload: its text, or hexadecimal digits.

    >>> written(b'{"a": 1}'), written(bytes.fromhex("6804")), written(b"68 04")
    (b'{"a": 1}', b'6804\\n', b'3638203034\\n')
    """
    try:
        is_text = all(char.isprintable() or char in "\r\n\t" for char in payload.decode())
    except UnicodeDecodeError:
        is_text = False
    if is_text and not _HEX.fullmatch(payload) and list(payloads(payload, True, False)) == [(1, payload)]:
        return payload
    return payload.hex().encode() + b"\n"


def of_telegrams(telegrams: Iterable[Telegram], received_at: int) -> Iterator[Answer]:
    """One answer for each telegram of a payload."""
    for telegram in telegrams:
        at, quality, sequence = stated(telegram, received_at)
        values = telegram.values
        quality |= value_quality(plausible(tuple(values)), tuple(values.values()))
        told = _answer(telegram.meter, telegram.medium, at, quality, sequence, telegram.status, values)
        told["other"] = [
            {
                "quantity": one.quantity or None,
                "which": one.which,
                "value": one.value,
                "unit": one.unit,
                "description": one.description,
            }
            for one in telegram.measured
            if not one.quantity or one.which or isinstance(one.value, str)
        ]
        yield told | _only_where_known(telegram)


def _only_where_known(telegram: Telegram) -> Answer:
    """Keys that an answer has only where the telegram says so."""
    told = {
        "relative_s": None if telegram.relative_ms is None else telegram.relative_ms / 1000,
        "local_time": telegram.local_time or None,
        "device": telegram.device or None,
        "version": None if telegram.version < 0 else telegram.version,
        "security": telegram.security or None,
        "key_holder": telegram.key_holder or None,
    }
    return {key: value for key, value in told.items() if value is not None}


def of_rows(decoded: Decoded, profile: Profile) -> Iterator[Answer]:
    """One answer for each meter and time of what a mapping read; events are the status."""
    told: dict[tuple[str, int], Answer] = {}
    for reading in decoded.readings:
        values = zip(profile.quantities, reading.values, strict=True)
        measured = {name: value for name, value in values if not math.isnan(value)}
        key = (reading.meter, reading.at)
        told[key] = _answer(reading.meter, profile.medium, reading.at, reading.quality, reading.sequence, (), measured)
    for event in decoded.events:
        key = (event.meter, event.at)
        if key not in told:
            told[key] = _answer(event.meter, profile.medium, event.at, event.quality, -1, (), {})
        told[key]["status"].append(event.kind)
        if event.detail:
            told[key]["detail"] = event.detail
    yield from told.values()


def of_rejection(rejected: Rejected) -> Answer:
    """Why a telegram was rejected."""
    return {"rejected": rejected.reason.value, "detail": rejected.detail}


def quality_names(bits: int) -> list[str]:
    """The set bits by name.

    >>> quality_names(6)
    ['time_by_bridge', 'future']
    """
    return [str(flag.name).lower() for flag in Quality if flag & bits]


def _answer(
    meter: str, medium: str, at: int, quality: int, sequence: int, status: Iterable[str], values: Mapping[str, float]
) -> Answer:
    return {
        "meter": meter,
        "medium": medium or None,
        "time": None if quality & Quality.TIME_BY_BRIDGE else _iso(at),
        "sequence": None if sequence < 0 else sequence,
        "status": list(status),
        "quantities": dict(values),
        "other": [],
        "quality": quality_names(quality),
    }


def _iso(at: int) -> str:
    moment: datetime = EPOCH + at * MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_document(content: bytes) -> bool:
    if content.lstrip().startswith(b"/"):
        return True
    try:
        return isinstance(orjson.loads(content), (list, dict))
    except orjson.JSONDecodeError:
        return False
