"""Devices that speak to a bridge themselves and hear its answer (CoAP, HTTPS), or a broker's confirm (AMQP).

An event loop that runs in its caller's thread while `pump` waits. What is told to come again does so when it was told
to, and what hears nothing sends again: nothing is given up but by being refused. The messages of one sender to one
address go out one after the other.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import NamedTuple, Protocol

from flexmeter.fleet.messages import Message
from flexmeter.fleet.uplink import never
from schemas.errors import Unavailable

log = logging.getLogger(__name__)

MAX_UNDER_WAY = 1_000


class Answer(NamedTuple):
    """Whether the message was taken; if not, after how many seconds it may come again, None = never."""

    taken: bool
    again_s: float | None = None


TAKEN, REFUSED, NO_ANSWER = Answer(True), Answer(False), Answer(False, 1.0)


class Client(Protocol):
    """A protocol's sending end."""

    async def open(self) -> None:
        """Return when the other side is there."""

    async def send(self, message: Message, number: int) -> Answer:
        """Send once; `number` is the message's, the same when it is sent again."""

    async def close(self) -> None:
        """Leave."""


class DirectUplink:
    """Senders by protocol: `clients` has one for each value of `Message.via`. Not for several threads."""

    def __init__(self, clients: Mapping[str, Client], stopping: Callable[[], bool] = never) -> None:
        self.acknowledged: Counter[str] = Counter()
        """Readings, and payloads of other kinds, that were taken, by kind."""
        self.refused = 0
        """Messages that were answered with an error for good."""
        self._clients = clients
        self._stopping = stopping
        self._loop = asyncio.new_event_loop()
        self._numbers = count()
        self._in_turn: defaultdict[tuple[str, str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """Messages sent and not yet answered for good."""
        return len(self._under_way)

    def send(self, message: Message) -> bool:
        """Send one message; waits while too many are under way. False: not sent, because we are to stop."""
        while len(self._under_way) >= MAX_UNDER_WAY:
            if self._stopping():
                return False
            self.pump(0.01)
        task = self._loop.create_task(self._deliver(message, next(self._numbers)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    def pump(self, timeout_s: float) -> None:
        """Let all work for so long."""
        self._loop.call_later(timeout_s, self._loop.stop)
        self._loop.run_forever()

    def connect(self, timeout_s: float = 20.0) -> None:
        """Wait until every other side is there.

        Raises:
            Unavailable: one is not, within `timeout_s`.

        """
        for via, client in self._clients.items():
            try:
                self._loop.run_until_complete(asyncio.wait_for(client.open(), timeout_s))
            except TimeoutError:
                raise Unavailable(via, f"no answer in {timeout_s:g} s") from None

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything sent is answered; False if it is not after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self._under_way and time.monotonic() < deadline:
            self.pump(0.05)
        return not self._under_way

    def close(self) -> None:
        """Give up what is under way."""
        self._loop.run_until_complete(self._shut_down())
        self._loop.close()

    async def _deliver(self, message: Message, number: int) -> None:
        client = self._clients[message.via]
        async with self._in_turn[message.via, message.topic, message.sender]:
            answer = await client.send(message, number)
            while answer.again_s is not None:
                await asyncio.sleep(answer.again_s)
                answer = await client.send(message, number)
        if answer.taken:
            self.acknowledged[message.kind] += message.holds
        else:
            self.refused += 1
            log.error("%s is refused by %s", message.topic, message.via)

    async def _shut_down(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients.values()))
