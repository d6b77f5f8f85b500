"""Meters that speak CoAP themselves: each an endpoint of its own, with one request under way (RFC 7252, 4.7).

aiocoap's loop runs in its caller's thread while `pump` waits. A meter that is told 5.03 or 4.29 comes again when it was
told to; one that hears nothing sends again, with a new request once its retransmissions are spent.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from aiocoap import POST, Code, Context, Message
from aiocoap.error import NetworkError

from flexmeter.fleet.uplink import never
from schemas.errors import Unavailable

log = logging.getLogger(__name__)

MAX_UNDER_WAY = 1_000
_JSON = 50
_AGAIN_S = 1.0
_LATER = (Code.SERVICE_UNAVAILABLE, Code.TOO_MANY_REQUESTS)


class CoapUplink:
    """All meters of one process, at `coap://host[:port]` or `coaps://identity:key@host[:port]`, the key in hexadecimal.

    All have that one identity. Not for several threads.
    """

    gateways = ("meters",)
    """There is none between: every meter speaks for itself."""

    def __init__(self, url: str, stopping: Callable[[], bool] = never) -> None:
        self.acknowledged: Counter[str] = Counter()
        """Messages that the bridge has answered with 2.04, by kind."""
        self.refused = 0
        """Messages that it answered with an error for good."""
        parts = urlsplit(url)
        self._secured = parts.scheme == "coaps"
        self._url = f"{parts.scheme}://{parts.hostname}:{parts.port or (5684 if self._secured else 5683)}"
        self._identity, self._key = (parts.username or "").encode(), bytes.fromhex(parts.password or "")
        self._stopping = stopping
        self._loop = asyncio.new_event_loop()
        self._meters: dict[str, Context] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    @property
    def under_way(self) -> int:
        """Messages sent and not yet answered for good."""
        return len(self._under_way)

    def send(self, gateway: int, topic: str, payload: bytes, kind: str) -> bool:
        """Send one message; waits while that meter has one under way, or all together too many.

        False: not sent, because we are to stop.
        """
        del gateway
        while topic in self._under_way or len(self._under_way) >= MAX_UNDER_WAY:
            if self._stopping():
                return False
            self.pump(0.01)
        self._under_way[topic] = self._loop.create_task(self._post(topic, payload, kind))
        return True

    def pump(self, timeout_s: float) -> None:
        """Let the meters work for so long."""
        self._loop.call_later(timeout_s, self._loop.stop)
        self._loop.run_forever()

    def connect(self, timeout_s: float = 20.0) -> None:
        """Ask the server anything until it answers.

        Raises:
            Unavailable: it does not, within `timeout_s`.

        """
        try:
            self._loop.run_until_complete(asyncio.wait_for(self._ask(), timeout_s))
        except TimeoutError:
            raise Unavailable("coap", f"no answer from {self._url} in {timeout_s:g} s") from None

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

    async def _post(self, topic: str, payload: bytes, kind: str) -> None:
        try:
            while True:
                message = Message(code=POST, uri=f"{self._url}/{topic}", payload=payload, content_format=_JSON)
                response = await self._asked(topic, message)
                if response is not None and response.code not in _LATER:
                    break
                await asyncio.sleep(_AGAIN_S if response is None else response.opt.max_age or _AGAIN_S)
            if response.code.is_successful():
                self.acknowledged[kind] += 1
            else:
                self.refused += 1
        finally:
            del self._under_way[topic]

    async def _ask(self) -> None:
        while await self._asked("", Message(code=POST, uri=f"{self._url}/")) is None:
            await asyncio.sleep(_AGAIN_S)

    async def _asked(self, topic: str, message: Message) -> Message | None:
        """The answer; None where there was none."""
        context = self._meters.get(topic)
        if context is None:
            context = self._meters[topic] = await self._new_context()
        try:
            return await context.request(message).response
        except NetworkError as error:
            log.info("no answer for %s: %s", topic, error)
            return None

    async def _new_context(self) -> Context:
        context = await Context.create_client_context(transports=["tinydtls" if self._secured else "udp6"])
        if self._secured:
            credentials = {"dtls": {"psk": self._key, "client-identity": self._identity}}
            context.client_credentials.load_from_dict({f"{self._url}/*": credentials})
        return context

    async def _shut_down(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await asyncio.gather(*(context.shutdown() for context in self._meters.values()))
