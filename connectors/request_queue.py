"""Requests of a server that are answered when Kafka has what they brought.

Bounded in requests and bytes, in all and for each sender: what is admitted counts from before its body is read until
Kafka has it, whether or not its sender still waits. Events are received first, and have an eighth more room. All of it
in one thread, between runs of the server's event loop or within them.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.decode.readings import Carries
from connectors.source import Delivery

MOST_BYTES = 64 << 20
MOST_REQUESTS = 4_096
MOST_REQUESTS_OF_ONE = 512
_ROOM_FOR_EVENTS = 1.125


@dataclass(slots=True, eq=False)
class Request:
    """Room that a request takes. `done` tells whether Kafka has everything of it: False = not in time."""

    identity: str
    size: int
    done: "asyncio.Future[bool]"
    left: int = 0
    submitted_at: float = 0.0


@dataclass(slots=True, eq=False)
class RequestDelivery(Delivery):
    """One payload of a request."""

    request: Request = field(kw_only=True)


class Full(Exception):
    """No room. `by_sender`: the sender itself takes too much of it; else all senders together do."""

    def __init__(self, by_sender: bool) -> None:
        super().__init__("too many requests of this sender" if by_sender else "too many requests")
        self.by_sender = by_sender


class RequestQueue:
    """Requests under way. One sender gets an eighth of the room at most; all whom nothing authenticates are one."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._arrived: deque[RequestDelivery] = deque()
        self._urgent: deque[RequestDelivery] = deque()
        self._unanswered: deque[Request] = deque()
        self._under_way: set[Request] = set()
        self._requests_of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()
        self._bytes = 0

    @property
    def has_arrived(self) -> bool:
        """Whether there is anything to receive."""
        return bool(self._arrived or self._urgent)

    def admit(self, identity: str, size: int, done: "asyncio.Future[bool]", urgent: bool = False) -> Request:
        """Room for a request whose body has at most `size` bytes.

        Raises:
            Full: there is none.

        """
        room = _ROOM_FOR_EVENTS if urgent else 1.0
        if len(self._under_way) >= room * MOST_REQUESTS or self._bytes + size > room * self._most_bytes:
            raise Full(by_sender=False)
        of_one = self._requests_of[identity] >= MOST_REQUESTS_OF_ONE or (
            0 < self._bytes_of[identity] > self._most_bytes // 8 - size
        )
        if of_one:
            raise Full(by_sender=True)
        request = Request(identity, size, done)
        self._under_way.add(request)
        self._requests_of[identity] += 1
        self._bytes_of[identity] += size
        self._bytes += size
        return request

    def shrink(self, request: Request, size: int) -> None:
        """Its body is there, and has no more than so many bytes."""
        spared = request.size - size
        request.size = size
        self._bytes_of[request.identity] -= spared
        self._bytes -= spared

    def submit(self, request: Request, deliveries: Sequence[RequestDelivery], now_s: float) -> None:
        """Hand over at least one payload at `now_s` of a clock that only goes forward."""
        request.left, request.submitted_at = len(deliveries), now_s
        urgent = deliveries[0].address.carries is Carries.EVENT
        (self._urgent if urgent else self._arrived).extend(deliveries)
        self._unanswered.append(request)

    def release(self, request: Request) -> None:
        """The request needs its room no more."""
        if request not in self._under_way:
            return
        self._under_way.remove(request)
        self._bytes -= request.size
        for counter, taken in ((self._requests_of, 1), (self._bytes_of, request.size)):
            counter[request.identity] -= taken
            if not counter[request.identity]:
                del counter[request.identity]
        _tell(request, True)

    def receive(self, at_most: int) -> list[RequestDelivery]:
        """What has arrived, events first."""
        count = min(at_most, len(self._arrived) + len(self._urgent))
        return [(self._urgent or self._arrived).popleft() for _ in range(count)]

    def acknowledge(self, delivery: RequestDelivery) -> None:
        """See Source."""
        request = delivery.request
        request.left -= 1
        if not request.left:
            self.release(request)

    def lose_patience(self, before_s: float) -> None:
        """Let those wait no longer who were submitted before then."""
        waiting = self._unanswered
        while waiting and (waiting[0].done.done() or waiting[0].submitted_at < before_s):
            _tell(waiting.popleft(), False)

    def abandon(self) -> None:
        """Let nobody wait any longer: the bridge ends."""
        for request in self._under_way:
            _tell(request, False)


def _tell(request: Request, stored: bool) -> None:
    """The first word counts; the sender may also have gone."""
    if not request.done.done():
        request.done.set_result(stored)
