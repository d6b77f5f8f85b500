"""Payloads that no decoder may take, each unlike any other, with the reason they must be rejected for."""

from collections.abc import Callable
from dataclasses import dataclass

TOO_LARGE_BYTES = 1_200_000


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is sent where; `reason` is a value of schemas.errors.Reason."""

    topic: str
    kind: str
    reason: str
    payload: bytes


READING = "{area}/malmo_household/{meter}/reading"

Recipe = tuple[str, str, str, Callable[[bytes, bytes], bytes]]


def _in_reading(old: bytes, new: bytes) -> Callable[[bytes, bytes], bytes]:
    """A good reading, but for one place."""

    def spoil(reading: bytes, _tag: bytes) -> bytes:
        at = reading.index(old)
        return reading[:at] + new + reading[at + len(old) :]

    return spoil


# kind, reason, topic ({area}, {meter}), (a good reading of that meter, unique tag) -> payload
RECIPES: tuple[Recipe, ...] = (
    ("cut off", "malformed", READING, lambda r, t: r[: len(r) // 2] + t),
    ("binary", "encoding", READING, lambda r, t: b"\xff\xfe\x80" + t),
    ("a broken letter", "encoding", READING, lambda r, t: r[:-1] + b',"x":"\xc3\x28"}'),
    ("not a number", "malformed", READING, _in_reading(b'"L1":', b'"L1":NaN,"x":')),
    ("infinite", "malformed", READING, _in_reading(b'"L2":', b'"L2":Infinity,"x":')),
    ("number as text", "value", READING, _in_reading(b'"L1":', b'"L1":"12,5","x":')),
    ("truth as number", "value", READING, _in_reading(b'"L3":', b'"L3":true,"x":')),
    ("no power", "field", READING, _in_reading(b'"power"', b'"pwr"')),
    ("a list", "field", READING, lambda r, t: b"[" + r + b"]"),
    ("wrong unit", "unit", READING, _in_reading(b"{", b'{"units":{"energy":"kg"},')),
    ("no time of ours", "time", READING, _in_reading(b'"time":"2', b'"time":"at 2')),
    ("before 2000", "time", READING, _in_reading(b'"time":"20', b'"time":"19')),
    ("unknown event", "unknown_event", "{area}/malmo_household/{meter}/event", _in_reading(b"{", b'{"event":"hum",')),
    ("unknown meter", "unknown_meter", "{area}/malmo_household/{meter}-X/reading", lambda r, t: r),
    ("unknown profile", "unknown_profile", "{area}/toaster/{meter}/reading", lambda r, t: r),
    ("another's profile", "wrong_profile", "{area}/district_heat/{meter}/reading", lambda r, t: r),
    ("white space", "empty", READING, lambda r, t: b" " * (1 + int(t))),
    ("too large", "too_large", READING, lambda r, t: r.ljust(TOO_LARGE_BYTES)),
)
LARGE = len(RECIPES) - 1


def make_garbage(number: int, area: str, meter: str, reading: bytes) -> Garbage:
    """The `number`-th piece, made from a good reading that was or will be sent; one is too large, the first.

    >>> make_garbage(1, "malmo", "M1", b'{"time":"2025-01-06T00:00:00.000Z","seq":7}').payload
    b'{"time":"2025-01-06T00:00:000001'
    """
    kind, reason, topic, spoil = RECIPES[LARGE if number == 0 else (number - 1) % LARGE]
    tag = b"%04d" % number
    marked = reading[:-1] + b',"tag":"' + tag + b'"}'
    payload = spoil(marked, tag)
    return Garbage(topic.format(area=area, meter=meter), kind, reason, payload)
