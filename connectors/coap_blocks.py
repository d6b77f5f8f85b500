"""Bodies that come in blocks (RFC 7959, Block1), put together in bounded memory.

Blocks come in order, each acknowledged before the next is sent; one that does not continue what is there means that
something was lost, and the sender begins again (4.08, clause 2.9.2). Each sender has a share of the memory, so that
none can push out the bodies of others; a body whose next block does not come is forgotten after a while.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from schemas.errors import Reason, Rejected

FORGOTTEN_AFTER_S = 247.0
"""EXCHANGE_LIFETIME (RFC 7252, 4.8.2): what comes later is not sent again, but something new."""
OVERHEAD_BYTES = 500
"""What a body takes besides its bytes."""


class Incomplete(Exception):
    """The blocks before this one are not here (any more)."""


class Crowded(Exception):
    """The unfinished bodies of this sender take its whole share."""


@dataclass(slots=True)
class _Body:
    sender: Hashable
    content: bytearray = field(default_factory=bytearray)
    touched_s: float = 0.0

    @property
    def size(self) -> int:
        return len(self.content) + OVERHEAD_BYTES


class Bodies:
    """Bodies under way, by who sends what where. Where they are more than `most_bytes`, the oldest are forgotten.

    >>> bodies = Bodies(longest_bytes=1_000, most_bytes=10_000, most_bytes_of_one=5_000)
    >>> bodies.take("m1", "path", 0, b"for", more=True, now_s=0)
    >>> bodies.take("m1", "path", 3, b"ty", more=False, now_s=1), len(bodies)
    (b'forty', 0)
    """

    def __init__(self, longest_bytes: int, most_bytes: int, most_bytes_of_one: int) -> None:
        self._longest_bytes = longest_bytes
        self._most_bytes = most_bytes
        self._most_bytes_of_one = most_bytes_of_one
        self._bodies: OrderedDict[Hashable, _Body] = OrderedDict()
        self._bytes_of: Counter[Hashable] = Counter()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._bodies)

    def take(self, sender: Hashable, key: Hashable, start: int, block: bytes, more: bool, now_s: float) -> bytes | None:
        """Add the block that begins at byte `start`; the body if that was its last, else None.

        What there is of the body is forgotten where one of these is raised.

        Raises:
            Incomplete: it does not continue what is there.
            Crowded: there is no room for it in the share of `sender`.
            Rejected: `Reason.TOO_LARGE`.

        """
        while self._bodies and now_s - next(iter(self._bodies.values())).touched_s > FORGOTTEN_AFTER_S:
            self._forget(next(iter(self._bodies)))
        body = self._forget(key)
        if start == 0:
            body = _Body(sender)
        if body is None or len(body.content) != start:
            raise Incomplete
        body.content += block
        if len(body.content) > self._longest_bytes:
            raise Rejected(Reason.TOO_LARGE, f"more than {self._longest_bytes} bytes")
        if not more:
            return bytes(body.content)
        if self._bytes_of[sender] + body.size > self._most_bytes_of_one:
            raise Crowded
        self._keep(key, body, now_s)
        return None

    def _keep(self, key: Hashable, body: _Body, now_s: float) -> None:
        body.touched_s = now_s
        self._bodies[key] = body
        self._bytes_of[body.sender] += body.size
        self._bytes += body.size
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._bodies)))

    def _forget(self, key: Hashable) -> _Body | None:
        body = self._bodies.pop(key, None)
        if body is not None:
            self._bytes -= body.size
            self._bytes_of[body.sender] -= body.size
            if not self._bytes_of[body.sender]:
                del self._bytes_of[body.sender]
        return body
