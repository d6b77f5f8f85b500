"""Hubs, adapters and concentrators that POST to the HTTPS bridge, each with a token of its own."""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from flexmeter.fleet.direct_uplink import NO_ANSWER, REFUSED, TAKEN, Answer
from flexmeter.fleet.messages import Message

log = logging.getLogger(__name__)

_ACCEPTED = 202
_LATER = (408, 409, 429, 503)
_AGAIN_S = 1.0
_TIMEOUT = ClientTimeout(total=30)


class HttpClient:
    """All of one process, at `http[s]://host:port`; `ca_file` is who signs the bridge's certificate."""

    def __init__(self, url: str, token: Callable[[str], str], ca_file: str = "") -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._ca_file = ca_file
        # A key is for one request, sent as often as need be: another run has others.
        self._run = secrets.token_hex(8)
        self._session: ClientSession | None = None

    async def open(self) -> None:
        """Ask for the description of the server until it is there."""
        context = ssl.create_default_context(cafile=self._ca_file or None)
        self._session = ClientSession(connector=TCPConnector(limit=0, ssl=context), timeout=_TIMEOUT)
        while True:
            try:
                async with self._session.get(f"{self._url}/openapi.json") as response:
                    if response.ok:
                        return
            except ClientError as error:
                log.info("no answer from %s: %s", self._url, error)
            await asyncio.sleep(_AGAIN_S)

    async def send(self, message: Message, number: int) -> Answer:
        """See Client."""
        assert self._session is not None
        headers = {
            "Authorization": f"Bearer {self._token(message.sender)}",
            "Content-Type": message.content,
            "Idempotency-Key": f"{self._run}-{number}",
        }
        try:
            async with self._session.post(
                f"{self._url}/{message.topic}", data=message.payload, headers=headers
            ) as told:
                if told.status in _LATER:
                    return Answer(False, float(told.headers.get("Retry-After", _AGAIN_S)))
                if told.status != _ACCEPTED:
                    log.error("%d for %s: %s", told.status, message.topic, (await told.text())[:500])
                return TAKEN if told.status == _ACCEPTED else REFUSED
        except (ClientError, TimeoutError) as error:
            log.info("no answer for %s: %s", message.topic, error)
            return NO_ANSWER

    async def close(self) -> None:
        """See Client."""
        if self._session is not None:
            await self._session.close()
