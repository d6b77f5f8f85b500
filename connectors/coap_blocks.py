"""Bodies that come in blocks (RFC 7959, Block1), put together in bounded memory.

Blocks come in order, each acknowledged before the next is sent; one that does not continue what is there means that
something was lost, and the sender begins again (4.08, clause 2.9.2).
"""

from collections import OrderedDict
from collections.abc import Hashable

from schemas.errors import Reason, Rejected


class Incomplete(Exception):
    """The blocks before this one are not here (any more)."""


class Bodies:
    """Bodies under way, by who sends what where. Where they are more than `most_bytes`, the oldest are forgotten.

    >>> bodies = Bodies(longest_bytes=1_000, most_bytes=10_000)
    >>> bodies.take("m1", 0, b"for", more=True), bodies.take("m1", 3, b"ty", more=False), len(bodies)
    (None, b'forty', 0)
    """

    def __init__(self, longest_bytes: int, most_bytes: int) -> None:
        self._longest_bytes = longest_bytes
        self._most_bytes = most_bytes
        self._bodies: OrderedDict[Hashable, bytearray] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._bodies)

    def take(self, key: Hashable, start: int, block: bytes, more: bool) -> bytes | None:
        """Add the block that begins at byte `start`; the body if that was its last, else None.

        Raises:
            Incomplete: it does not continue what is there.
            Rejected: `Reason.TOO_LARGE`; what there is of the body is forgotten.

        """
        body = self._forget(key)
        if start == 0:
            body = bytearray()
        if body is None or len(body) != start:
            raise Incomplete
        body += block
        if len(body) > self._longest_bytes:
            raise Rejected(Reason.TOO_LARGE, f"more than {self._longest_bytes} bytes")
        if not more:
            return bytes(body)
        self._bodies[key] = body
        self._bytes += len(body)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._bodies)))
        return None

    def _forget(self, key: Hashable) -> bytearray | None:
        body = self._bodies.pop(key, None)
        self._bytes -= len(body or b"")
        return body
