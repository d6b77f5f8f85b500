"""From a server's thread to the bridge's and back: requests that are answered when Kafka has what they brought.

Bounded in requests and bytes, in all and for each sender: what is admitted counts from before its body is read until
Kafka has it, whether or not its sender still waits. `admit`, `submit` and `release` belong to the server's thread, a
running asyncio loop; `receive` and `acknowledge` to the bridge's.
"""

import asyncio
import queue
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from connectors.source import Delivery

MOST_BYTES = 64 << 20
MOST_REQUESTS = 4_096
MOST_REQUESTS_OF_ONE = 512


@dataclass(slots=True, eq=False)
class Request:
    """Room that a request takes, and what tells that Kafka has everything of it."""

    identity: str
    size: int
    done: "asyncio.Future[None]"
    left: int = 0


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
        self._arrived: queue.SimpleQueue[RequestDelivery] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: set[Request] = set()
        self._requests_of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()
        self._bytes = 0

    def admit(self, identity: str, size: int) -> Request:
        """Room for a request whose body has at most `size` bytes.

        Raises:
            Full: there is none.

        """
        if len(self._under_way) >= MOST_REQUESTS or self._bytes + size > self._most_bytes:
            raise Full(by_sender=False)
        of_one = self._requests_of[identity] >= MOST_REQUESTS_OF_ONE or (
            0 < self._bytes_of[identity] > self._most_bytes // 8 - size
        )
        if of_one:
            raise Full(by_sender=True)
        self._loop = asyncio.get_running_loop()
        request = Request(identity, size, self._loop.create_future())
        self._under_way.add(request)
        self._requests_of[identity] += 1
        self._bytes_of[identity] += size
        self._bytes += size
        return request

    def submit(self, request: Request, deliveries: Sequence[RequestDelivery]) -> None:
        """Hand over at least one payload; `request.done` tells when Kafka has them all."""
        request.left = len(deliveries)
        for delivery in deliveries:
            self._arrived.put(delivery)

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
        if not request.done.done():
            request.done.set_result(None)

    def receive(self, timeout_s: float, at_most: int) -> list[RequestDelivery]:
        """See Source."""
        if not at_most:
            return []
        found: list[RequestDelivery] = []
        with suppress(queue.Empty):
            found.append(self._arrived.get(timeout=timeout_s))
            while len(found) < at_most:
                found.append(self._arrived.get_nowait())
        return found

    def acknowledge(self, delivery: RequestDelivery) -> None:
        """See Source."""
        request = delivery.request
        request.left -= 1
        if not request.left and self._loop is not None:
            with suppress(RuntimeError):  # the server is closed: nobody waits for an answer
                self._loop.call_soon_threadsafe(self.release, request)

    def abandon(self) -> None:
        """Let nobody wait any longer: the bridge ends."""
        for request in self._under_way:
            if not request.done.done():
                request.done.cancel()
