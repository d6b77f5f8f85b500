"""Meters that speak CoAP themselves, each an endpoint of its own (RFC 7252)."""

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from aiocoap import POST, Code, Context
from aiocoap import Message as CoapMessage
from aiocoap.error import NetworkError

from flexmeter.fleet.direct_uplink import NO_ANSWER, REFUSED, TAKEN, Answer
from flexmeter.fleet.messages import Message

log = logging.getLogger(__name__)

_FORMATS = {"application/json": 50, "application/senml+cbor": 112}
_LATER = (Code.SERVICE_UNAVAILABLE, Code.TOO_MANY_REQUESTS)
_AGAIN_S = 1.0

Secret = Callable[[str], tuple[bytes, bytes]]
"""Sender to identity and pre-shared key."""


class CoapClient:
    """All meters of one process, at `coap://host[:port]` or `coaps://[identity:key@]host[:port]`, the key in hex.

    With a key in the url all have that one identity; else `secret` says each one's. `first` asks if anyone listens.
    """

    def __init__(self, url: str, secret: Secret | None = None, first: str = "") -> None:
        parts = urlsplit(url)
        self._secured = parts.scheme == "coaps"
        self._url = f"{parts.scheme}://{parts.hostname}:{parts.port or (5684 if self._secured else 5683)}"
        shared = (parts.username or "").encode(), bytes.fromhex(parts.password or "")
        self._secret = secret or (lambda _sender: shared)
        self._first = first
        self._meters: dict[str, Context] = {}

    async def open(self) -> None:
        """Ask the server anything until it answers."""
        while await self._asked(self._first, CoapMessage(code=POST, uri=f"{self._url}/")) is None:
            await asyncio.sleep(_AGAIN_S)

    async def send(self, message: Message, number: int) -> Answer:
        """See Client."""
        content = _FORMATS[message.content]
        uri = f"{self._url}/{message.topic}"
        request = CoapMessage(code=POST, uri=uri, payload=message.payload, content_format=content)
        response = await self._asked(message.sender or message.topic, request)
        if response is None:
            return NO_ANSWER
        if response.code in _LATER:
            return Answer(False, response.opt.max_age or _AGAIN_S)
        return TAKEN if response.code.is_successful() else REFUSED

    async def close(self) -> None:
        """See Client."""
        await asyncio.gather(*(context.shutdown() for context in self._meters.values()))

    async def _asked(self, meter: str, request: CoapMessage) -> CoapMessage | None:
        """The answer; None where there was none."""
        context = self._meters.get(meter)
        if context is None:
            context = self._meters[meter] = await self._new_context(meter)
        try:
            return await context.request(request).response
        except NetworkError as error:
            log.info("no answer for %s: %s", meter, error)
            return None

    async def _new_context(self, meter: str) -> Context:
        context = await Context.create_client_context(transports=["tinydtls" if self._secured else "udp6"])
        if self._secured:
            identity, key = self._secret(meter)
            credentials = {"dtls": {"psk": key, "client-identity": identity}}
            context.client_credentials.load_from_dict({f"{self._url}/*": credentials})
        return context
