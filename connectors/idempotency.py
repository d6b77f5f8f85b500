"""Requests with an idempotency key: a repeat gets the answer of the first, and nothing is taken twice.

Another body under a key of before is rejected: which of the two its sender meant, nobody knows.

The memory is one process's, and bounded. It spares work and gives a hub the answer that it lost; that a reading counts
once rests on no memory here but on its meter, profile and time (or counter), whichever bridge a repeat comes to.
"""

import hashlib
from collections import OrderedDict
from http import HTTPStatus

from connectors.http_answer import Answer, busy
from schemas.errors import Reason, Rejected

MOST_REMEMBERED = 10_000
MOST_BYTES = 16 << 20
"""Of the answers' bodies: one that names rejected payloads may have 100 kB."""
REMEMBERED_S = 3_600.0
LONGEST_KEY = 255

Key = tuple[str, str, str]
"""Who sends, where to, and the key. Whom nothing authenticates is known by its address."""


class Answers:
    """What was answered, by identity and key; the times are of a clock that only goes forward."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, tuple[float, bytes, Answer | None]] = OrderedDict()
        self._bytes = 0

    def begin(self, key: Key, body: bytes, now_s: float) -> Answer | None:
        """The answer to give without doing anything; None = it is new, and now under way.

        Raises:
            Rejected: the key came with another body.

        """
        while self._known and (
            len(self._known) >= MOST_REMEMBERED
            or self._bytes > MOST_BYTES
            or now_s - next(iter(self._known.values()))[0] > REMEMBERED_S
        ):
            _, (_, _, oldest) = self._known.popitem(last=False)
            self._bytes -= len(oldest.body) if oldest else 0
        digest = hashlib.sha256(body).digest()
        known = self._known.get(key)
        if known is None:
            self._known[key] = (now_s, digest, None)
            return None
        if known[1] != digest:
            raise Rejected(Reason.KEY_REUSED, f"the idempotency key {key[2]!r} came with another body before")
        return known[2] or busy(HTTPStatus.CONFLICT, "the first request with this idempotency key is under way")

    def end(self, key: Key, answer: Answer) -> None:
        """Remember a final answer; forget one that asks to send again."""
        known = self._known.get(key)
        if known is not None and answer.is_final:
            self._known[key] = (known[0], known[1], answer)
            self._bytes += len(answer.body)
        elif known is not None:
            del self._known[key]
